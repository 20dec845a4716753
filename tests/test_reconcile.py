"""`--reconcile`: the tables become what the account is, and nothing goes on a suspicion."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Collection, Iterator
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import duckdb
import pytest
from dlt.common.schema import Schema

from customergauge_source import LoadSummary, reconcile
from customergauge_source.api.page import Decoder
from customergauge_source.exceptions import (
    ConfigurationError,
    CustomerGaugeError,
    RemovalRefusedError,
)
from customergauge_source.resources import RESPONSES as RESPONSES_OF_THE_API
from customergauge_source.sandbox import DETRACTORS_FILTER, PROMOTERS_FILTER, Fault, Sandbox
from customergauge_source.sandbox import tokens as sandbox_tokens
from customergauge_source.tables.catalog import Catalog, Target
from customergauge_source.tables.read import Reader
from customergauge_source.tables.shape import DELETED, DIGEST, SCOPE
from tests.command import Command, until
from tests.support import (
    DATASET,
    EMPTY,
    Finished,
    asked_cursors,
    make_pipeline,
    make_source,
    query,
)
from tests.test_crashes import missing_or_wrong
from tests.truth import differences, loaded, stored_cursor

RESPONSES = 150
KEY = "number_customergauge"
ALL = ("--resources", "responses", "non_responses", "close_loop")
OPTIONS = ("--per-page", "20", "--json")
EDITS: tuple[dict[str, Any], ...] = (
    EMPTY,
    {"tags": [{"label": "edited", "type": "tag"}]},
    {"selected_drivers": [{"primary": "Price", "secondary": ["Edited", "Rising"]}]},
    {"contact": {"first_name": None, "last_name": None}, "email": None, "phone": None},
    {"nps": 3, "status": "edited", "comment": {"original": "Edited", "translation": None}},
)


def load_once(server: subprocess.Popen[str], folder: Path) -> Path:
    """Returns a DuckDB file with all that an account of 150 responses has."""
    first = Command(server, folder)
    with Sandbox(responses=RESPONSES) as sandbox:
        ended = first(sandbox, *OPTIONS, *ALL)
        assert ended.code == 0, ended.err
    return first.file


@pytest.fixture(scope="module")
def first_load(
    fork_server: subprocess.Popen[str], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """What `load_once` returns; the destination is the only memory, so a copy goes on."""
    return load_once(fork_server, tmp_path_factory.mktemp("loaded"))


@pytest.fixture
def sandbox(command: Command, first_load: Path) -> Iterator[Sandbox]:
    """An account of which everything is in the command's DuckDB file."""
    shutil.copyfile(first_load, command.file)
    with Sandbox(responses=RESPONSES) as running:
        yield running


def run(command: Command, sandbox: Sandbox, *options: str) -> Finished:
    """Runs `--reconcile`."""
    return command(sandbox, *OPTIONS, "--reconcile", *options)


def found(ended: Finished) -> dict[str, Any]:
    """Returns what a reconciliation that succeeded has found."""
    assert ended.code == 0, ended.err
    told: dict[str, Any] = ended.summary["reconcile"]
    return told


def ids(told: dict[str, Any]) -> tuple[list[int], list[int], list[int]]:
    """Returns the CGIDs that were added, changed and deleted."""
    kinds = ("added", "changed", "deleted")
    assert [told[kind] for kind in kinds] == [len(told[f"{kind}_ids"]) for kind in kinds]
    return told["added_ids"], told["changed_ids"], told["deleted_ids"]


def cgids(records: list[Any]) -> list[int]:
    return [record[KEY] for record in records]


def contents(file: Path) -> dict[str, list[str]]:
    """Returns all rows of all tables of a DuckDB file, dlt's own included."""
    with duckdb.connect(str(file), read_only=True) as connection:
        names = connection.execute("SELECT schema_name, table_name FROM duckdb_tables()").fetchall()
        return {
            f"{schema}.{table}": sorted(
                map(str, connection.execute(f'FROM "{schema}"."{table}"').fetchall())
            )
            for schema, table in names
        }


def noted(file: Path, table: str = "deleted_responses") -> list[int]:
    """Returns the CGIDs that are noted as removed, sorted."""
    return [cgid for (cgid,) in query(file, f"SELECT {KEY} FROM {table} ORDER BY 1")]


def tables_with(file: Path, *keys: int) -> set[str]:
    """Returns the tables of responses in which one of these CGIDs has a row."""
    listed = ", ".join(map(str, keys))
    tables = query(
        file,
        "SELECT table_name FROM duckdb_columns()"
        f" WHERE schema_name = '{DATASET}' AND column_name = '{KEY}'"
        " AND regexp_matches(table_name, '^(deleted_)?responses(__|$)')",
    )
    rows = f"SELECT count(*) FROM {{}} WHERE {KEY} IN ({listed})"
    return {table for (table,) in tables if query(file, rows.format(table)) != [(0,)]}


