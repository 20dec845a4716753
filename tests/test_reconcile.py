"""`--reconcile`: the tables become what the account is, and nothing goes on a suspicion."""

from __future__ import annotations

import json
import random
import signal
from collections import Counter
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import duckdb
import pytest
from dlt.common.schema import Schema

from customergauge_source.sandbox import DETRACTORS_FILTER, PROMOTERS_FILTER, Fault, Sandbox
from customergauge_source.sandbox import tokens as sandbox_tokens
from customergauge_source.tables.shape import DELETED, DIGEST, SCOPE
from tests.command import Command, until
from tests.kills import missing_or_wrong
from tests.reconciling import (
    ALL,
    EDITS,
    KEY,
    OPTIONS,
    RESPONSES,
    asked_for,
    cgids,
    contents,
    day_of,
    found,
    ids,
    later,
    marked,
    noted,
    period,
    run,
    tables_with,
)
from tests.support import DATASET, asked_cursors, query
from tests.truth import differences, loaded, stored_cursor


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


@pytest.mark.long
def test_a_response_goes_with_all_that_is_below_it_undeclared_lists_too(
    command: Command, account: Sandbox
) -> None:
    below = {"channels": ["sms", "mail"], "steps": [{"name": "a", "parts": [1, 2]}]}
    account.append({KEY: 5, "date_sent": "never", **below}, {KEY: 6, **below})
    assert command(account, *OPTIONS).code == 0
    assert {"responses__rejected_values", "responses__steps__parts"} < tables_with(command.file, 5)
    six = tables_with(command.file, 6)
    account.remove(5)

    assert ids(found(run(command, account))) == ([], [], [5])
    assert tables_with(command.file, 5) == {"deleted_responses"}
    assert tables_with(command.file, 6) == six
    assert marked(command.file) == []


@pytest.mark.long
def test_each_suspect_costs_one_request_and_unchanged_rows_are_not_written(
    command: Command, account: Sandbox
) -> None:
    gone, edited = cgids(account.records)[30:34], account.records[100][KEY]
    for cgid in gone:
        account.remove(cgid)
    account.edit(edited, nps=2, tags=[], questions=[])
    ended = run(command, account)

    assert ids(found(ended)) == ([], [edited], sorted(gone))
    *suspects, witness = asked_for(account, 0)
    assert suspects == sorted(gone)
    assert witness in cgids(account.records)
    pages = -(-len(account.records) // 20) + 1
    assert len(account.data_requests) == pages + len(gone) + 1
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
    command: Command, account: Sandbox
) -> None:
    records = sorted(account.records, key=lambda it: it["date_survey_response"])
    start, end = day_of(records[50]), day_of(records[100])
    inside = [it for it in records if start <= day_of(it) <= end]
    margin = [it for it in records if day_of(it) == later(end, 1)[:10]]
    gone, out, one_day_out, edited, *_ = cgids(inside)
    moved_in, far_gone = records[0][KEY], records[1]
    account.edit(out, date_survey_response=later(f"{end} 12:00:00", 30), nps=1)
    account.edit(one_day_out, date_survey_response=later(f"{end} 12:00:00", 1))
    account.edit(edited, tags=[{"label": "edited", "type": "tag"}])
    account.edit(moved_in, date_survey_response=f"{start} 00:00:00")
    for cgid in (gone, far_gone[KEY], margin[0][KEY]):
        account.remove(cgid)
    told = found(run(command, account, *period(start, end)))

    changed = sorted([out, one_day_out, edited, moved_in])
    assert ids(told) == ([], changed, [gone])
    assert differences(command.file, [*account.records, far_gone, margin[0]]) == []
    *suspects, witness = asked_for(account, 0)
    assert suspects == sorted([gone, out])
    assert witness in cgids(account.records)
    days = {
        (asked["period[start]"], asked["period[end]"])
        for asked in (dict(request.query) for request in account.data_requests)
        if KEY not in asked
    }
    assert days == {(later(start, -2)[:10], later(end, 2)[:10])}
    assert ids(found(run(command, account, *period(start, end)))) == ([], [], [])


def test_an_emptied_day_is_removed_though_no_record_of_its_period_comes(
    command: Command, account: Sandbox
) -> None:
    chosen = account.records[75]["date_sent"]
    day, *margin = (later(chosen, offset)[:10] for offset in (0, -2, -1, 1, 2))
    kept = [it for it in account.records if it["date_sent"][:10] in margin]
    gone = cgids([it for it in account.records if it["date_sent"][:10] == day])
    for empty in (day, *margin):
        account.empty_day(empty, field="date_sent")

    told = found(run(command, account, *period(day, day, "date_sent")))
    assert (told["read"], told["deleted_ids"]) == (0, sorted(gone))
    witness = 2  # a page, and the one behind it, which is asked for while that is decoded
    assert len(account.data_requests) == 1 + witness + len(gone) + 1
    assert differences(command.file, [*account.records, *kept]) == []


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


