"""The report of some days, of no day, and of an account that is empty or large."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser

from customergauge_source.sandbox import Sandbox
from tests.command import Command
from tests.figures import KEY, Row, figures
from tests.reporting import (
    NONE,
    OUTPUT,
    chosen,
    differences,
    embedded,
    looked_at,
    made,
    reporter,
    rows_of,
    totals,
    wrong,
)
from tests.support import at_length
from tests.viewing import NON_RESPONSES, bring_oddities, load_here

ZONE = "Asia/Tokyo"
ALL = ["responses", "non_responses", "close_loop"]
TABLES = ("months", "drivers", "topics", "questions")


@pytest.fixture(scope="module")
def account() -> Iterator[Sandbox]:
    """An account with 400 responses, every ninth of them odd."""
    with Sandbox(responses=400) as sandbox:
        bring_oddities(sandbox)
        yield sandbox


@pytest.fixture(scope="module")
def command(
    fork_server: subprocess.Popen[str], account: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> Command:
    """What makes reports of it."""
    folder = tmp_path_factory.mktemp("spans")
    load_here(folder, account, resources=ALL, timezone=ZONE, views=None)
    return reporter(fork_server, folder)


def latest_detractors(records: list[Row]) -> list[int]:
    """Returns the CGIDs of the responses that the page quotes, in its order."""
    rows = figures(records, timezone=ZONE)["responses_wide"]
    quoted = [it for it in rows if it["nps_category"] == "detractor" and it["comment_text"]]

    def day(row: Row) -> date:
        moment = row["date_survey_response"]
        return moment.astimezone(ZoneInfo(ZONE)).date() if moment else date.min

    quoted.sort(key=lambda it: (day(it), it[KEY]), reverse=True)
    return [it[KEY] for it in quoted[:20]]


SPANS: list[tuple[str | None, str | None]] = [
    ("2025-06-10", "2025-06-20"),
    ("2025-07-01", None),
    (None, "2025-06-15"),
    (None, None),
]


@pytest.mark.parametrize("span", at_length(SPANS, short=SPANS[:1]))
def test_a_report_is_of_the_days_that_are_named(
    command: Command, account: Sandbox, browser: Browser, span: tuple[str | None, str | None]
) -> None:
    start, end = span
    options = {"--start-date": start, "--end-date": end}
    made(command, *(f"{name}={day}" for name, day in options.items() if day))
    first, last = (day and date.fromisoformat(day) for day in span)

    def is_in(day: date | None) -> bool:
        if day is None:
            return not (first or last)
        return (not first or first <= day) and (not last or day <= last)

    some = chosen(account.records, ZONE, is_in)
    views = figures(some, timezone=ZONE)
    report = looked_at(browser, command.folder / OUTPUT)
    data = embedded(command.folder / OUTPUT)

    assert 0 < len(some) <= len(account.records)
    assert report.text("#state").startswith(f"{len(some):,} responses")
    assert wrong(report, views, views, *TABLES) == []
    field = report.page.locator("#field").input_value()
    by_value = rows_of(views, "segments", field=field)
    assert differences(report, "segments", by_value, without=by_value) == []
    assert [it[KEY] for it in data["comments"]] == latest_detractors(some)
    assert data["span"] == {"start": start, "end": end}
    sent = sum(row[1] for row in data["rate"])
    everybody = figures(account.records, account.records_of(NON_RESPONSES), ZONE)
    delivered = sum(row["delivered"] for row in everybody["response_rate_by_month"])
    assert sent == delivered if not (start or end) else 0 < sent < delivered
    assert report.errors == []


@pytest.mark.long
def test_a_span_without_data_makes_an_honest_page(command: Command, browser: Browser) -> None:
    ended = made(command, "--start-date", "2030-01-01", "--end-date", "2030-12-31")
    report = looked_at(browser, command.folder / OUTPUT)

    assert "0 responses" in ended.out
    assert report.text("#state").startswith("0 responses")
    assert report.text("#nps") == NONE
    assert not report.page.locator("#months svg:visible").count()
    assert (report.requests, report.errors) == ([], [])


def test_an_account_without_a_response_makes_an_honest_page(
    fork_server: subprocess.Popen[str], tmp_path: Path, browser: Browser
) -> None:
    with Sandbox(responses=0) as nothing:
        load_here(tmp_path, nothing, resources=ALL, views=None)
    ended = made(reporter(fork_server, tmp_path))
    report = looked_at(browser, tmp_path / OUTPUT)

    assert "0 responses, no month" in ended.out
    assert report.text("#state") == "0 responses, everybody"
    assert report.text("#nps") == NONE
    assert not report.page.locator("svg:visible").count()
    assert (report.requests, report.errors) == ([], [])


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_hundred_thousand_responses_make_a_small_page(
    fork_server: subprocess.Popen[str], tmp_path: Path, browser: Browser
) -> None:
    with Sandbox(responses=100_000) as large:
        load_here(tmp_path, large, resources=ALL, views=None)
        views = figures(large.records)
    command = reporter(fork_server, tmp_path)
    begun = time.monotonic()
    made(command)
    seconds = time.monotonic() - begun
    report = looked_at(browser, tmp_path / OUTPUT)

    assert seconds < 30
    assert (tmp_path / OUTPUT).stat().st_size <= 3_000_000
    assert report.text("#state").startswith("100,000 responses")
    assert wrong(report, views, views, *TABLES) == []
    assert totals(views["nps_by_month"])["responses"] == 100_000
    assert (report.requests, report.errors) == ([], [])
