"""`--reconcile` with an API that lies or fails, killed at any moment, and beside another run."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import duckdb
import pytest

from customergauge_source.sandbox import Fault, Sandbox
from customergauge_source.sandbox.faults import KINDS, RETRYABLE, TOKEN
from customergauge_source.sandbox.tokens import TOKEN_PATH
from tests.command import Command, until
from tests.killed_at import KILL_AT
from tests.reconciling import (
    EDITS,
    KEY,
    OPTIONS,
    RESPONSES,
    cgids,
    found,
    ids,
    marked,
    noted,
    run,
    tables_with,
)
from tests.scripted import TOKEN as A_TOKEN
from tests.scripted import Reply, Scripted, scripted
from tests.support import DATASET, at_length, environment, query, start_load
from tests.truth import differences, loaded, stored_cursor

TRIES = 5
IMPATIENT = {"RUNTIME__REQUEST_TIMEOUT": "0.3", "RUNTIME__REQUEST_BACKOFF_FACTOR": "0.001"}
PAGES = -(-RESPONSES // 20) + 1
NOTED = r'DELETE FROM "customergauge_data"\."deleted_responses"'
REMOVED = "CREATE TEMPORARY TABLE responses_delete"
MOMENTS = {
    "asked, and not noted": f"sql< {NOTED}",
    "noted, and that not committed": f"sql> {NOTED}",
    "noted, and not removed": f"sql< {REMOVED}",
    "removed, and that not committed": f"sql> {REMOVED}",
}
EVENTS = [f"event {number}" for number in range(20, 1400, 20)]  # of which a run has about so many


Answer = Callable[[list[Any], int], tuple[int, list[Any]]]


@dataclass
class Liar:
    """An API that answers as the account would, but for what it gets wrong.

    Attributes:
        records: What the account has.
        ends_after: Records after which the feed ends.
        by_cgid: Returns status and records of an answer about a CGID.
    """

    records: list[Any]
    ends_after: int | None = None
    by_cgid: Answer = lambda records, cgid: (200, [it for it in records if it[KEY] == cgid])

    def answer(self, path: str, _authorization: str, _body: str) -> Reply:
        """Answers a request; a cursor counts records."""
        if path == TOKEN_PATH:
            return A_TOKEN
        asked = {name: int(values[0]) for name, values in parse_qs(urlsplit(path).query).items()
                 if values[0].isdecimal()}  # fmt: skip
        begin, status = asked.get("cursor", 0), 200
        rows = self.records[begin : self.ends_after][: asked["per_page"]]
        if KEY in asked:
            status, rows = self.by_cgid(self.records, asked[KEY])
            rows = [] if begin else rows
        body = {"data": rows, "cursor": {"next": begin + len(rows)}}
        return Reply(json.dumps(body).encode(), status)


@contextmanager
def serving(liar: Liar) -> Iterator[Scripted]:
    """Serves an account's records under the account's own client id."""
    with scripted(liar.answer, client_secret=Sandbox.client_secret) as server:
        yield replace(server, client_id=Sandbox.client_id)


def of_page(records: list[Any], _cgid: int) -> tuple[int, list[Any]]:
    return 200, records[:20]


def of_another(records: list[Any], _cgid: int) -> tuple[int, list[Any]]:
    return 200, records[-1:]


def nothing(_records: list[Any], _cgid: int) -> tuple[int, list[Any]]:
    return 200, []


def not_found(_records: list[Any], _cgid: int) -> tuple[int, list[Any]]:
    return 404, []


def more_than(records: list[Any], cgid: int) -> tuple[int, list[Any]]:
    return 200, [it for it in records if it[KEY] >= cgid]


LIES: dict[str, dict[str, Any]] = {
    "the feed ends early": {"ends_after": 60},
    "the feed ends early, and no CGID is known": {"ends_after": 60, "by_cgid": nothing},
    "the feed is empty, and each CGID is known": {"ends_after": 0},
    "the CGID is ignored": {"by_cgid": of_page},
    "another record comes": {"by_cgid": of_another},
    "more records come": {"by_cgid": more_than},
    "no CGID is known": {"by_cgid": nothing},
    "a CGID is refused": {"by_cgid": not_found},
}


@pytest.mark.sampled
@pytest.mark.parametrize("lie", at_length(LIES, short=["the feed ends early", "no CGID is known"]))
def test_an_api_that_cannot_be_trusted_removes_nothing(
    command: Command, account: Sandbox, lie: str
) -> None:
    before = account.records
    edited = before[0] | {"tags": [], "nps": 6, "status": "edited"}
    with serving(Liar([edited, *before[1:50], *before[53:]], **LIES[lie])) as server:
        ended = command(server, *OPTIONS, "--reconcile")
        assert ended.code == 4, ended.err
        what, remedy = ended.err.splitlines()[-2:]
        assert what.startswith("Error: responses: ")
        assert remedy.startswith("What to do: ")
        assert noted(command.file) == []
        comes = LIES[lie].get("ends_after") != 0
        assert differences(command.file, [edited if comes else before[0], *before[1:]]) == []

        dry = command(server, *OPTIONS, "--reconcile", "--dry-run")
        if LIES[lie].get("by_cgid") is not_found:
            assert dry.code == 4
        else:
            assert found(dry)["deleted"] == 0
            assert found(dry)["refused"]["responses"] in what
        assert noted(command.file) == []


@pytest.mark.long
@pytest.mark.parametrize("responses", at_length([50, 300], short=[50]))
def test_an_empty_account_empties_no_table(command: Command, responses: int) -> None:
    with Sandbox(responses=responses) as before:
        assert command(before, *OPTIONS).code == 0
        cursor, records = stored_cursor(command.file), before.records
    [(dated,)] = query(command.file, "SELECT count(date_survey_response) FROM responses")
    with Sandbox(responses=0) as empty:
        dry = found(run(command, empty, "--dry-run"))
        assert (dry["read"], dry["deleted"]) == (0, 0)
        assert "no record at all" in dry["refused"]["responses"]
        for options, there in (
            (("--max-deletes", "1000"), responses),
            (("--days", "3000"), dated),
        ):
            ended = run(command, empty, *options)
            assert ended.code == 4, ended.err
            assert f"; {there} are in the table" in ended.err
        assert differences(command.file, records) == []
        assert noted(command.file) == []
        assert stored_cursor(command.file) == cursor


def test_an_empty_account_equals_empty_tables(command: Command) -> None:
    with Sandbox(responses=0) as empty:
        for options in ((), ("--days", "3")):  # before there are tables, and then
            assert ids(found(run(command, empty, *options))) == ([], [], [])


def test_an_empty_feed_empties_neither_non_responses_nor_cases(
    command: Command, account: Sandbox
) -> None:
    assert account.records
    counted = {}
    for name in ("non_responses", "close_loop"):
        with Sandbox(responses=0) as empty:
            ended = run(command, empty, "--resources", name)
            assert ended.code == 4, ended.err
            assert f"Error: {name}: CustomerGauge sent no record at all" in ended.err
        counted[name] = noted(command.file, f"deleted_{name}")
    assert counted == {"non_responses": [], "close_loop": []}


@pytest.mark.long
def test_a_resource_that_is_refused_keeps_no_other_from_being_reconciled(
    command: Command, account: Sandbox
) -> None:
    gone = cgids(account.records)[4]
    unanswered = cgids(account.records_of("non-responses"))
    account.remove(gone)
    for cgid in unanswered[:3]:
        account.remove(cgid, feed="non-responses")
    resources = ("--resources", "non_responses", "responses", "--max-deletes", "2")
    dry = found(run(command, account, *resources, "--dry-run"))
    assert dry["resources"]["responses"]["deleted_ids"] == [gone]
    assert dry["resources"]["non_responses"]["deleted_ids"] == sorted(unanswered[:3])
    assert [*dry["refused"]] == ["non_responses"]
    ended = run(command, account, *resources)

    assert ended.code == 4
    assert "Error: non_responses: More than 2 of " in ended.err
    assert noted(command.file) == [gone]
    assert noted(command.file, "deleted_non_responses") == []
    assert differences(command.file, account.records) == []


def change(sandbox: Sandbox) -> list[int]:
    """Edits thirty responses and removes five, whose CGIDs it returns, sorted."""
    chosen = cgids(sandbox.records)[20:55]
    for place, cgid in enumerate(chosen[:30]):
        sandbox.edit(cgid, **EDITS[place % len(EDITS)])
    for cgid in chosen[30:]:
        sandbox.remove(cgid)
    return sorted(chosen[30:])


def befalling(kind: str, page: int) -> list[Fault]:
    """Returns a fault at a page; one that passes lasts until all tries are used up."""
    effect = kind.removeprefix(TOKEN)
    times = TRIES if effect in {*RETRYABLE, "hang"} else 1
    if kind == effect:
        return [Fault(kind, page=page, times=times, retry_after=0)]
    return [Fault("401", page=page), Fault(kind, page=2, times=times, retry_after=0)]


@pytest.mark.long
@pytest.mark.parametrize("page", at_length([3, PAGES + 3], short=[PAGES + 3]))
@pytest.mark.parametrize("kind", at_length(KINDS, short=["404"]))
def test_no_fault_removes_what_is_alive_and_a_later_run_ends_with_the_truth(
    command: Command, first_load: Path, kind: str, page: int
) -> None:
    shutil.copyfile(first_load, command.file)
    with Sandbox(responses=RESPONSES, faults=befalling(kind, page)) as sandbox:
        gone = change(sandbox)
        ended = command(sandbox, *OPTIONS, "--reconcile", **IMPATIENT)
        assert ended.code in {0, 3, 4}, ended.err
        assert "Traceback" not in ended.err
        assert {*cgids(sandbox.records)} <= {*loaded(command.file)}
        assert noted(command.file) == (gone if ended.code == 0 else [])

        found(run(command, sandbox))
        assert differences(command.file, sandbox.records) == []
        assert noted(command.file) == gone


@pytest.mark.parametrize("event", at_length(EVENTS, short=[]))
def test_a_kill_at_any_event_leaves_what_the_next_run_completes(
    command: Command, account: Sandbox, event: str
) -> None:
    gone, cursor = change(account), stored_cursor(command.file)
    account.arrive(5)
    packages = ("--checkpoint-pages", "2")
    died = command(account, *OPTIONS, *packages, "--reconcile", **{KILL_AT: event})
    assert died.code in {0, -signal.SIGKILL}, died.err
    if int(event.split()[1]) % 40:
        shutil.rmtree(command.folder / "dlt", ignore_errors=True)
    ended = run(command, account, *packages)

    found(ended)
    assert differences(command.file, account.records) == []
    assert noted(command.file) == gone
    assert tables_with(command.file, *gone) == {"deleted_responses"}
    assert marked(command.file) == []
    assert stored_cursor(command.file) == cursor


@pytest.mark.long
@pytest.mark.parametrize("is_wiped", at_length([True, False], short=[True]))
@pytest.mark.parametrize("moment", at_length(MOMENTS, short=["noted, and not removed"]))
def test_a_kill_between_note_and_removal_is_made_good(
    command: Command, account: Sandbox, moment: str, *, is_wiped: bool
) -> None:
    before = account.records
    gone = sorted(cgids(before[30:36]))
    for cgid in gone:
        account.remove(cgid)
    died = command(account, *OPTIONS, "--reconcile", **{KILL_AT: MOMENTS[moment]})
    assert died.code == -signal.SIGKILL, died.err
    if moment == "noted, and not removed":
        assert noted(command.file) == gone
        assert differences(command.file, before) == []
    if is_wiped:
        shutil.rmtree(command.folder / "dlt")
    else:  # a run of another kind may come first
        account.arrive(2)
        assert command(account, *OPTIONS).code == 0

    found(run(command, account))
    assert differences(command.file, account.records) == []
    assert noted(command.file) == gone
    assert tables_with(command.file, *gone) == {"deleted_responses"}


@pytest.mark.long
def test_a_second_run_is_kept_out_with_6_whichever_of_them_reconciles(
    command: Command, account: Sandbox
) -> None:
    account.remove(account.records[3][KEY])
    account.inject(Fault("hang", page=5))
    patient = environment(command.folder, account, RUNTIME__REQUEST_TIMEOUT="4")
    with start_load(command.folder, *OPTIONS, "--reconcile", env=patient) as first:
        until(lambda: account.data_requests and account.data_requests[-1].status is None)
        for options in ((), ("--reconcile",), ("--reconcile", "--dry-run")):
            ended = command(account, *OPTIONS, *options)
            assert ended.code == 6, ended.err
        assert len(account.token_requests) == 1
        _, err = first.communicate()
    assert first.returncode == 0, err
    assert differences(command.file, account.records) == []


def test_what_a_cut_off_merge_or_two_machines_left_is_mended(
    command: Command, account: Sandbox
) -> None:
    """Where a merge is no transaction, a kill may leave a record without its children."""
    cgid = account.records[0][KEY]
    with duckdb.connect(str(command.file)) as connection:
        connection.execute(f"USE {DATASET}")
        connection.execute("UPDATE responses SET _dlt_load_id = 'cut off' WHERE nps = 0")
        connection.execute(
            "DELETE FROM responses__properties WHERE number_customergauge IN"
            " (SELECT number_customergauge FROM responses WHERE nps = 0)"
        )
        connection.execute(f"INSERT INTO responses FROM responses WHERE {KEY} = {cgid}")
    assert differences(command.file, account.records) != []
    told = found(run(command, account))

    assert ids(told) == ([], [], [])
    assert told["renewed"] == len({cgid, *(it[KEY] for it in account.records if it["nps"] == 0)})
    assert query(command.file, "SELECT count(*) FROM responses") == [(RESPONSES,)]
    assert differences(command.file, account.records) == []


@pytest.mark.parametrize("options", [(), ("--dry-run",)])
def test_a_table_that_somebody_dropped_is_named(
    command: Command, account: Sandbox, options: tuple[str, ...]
) -> None:
    with duckdb.connect(str(command.file)) as connection:
        connection.execute(f"DROP TABLE {DATASET}.responses__tags")
    ended = run(command, account, *options)

    assert ended.code == 5
    what, remedy = ended.err.splitlines()[-2:]
    assert "The destination lacks responses__tags, which earlier loads made." in what
    assert "--full-refresh" in remedy
    assert not account.data_requests


@pytest.mark.long
def test_days_that_begin_elsewhere_and_an_end_that_is_left_out_are_allowed_for(
    command: Command,
) -> None:
    """An account whose days begin ten hours before those of its timestamps."""
    dated = [{KEY: n, "date_survey_response": f"2026-03-{n:02} 20:00:00"} for n in range(10, 20)]
    api = Liar(dated)

    def of_a_period(path: str, authorization: str, body: str) -> Reply:
        asked = dict(parse_qsl(urlsplit(path).query))
        if (start := asked.get("period[start]")) is None:
            return Liar(dated).answer(path, authorization, body)
        days = {
            it[KEY]: str(datetime.fromisoformat(it["date_survey_response"]) + timedelta(hours=10))
            for it in api.records
        }
        end = asked["period[end]"]
        held = [it for it in api.records if start <= days[it[KEY]][:10] < end]
        return Liar(held).answer(path, authorization, body)

    with scripted(of_a_period, client_secret=Sandbox.client_secret) as server:
        assert command(server, *OPTIONS).code == 0
        gone = api.records.pop(4)
        ended = command(
            server, *OPTIONS, "--reconcile", "--period-field", "date_survey_response",
            "--start-date", "2026-03-13", "--end-date", "2026-03-15",
        )  # fmt: skip
    assert ids(found(ended)) == ([], [], [gone[KEY]])
