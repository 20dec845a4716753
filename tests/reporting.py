"""What the tests of the report share: runs of the command, and figures as its page shows them."""

from __future__ import annotations

import base64
import gzip
import json
import re
import subprocess
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import date
from math import isclose
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from playwright.sync_api import Browser

from tests.browser import SCREEN, Report
from tests.command import Command
from tests.figures import KEY, Row, figures
from tests.support import REPORT, Finished

OUTPUT: Final = "customergauge_report.html"
NONE: Final = "\N{EN DASH}"
_MINUS: Final = "\N{MINUS SIGN}"
Shown = Mapping[str, "tuple[str, str]"]
_NUMBER: Final = re.compile(rf"(?:± )?([+{_MINUS}]?)([0-9,]+(?:\.[0-9]+)?)(%?)")
_GROUPS: Final = {it: (it.capitalize(), "count") for it in ("promoters", "passives", "detractors")}
_SCORES: Final = {
    "responses": ("Responses", "count"),
    "nps": ("NPS", "tenth"),
    "margin": ("Margin", "tenth"),
    **_GROUPS,
}
_SENTIMENTS: Final = ("negative", "mixed", "neutral", "positive", "without")
TABLES: Final[Mapping[str, tuple[str, Shown]]] = {
    "months": ("Month", _SCORES),
    "segments": ("Segment", _SCORES),
    "drivers": (
        "Driver",
        {"nps_contribution": ("Adds", "tenth"), "responses": ("Responses", "count"), **_GROUPS},
    ),
    "topics": (
        "Topic",
        {
            "net_sentiment": ("Net sentiment", "tenth"),
            "responses": ("Responses", "count"),
            **{it: (it.capitalize(), "count") for it in _SENTIMENTS},
        },
    ),
    "questions": (
        "Question",
        {
            **{it: (it.capitalize(), "hundredth") for it in ("average", "lowest", "highest")},
            "numeric": ("In numbers", "count"),
            "answers": ("Answers", "count"),
        },
    ),
    "rate": (
        "Month",
        {
            "rate": ("Rate", "permille"),
            **{it: (it.capitalize(), "count") for it in ("delivered", "responded")},
        },
    ),
}
"""Of each table of the page that shows a view: what names a row, and for the columns of the view
the titles that they have and how exact they are."""
_NOBODY: Final = dict.fromkeys(("responses", *_GROUPS), 0)
_EXACT: Final = {"count": 0.0, "tenth": 0.05, "hundredth": 0.005, "permille": 0.0005}


def reporter(server: subprocess.Popen[str], folder: Path) -> Command:
    """Returns what runs `pipelines/report.py` in a folder."""
    command = Command(server, folder)
    command.program = REPORT
    return command


def made(command: Command, *options: str) -> Finished:
    """Runs a command that has to succeed."""
    ended = command(None, *options)
    assert (ended.code, ended.err) == (0, ""), ended.err
    return ended


def looked_at(browser: Browser, file: Path, **options: Any) -> Report:
    """Opens a report that was written."""
    context = browser.new_context(**{"viewport": SCREEN, "offline": True, **options})
    context.set_default_timeout(20_000)
    return Report(context.new_page(), file)


def embedded(file: Path) -> dict[str, Any]:
    """Returns all data of a report, the packed counts included."""
    text = file.read_text("utf-8")

    def inside(name: str) -> str:
        found = re.search(rf'<script type="[a-z/]+" id="{name}">([^<]*)</script>', text)
        assert found is not None
        return found[1]

    cells = json.loads(gzip.decompress(base64.b64decode(inside("cells-packed"))))
    data: dict[str, Any] = {**json.loads(inside("data-json")), **cells}
    return data


def chosen(records: Iterable[Row], zone: str, holds: Callable[[date | None], bool]) -> list[Row]:
    """Returns the responses of an account that a test of the day of their answer holds for."""
    latest = {record[KEY]: record for record in records}
    days = {
        row[KEY]: (moment := row["date_survey_response"])
        and moment.astimezone(ZoneInfo(zone)).date()
        for row in figures(latest.values(), timezone=zone)["responses_wide"]
    }
    return [record for cgid, record in latest.items() if holds(days[cgid])]


def has(record: Row, field: str, value: str | None) -> bool:
    """Returns whether a record has a value of a segment; of None, whether it has none."""
    given = {
        it.get("reference") for it in record["properties"] or [] if it.get("field") == field
    } - {None}
    return value in given if value is not None else not given


def month_name(month: date | None) -> str:
    """Returns a month as the page writes it."""
    return f"{month:%b %Y}" if month else "(no date)"


def named(text: str | None, none: str) -> str:
    """Returns a text of the account as the page names it."""
    if text is None:
        return none
    return text if text.strip() else "(empty)"


