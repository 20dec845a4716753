"""`close_loop`: cases change after they were read, and the next run brings the change in."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Any

import pytest

from customergauge_source import load_in_checkpoints
from customergauge_source.exceptions import ApiError
from customergauge_source.resources import CLOSE_LOOP, positions
from customergauge_source.sandbox import Fault, Sandbox
from customergauge_source.sandbox import tokens as sandbox_tokens
from tests.command import Command
from tests.support import at_length, make_pipeline, make_source, query

FEED = "close-loop"
FILE = "customergauge.duckdb"
ANSWERED = "2027-01-05 08:00:00"
TYPES = {"text": "VARCHAR", "bigint": "BIGINT", "timestamp": "TIMESTAMP WITH TIME ZONE"}
COLUMNS = [*CLOSE_LOOP.record.fields, "owner"]
Asked = list[dict[str, str]]
OnDay = Callable[[int], datetime]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A CustomerGauge with twenty responses, of which none has a case yet."""
    cgids = range(1, 21)
    answered = [{"number_customergauge": n, "date_survey_response": ANSWERED} for n in cgids]
    with Sandbox(records=answered) as running:
        yield running


@pytest.fixture
def on_day(monkeypatch: pytest.MonkeyPatch) -> OnDay:
    """Lets the source think that it is a day of March 2027, and returns its noon."""

    def set_clock(day: int) -> datetime:
        noon = datetime(2027, 3, day, 12, tzinfo=timezone.utc)

        class Clock(datetime):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> Any:
                return noon.astimezone(tz)

        monkeypatch.setattr(positions, "datetime", Clock)
        return noon

    return set_clock


def load(folder: Path, sandbox: Sandbox, max_pages: int | None = None, **arguments: Any) -> Asked:
    """Loads, and returns the parameters that pages of cases were asked for with."""
    before = len(sandbox.requests_to(FEED))
    source = make_source(sandbox, **{"resources": ["close_loop"], "per_page": 2, **arguments})
    load_in_checkpoints(make_pipeline(folder), source, checkpoint_pages=2, max_pages=max_pages)
    return [dict(request.query) for request in sandbox.requests_to(FEED)[before:]]


def window(asked: dict[str, str]) -> tuple[str | None, str | None]:
    return asked.get("updated_at[start]"), asked.get("updated_at[end]")


def cases(folder: Path) -> list[dict[str, Any]]:
    """Returns the loaded cases, as the API would send them."""
    rows = query(folder / FILE, f"SELECT {', '.join(COLUMNS)} FROM close_loop ORDER BY 1")
    found = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    return [case | {"happened_at": f"{case['happened_at']:%Y-%m-%d %H:%M:%S}"} for case in found]


def served(sandbox: Sandbox) -> list[dict[str, Any]]:
    """Returns the cases that the API has, the newest row of each."""
    latest = {case["number_customergauge"]: case for case in sandbox.records_of(FEED)}
    return [latest[cgid] for cgid in sorted(latest)]


def open_cases(sandbox: Sandbox, cgids: range, moment: datetime) -> None:
    for cgid in cgids:
        sandbox.open_case(cgid, updated_at=moment)


def test_a_case_is_one_row_and_what_is_not_declared_of_it_is_text(
    workdir: Path, sandbox: Sandbox, on_day: OnDay
) -> None:
    noon = on_day(10)
    open_cases(sandbox, range(1, 6), noon)
    sandbox.change_case(2, "closed", updated_at=noon, note="Called back.")
    sandbox.change_case(3, "Waiting for legal", updated_at=noon, rounds=[1, 2])
    load(workdir, sandbox)

    rounds = "SELECT number_customergauge, value FROM close_loop__rounds ORDER BY _dlt_list_idx"
    assert query(workdir / FILE, rounds) == [(3, "1"), (3, "2")]
    assert len(cases(workdir)) == 5
    without = [{key: case[key] for key in COLUMNS} for case in served(sandbox)]
    assert cases(workdir) == without
    types = query(
        workdir / FILE,
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema ="
        " current_schema() AND table_name = 'close_loop' AND column_name[:4] <> '_dlt'",
    )
    declared = {name: TYPES[column.type] for name, column in CLOSE_LOOP.record.columns()}
    assert dict(types) == {**declared, "owner": "VARCHAR"}


