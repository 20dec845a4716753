"""`history = true` in a database: each version is there once, and the present state is right."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import duckdb
import pytest

from customergauge_source import LoadSummary, load_in_checkpoints, reconcile
from customergauge_source.dlt_bridge.dataset import opened
from customergauge_source.exceptions import ConfigurationError
from customergauge_source.report.data import collect
from customergauge_source.report.queries import Span
from customergauge_source.resources.positions import UpdatedWindows
from customergauge_source.sandbox import Sandbox
from tests.histories import apart, numbered, present, rows_of, shown
from tests.kills import missing_or_wrong
from tests.support import DATASET, EMPTY, at_length, make_pipeline, make_source, query
from tests.test_privacy import KEY as KEY_OF_HASHES
from tests.test_privacy import POLICY, as_policy_says
from tests.truth import differences
from tests.viewing import NON_RESPONSES, bring_oddities, told, wrong

KEY = "number_customergauge"
ALL = ["responses", "non_responses", "close_loop"]
FILE = "customergauge.duckdb"
Record = dict[str, Any]


def load(folder: Path, sandbox: Sandbox, **arguments: Any) -> LoadSummary:
    """Loads what is new into a history, and makes the views."""
    how = {name: arguments.pop(name) for name in ("full_refresh", "views") if name in arguments}
    source = {"history": True, "resources": ALL, "per_page": 20, **arguments}
    return load_in_checkpoints(
        make_pipeline(folder), make_source(sandbox, **source), checkpoint_pages=2,
        **{"views": True, **how},
    )  # fmt: skip


def merged(folder: Path, sandbox: Sandbox, **arguments: Any) -> Path:
    """Loads what is new into tables that are merged; returns their file."""
    into = folder / "merged"
    into.mkdir(exist_ok=True)
    load(into, sandbox, **{"history": None, "views": False, **arguments})
    return into / FILE


def wrong_with(
    file: Path, sandbox: Sandbox, versions: Iterable[Record], *, others: bool = True
) -> list[str]:
    """Returns what is wrong with a history of an account, whose versions came in an order."""
    told = differences(apart(file), numbered(versions))
    for state in (present(file), shown(file)):
        told += differences(state, sandbox.records)
        if others:
            told += missing_or_wrong(state, "non_responses", sandbox.records_of(NON_RESPONSES))
            told += missing_or_wrong(state, "close_loop", sandbox.records_of("close-loop"))
    return told


def report(folder: Path) -> Any:
    """Returns the data of a report of all responses, less what tells of the loads."""
    with opened(make_pipeline(folder), "customergauge") as dataset:
        data = collect(dataset.ask, "customergauge", dataset.tables, Span(), dataset.hidden)
    return comparable(data)


def comparable(value: Any) -> Any:
    """Returns data of a report with lists in one order, less what tells of the loads."""
    if isinstance(value, Mapping):
        left_out = ("last_load", "loads", "deleted", "deleted_responses")
        return {name: comparable(it) for name, it in value.items() if name not in left_out}
    return sorted(map(comparable, value), key=json.dumps) if isinstance(value, list) else value


def test_each_version_is_there_once_and_the_present_state_is_the_account(workdir: Path) -> None:
    file = workdir / FILE
    with Sandbox(responses=60) as sandbox:
        load(workdir, sandbox)
        versions = sandbox.records
        assert wrong_with(file, sandbox, versions) == []
        assert load(workdir, sandbox).tables == {}

        first, second, third, *_ = (record[KEY] for record in versions)
        sandbox.edit(third, nps=1, **EMPTY)
        versions.append(sandbox.records[2])
        back = [sandbox.records[place] for place in (20, 30)]
        for record in (*back, sandbox.records[40]):
            sandbox.remove(record[KEY])
        for expected in ((0, [third], 3), (0, [], 0)):
            source = make_source(sandbox, history=True, per_page=20)
            found = reconcile(make_pipeline(workdir), source, checkpoint_pages=2).reconcile
            assert found is not None
            assert (found.added, found.changed_ids, found.deleted) == expected
        assert wrong_with(file, sandbox, versions) == []

        sandbox.append(*back)
        sandbox.arrive(5)
        for lists in ({"tags": [{"label": "again", "type": "tag"}]}, EMPTY):
            sandbox.redeliver(first, nps=0, **lists)
        sandbox.redeliver(second, **EMPTY)
        sandbox.become_response(sandbox.records_of(NON_RESPONSES)[3][KEY], vanishes=False)
        versions += sandbox.records[57:]
        shutil.rmtree(workdir / "pipelines")
        load(workdir, sandbox)
        assert wrong_with(file, sandbox, versions) == []
        assert rows_of(shown(file)) == rows_of(merged(workdir, sandbox))


@pytest.mark.parametrize("per_page", at_length([20, 1], short=[20]))
def test_what_is_twice_in_a_load_is_there_twice_and_counts_as_it_came_last(
    workdir: Path, full: Record, per_page: int
) -> None:
    """On a page, and on two pages that are one package, with steps of the user's and without."""
    again = [full | {"nps": nps, "tags": [{"label": f"{nps}", "type": "tag"}]} for nps in (3, 7, 5)]
    with Sandbox(records=again) as sandbox:
        seen: list[int] = []

        def see(record: Record) -> Record:
            seen.append(record["nps"])
            return record

        for name in ("without", "with"):
            folder = workdir / name
            folder.mkdir()
            source = make_source(sandbox, history=True, per_page=per_page)
            if name == "with":
                source.responses.add_map(see)
            summary = load_in_checkpoints(make_pipeline(folder), source, views=True)
            assert summary.resources["responses"].records == len(again)
            assert wrong_with(folder / FILE, sandbox, again, others=False) == []
            ((schema,),) = query(folder / FILE, "SELECT schema FROM _dlt_version")
            assert "dedup_sort" not in schema  # dlt would warn of what an append makes nothing of
        assert seen == [3, 7, 5]