def rows_of(
    views: Mapping[str, list[Row]], table: str, *, field: str = "", twice: Collection[Any] = ()
) -> dict[str, Row]:
    """Returns the rows of views that a table of the page shows, by their names in it.

    Args:
        views: The rows of each view.
        table: The table.
        field: The segment.
        twice: The labels that a topic and a tag of the account have.
    """
    if table == "months":
        return {month_name(it["month"]): it for it in views["nps_by_month"] if it["month"]}
    if table == "rate":
        return {month_name(it["month"]): it for it in views["response_rate_by_month"]}
    if table == "segments":
        mine = (it for it in views["nps_by_segment"] if it["field"] == field)
        return {named(it["reference"], "(none)"): it for it in mine}
    if table == "drivers":
        return {named(it["driver"], "(none given)"): it for it in views["driver_impact"]}
    if table == "questions":
        return {named(it["title"], "(no title)"): it for it in views["question_scores"]}
    return {
        named(it["label"], "(none)") + (f" · {it['type']}" if it["label"] in twice else ""): it
        for it in views["topic_sentiment"]
    }


def differences(
    report: Report,
    table: str,
    wanted: Mapping[str, Row],
    *,
    without: Collection[str] = (),
) -> list[str]:
    """Returns how a table of the page differs from rows of a view.

    Args:
        report: The page.
        table: The table.
        wanted: The rows by name.
        without: Names of rows that the table need not have.
    """
    first, columns = TABLES[table]
    shown = {row[first]: row for row in report.table(table)}
    told = []
    if {*shown} - {*without} != {*wanted} - {*without}:
        told.append(f"{table} has {sorted(shown)}, not {sorted(wanted)}")
    for name, row in shown.items():
        for column, (title, kind) in columns.items():
            value = wanted.get(name, {}).get(column)
            if not is_written(row[title], value, kind):
                told.append(f"{table} has for {title} of {name} {row[title]}, not {value}")
    return told


def is_written(text: str, value: float | None, kind: str) -> bool:
    """Returns whether a text is how the page writes a figure, as exactly as it does."""
    if value is None or (number := read(text)) is None:
        return value is None and text == NONE
    return isclose(number, float(value), rel_tol=1e-12, abs_tol=_EXACT[kind] + 1e-9)


def read(text: str) -> float | None:
    """Returns the number that a text of the page says, if it is one."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    number = float(match[2].replace(",", "")) * (-1 if match[1] == _MINUS else 1)
    return number / 100 if match[3] else number


def plotted(report: Report, name: str) -> dict[str, Row]:
    """Returns the rows that a chart is drawn of, unrounded, by name."""
    rows: list[Row] = report.page.evaluate(f"views['{name}'].view.data('rows')")
    return {row["name"]: row for row in rows}


def totals(rows: list[Row]) -> Row:
    """Returns the figures of all months together."""
    names = ("responses", "scored", "promoters", "passives", "detractors")
    sums: Row = {name: sum(row[name] for row in rows) for name in names}
    lead = sums["promoters"] - sums["detractors"]
    share = lead / sums["scored"]
    spread = (sums["promoters"] + sums["detractors"]) / sums["scored"] - share**2
    return sums | {
        "nps": 100 * share,
        "margin": 196 * (spread / sums["scored"]) ** 0.5,
        "nps_portal": 100 * lead / sums["responses"],
    }


def twice(views: dict[str, list[Row]]) -> set[str | None]:
    """Returns the labels that both a topic and a tag have."""
    labels = [row["label"] for row in views["topic_sentiment"]]
    return {label for label in labels if labels.count(label) > 1}


def wrong(
    report: Report, views: dict[str, list[Row]], whole: dict[str, list[Row]], *names: str
) -> list[str]:
    """Returns how tables of a page differ from what views say.

    Args:
        report: The page.
        views: What they say of the responses that it is of.
        whole: What they say of all responses that it has.
        names: The tables.
    """
    told = wrong_headline(report, totals(views["nps_by_month"]))
    for name in names:
        wanted = rows_of(views, name, twice=twice(whole))
        if name == "months":  # those in between are shown, too
            seen = [row["Month"] for row in report.table("months")]
            wanted = dict.fromkeys(seen, _NOBODY) | wanted
        told += differences(report, name, wanted)
    return told


def wrong_headline(report: Report, wanted: Row) -> list[str]:
    """Returns how the score now differs from what it should be."""
    groups = dict(
        zip(
            report.page.locator("#groups dt").all_inner_texts(),
            report.page.locator("#groups dd small").all_inner_texts(),
            strict=True,
        )
    )
    shown = {
        "nps": (report.text("#nps"), "tenth"),
        "margin": (report.text("#margin"), "tenth"),
        **{name.lower(): (text, "count") for name, text in groups.items()},
    }
    portal = report.text("#portal").split(" for ")[0].split()[-1]
    shown["nps_portal"] = (portal, "tenth")
    return [
        f"{name} is {text}, not {wanted[name]}"
        for name, (text, kind) in shown.items()
        if not is_written(text, wanted[name], kind)
    ]