def test_whatever_happens_to_a_case_is_brought_in_by_the_next_run(
    workdir: Path, sandbox: Sandbox, on_day: OnDay
) -> None:
    open_cases(sandbox, range(1, 8), on_day(1))
    load(workdir, sandbox)
    steps: list[tuple[str, tuple[bool, bool]]] = [
        ("progress", (True, False)),
        ("closed", (True, True)),
        ("open", (False, False)),
        ("closed", (True, True)),
    ]
    for day, (status, has_hours) in zip(range(5, 30, 5), steps, strict=False):
        noon = on_day(day)
        sandbox.change_case(2, status, updated_at=noon, note=f"on day {day}")
        sandbox.open_case(7 + day // 5, updated_at=noon)
        load(workdir, sandbox)

        assert cases(workdir) == served(sandbox), status
        changed = cases(workdir)[1]
        assert (changed["status"], changed["note"]) == (status, f"on day {day}")
        hours = changed["time_to_follow_up"], changed["time_to_close"]
        assert tuple(it is not None for it in hours) == has_hours
    assert len(cases(workdir)) == 11


def test_two_rows_of_one_case_are_one_row(workdir: Path, sandbox: Sandbox, on_day: OnDay) -> None:
    noon = on_day(10)
    open_cases(sandbox, range(1, 4), noon)
    sandbox.open_case(3, updated_at=noon, note="on the same page as the first")
    sandbox.open_case(1, updated_at=noon, note="on a later page than the first")
    load(workdir, sandbox)

    assert [(case["number_customergauge"], case["note"]) for case in cases(workdir)] == [
        (1, "on a later page than the first"),
        (2, None),
        (3, "on the same page as the first"),
    ]


def test_the_first_run_reads_all_and_later_ones_from_two_days_before_the_one_before(
    workdir: Path, sandbox: Sandbox, on_day: OnDay
) -> None:
    open_cases(sandbox, range(1, 6), on_day(1) - timedelta(days=300))
    on_day(10)
    first = load(workdir, sandbox)
    on_day(12)
    idle = load(workdir, sandbox)
    noon = on_day(20)
    open_cases(sandbox, range(6, 10), noon)
    third = load(workdir, sandbox)

    assert len(first) == 4
    assert {window(asked) for asked in first} == {(None, None)}
    assert [window(asked) for asked in idle] == [("2027-03-08", "2027-03-13")]
    assert len(third) == 3
    assert {window(asked) for asked in third} == {("2027-03-10", "2027-03-21")}
    assert "cursor" not in third[0]
    assert cases(workdir) == served(sandbox)


@pytest.mark.parametrize("pages", [None, 2])
def test_a_clock_that_was_ahead_has_noted_no_day_that_counts(
    workdir: Path, sandbox: Sandbox, on_day: OnDay, pages: int | None
) -> None:
    open_cases(sandbox, range(1, 6), on_day(1) - timedelta(days=300))
    on_day(25)
    load(workdir, sandbox, max_pages=pages)
    noon = on_day(10)
    sandbox.change_case(2, "closed", updated_at=noon)
    open_cases(sandbox, range(6, 8), noon)
    second = load(workdir, sandbox)

    assert {window(asked) for asked in second} == {(None, None)}
    assert cases(workdir) == served(sandbox)
    on_day(11)
    assert window(load(workdir, sandbox)[0]) == ("2027-03-08", "2027-03-12")


def test_the_days_are_those_of_utc(command: Command, sandbox: Sandbox) -> None:
    sandbox.open_case(1)
    options = ("--resources", "close_loop", "--json")
    begun = datetime.now(timezone.utc).date()
    command(sandbox, *options, TZ="Pacific/Kiritimati")
    ended = command(sandbox, *options, TZ="Pacific/Kiritimati")
    days = begun, datetime.now(timezone.utc).date()

    *_, last = sandbox.requests_to(FEED)
    start, end = map(date.fromisoformat, filter(None, window(dict(last.query))))
    assert start in [day - timedelta(days=2) for day in days]
    assert end in [day + timedelta(days=1) for day in days]
    assert ended.summary["resources"]["close_loop"]["cursor"] == str(start)


@pytest.mark.sampled
@pytest.mark.parametrize(
    "cut_off",
    at_length(
        [("max_pages", True), ("an error", True), ("max_pages", False), ("an error", False)],
        short=[("max_pages", True), ("an error", False)],
    ),
)
def test_a_window_that_was_cut_off_is_read_on_and_no_change_is_missed(
    workdir: Path, sandbox: Sandbox, on_day: OnDay, cut_off: tuple[str, bool]
) -> None:
    by, is_first = cut_off
    open_cases(sandbox, range(1, 9), on_day(1))
    if not is_first:
        load(workdir, sandbox)
    noon = on_day(10)
    for cgid in range(1, 9):
        sandbox.change_case(cgid, "progress", updated_at=noon)
    if by == "max_pages":
        begun = load(workdir, sandbox, 2)
    else:
        sandbox.inject(Fault("403", page=1 + sandbox.pages_served + 2, feed=FEED))
        with pytest.raises(ApiError, match=r"^close_loop: .*403"):
            load(workdir, sandbox)
        begun = [dict(request.query) for request in sandbox.requests_to(FEED)[-3:]]
    loaded = [case["status"] for case in cases(workdir)]
    assert loaded == ["progress"] * 4 + ([] if is_first else ["open"] * 4)

    noon = on_day(15)
    sandbox.change_case(1, "closed", updated_at=noon)  # which was read already
    sandbox.change_case(7, "closed", updated_at=noon)
    sandbox.open_case(9, updated_at=noon)
    on_day(16)
    rest = load(workdir, sandbox)

    assert int(rest[0]["cursor"]) > int(begun[1]["cursor"])
    begin = None if is_first else "2027-02-27"
    assert {window(asked)[0] for asked in [*begun, *rest]} == {begin}
    assert window(rest[0])[1] == (None if is_first else "2027-03-17")
    assert cases(workdir)[1:] == served(sandbox)[1:]

    on_day(17)
    again = load(workdir, sandbox)
    assert window(again[0]) == ("2027-03-08", "2027-03-18")
    assert "cursor" not in again[0]
    assert cases(workdir) == served(sandbox)


@pytest.mark.long
def test_the_watermark_is_kept_with_the_data(
    workdir: Path, sandbox: Sandbox, on_day: OnDay
) -> None:
    open_cases(sandbox, range(1, 6), on_day(10))
    load(workdir, sandbox)
    shutil.rmtree(workdir / "pipelines")
    noon = on_day(11)
    for cgid in range(1, 6):
        sandbox.change_case(cgid, "closed", updated_at=noon)
    (wiped, *_) = load(workdir, sandbox, 1)
    elsewhere = workdir / "elsewhere"
    elsewhere.mkdir()
    shutil.copyfile(workdir / FILE, elsewhere / FILE)
    on_day(12)
    moved = load(elsewhere, sandbox)

    assert window(wiped) == ("2027-03-08", "2027-03-12")
    assert "cursor" not in wiped
    assert window(moved[0]) == ("2027-03-08", "2027-03-13")
    assert "cursor" in moved[0]
    assert cases(elsewhere) == served(sandbox)
    assert window(load(elsewhere, sandbox)[0]) == ("2027-03-09", "2027-03-13")


def test_a_case_that_changed_long_before_the_window_is_not_read_again(
    workdir: Path, sandbox: Sandbox, on_day: OnDay
) -> None:
    noon = on_day(20)
    open_cases(sandbox, range(1, 4), noon - timedelta(days=15))
    load(workdir, sandbox)
    before = cases(workdir)
    sandbox.edit(1, feed=FEED, note="nobody is told of this")
    sandbox.change_case(2, "closed", updated_at=noon - timedelta(days=3))
    sandbox.change_case(3, "closed", updated_at=noon - timedelta(days=2))
    asked = load(workdir, sandbox)

    assert len(asked) == 2
    assert cases(workdir) == [*before[:2], served(sandbox)[2]]


@pytest.mark.long
def test_each_credential_has_a_watermark_of_its_own(
    workdir: Path, sandbox: Sandbox, on_day: OnDay, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_day(10)
    load(workdir, sandbox)
    with monkeypatch.context() as patch:
        patch.setattr(sandbox_tokens, "CLIENT_ID", "a-division")
        patch.setattr(Sandbox, "client_id", "a-division")
        with Sandbox(records=[{"number_customergauge": 100}]) as division:
            division.open_case(100, updated_at=on_day(14))
            assert window(load(workdir, division)[0]) == (None, None)
            assert window(load(workdir, division)[0]) == ("2027-03-12", "2027-03-15")
    sandbox.open_case(1, updated_at=on_day(14))

    assert window(load(workdir, sandbox)[0]) == ("2027-03-08", "2027-03-15")
    assert [case["number_customergauge"] for case in cases(workdir)] == [1, 100]


@pytest.mark.long
def test_a_run_that_was_cut_off_says_that_the_next_one_goes_on(
    command: Command, sandbox: Sandbox
) -> None:
    open_cases(sandbox, range(1, 6), datetime.now(timezone.utc))
    options = ("--resources", "close_loop", "--per-page", "2")
    for read in (2, 4, 5):
        ended = command(sandbox, *options, "--max-pages", "1")
        assert ended.code == 0, ended.err
        assert len(cases(command.folder)) == read
        assert "There is more to read: the next run goes on at the cursor." in ended.out
    ended = command(sandbox, *options)

    assert "There is more to read" not in ended.out
    assert "cursor of close_loop: 20" in ended.out
    assert cases(command.folder) == served(sandbox)


@pytest.mark.parametrize("bound", ["number_customergauge", "period_field"])
def test_a_one_off_is_refused_by_name(command: Command, sandbox: Sandbox, bound: str) -> None:
    period = ("--start-date", "2026-01-01", "--end-date", "2026-02-01")
    options = {
        "number_customergauge": ["--number-customergauge", "1"],
        "period_field": ["--period-field", "date_sent", *period],
    }
    ended = command(sandbox, "--resources", "close_loop", *options[bound])

    assert ended.code == 2
    assert f"close_loop does not take {bound}" in ended.err
    assert sandbox.requests == []