def marked(file: Path) -> list[str]:
    """Returns the tables in which the marker column is not NULL throughout."""
    tables = query(
        file,
        "SELECT table_name FROM duckdb_columns()"
        f" WHERE schema_name = '{DATASET}' AND column_name = '{DELETED}'",
    )
    assert tables
    rows = f"SELECT count({DELETED}) FROM {{}}"
    return [table for (table,) in tables if query(file, rows.format(table)) != [(0,)]]


def later(moment: str, days: int) -> str:
    """Returns a timestamp of the API, some days later."""
    return str(datetime.fromisoformat(moment) + timedelta(days=days))


def period(start: str, end: str, field: str = "date_survey_response") -> tuple[str, ...]:
    return ("--period-field", field, "--start-date", start, "--end-date", end)


def day_of(record: dict[str, Any]) -> str:
    return str(record["date_survey_response"])[:10]


def asked_for(sandbox: Sandbox, since: int) -> list[int]:
    """Returns the CGIDs that were asked for, since so many requests."""
    asked = [dict(request.query).get(KEY) for request in sandbox.data_requests[since:]]
    return [int(cgid) for cgid in asked if cgid is not None]


def test_tables_equal_the_account_after_edits_removals_moves_and_arrivals(command: Command) -> None:
    file = command.file
    with Sandbox(responses=300, latency=0.02) as sandbox:
        assert command(sandbox, *OPTIONS).code == 0
        cursor = stored_cursor(file)
        (day, _), *_ = Counter(map(day_of, sandbox.records)).most_common()
        emptied = cgids([it for it in sandbox.records if day_of(it) == day])
        others = [it for it in sandbox.records if day_of(it) != day]
        chosen = random.Random(11).sample(others, 75)  # noqa: S311 - to be repeated
        for place, record in enumerate(chosen[:50]):
            sandbox.edit(record[KEY], **EDITS[place % len(EDITS)])
        for record in chosen[50:55]:
            moved = later(record["date_survey_response"], 40)
            sandbox.edit(record[KEY], date_survey_response=moved)
        for record in chosen[55:]:
            sandbox.remove(record[KEY])
        assert sandbox.empty_day(day) == len(emptied) > 1
        changed, gone = sorted(cgids(chosen[:55])), sorted(cgids(chosen[55:]) + emptied)

        before = contents(file)
        dry = found(run(command, sandbox, "--dry-run"))
        assert contents(file) == before
        assert (dry["dry_run"], dry["read"], dry["refused"]) == (True, len(sandbox.records), {})
        assert ids(dry) == ([], changed, gone)
        assert {**dry["resources"]["responses"]}.items() <= dry.items()

        served = sandbox.pages_served
        running = command.start(sandbox, *OPTIONS, "--reconcile")
        until(lambda: sandbox.pages_served > served + 4)
        sandbox.arrive(30)
        told = found(running.finish())

        assert ids(told) == (sorted(cgids(sandbox.records[-30:])), changed, gone)
        assert differences(file, sandbox.records) == []
        assert noted(file) == gone
        assert tables_with(file, *gone) == {"deleted_responses"}
        assert marked(file) == []
        assert stored_cursor(file) == cursor
        named = query(
            file,
            "SELECT column_name, data_type FROM duckdb_columns() WHERE schema_name = current_schema"
            "() AND table_name = 'deleted_responses' AND column_name[:4] <> '_dlt'",
        )
        assert dict(named) == {KEY: "BIGINT", "noticed_at": "TIMESTAMP WITH TIME ZONE"}
        ((first, last),) = query(
            file, "SELECT min(noticed_at), max(noticed_at) FROM deleted_responses"
        )
        now = datetime.now(timezone.utc)
        assert now - timedelta(minutes=5) < first <= last < now

        after = contents(file)
        again = run(command, sandbox)
        assert ids(found(again)) == ([], [], [])
        assert (again.summary["tables"], again.summary["checkpoints"]) == ({}, 0)
        assert contents(file) == after

        sandbox.arrive(7)
        assert command(sandbox, *OPTIONS).code == 0
        assert asked_cursors(sandbox)[0] == str(cursor)
        assert differences(file, sandbox.records) == []


def test_a_response_goes_with_all_that_is_below_it_undeclared_lists_too(
    command: Command, sandbox: Sandbox
) -> None:
    below = {"channels": ["sms", "mail"], "steps": [{"name": "a", "parts": [1, 2]}]}
    sandbox.append({KEY: 5, "date_sent": "never", **below}, {KEY: 6, **below})
    assert command(sandbox, *OPTIONS).code == 0
    assert {"responses__rejected_values", "responses__steps__parts"} < tables_with(command.file, 5)
    six = tables_with(command.file, 6)
    sandbox.remove(5)

    assert ids(found(run(command, sandbox))) == ([], [], [5])
    assert tables_with(command.file, 5) == {"deleted_responses"}
    assert tables_with(command.file, 6) == six
    assert marked(command.file) == []