def test_undeclared_fields_and_lists_of_one_version_are_its_own(
    workdir: Path, full: Record
) -> None:
    news = {"wave": 7, "tags": [{"label": "x", "weight": 2}], "fresh": [{"a": [1, 2]}, {"b": "c"}]}
    with Sandbox(records=[full]) as sandbox:
        load(workdir, sandbox, resources=None, views=False)
        once = merged(workdir, sandbox, resources=None)
        for change in (news, {"wave": "eight", "fresh": []}):
            sandbox.redeliver(full[KEY], **change)
            load(workdir, sandbox, resources=None)
            merged(workdir, sandbox, resources=None)
        file = workdir / FILE

        rows = "SELECT wave FROM {}responses ORDER BY _dlt_load_id"
        assert query(file, rows.format("")) == [(None,), ("7",), ("eight",)]
        assert query(file, rows.format("current_")) == [("eight",)]
        for table, count in (("fresh", 2), ("fresh__a", 2)):
            loads = f"SELECT count(*), count(DISTINCT _dlt_load_id) FROM responses__{table}"
            assert query(file, loads) == [(count, 1)]
        assert rows_of(shown(file)) == rows_of(present(file))
        assert rows_of(shown(file)) == rows_of(once)


def test_views_and_report_over_a_history_are_those_over_merged_tables(workdir: Path) -> None:
    with Sandbox(responses=120) as sandbox:
        bring_oddities(sandbox)
        load(workdir, sandbox)
        sandbox.redeliver(sandbox.records[5][KEY], nps=0, **EMPTY)
        sandbox.arrive(5)
        load(workdir, sandbox, views=False)
        cgids = sandbox.records[10][KEY], sandbox.records[11][KEY]
        sandbox.edit(cgids[0], nps=0, properties=[{"field": "Edited", "reference": "yes"}])
        sandbox.remove(cgids[1])
        source = make_source(sandbox, history=True)
        reconcile(make_pipeline(workdir), source, views=True)
        merged(workdir, sandbox)

        assert wrong(workdir / FILE, told(sandbox)) == []
        assert report(workdir) == report(workdir / "merged")


