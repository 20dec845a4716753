"""The report from end to end: the sandbox, DuckDB, the command, and its page in a browser."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import date
from math import isclose
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import Browser

from customergauge_source.sandbox import Sandbox
from tests.browser import Report
from tests.command import Command
from tests.figures import Row, figures
from tests.reporting import (
    OUTPUT,
    TABLES,
    chosen,
    differences,
    embedded,
    has,
    looked_at,
    made,
    month_name,
    plotted,
    reporter,
    rows_of,
    totals,
    twice,
    wrong,
)
from tests.support import at_length
from tests.viewing import ask, bring_oddities, load_here, view_rows

ZONE = "Europe/Amsterdam"
ALL = ["responses", "non_responses", "close_loop"]
VIEWS = (
    *("nps_by_month", "nps_by_segment", "driver_impact", "topic_sentiment"),
    *("question_scores", "response_rate_by_month"),
)
NAMES = ("months", "drivers", "topics", "questions", "rate")
FIGURES = {
    "months": ("nps", "margin"),
    "segments": ("nps", "margin"),
    "drivers": ("nps_contribution",),
    "topics": ("net_sentiment",),
    "questions": ("average", "lowest", "highest"),
    "rate": ("rate",),
}
OTHERWISE = {"nps_contribution": "contribution", "net_sentiment": "net"}


class Made(NamedTuple):
    """A load of 2,500 responses, and the report of it."""

    command: Command
    sandbox: Sandbox
    views: dict[str, list[Row]]

    @property
    def file(self) -> Path:
        """The DuckDB file."""
        return self.command.folder / "customergauge.duckdb"


@pytest.fixture(scope="module")
def account(
    fork_server: subprocess.Popen[str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Made]:
    """The sandbox's 2,500 responses, every ninth of them odd, with all resources and views."""
    folder = tmp_path_factory.mktemp("report")
    command = reporter(fork_server, folder)
    with Sandbox() as sandbox:
        bring_oddities(sandbox)
        load_here(folder, sandbox, resources=ALL, timezone=ZONE)
        file = folder / "customergauge.duckdb"
        made(command)
        yield Made(command, sandbox, {view: view_rows(file, view) for view in VIEWS})


@pytest.fixture(scope="module")
def opened(account: Made, browser: Browser) -> Report:
    return looked_at(browser, account.command.folder / OUTPUT)


@pytest.fixture
def report(opened: Report) -> Report:
    """The report of everything, with nothing chosen."""
    opened.click("#reset")
    return opened


def test_the_page_asks_nobody_has_no_error_and_keeps_nobody_out(report: Report) -> None:
    assert (report.requests, report.errors, report.violations()) == ([], [], [])


def test_every_table_is_its_view(report: Report, account: Made) -> None:
    assert wrong(report, account.views, account.views, *NAMES) == []
    counts = ask(
        account.file,
        "SELECT nps, count(*) FROM responses WHERE nps BETWEEN 0 AND 10 GROUP BY 1 ORDER BY 1",
    )
    assert [(row["Score"], row["Responses"]) for row in report.table("scores")] == [
        (str(score), f"{responses:,}") for score, responses in counts
    ]
    cases = dict(ask(account.file, "SELECT status, count(*) FROM close_loop GROUP BY 1"))
    assert {row["Status"]: int(row["Cases"]) for row in report.table("cases")} == cases


def test_every_segment_that_can_be_chosen_is_the_view_of_segments(
    report: Report, account: Made
) -> None:
    offered = report.page.locator("#field option").all_inner_texts()
    fields = {row["field"] for row in account.views["nps_by_segment"]}
    assert {*offered} <= fields
    data = embedded(account.command.folder / OUTPUT)
    kept = {it["field"] for it in data["slices"]} - {None}
    assert {*offered} == kept
    assert fields - kept == {*data["left_out"]["segments"]}

    for field in offered:
        report.choose(field=field)
        wanted = rows_of(account.views, "segments", field=field)
        values = report.page.locator("#value option").all_inner_texts()[1:]
        assert {*values} <= {*wanted}, field
        left = {*wanted} - {*values}
        assert differences(report, "segments", wanted, without=left) == []
        told = [it for it in data["left_out"]["values"] if it.startswith(f"{field} (")]
        assert told == ([f"{field} ({len(left)})"] if left else [])


@pytest.mark.parametrize("name", FIGURES)
def test_what_a_chart_draws_is_the_view_to_the_last_digit(
    report: Report, account: Made, name: str
) -> None:
    field = report.page.locator("#field").input_value()
    wanted = rows_of(account.views, name, field=field, twice=twice(account.views))
    drawn = plotted(report, name)

    assert drawn
    for row, values in drawn.items():
        for column in FIGURES[name]:
            shown, value = values[OTHERWISE.get(column, column)], wanted[row][column]
            assert shown is value is None or isclose(shown, value, abs_tol=1e-9), (row, column)
    if name == "drivers":
        score = totals(account.views["nps_by_month"])["nps"]
        assert isclose(sum(it["contribution"] for it in drawn.values()), score, abs_tol=1e-9)


@pytest.mark.parametrize("name", TABLES)
def test_hovering_shows_the_rows_of_the_table(report: Report, name: str) -> None:
    rows = report.table(name)
    targets = report.page.locator(f"#{name} .target_marks path").count()

    for at in {0, targets // 2, targets - 1}:
        assert report.hovered(name, at) in rows


# A segment and a value of it; None: whoever has none.
NL, NOBODYS, EUROPE = ("Country", "NL"), ("Country", None), ("Division", "Europe")
Choice = tuple["tuple[str, str | None] | None", "tuple[str, str] | None"]
CHOICES: list[Choice] = [
    (NL, ("Jan 2026", "Mar 2026")),
    (NOBODYS, None),
    (EUROPE, None),
    (None, ("Dec 2025", "Dec 2025")),
    (NOBODYS, ("May 2025", "Jun 2025")),
]


@pytest.mark.sampled
@pytest.mark.parametrize("choice", at_length(CHOICES, short=CHOICES[:2]))
def test_what_is_chosen_is_what_plain_python_has_of_those_responses(
    report: Report, account: Made, choice: Choice
) -> None:
    segment, months = choice
    if segment:
        report.choose(field=segment[0], value=segment[1] or "(none)")
    if months:
        report.choose(**dict(zip(("from", "to"), months, strict=True)))
    shown = [row["Month"] for row in report.table("months")]

    def is_seen(day: date | None) -> bool:
        return months is None or (day is not None and month_name(day) in shown)

    everybody = chosen(account.sandbox.records, ZONE, is_seen)
    some = [it for it in everybody if segment is None or has(it, *segment)]
    views = figures(some, timezone=ZONE)
    rate = account.views["response_rate_by_month"]
    views["response_rate_by_month"] = [row for row in rate if is_seen(row["month"])]

    assert report.text("#state").startswith(f"{len(some):,} responses")
    assert wrong(report, views, account.views, *NAMES) == []
    if segment:
        by_value = rows_of(figures(everybody, timezone=ZONE), "segments", field=segment[0])
        assert differences(report, "segments", by_value, without=by_value) == []