def test_the_last_days_are_a_period_up_to_today(command: Command, account: Sandbox) -> None:
    today = datetime.now(timezone.utc)
    recent = {
        cgid: f"{today - timedelta(days=days):%Y-%m-%d %H:%M:%S}"
        for cgid, days in zip(cgids(account.records), (0, 3, 5, 9), strict=False)
    }
    for cgid, moment in recent.items():
        account.edit(cgid, date_survey_response=moment)
    merged = found(run(command, account, "--days", "5"))
    now, _, fifth, ninth = recent
    assert merged["changed_ids"] == sorted(recent.keys() - {ninth})
    dates = [dict(request.query).get("period[start]") for request in account.data_requests]
    assert {*dates} == {str(date.today() - timedelta(days=7))}  # noqa: DTZ011 - it runs in UTC

    old = account.records[-1]
    for cgid in (now, fifth, old[KEY]):
        account.remove(cgid)
    assert ids(found(run(command, account, "--days", "5"))) == ([], [], sorted([now, fifth]))
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
def test_one_response_can_be_reconciled_alone(command: Command, account: Sandbox) -> None:
    first, second = cgids(account.records)[:2]
    for cgid in (first, second):
        account.remove(cgid)
    told = found(run(command, account, "--number-customergauge", f"{first}"))

    assert ids(told) == ([], [], [first])
    assert noted(command.file) == [first]
    assert second in loaded(command.file)


def test_as_many_as_max_deletes_are_removed_and_one_more_is_refused(
    command: Command, account: Sandbox
) -> None:
    gone, edited = cgids(account.records)[10:13], account.records[0][KEY]
    for cgid in gone:
        account.remove(cgid)
    account.edit(edited, nps=4, tags=[])
    dry = found(run(command, account, "--dry-run", "--max-deletes", "2"))
    assert ids(dry) == ([], [edited], sorted(gone))
    assert "More than 2 of 150" in dry["refused"]["responses"]
    ended = run(command, account, "--max-deletes", "2")
    assert ended.code == 4
    what, remedy = ended.err.splitlines()[-2:]
    assert "More than 2 of 150 records seem to be gone" in what
    assert "Nothing was removed" in remedy
    assert "--max-deletes" in remedy
    assert noted(command.file) == []
    assert len(loaded(command.file)) == RESPONSES

    assert ids(found(run(command, account, "--max-deletes", "3"))) == ([], [], sorted(gone))
    assert differences(command.file, account.records) == []


@pytest.mark.long
def test_by_default_a_hundred_of_so_few_may_go(command: Command, account: Sandbox) -> None:
    before = account.records
    for record in before[:101]:
        account.remove(record[KEY])
    assert run(command, account).code == 4
    assert len(loaded(command.file)) == RESPONSES
    account.append(before[0])

    assert found(run(command, account))["deleted"] == 100
    assert differences(command.file, account.records) == []


