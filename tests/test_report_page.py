"""The page of the report, in a real browser without a network."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser

from customergauge_source.report.charts import CHARTS
from customergauge_source.report.page import render
from tests import fake_report
from tests.browser import PHONE, SCREEN, Report, opened
from tests.fake_report import ARABIC, MARKUP, Response, make_responses, month_names, nps

RESPONSES = make_responses()
NONE, MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"
MONTHS = month_names(19)


@pytest.fixture(scope="module")
def usual(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Report:
    data = fake_report.report(RESPONSES)
    return opened(browser, tmp_path_factory.mktemp("usual"), data)


@pytest.fixture
def report(usual: Report) -> Report:
    """The usual report with nothing chosen."""
    usual.click("#reset")
    return usual


def signed(value: float | None) -> str:
    """Returns a figure as the page writes it."""
    if value is None:
        return NONE
    text = f"{abs(value):,.1f}"
    return text if text == "0.0" else (MINUS if value < 0 else "+") + text


def contributions(responses: Sequence[Response]) -> dict[str, str]:
    """Returns what each driver adds, straight from the responses."""
    sums: defaultdict[str, float] = defaultdict(float)
    scored = 0
    for it in responses:
        chosen = it.drivers or ["(none given)"]
        sign = 0
        if it.score is not None:
            scored += 1
            sign = (it.score >= 9) - (it.score <= 6)
        for driver in chosen:
            sums[driver] += sign / len(chosen)
    return {driver: signed(100 * total / scored) for driver, total in sums.items()}


def test_the_page_asks_nobody_and_has_no_error(report: Report) -> None:
    assert report.requests == []
    assert report.errors == []


@pytest.mark.parametrize("name", CHARTS)
def test_a_plot_has_marks_whose_hover_text_is_its_table(report: Report, name: str) -> None:
    rows = report.table(name)
    targets = report.page.locator(f"#{name} .target_marks path")
    first = CHARTS[name].columns[0].title

    assert targets.count() == len([row for row in rows if is_drawn(name, row)])
    for at in {0, targets.count() - 1}:
        shown = report.hovered(name, at)
        assert shown in rows
        assert shown[first]
    sizes = report.page.locator(f"#{name} svg .mark-rect path, #{name} svg .mark-symbol path")
    assert any((sizes.nth(at).bounding_box() or {"width": 0})["width"] > 3 for at in range(3))


def is_drawn(name: str, row: dict[str, str]) -> bool:
    """Returns whether a row of a table is in the chart, too."""
    needed = {"topics": "Net sentiment", "questions": "Average"}.get(name)
    return needed is None or row[needed] != NONE


def test_the_figures_of_everybody_are_those_of_the_responses(report: Report) -> None:
    assert report.text("#nps") == signed(nps(RESPONSES))
    assert report.text("#state").startswith("2,500 responses, May 2025 to Nov 2026")
    by_month = {row["Month"]: row for row in report.table("months")}
    assert by_month["Sep 2025"]["NPS"] == NONE
    october = [it for it in RESPONSES if it.month == MONTHS.index("2026-10")]
    assert by_month["Oct 2026"]["NPS"] == signed(nps(october))
    assert by_month["Oct 2026"]["Responses"] == str(len(october))
    added = {row["Driver"]: row["Adds"] for row in report.table("drivers")}
    assert added == contributions(RESPONSES)


def test_choosing_a_segment_and_months_changes_everything_else(report: Report) -> None:
    report.choose(**{"field": "Country", "value": "DE", "from": "Jan 2026", "to": "Mar 2026"})

    span = range(MONTHS.index("2026-01"), MONTHS.index("2026-03") + 1)
    chosen = [it for it in RESPONSES if it.month in span and it.segments["Country"] == "DE"]
    assert report.text("#nps") == signed(nps(chosen))
    count = f"{len(chosen)} responses, Jan to Mar 2026, Country = DE"
    assert report.text("#state") == count
    assert [row["Month"] for row in report.table("months")] == ["Mar 2026", "Feb 2026", "Jan 2026"]
    assert {row["Score"]: row["Responses"] for row in report.table("scores")} == {
        str(score): str(sum(it.score == score for it in chosen)) for score in range(11)
    }
    added = {row["Driver"]: row["Adds"] for row in report.table("drivers")}
    assert added == contributions(chosen)
    others = [it for it in RESPONSES if it.month in span and it.segments["Country"] == "NL"]
    by_country = {row["Segment"]: row["NPS"] for row in report.table("segments")}
    assert (by_country["DE"], by_country["NL"]) == (signed(nps(chosen)), signed(nps(others)))
    answers = [
        value for it in chosen for title, value in it.answers if value and title.startswith("How")
    ]
    (asked,) = (row for row in report.table("questions") if row["Question"].startswith("How"))
    assert float(asked["Average"]) == pytest.approx(sum(answers) / len(answers), abs=0.006)
    talked = Counter(
        sentiment for it in chosen for label, _, sentiment in it.topics if label == "Delivery"
    )
    (delivery,) = (row for row in report.table("topics") if row["Topic"] == "Delivery")
    assert {delivery[name] for name in ("Positive", "Negative")} == {
        str(talked["positive"]),
        str(talked["negative"]),
    }


def test_the_rows_of_a_plot_stand_in_the_order_of_its_table(report: Report) -> None:
    for country in ("UK", "NL"):
        report.choose(field="Country", value=country)
        for name in ("segments", "drivers"):
            names = [next(iter(row.values())) for row in report.table(name)]
            labels = report.page.locator(f"#{name} .role-axis-label text").evaluate_all(
                """labels => labels.map(it => [it.getBoundingClientRect().top, it.textContent])
                .sort((one, other) => one[0] - other[0]).map(it => it[1])"""
            )
            short = [it for it in names if len(it) < 20]
            assert [it for it in labels if it in short] == short


def test_a_click_on_a_month_chooses_it_and_a_second_one_lets_it_go(report: Report) -> None:
    report.click("#months .target_marks path", at=2)
    assert "Sep 2026" in report.text("#state")
    assert len(report.table("months")) == 1

    report.click("#months .target_marks path")
    assert len(report.table("months")) == 19


def test_a_click_on_a_segment_chooses_it(report: Report) -> None:
    first = report.table("segments")[0]
    report.click("#segments .target_marks path")

    assert report.text("#nps") == first["NPS"]
    assert report.text("#state").startswith(f"{first['Responses']} responses")
    assert report.page.locator("#value").input_value() != "0"


def test_a_change_within_its_margin_is_no_clear_change(report: Report) -> None:
    last, before = (
        nps([it for it in RESPONSES if it.month in months]) or 0
        for months in (range(15, 18), range(12, 15))
    )
    assert report.text(".verdict") == "≈ No clear change"
    assert signed(last - before) in report.text("#change")


def test_a_change_is_called_by_its_name(report: Report) -> None:
    def word(before: str, now: str) -> Any:
        return report.page.evaluate(f"compared(score({now}), score({before})).word")

    assert word("0, 0, 50, 50, 50", "50, 0, 0, 50, 50") == "up"
    assert word("50, 0, 0, 50, 50", "0, 0, 50, 50, 50") == "down"
    assert word("50, 20, 30, 100, 100", "52, 20, 28, 100, 100") == "same"
    assert word("0, 0, 29, 29, 29", "50, 0, 0, 50, 50") == "few"
    assert word("0, 0, 0, 0, 9", "50, 0, 0, 50, 50") == "nothing"


@pytest.mark.sampled
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_is_kept_out(report: Report, scheme: Literal["light", "dark"]) -> None:
    report.page.emulate_media(color_scheme=scheme)
    try:
        assert report.violations() == []
    finally:
        report.page.emulate_media(color_scheme="light")


def test_a_phone_shows_everything_in_one_column(report: Report) -> None:
    report.page.set_viewport_size(PHONE)
    try:
        assert report.page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
        assert report.violations() == []
        plots = report.page.locator(".plot svg:visible")
        boxes = [plots.nth(at).bounding_box() for at in range(plots.count())]
        assert all(it and it["x"] >= 0 and it["x"] + it["width"] <= PHONE["width"] for it in boxes)
    finally:
        report.page.set_viewport_size(SCREEN)


def test_the_filters_are_reached_and_used_by_keyboard(report: Report) -> None:
    report.page.locator("body").click(position={"x": 1, "y": 1})
    reached = []
    for _ in range(6):
        report.page.keyboard.press("Tab")
        reached.append(report.page.evaluate("document.activeElement.id"))
    assert reached[-5:] == ["from", "to", "field", "value", "reset"]


def test_text_of_the_account_stays_text(report: Report) -> None:
    assert MARKUP in [row["Driver"] for row in report.table("drivers")]
    assert MARKUP in report.page.locator("#comments li p").all_inner_texts()
    assert ARABIC in report.page.locator("#comments li p").all_inner_texts()
    assert report.page.locator("main script, footer script").count() == 0
    assert report.page.locator("#health-tables th", has_text=MARKUP).count() == 1
    assert MARKUP not in report.page.content()


def test_an_empty_account_makes_an_honest_page(browser: Browser, tmp_path: Path) -> None:
    report = opened(browser, tmp_path, fake_report.empty())

    assert report.text("#state") == "0 responses, everybody"
    assert report.text("#nps") == NONE
    assert report.text("#now-lead") == "No scores in this selection."
    assert not report.page.locator("svg:visible").count()
    assert report.text("#comments-lead") == "Not shown: dropped by the privacy policy."
    assert "non_responses" in report.text("#rate-lead")
    assert "close_loop" in report.text("#cases-lead")
    assert (report.requests, report.errors, report.violations()) == ([], [], [])


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("make", "told", "score"),
    [
        (fake_report.unscored, "40 responses", NONE),
        (fake_report.one_month, "1 response, Nov 2026", f"{MINUS}100.0"),
    ],
)
def test_little_data_makes_an_honest_page(
    browser: Browser, tmp_path: Path, make: Callable[[], dict[str, Any]], told: str, score: str
) -> None:
    report = opened(browser, tmp_path, make())

    assert report.text("#state").startswith(told)
    assert report.text("#nps") == score
    assert report.text(".verdict") == "Nothing to compare with"
    assert (report.requests, report.errors) == ([], [])


@pytest.mark.long
def test_a_large_account_is_small_and_quick(browser: Browser, tmp_path: Path) -> None:
    report = opened(browser, tmp_path, fake_report.large())
    assert (tmp_path / "report.html").stat().st_size <= 3_000_000

    taken = []
    for value in ("Value 7", "Value 8", "Everybody", "Value 9"):
        report.choose(value=value)
        taken.append(int(report.page.locator("html").get_attribute("data-milliseconds") or 999))
    assert min(taken) < 200  # the others may have waited for a machine with more to do
    assert report.errors == []


def test_print_opens_the_tables_and_leaves_out_the_filters(report: Report) -> None:
    report.page.emulate_media(media="print")
    try:
        assert report.page.locator("#months table").is_visible()
        assert report.page.locator("#state").is_visible()
        assert not report.page.locator("#from").is_visible()
    finally:
        report.page.emulate_media(media="screen")


def test_the_same_data_makes_the_same_page() -> None:
    assert render(fake_report.one_month()) == render(fake_report.one_month())
