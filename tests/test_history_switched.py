"""A dataset has one version of each record, or all: changing that takes a full refresh."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from customergauge_source.dlt_bridge.keeping import VERSIONS_OF
from customergauge_source.sandbox import Sandbox
from customergauge_source.tables.shape import DELETED
from tests.command import Command
from tests.histories import HISTORY, present, shown
from tests.killed_at import KILL_AT
from tests.support import EMPTY, Finished, at_length, make_pipeline, query
from tests.test_crashes import EVENTS
from tests.truth import differences
from tests.viewing import told, views_in, wrong

KEY = "number_customergauge"
MOMENTS = ("sql> DROP TABLE", "sql< DROP TABLE")
OPTIONS = ("--per-page", "20", "--resources", "responses", "non_responses")
WAYS = {"to a history": ({}, HISTORY), "from a history": (HISTORY, {})}


def succeeded(ended: Finished) -> Finished:
    """Fails unless a run has succeeded."""
    assert ended.code == 0, ended.err
    return ended


def is_history(how: dict[str, str]) -> bool:
    """Says whether all versions are kept."""
    return how == HISTORY


def wrong_with(file: Path, sandbox: Sandbox, how: dict[str, str]) -> list[str]:
    """Returns what is wrong with the tables, the views and the schema of a dataset."""
    records = [it for it in sandbox.records if isinstance(it, dict)]
    found: list[Any] = wrong(file, told(sandbox))
    if is_history(how):
        found += differences(present(file), records) + differences(shown(file), records)
    else:
        found += differences(file, records)
    found = [it for it in found if not it.startswith("rejected: {'record': '\"no record\"'")]
    marked = query(file, f"SELECT table_name FROM duckdb_columns() WHERE column_name = '{DELETED}'"
        " AND schema_name = current_schema() ORDER BY 1")  # fmt: skip
    if [name for (name,) in marked] != ([] if is_history(how) else ["non_responses", "responses"]):
        found.append(f"{DELETED} is in {marked}")
    if any(name.startswith("current_") for name in views_in(file)) != is_history(how):
        found.append(f"views: {views_in(file)}")
    return found + wrong_hints(file, how)


def wrong_hints(file: Path, how: dict[str, str]) -> list[str]:
    """Returns which tables of the stored schema say that they are kept in another way."""
    pipeline = make_pipeline(file.parent)
    pipeline.sync_destination()
    kept = ("append", True, False) if is_history(how) else ("merge", False, True)
    found = {
        name: (
            table["write_disposition"],
            VERSIONS_OF in table,
            any(it.get("primary_key") for it in table["columns"].values()),
        )
        for name, table in pipeline.schemas["customergauge"].tables.items()
        if not name.startswith("_dlt") and "parent" not in table
    }
    return [f"{name} is {it}" for name, it in found.items() if it != kept]


@pytest.mark.parametrize("way", at_length(WAYS, short=["from a history"]))
def test_a_full_refresh_alone_changes_how_records_are_kept_and_leaves_nothing_behind(
    command: Command, way: str
) -> None:
    before, after = WAYS[way]
    with Sandbox(responses=60) as sandbox:
        sandbox.append("no record")
        sandbox.redeliver(sandbox.records[0][KEY], nps=0, **EMPTY)
        succeeded(command(sandbox, *OPTIONS, "--views", **before))
        assert wrong_with(command.file, sandbox, before) == []

        asked = len(sandbox.requests)
        ended = command(sandbox, *OPTIONS, **after)
        assert ended.code == 2, ended.err
        lines = ended.err.splitlines()
        assert [line.split(": ")[0] for line in lines] == ["Error", "What to do"], ended.err
        assert f"history is {str(is_history(after)).lower()}" in lines[0]
        assert "--full-refresh" in lines[1]
        assert len(sandbox.requests) == asked
        check = command(sandbox, *OPTIONS, "--check", **after)
        assert check.code == 2
        assert f"history is {str(is_history(after)).lower()}" in check.out + check.err
        assert wrong_with(command.file, sandbox, before) == []

        succeeded(command(sandbox, *OPTIONS, "--views", "--full-refresh", **after))
        assert wrong_with(command.file, sandbox, after) == []
        assert command(sandbox, *OPTIONS, "--check", **after).code == 0
        for _ in range(2):
            sandbox.arrive(3)
            sandbox.redeliver(sandbox.records[0][KEY], nps=5, tags=[])
            succeeded(command(sandbox, *OPTIONS, **after))
            assert wrong_with(command.file, sandbox, after) == []
        sandbox.edit(sandbox.records[9][KEY], nps=4, **EMPTY)
        sandbox.remove(sandbox.records[10][KEY])
        succeeded(command(sandbox, *OPTIONS, "--reconcile", **after))
        assert wrong_with(command.file, sandbox, after) == []


@pytest.mark.long
@pytest.mark.parametrize("moment", [*MOMENTS, *EVENTS])
@pytest.mark.parametrize("way", WAYS)
def test_a_change_that_is_killed_is_completed_by_another_and_refused_until_then(
    command: Command, way: str, moment: str
) -> None:
    before, after = WAYS[way]
    with Sandbox(responses=60) as sandbox:
        succeeded(command(sandbox, *OPTIONS, "--views", **before))
        sandbox.remove(sandbox.records[10][KEY])
        kill = {KILL_AT: moment}
        died = command(sandbox, *OPTIONS, "--views", "--full-refresh", **after, **kill)
        assert died.code == -signal.SIGKILL or moment in EVENTS, died.err
        ended = command(sandbox, *OPTIONS, "--views", **after)
        if ended.code == 0:  # it was killed after the first package of the new kind
            assert wrong_with(command.file, sandbox, after) == []
        else:
            assert ended.code in {2, 5}, ended.err
            assert "--full-refresh" in ended.err
        succeeded(command(sandbox, *OPTIONS, "--views", "--full-refresh", **after))
        assert wrong_with(command.file, sandbox, after) == []