@pytest.mark.long
def test_each_suspect_costs_one_request_and_unchanged_rows_are_not_written(
    command: Command, sandbox: Sandbox
) -> None:
    gone, edited = cgids(sandbox.records)[30:34], sandbox.records[100][KEY]
    for cgid in gone:
        sandbox.remove(cgid)
    sandbox.edit(edited, nps=2, tags=[], questions=[])
    ended = run(command, sandbox)

    assert ids(found(ended)) == ([], [edited], sorted(gone))
    *suspects, witness = asked_for(sandbox, 0)
    assert suspects == sorted(gone)
    assert witness in cgids(sandbox.records)
    pages = -(-len(sandbox.records) // 20) + 1
    assert len(sandbox.data_requests) == pages + len(gone) + 1
    rows = ended.summary["tables"]
    assert (rows["responses"], rows["deleted_responses"]) == (1, len(gone))
    assert not {"responses__tags", "responses__questions"} & {it for it in rows if rows[it]}


@pytest.mark.long
def test_before_the_first_load_all_is_added_and_the_first_load_is_as_ever(command: Command) -> None:
    with Sandbox(responses=30) as sandbox:
        told = found(run(command, sandbox))
        assert ids(told) == (sorted(cgids(sandbox.records)), [], [])
        assert differences(command.file, sandbox.records) == []
        sandbox.arrive(3)
        assert command(sandbox, *OPTIONS).code == 0
        assert asked_cursors(sandbox)[0] is None
        assert differences(command.file, sandbox.records) == []
        assert stored_cursor(command.file) == sandbox.keys[-1]


def test_a_period_is_compared_with_itself_and_what_moved_is_merged(
    command: Command, sandbox: Sandbox
) -> None:
    records = sorted(sandbox.records, key=lambda it: it["date_survey_response"])
    start, end = day_of(records[50]), day_of(records[100])
    inside = [it for it in records if start <= day_of(it) <= end]
    margin = [it for it in records if day_of(it) == later(end, 1)[:10]]
    gone, out, one_day_out, edited, *_ = cgids(inside)
    moved_in, far_gone = records[0][KEY], records[1]
    sandbox.edit(out, date_survey_response=later(f"{end} 12:00:00", 30), nps=1)
    sandbox.edit(one_day_out, date_survey_response=later(f"{end} 12:00:00", 1))
    sandbox.edit(edited, tags=[{"label": "edited", "type": "tag"}])
    sandbox.edit(moved_in, date_survey_response=f"{start} 00:00:00")
    for cgid in (gone, far_gone[KEY], margin[0][KEY]):
        sandbox.remove(cgid)
    told = found(run(command, sandbox, *period(start, end)))

    changed = sorted([out, one_day_out, edited, moved_in])
    assert ids(told) == ([], changed, [gone])
    assert differences(command.file, [*sandbox.records, far_gone, margin[0]]) == []
    *suspects, witness = asked_for(sandbox, 0)
    assert suspects == sorted([gone, out])
    assert witness in cgids(sandbox.records)
    days = {
        (asked["period[start]"], asked["period[end]"])
        for asked in (dict(request.query) for request in sandbox.data_requests)
        if KEY not in asked
    }
    assert days == {(later(start, -2)[:10], later(end, 2)[:10])}
    assert ids(found(run(command, sandbox, *period(start, end)))) == ([], [], [])


def test_an_emptied_day_is_removed_though_no_record_of_its_period_comes(
    command: Command, sandbox: Sandbox
) -> None:
    chosen = sandbox.records[75]["date_sent"]
    day, *margin = (later(chosen, offset)[:10] for offset in (0, -2, -1, 1, 2))
    kept = [it for it in sandbox.records if it["date_sent"][:10] in margin]
    gone = cgids([it for it in sandbox.records if it["date_sent"][:10] == day])
    for empty in (day, *margin):
        sandbox.empty_day(empty, field="date_sent")

    told = found(run(command, sandbox, *period(day, day, "date_sent")))
    assert (told["read"], told["deleted_ids"]) == (0, sorted(gone))
    assert len(sandbox.data_requests) == 1 + 1 + len(gone) + 1
    assert differences(command.file, [*sandbox.records, *kept]) == []


def test_an_emptied_day_is_removed_though_the_oldest_entry_of_the_account_is_no_record(
    command: Command,
) -> None:
    """If nothing comes of a period, the account is asked for any record; the first may be none."""
    dated = [{KEY: n, "date_survey_response": f"2026-03-{n:02} 08:00:00"} for n in range(10, 20)]
    with Sandbox(records=["no record", *dated]) as sandbox:
        assert command(sandbox, *OPTIONS).code == 0
        for cgid in (14, 15, 16):
            sandbox.remove(cgid)

        ended = run(command, sandbox, *period("2026-03-15", "2026-03-15"))
        assert ids(found(ended)) == ([], [], [15])


def test_the_last_days_are_a_period_up_to_today(command: Command, sandbox: Sandbox) -> None:
    today = datetime.now(timezone.utc)
    recent = {
        cgid: f"{today - timedelta(days=days):%Y-%m-%d %H:%M:%S}"
        for cgid, days in zip(cgids(sandbox.records), (0, 3, 5, 9), strict=False)
    }
    for cgid, moment in recent.items():
        sandbox.edit(cgid, date_survey_response=moment)
    merged = found(run(command, sandbox, "--days", "5"))
    now, _, fifth, ninth = recent
    assert merged["changed_ids"] == sorted(recent.keys() - {ninth})
    dates = [dict(request.query).get("period[start]") for request in sandbox.data_requests]
    assert {*dates} == {str(date.today() - timedelta(days=7))}  # noqa: DTZ011 - it runs in UTC

    old = sandbox.records[-1]
    for cgid in (now, fifth, old[KEY]):
        sandbox.remove(cgid)
    assert ids(found(run(command, sandbox, "--days", "5"))) == ([], [], sorted([now, fifth]))
    assert old[KEY] in loaded(command.file)
    assert noted(command.file) == sorted([now, fifth])


@pytest.mark.long
def test_the_days_of_a_period_are_those_of_the_timezone(command: Command) -> None:
    zone = ("--timezone", "Pacific/Auckland")
    moments = ("09 23:59:59", "10 00:00:00", "10 23:59:59", "11 00:00:00", "20 12:00:00")
    dated = [
        {KEY: number, "date_survey_response": f"2026-03-{moment}"}
        for number, moment in enumerate(moments, start=1)
    ]
    with Sandbox(records=dated) as sandbox:
        assert command(sandbox, *OPTIONS, *zone).code == 0
        for number in range(1, 5):
            sandbox.remove(number)
        told = found(run(command, sandbox, *zone, *period("2026-03-10", "2026-03-10")))

    assert told["deleted_ids"] == [2, 3]
    assert loaded(command.file) == [1, 4, 5]


@pytest.mark.long
def test_one_response_can_be_reconciled_alone(command: Command, sandbox: Sandbox) -> None:
    first, second = cgids(sandbox.records)[:2]
    for cgid in (first, second):
        sandbox.remove(cgid)
    told = found(run(command, sandbox, "--number-customergauge", f"{first}"))

    assert ids(told) == ([], [], [first])
    assert noted(command.file) == [first]
    assert second in loaded(command.file)


def test_as_many_as_max_deletes_are_removed_and_one_more_is_refused(
    command: Command, sandbox: Sandbox
) -> None:
    gone, edited = cgids(sandbox.records)[10:13], sandbox.records[0][KEY]
    for cgid in gone:
        sandbox.remove(cgid)
    sandbox.edit(edited, nps=4, tags=[])
    dry = found(run(command, sandbox, "--dry-run", "--max-deletes", "2"))
    assert ids(dry) == ([], [edited], sorted(gone))
    assert "More than 2 of 150" in dry["refused"]["responses"]
    ended = run(command, sandbox, "--max-deletes", "2")
    assert ended.code == 4
    what, remedy = ended.err.splitlines()[-2:]
    assert "More than 2 of 150 records seem to be gone" in what
    assert "Nothing was removed" in remedy
    assert "--max-deletes" in remedy
    assert noted(command.file) == []
    assert len(loaded(command.file)) == RESPONSES

    assert ids(found(run(command, sandbox, "--max-deletes", "3"))) == ([], [], sorted(gone))
    assert differences(command.file, sandbox.records) == []


@pytest.mark.long
def test_by_default_a_hundred_of_so_few_may_go(command: Command, sandbox: Sandbox) -> None:
    before = sandbox.records
    for record in before[:101]:
        sandbox.remove(record[KEY])
    assert run(command, sandbox).code == 4
    assert len(loaded(command.file)) == RESPONSES
    sandbox.append(before[0])

    assert found(run(command, sandbox))["deleted"] == 100
    assert differences(command.file, sandbox.records) == []


def test_what_another_credential_loaded_is_left_alone(
    command: Command, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox(responses=6, seed=5) as other:
        theirs = other.records
    ours = cgids(sandbox.records)[40]
    sandbox.remove(ours)
    with monkeypatch.context() as patch:
        patch.setattr(sandbox_tokens, "CLIENT_ID", "a-division")
        patch.setattr(Sandbox, "client_id", "a-division")
        with Sandbox(records=theirs) as division:
            assert command(division, *OPTIONS).code == 0
            division.remove(theirs[0][KEY])

            assert ids(found(run(command, division))) == ([], [], [theirs[0][KEY]])
            division.remove(theirs[1][KEY])
    assert ids(found(run(command, sandbox))) == ([], [], [ours])

    assert differences(command.file, [*sandbox.records, *theirs[1:]]) == []


def test_what_another_filter_loaded_is_left_alone_and_without_a_filter_all_is_seen(
    command: Command, sandbox: Sandbox
) -> None:
    detractors, promoters = (
        ("--outbound-filter", it) for it in (DETRACTORS_FILTER, PROMOTERS_FILTER)
    )
    for filtered in (detractors, promoters):
        assert command(sandbox, *OPTIONS, *filtered).code == 0
    gone, better = [it[KEY] for it in sandbox.records if it["nps"] in range(7)][:2]
    promoter, passive = (
        next(it[KEY] for it in sandbox.records if it["nps"] == nps) for nps in (10, 7)
    )
    sandbox.edit(better, nps=8)
    for cgid in (gone, promoter, passive):
        sandbox.remove(cgid)

    assert ids(found(run(command, sandbox, *promoters))) == ([], [], [promoter])
    assert ids(found(run(command, sandbox, *detractors))) == ([], [better], [gone])
    asked_for_it = len(asked_for(sandbox, 0))
    assert ids(found(run(command, sandbox, *detractors))) == ([], [], [])
    assert len(asked_for(sandbox, 0)) == asked_for_it  # what has left a filter is asked for once
    assert ids(found(run(command, sandbox))) == ([], [], [passive])
    assert differences(command.file, sandbox.records) == []


def as_of_an_older_release(file: Path) -> None:
    """Takes out of a DuckDB file what a release without reconciling did not make."""
    with duckdb.connect(str(file)) as connection:
        ((text, old),) = connection.execute(
            f"SELECT schema, version_hash FROM {DATASET}._dlt_version"
            " WHERE schema_name = 'customergauge' ORDER BY inserted_at DESC LIMIT 1"
        ).fetchall()
        stored = json.loads(text)
        roots = ("responses", "non_responses", "close_loop")
        for root in roots:
            del stored["tables"][f"deleted_{root}"]
            for column in (DIGEST, SCOPE, DELETED):
                del stored["tables"][root]["columns"][column]
        schema = Schema.from_dict(stored, bump_version=True)
        for name in (DATASET, f"{DATASET}_staging"):
            for root in roots:
                connection.execute(f"DROP TABLE {name}.deleted_{root}")
                for column in (DIGEST, SCOPE, DELETED):
                    connection.execute(f"ALTER TABLE {name}.{root} DROP COLUMN {column}")
            connection.execute(
                f"UPDATE {name}._dlt_version SET schema = ?, version_hash = ?, version = ?",
                [json.dumps(schema.to_dict()), schema.version_hash, schema.version],
            )
        connection.execute(
            f"UPDATE {DATASET}._dlt_loads SET schema_version_hash = ?", [schema.version_hash]
        )
        assert old != schema.version_hash


def test_rows_of_an_older_release_are_loaded_again_and_those_that_do_not_come_are_told(
    command: Command, sandbox: Sandbox
) -> None:
    as_of_an_older_release(command.file)
    left = sandbox.records[7]
    sandbox.remove(left[KEY])
    before = contents(command.file)
    dry = found(run(command, sandbox, "--dry-run"))
    assert contents(command.file) == before

    ended = run(command, sandbox)
    told = found(ended)
    for it in (told, dry):
        assert ids(it) == ([], [], [])
        assert (it["renewed"], it["left_alone"]) == (RESPONSES - 1, 1)
    assert "1 records were loaded with another client id or filter, or by an older" in ended.err
    assert differences(command.file, [*sandbox.records, left]) == []
    again = found(run(command, sandbox))
    assert (again["renewed"], again["left_alone"]) == (0, 1)


def test_non_responses_and_cases_that_are_gone_do_not_linger(
    command: Command, sandbox: Sandbox
) -> None:
    unanswered = cgids(sandbox.records_of("non-responses"))
    cases = cgids(sandbox.records_of("close-loop"))
    sandbox.become_response(unanswered[3])
    sandbox.become_response(unanswered[9], vanishes=False)
    sandbox.remove(unanswered[20], feed="non-responses")
    sandbox.edit(unanswered[30], feed="non-responses", email=None, properties=[])
    sandbox.remove(cases[2], feed="close-loop")
    sandbox.edit(cases[4], feed="close-loop", note="nobody is told of this")
    ended = run(command, sandbox, *ALL)

    told = found(ended)["resources"]
    assert ids(told["non_responses"]) == (
        [],
        [unanswered[30]],
        sorted([unanswered[3], unanswered[20]]),
    )
    assert ids(told["close_loop"]) == ([], [cases[4]], [cases[2]])
    assert ids(told["responses"]) == (sorted([unanswered[3], unanswered[9]]), [], [])
    file = command.file
    assert differences(file, sandbox.records) == []
    assert missing_or_wrong(file, "non_responses", sandbox.records_of("non-responses")) == []
    assert missing_or_wrong(file, "close_loop", sandbox.records_of("close-loop")) == []
    assert noted(file, "deleted_non_responses") == sorted([unanswered[3], unanswered[20]])
    assert noted(file, "deleted_close_loop") == [cases[2]]
    assert noted(file) == []
    assert marked(file) == []
    requests = sandbox.requests_to("non-responses")
    lists = [[value for name, value in it.query if name == "with[]"] for it in requests]
    assert lists == [["properties"]] * (len(lists) // 2) + [[]] * (len(lists) // 2)
    again = run(command, sandbox, *ALL)
    assert (again.summary["tables"], again.summary["checkpoints"]) == ({}, 0)


MISTAKES: dict[str, tuple[str, ...]] = {
    "days alone": ("--days", "3"),
    "dry-run alone": ("--dry-run",),
    "max-deletes alone": ("--max-deletes", "3"),
    # BUG: `0 in (None, False)`, so it is taken for not given, and everything is loaded.
    "max-deletes of 0 alone": ("--max-deletes", "0"),
    "with a full refresh": ("--reconcile", "--full-refresh"),
    "with a check": ("--check", "--reconcile"),
    "with max-pages": ("--reconcile", "--max-pages", "2"),
    "days with a period": ("--reconcile", "--days", "3", *period("2026-01-01", "2026-02-01")),
    "days with an end": ("--reconcile", "--days", "3", "--end-date", "2026-02-01"),
    "no day": ("--reconcile", "--days", "0"),
    "days of a text": ("--reconcile", "--days", "week"),
    "negative max-deletes": ("--reconcile", "--max-deletes=-1"),
    "days of non-responses": ("--reconcile", "--days", "3", *ALL),
    "a period of cases": (
        *("--reconcile", "--resources", "close_loop"),
        *period("2026-01-01", "2026-02-01"),
    ),
    "half a period": ("--reconcile", "--start-date", "2026-01-01"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_options_that_do_not_go_together_end_with_2_before_anything_is_requested(
    command: Command, mistake: str
) -> None:
    with Sandbox(responses=5) as sandbox:
        ended = command(sandbox, *MISTAKES[mistake])

        assert ended.code == 2, ended.err
        assert sandbox.requests == []
    what, remedy = ended.err.splitlines()
    assert what.startswith("Error: ")
    assert remedy.startswith("What to do: ")
    assert not command.file.exists()


@pytest.mark.long
def test_an_interrupt_ends_with_130_and_what_is_left_is_done_by_the_next(
    command: Command, sandbox: Sandbox
) -> None:
    gone = cgids(sandbox.records)[:4]
    for record in sandbox.records[4:50]:
        sandbox.edit(record[KEY], nps=5, questions=[])
    for cgid in gone:
        sandbox.remove(cgid)
    sandbox.inject(Fault("hang", page=6))
    running = command.start(sandbox, *OPTIONS, "--reconcile", "--checkpoint-pages", "1")
    until(lambda: "checkpoint 2 committed" in running.errors())
    running.signal(signal.SIGTERM)
    ended = running.finish()

    assert ended.code == 130, ended.err
    assert "Error: Interrupted. " in ended.err
    assert noted(command.file) == []
    assert found(run(command, sandbox))["deleted_ids"] == sorted(gone)
    assert differences(command.file, sandbox.records) == []


@pytest.mark.long
def test_of_a_response_that_was_delivered_twice_the_later_version_stays(
    command: Command, sandbox: Sandbox
) -> None:
    twice, gone = cgids(sandbox.records)[5:7]
    sandbox.redeliver(twice, nps=1, tags=[{"label": "again", "type": "tag"}], properties=[])
    sandbox.remove(gone)

    assert ids(found(run(command, sandbox))) == ([], [twice], [gone])
    assert differences(command.file, sandbox.records) == []
    assert ids(found(run(command, sandbox))) == ([], [], [])
    assert differences(command.file, sandbox.records) == []
    sandbox.remove(twice)  # the later row alone
    assert ids(found(run(command, sandbox))) == ([], [twice], [])
    assert differences(command.file, sandbox.records) == []


@pytest.mark.long
def test_a_response_that_comes_back_is_there_again(command: Command, sandbox: Sandbox) -> None:
    record = sandbox.records[60]
    sandbox.remove(record[KEY])
    assert ids(found(run(command, sandbox))) == ([], [], [record[KEY]])
    sandbox.append(record)

    assert ids(found(run(command, sandbox))) == ([record[KEY]], [], [])
    assert differences(command.file, sandbox.records) == []


def digests(*records: Any) -> dict[int, int]:
    """Returns the digest of each record of a page, by CGID."""
    body = json.dumps({"data": records, "cursor": {"next": 1}}).encode()
    it = RESPONSES_OF_THE_API
    catalog = Catalog(lambda path: "__".join(path).lower(), {})
    reader = Reader(Target(it.name, it.key, it.record, catalog, timezone.utc))
    rows: Any = Decoder(it, lambda: reader).decode(body).data
    return dict(zip(*(rows.field(name).to_pylist() for name in (KEY, DIGEST)), strict=True))


STRANGE: tuple[dict[str, Any], ...] = (
    {"mood": "fine", "Aaa": 1, "zz": [{"a": "x"}, {"b": [1, 2]}], "aa": ["x"]},
    {"tags": [{"label": "a", "weight": 1.5, "of": {"x": True}}, {}], "comment": {"by": "me"}},
    {"questions": [{"title": "?", "answer": ["a", "b"]}], "selected_drivers": None},
    {"aa": [], "zz": {}, "mood": None},
    {"date_sent": "2026-03-01T10:00:00+02:00", "nps": 9},
)
MISSHAPEN: tuple[Any, ...] = (
    {"nps": "many", "date_sent": "never", "tags": "none", "contact": [1]},
    {"nps": 7.0, "tags": {"0": {"label": "PHP"}}, "comment": "older", "drivers": [{"label": "a"}]},
    {"mood": "2026-01-01 10:00:00", "zz": 3, "aa": {"x": 1}},
)


def test_a_digest_is_the_same_whatever_others_on_the_page_are_and_have(sandbox: Sandbox) -> None:
    records = sandbox.records[:30] + [{KEY: n, **it} for n, it in enumerate(STRANGE, start=1)]
    alone: dict[int, int] = {}
    for record in records:
        alone |= digests(record)
    turned = [{name: it[name] for name in sorted(it, reverse=True)} for it in records]
    others = [{KEY: n, **it} for n, it in enumerate(MISSHAPEN[:2], start=100)]

    assert digests(*records) == alone
    assert digests(*turned[::-1]) == alone
    assert alone.items() <= digests(*records, *others, "no record").items()
    assert digests(*others) == {**digests(others[0]), **digests(others[1])}


def test_a_digest_tells_all_that_a_record_says_apart(full: dict[str, Any]) -> None:
    lists = [["a;b"], ["a", "b"], ["b", "a"], ["a;", "b"], [None, "a"], ["a"], ["a", None], [None]]
    below = [{"secondary": some, "primary": "a"} for some in lists]
    changes: list[dict[str, Any]] = [
        *({"selected_drivers": [item]} for item in below),
        *({"selected_drivers": [below[1], item]} for item in below),
        *({name: []} for name in EMPTY),
        {"tags": [*full["tags"][::-1], {}]},
        {"tags": [*full["tags"], {}, {}]},
        {"email": None},
        {"email": ""},
        {"email": full["phone"], "phone": full["email"]},
        {"nps": None},
        {"nps": (full["nps"] + 1) % 10},
        {"date_sent": None},
        {"date_sent": later(full["date_sent"], 1)},
        {"follow_up": {"requested": None}},
        {"follow_up": {"requested": not full["follow_up"]["requested"]}},
        {"comment": {"original": "5:email"}},
        {"mood": "x"},
        {"mood": ["x"]},
        {"mood": {"x": "x"}},
        {"nps": "never"},
    ]
    told = [digests(full | change)[full[KEY]] for change in ({}, *changes)]

    assert len({*told}) == len(told)
    assert all(told)


@pytest.mark.long
def test_another_page_size_changes_nothing_though_some_records_have_more_fields(
    command: Command, sandbox: Sandbox
) -> None:
    strange = {"mood": "fine", "scores": {"a": 1.5, "b": None}, "steps": [{"name": "a"}]}
    sandbox.append({KEY: 5, **strange}, {KEY: 6, "channels": ["sms"]})
    assert command(sandbox, *OPTIONS).code == 0
    before = contents(command.file)

    assert ids(found(run(command, sandbox, "--per-page", "1000"))) == ([], [], [])
    assert contents(command.file) == before


@pytest.mark.long
def test_a_misshapen_neighbour_and_another_order_of_keys_change_no_record(
    command: Command, sandbox: Sandbox
) -> None:
    turned: list[Any] = [
        {name: record[name] for name in sorted(record, reverse=True)} for record in sandbox.records
    ]
    misshapen: list[Any] = [
        {KEY: 5, "nps": "many", "date_sent": "never", "tags": "none", "contact": [1]},
        {KEY: "6", "nps": 7.0, "tags": {"0": {"label": "PHP"}}},
        "no record at all",
    ]
    turned[10:10], turned[50:50] = misshapen[:1], misshapen[1:]
    with Sandbox(records=turned) as account:
        assert ids(found(run(command, account, "--per-page", "30"))) == ([5, 6], [], [])
        assert ids(found(run(command, account, "--per-page", "13"))) == ([], [], [])


def in_python(folder: Path, source: Any, **arguments: Any) -> Any:
    """Reconciles in a pipeline of somebody's; returns what was found."""
    return reconcile(make_pipeline(folder), source, **arguments)


def hashed(record: dict[str, Any]) -> dict[str, Any]:
    """Returns a record without its e-mail address, as a step of somebody's pipeline might."""
    email = record["email"]
    return record | {"email": email and hashlib.sha256(email.encode()).hexdigest()}


def test_in_python_a_map_is_applied_and_nothing_changes_twice(
    workdir: Path, command: Command, sandbox: Sandbox
) -> None:
    def source() -> Any:
        made = make_source(sandbox, per_page=20)
        made.responses.add_map(hashed)
        return made

    gone, edited = cgids(sandbox.records)[8:10]
    sandbox.remove(gone)
    first = in_python(workdir, source()).reconcile
    assert first.changed == sum(it["email"] is not None for it in sandbox.records)
    assert first.deleted_ids == [gone]
    again = in_python(workdir, source())
    assert (again.reconcile.changed, again.tables, again.checkpoints) == (0, {}, 0)
    sandbox.edit(edited, email="new@example.com", tags=[])
    assert in_python(workdir, source()).reconcile.changed_ids == [edited]

    assert differences(command.file, [hashed(record) for record in sandbox.records]) == []


def test_in_python_a_filter_removes_nothing_that_is_alive(
    workdir: Path, command: Command, sandbox: Sandbox
) -> None:
    source = make_source(sandbox, per_page=20)
    source.responses.add_filter(lambda record: record["nps"] > 6)
    happy, unhappy = ([it for it in sandbox.records if (it["nps"] > 6) is is_happy]
                      for is_happy in (True, False))  # fmt: skip
    gone = sorted([happy[0][KEY], unhappy[0][KEY]])
    for cgid in gone:
        sandbox.remove(cgid)
    sandbox.edit(happy[1][KEY], tags=[], nps=8)
    sandbox.edit(unhappy[1][KEY], tags=[], nps=2)
    told = in_python(workdir, source).reconcile

    assert told.deleted_ids == gone
    assert told.changed_ids == [happy[1][KEY]]
    assert loaded(command.file) == sorted(cgids(sandbox.records))


def files(folder: Path) -> dict[str, bytes]:
    return {str(it): it.read_bytes() for it in folder.rglob("*") if it.is_file()}


def test_in_python_a_dry_run_leaves_pipeline_and_destination_as_they_were(
    workdir: Path, command: Command, sandbox: Sandbox
) -> None:
    pipeline = make_pipeline(workdir)
    pipeline.sync_destination()
    hashes = {name: pipeline.schemas[name].version_hash for name in pipeline.schemas}
    before = contents(command.file)
    pipeline.extract([{"id": 1}], table_name="pending", schema=Schema("somebody_elses"))
    kept = files(Path(pipeline.working_dir))
    sandbox.remove(sandbox.records[0][KEY])
    sandbox.edit(sandbox.records[0][KEY], tags=[], nps=6, brand_new="field")
    told: list[Any] = []
    summary = reconcile(
        pipeline, make_source(sandbox, per_page=20), dry_run=True, on_checkpoint=told.append
    )

    assert summary.reconcile is not None
    assert (summary.reconcile.deleted, summary.reconcile.changed) == (1, 1)
    assert (told, summary.checkpoints, summary.tables) == ([], 0, {})
    assert contents(command.file) == before
    now = {name: pipeline.schemas[name].version_hash for name in hashes}
    assert now == hashes
    assert files(Path(pipeline.working_dir)) == kept
    assert pipeline.has_pending_data


@pytest.mark.long
def test_in_python_checkpoints_are_told_and_errors_are_ours(
    workdir: Path, command: Command, sandbox: Sandbox
) -> None:
    for record in sandbox.records[:60]:
        sandbox.edit(record[KEY], nps=0, status="edited")
    gone = cgids(sandbox.records)[60:63]
    for cgid in gone:
        sandbox.remove(cgid)
    with pytest.raises(RemovalRefusedError, match="More than 0") as refused:
        in_python(workdir, make_source(sandbox), max_deletes=0)
    told: list[int] = []

    def stop(_: LoadSummary) -> None:
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        in_python(workdir, make_source(sandbox, per_page=20), on_checkpoint=stop)
    in_python(
        workdir,
        make_source(sandbox, per_page=20),
        max_deletes=3,
        checkpoint_pages=1,
        on_checkpoint=lambda summary: told.append(summary.checkpoints),
    )
    with pytest.raises(ConfigurationError) as negative:
        in_python(workdir, make_source(sandbox), max_deletes=-1)
    with Sandbox(responses=0) as empty, pytest.raises(RemovalRefusedError) as nothing:
        in_python(workdir, make_source(empty))

    assert told == [1, 2]  # what had changed is merged by the refused one
    assert noted(command.file) == sorted(gone)
    codes: Collection[int] = [it.value.exit_code for it in (refused, negative, nothing)]
    assert [*codes] == [4, 2, 4]
    assert all(isinstance(it.value, CustomerGaugeError) for it in (refused, negative, nothing))
    assert differences(command.file, sandbox.records) == []
