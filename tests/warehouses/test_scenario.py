"""The same scenario in every warehouse: what is in the tables is what DuckDB has."""

from __future__ import annotations

import re
import shutil
from threading import Thread
from typing import Any

import pytest

from customergauge_source.exceptions import DestinationError
from customergauge_source.sandbox import Sandbox
from tests.command import Command, until
from tests.support import EMPTY, TABLES, Finished, asked_cursors
from tests.warehouses.chosen import of_each_and_s3, of_each_loaded_often
from tests.warehouses.target import Target
from tests.warehouses.trial import ZONE, Trial, orphans

# The emulators take minutes on a busy machine.
pytestmark = pytest.mark.timeout(900)

NEWS = 22
AWKWARD_TEXTS = (
    "\N{SLIGHTLY SMILING FACE} \N{WOMAN}\u200d\N{GIRL}",
    "\u202e\u05e9\u05dc\u05d5\u05dd\u202c \u0645\u0631\u062d\u0628\u0627",
    "before\0after \ud83d",
    'it\'s "quoted" `so` \\ \\n \\N and\r\n\tbroken',
    "NULL",
    "2026-01-01 00:00:00",
    '{"json": [1, 2]}',
    "%s {0} $1 ? ; -- /*",
    "x" * 100_000,
)


def awkward(full: dict[str, Any]) -> list[Any]:
    """Returns entries of a feed that tempt a loader into mistakes."""
    changes: list[dict[str, Any]] = [
        *({"comment": {"original": text, "translation": text}} for text in AWKWARD_TEXTS),
        {"date_survey_response": "2026-02-30 10:00:00", "date_sent": "soon"},
        {"date_survey_response": None, "date_sent": "1969-12-31 23:59:59"},
        # The hour that Amsterdam skips, and the one that it has twice.
        {"date_sent": "2026-03-29 02:30:00", "date_order": "2026-10-25 02:30:00"},
        {"date_sent": "2026-07-01T12:00:00.123456+05:30", "date_order": "9999-12-30 00:00:00"},
        {"nps": "9", "email": 5, "phone": "007", "follow_up": {"requested": "1"}},
        {"nps": "many", "tags": "none", "contact": "Ms X"},
        {"score": 7, "flag": True, "ratio": 0.1},
        {"questions": [{"title": "", "answer": ["a", "b"]}, {"title": None, "answer": 5}]},
        {"email": "", "unknown": 2.0},
    ]
    records = [
        full | change | {"number_customergauge": 7_000_000 + n} for n, change in enumerate(changes)
    ]
    return [
        "no object",
        None,
        {"status": "response"},
        *records,
        full | {"number_customergauge": 2**53 + 1},
    ]


@of_each_and_s3
def test_every_step_leaves_the_rows_that_duckdb_has(
    trial: Trial, reference: Trial, full: dict[str, Any]
) -> None:
    trials = (trial, reference)
    with Sandbox(responses=200) as sandbox:
        sandbox.append(*awkward(full))
        for each in trials:
            first = each.load(sandbox, per_page=100, timezone=ZONE)
            assert first.resources["responses"].rejected == 3
        assert_equal(trial, reference)

        bring_news(sandbox, full)
        for each in trials:
            each.forget()
            cursor = str(sandbox.keys[-NEWS - 1])
            second = each.load(sandbox, timezone=ZONE)
            assert asked_cursors(sandbox)[0] == cursor
            assert second.resources["responses"].records == NEWS
        assert_equal(trial, reference)
        assert_emptied(trial, sandbox.records[0]["number_customergauge"])

        bring_clashes(sandbox, full)
        for each in trials:
            each.load(sandbox, timezone=ZONE)
        assert_equal(trial, reference)
        assert_text(trial)

        before = [each.committed() for each in trials]
        assert [each.load(sandbox, timezone=ZONE).tables for each in trials] == [{}, {}]
        assert [each.committed() for each in trials] == before


def bring_news(sandbox: Sandbox, full: dict[str, Any]) -> None:
    """Lets responses arrive: new ones, one again without its lists, fields nobody declared."""
    sandbox.arrive(20)
    sandbox.redeliver(sandbox.records[0]["number_customergauge"], nps=0, **EMPTY)
    sandbox.append(
        full
        | {
            "number_customergauge": 8_000_000,
            "unknown": 0.1,
            "whole": 5,
            "broken": 2.5,
            "yes": True,
            "deep": {"er": {"n": 1}},
            "scalars": [1, 2],
            "objects": [{"on": False, "inner": [{"n": 1}]}],
        }
    )


def bring_clashes(sandbox: Sandbox, full: dict[str, Any]) -> None:
    """Lets a response arrive whose undeclared fields hold other kinds of values than before."""
    sandbox.append(
        full
        | {
            "number_customergauge": 8_000_001,
            "unknown": "text",
            "whole": "five",
            "broken": "two and a half",
            "yes": "no",
            "deep": {"er": {"n": "one"}},
            "scalars": ["three"],
            "objects": [{"on": "off", "inner": [{"n": [1]}]}],
        }
    )


def assert_equal(trial: Trial, reference: Trial, but: str = "") -> None:
    """Fails with all values that differ."""
    here, there = trial.tables(), reference.tables()
    for tables in (here, there):
        tables.pop(but, None)
    assert here.keys() == there.keys() >= set(TABLES)
    assert {name: len(rows) for name, rows in here.items()} == {
        name: len(rows) for name, rows in there.items()
    }
    different = [
        (name, ours["_dlt_id"], column, ours.get(column), theirs.get(column))
        for name in here
        for ours, theirs in zip(here[name], there[name], strict=True)
        for column in sorted(ours.keys() | theirs.keys())
        if ours.get(column, "missing") != theirs.get(column, "missing")
    ]
    assert different == []
    assert orphans(here) == []