def test_a_policy_holds_for_each_version(workdir: Path) -> None:
    policy = {**POLICY, "key": KEY_OF_HASHES}
    with Sandbox(responses=30) as sandbox:
        secrets = {record["email"] for record in sandbox.records}
        load(workdir, sandbox, privacy=policy, resources=None, views=False)
        sandbox.redeliver(sandbox.records[0][KEY], nps=0, **EMPTY)
        load(workdir, sandbox, privacy=policy, resources=None)
        hashed = [as_policy_says(record) for record in sandbox.records]

    file = workdir / FILE
    assert differences(apart(file), numbered(hashed)) == []
    assert differences(shown(file), hashed) == []
    text = str([query(file, f'FROM "{table}"') for (table,) in query(file, "SHOW TABLES")])
    assert "promoter" in text or "response" in text
    assert not [secret for secret in secrets if secret in text]


def test_a_reconciliation_appends_what_differs_from_the_latest_version_alone(workdir: Path) -> None:
    file = workdir / FILE

    def found(sandbox: Sandbox) -> tuple[list[int], int]:
        source = make_source(sandbox, history=True, per_page=20)
        told = reconcile(make_pipeline(workdir), source, checkpoint_pages=1).reconcile
        assert told is not None
        ((rows,),) = query(file, "SELECT count(*) FROM responses")
        return told.changed_ids, rows

    with Sandbox(responses=60) as sandbox:
        first, second, third = (record[KEY] for record in sandbox.records[:3])
        for nps in (1, 2):
            for cgid in (first, second):
                sandbox.redeliver(cgid, nps=nps)
        load(workdir, sandbox, resources=["responses"], views=False)
        assert found(sandbox) == ([], 64)  # the feed brings what is no more, too

        sandbox.edit(second, nps=1)  # back to what it was before
        sandbox.edit(third, nps=4, **EMPTY)
        assert found(sandbox) == (sorted([second, third]), 66)
        assert found(sandbox) == ([], 66)
        assert differences(present(file), sandbox.records) == []


def test_a_feed_that_brings_cases_again_adds_those_that_changed_alone(workdir: Path) -> None:
    def added(sandbox: Sandbox) -> int:
        summary = load(workdir, sandbox, resources=["close_loop"], views=False)
        return summary.tables.get("close_loop", 0)

    with Sandbox(responses=60) as sandbox:
        cases = sandbox.records_of("close-loop")
        assert added(sandbox) == len(cases)
        sandbox.change_case(cases[0][KEY], "closed", note="called back")
        assert [added(sandbox) for _ in range(3)] == [1, 0, 0]
        state = present(workdir / FILE)
        assert missing_or_wrong(state, "close_loop", sandbox.records_of("close-loop")) == []


def test_a_case_that_comes_before_a_stop_is_there_even_if_it_is_in_no_later_window(
    workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A week without a load, and then one that stops on its first page."""
    now = datetime.now(timezone.utc)

    def added(**how: Any) -> int:
        source = make_source(sandbox, history=True, resources=["close_loop"], per_page=1)
        told = load_in_checkpoints(make_pipeline(workdir), source, checkpoint_pages=1, **how)
        return told.tables.get("close_loop", 0)

    with Sandbox(responses=60) as sandbox:
        first, second = (it[KEY] for it in sandbox.records_of("close-loop")[:2])
        with monkeypatch.context() as patch:
            patch.setattr(UpdatedWindows, "_today", (now - timedelta(days=10)).date())
            added()
            sandbox.change_case(first, "progress", updated_at=now - timedelta(days=10))
            assert added() == 1
        for cgid, days in ((first, 5), (second, 4)):
            sandbox.change_case(cgid, "closed", updated_at=now - timedelta(days=days))
        assert [added(max_pages=1), added(), added()] == [1, 1, 0]
        state = present(workdir / FILE)
        assert missing_or_wrong(state, "close_loop", sandbox.records_of("close-loop")) == []


def test_a_clock_that_is_behind_the_last_load_is_told_before_anything_is_requested(
    workdir: Path,
) -> None:
    with Sandbox(responses=20) as sandbox:
        load(workdir, sandbox, resources=["responses"])
        with duckdb.connect(str(workdir / FILE)) as connection:
            connection.execute(f"UPDATE {DATASET}._dlt_loads SET inserted_at = '2058-08-07'")
        asked = len(sandbox.requests)
        with pytest.raises(ConfigurationError, match="would seem older") as refused:
            load(workdir, sandbox, resources=["responses"])
        assert "clock" in refused.value.remedy
        assert len(sandbox.requests) == asked