@pytest.mark.long
def test_what_another_credential_loaded_is_left_alone(
    command: Command, account: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox(responses=6, seed=5) as other:
        theirs = other.records
    ours = cgids(account.records)[40]
    account.remove(ours)
    with monkeypatch.context() as patch:
        patch.setattr(sandbox_tokens, "CLIENT_ID", "a-division")
        patch.setattr(Sandbox, "client_id", "a-division")
        with Sandbox(records=theirs) as division:
            assert command(division, *OPTIONS).code == 0
            division.remove(theirs[0][KEY])

            assert ids(found(run(command, division))) == ([], [], [theirs[0][KEY]])
            division.remove(theirs[1][KEY])
    assert ids(found(run(command, account))) == ([], [], [ours])

    assert differences(command.file, [*account.records, *theirs[1:]]) == []


@pytest.mark.long
def test_what_another_filter_loaded_is_left_alone_and_without_a_filter_all_is_seen(
    command: Command, account: Sandbox
) -> None:
    detractors, promoters = (
        ("--outbound-filter", it) for it in (DETRACTORS_FILTER, PROMOTERS_FILTER)
    )
    for filtered in (detractors, promoters):
        assert command(account, *OPTIONS, *filtered).code == 0
    gone, better = [it[KEY] for it in account.records if it["nps"] in range(7)][:2]
    promoter, passive = (
        next(it[KEY] for it in account.records if it["nps"] == nps) for nps in (10, 7)
    )
    account.edit(better, nps=8)
    for cgid in (gone, promoter, passive):
        account.remove(cgid)

    assert ids(found(run(command, account, *promoters))) == ([], [], [promoter])
    assert ids(found(run(command, account, *detractors))) == ([], [better], [gone])
    asked_for_it = len(asked_for(account, 0))
    assert ids(found(run(command, account, *detractors))) == ([], [], [])
    assert len(asked_for(account, 0)) == asked_for_it  # what has left a filter is asked for once
    assert ids(found(run(command, account))) == ([], [], [passive])
    assert differences(command.file, account.records) == []


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


@pytest.mark.long
def test_rows_of_an_older_release_are_loaded_again_and_those_that_do_not_come_are_told(
    command: Command, account: Sandbox
) -> None:
    as_of_an_older_release(command.file)
    left = account.records[7]
    account.remove(left[KEY])
    before = contents(command.file)
    dry = found(run(command, account, "--dry-run"))
    assert contents(command.file) == before

    ended = run(command, account)
    told = found(ended)
    for it in (told, dry):
        assert ids(it) == ([], [], [])
        assert (it["renewed"], it["left_alone"]) == (RESPONSES - 1, 1)
    assert "responses: left alone: 1 that did not come, and that another client id" in ended.err
    assert differences(command.file, [*account.records, left]) == []
    again = found(run(command, account))
    assert (again["renewed"], again["left_alone"]) == (0, 1)


@pytest.mark.long
def test_an_upgrade_while_nothing_is_new_gives_the_tables_their_new_columns(
    command: Command, account: Sandbox
) -> None:
    as_of_an_older_release(command.file)
    ended = command(account, "--views")
    assert ended.code == 0, ended.err
    assert ended.out.startswith("No new records")

    account.arrive(5)
    ended = command(account)

    assert ended.code == 0, ended.err
    assert differences(command.file, account.records) == []


@pytest.mark.long
def test_non_responses_and_cases_that_are_gone_do_not_linger(
    command: Command, account: Sandbox
) -> None:
    unanswered = cgids(account.records_of("non-responses"))
    cases = cgids(account.records_of("close-loop"))
    account.become_response(unanswered[3])
    account.become_response(unanswered[9], vanishes=False)
    account.remove(unanswered[20], feed="non-responses")
    account.edit(unanswered[30], feed="non-responses", email=None, properties=[])
    account.remove(cases[2], feed="close-loop")
    account.edit(cases[4], feed="close-loop", note="nobody is told of this")
    ended = run(command, account, *ALL)

    told = found(ended)["resources"]
    assert ids(told["non_responses"]) == (
        [],
        [unanswered[30]],
        sorted([unanswered[3], unanswered[20]]),
    )
    assert ids(told["close_loop"]) == ([], [cases[4]], [cases[2]])
    assert ids(told["responses"]) == (sorted([unanswered[3], unanswered[9]]), [], [])
    file = command.file
    assert differences(file, account.records) == []
    assert missing_or_wrong(file, "non_responses", account.records_of("non-responses")) == []
    assert missing_or_wrong(file, "close_loop", account.records_of("close-loop")) == []
    assert noted(file, "deleted_non_responses") == sorted([unanswered[3], unanswered[20]])
    assert noted(file, "deleted_close_loop") == [cases[2]]
    assert noted(file) == []
    assert marked(file) == []
    requests = account.requests_to("non-responses")
    lists = [[value for name, value in it.query if name == "with[]"] for it in requests]
    assert lists == [["properties"]] * (len(lists) // 2) + [[]] * (len(lists) // 2)
    again = run(command, account, *ALL)
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
    command: Command, account: Sandbox
) -> None:
    gone = cgids(account.records)[:4]
    for record in account.records[4:50]:
        account.edit(record[KEY], nps=5, questions=[])
    for cgid in gone:
        account.remove(cgid)
    account.inject(Fault("hang", page=6))
    running = command.start(account, *OPTIONS, "--reconcile", "--checkpoint-pages", "1")
    until(lambda: "checkpoint 2 committed" in running.errors())
    running.signal(signal.SIGTERM)
    ended = running.finish()

    assert ended.code == 130, ended.err
    assert "Error: Interrupted. " in ended.err
    assert noted(command.file) == []
    assert found(run(command, account))["deleted_ids"] == sorted(gone)
    assert differences(command.file, account.records) == []


@pytest.mark.long
def test_of_a_response_that_was_delivered_twice_the_later_version_stays(
    command: Command, account: Sandbox
) -> None:
    twice, gone = cgids(account.records)[5:7]
    account.redeliver(twice, nps=1, tags=[{"label": "again", "type": "tag"}], properties=[])
    account.remove(gone)

    assert ids(found(run(command, account))) == ([], [twice], [gone])
    assert differences(command.file, account.records) == []
    assert ids(found(run(command, account))) == ([], [], [])
    assert differences(command.file, account.records) == []
    account.remove(twice)  # the later row alone
    assert ids(found(run(command, account))) == ([], [twice], [])
    assert differences(command.file, account.records) == []


@pytest.mark.long
def test_a_response_that_comes_back_is_there_again(command: Command, account: Sandbox) -> None:
    record = account.records[60]
    account.remove(record[KEY])
    assert ids(found(run(command, account))) == ([], [], [record[KEY]])
    account.append(record)

    assert ids(found(run(command, account))) == ([record[KEY]], [], [])
    assert differences(command.file, account.records) == []