def assert_emptied(trial: Trial, cgid: int) -> None:
    """Fails if a response that came again without its lists is not there as it came."""
    tables = trial.tables()
    (nps,) = (row["nps"] for row in tables["responses"] if row["number_customergauge"] == cgid)
    assert nps == 0
    for name, rows in tables.items():
        if name.startswith("responses__"):
            assert cgid not in {row["number_customergauge"] for row in rows}


def assert_text(trial: Trial) -> None:
    """Fails if undeclared values, whatever their kind, are not there as text."""
    tables = trial.tables()
    responses = {row["number_customergauge"]: row for row in tables["responses"]}
    unknown = {row["unknown"]: row["email"] for row in responses.values() if row["unknown"]}
    assert unknown.keys() == {"2.0", "0.1", "text"}
    assert unknown["2.0"] == ""
    names = ("whole", "broken", "yes", "deep__er__n")
    assert [responses[8_000_000][name] for name in names] == ["5", "2.5", "true", "1"]
    assert [responses[8_000_001][name] for name in names] == ["five", "two and a half", "no", "one"]
    assert [row["value"] for row in tables["responses__scalars"]] == ["1", "2", "three"]
    assert [row["on"] for row in tables["responses__objects"]] == ["false", "off"]


@of_each_loaded_often
def test_the_command_loads_checks_tells_of_dropped_tables_refreshes_and_restores(
    command: Command, warehouse: Target, trial: Trial, reference: Trial, full: dict[str, Any]
) -> None:
    command.program = warehouse.program
    with Sandbox(responses=60) as sandbox:

        def run(*options: str) -> Finished:
            place = ("--destination", warehouse.destination, "--dataset", trial.dataset)
            return command(sandbox, *place, "--json", *options, **warehouse.env)

        def told(*options: str) -> dict[str, Any]:
            ended = run(*options)
            assert ended.code == 0, ended.err
            return ended.summary

        assert told()["resources"]["responses"]["records"] == 60
        assert trial.staged() == 0
        reference.load(sandbox)
        assert_equal(trial, reference)
        assert told("--check")["ok"] is True

        with trial.pipeline().sql_client() as sql:
            sql.drop_tables("responses__tags", "_dlt_loads")
        sandbox.arrive(5)
        refused = run()
        assert refused.code == DestinationError.exit_code
        assert re.search(r"lacks .*responses__tags.* made\.", refused.err)
        assert "--full-refresh" in refused.err

        assert told("--full-refresh")["resources"]["responses"]["records"] == 65
        reference.load(sandbox)
        assert_equal(trial, reference)

        sandbox.append(full | EMPTY | {"number_customergauge": 9_000_000, "late": "column"})
        sandbox.redeliver(sandbox.records[0]["number_customergauge"], **EMPTY)
        shutil.rmtree(command.folder / "dlt")
        assert told()["resources"]["responses"]["records"] == 2
        assert told()["tables"] == {}
        reference.load(sandbox)
        assert_equal(trial, reference)


@of_each_loaded_often
def test_a_reconciliation_makes_the_tables_what_the_account_is(
    trial: Trial, reference: Trial
) -> None:
    with Sandbox(responses=200, latency=0.1) as sandbox:
        trial.load(sandbox)
        edited, removed, moved = change_silently(sandbox)

        def arrive() -> None:
            until(lambda: len(sandbox.data_requests) > asked + 1)
            sandbox.arrive(30)

        told = trial.reconcile(sandbox, dry_run=True)
        assert trial.committed() == 1
        asked, arriving = len(sandbox.data_requests), Thread(target=arrive)
        arriving.start()
        found = trial.reconcile(sandbox, checkpoint_pages=1)
        arriving.join()

        assert found.deleted_ids == told.deleted_ids == sorted(removed)
        assert found.changed_ids == told.changed_ids == sorted({*edited, *moved})
        assert (told.added, found.added) == (0, 30)
        trial.forget()
        trial.load(sandbox)
        reference.load(sandbox)
        assert_equal(trial, reference, but="deleted_responses")
        noted = trial.tables()["deleted_responses"]
        assert sorted(row["number_customergauge"] for row in noted) == sorted(removed)

        before = trial.committed()
        again = trial.reconcile(sandbox)
        assert (again.added, again.changed, again.deleted) == (0, 0, 0)
        assert trial.committed() == before

        inside, outside = sandbox.records[-1], sandbox.records[0]
        for record in (inside, outside):
            sandbox.remove(record["number_customergauge"])
        day = inside["date_survey_response"][:10]
        of_a_day = trial.reconcile(sandbox, period=(day, day))
        assert of_a_day.deleted_ids == [inside["number_customergauge"]]


def change_silently(sandbox: Sandbox) -> tuple[list[int], list[int], list[int]]:
    """Edits, removes and moves responses; returns which."""
    records = sandbox.records
    cgids = [record["number_customergauge"] for record in records]
    edited, removed, moved = cgids[:50], cgids[50:70], cgids[70:75]
    for place, cgid in enumerate(edited):
        sandbox.edit(cgid, **(EMPTY if place % 2 else {"nps": place % 11, "email": None}))
    for cgid in removed:
        sandbox.remove(cgid)
    for cgid in moved:
        sandbox.edit(cgid, date_survey_response="2021-01-01 00:00:00")
    day = records[150]["date_survey_response"][:10]
    left = {record["number_customergauge"] for record in sandbox.records}
    sandbox.empty_day(day)
    removed += left - {record["number_customergauge"] for record in sandbox.records}
    return edited, removed, moved
