"""The charts of the report, in the order in which the page shows them."""

from __future__ import annotations

from typing import Final

from customergauge_source.report.chart import Chart, Column
from customergauge_source.report.marks import (
    ACCENT,
    COLUMN_TARGET,
    LONG_NAME,
    MONTH,
    NAME,
    ROW_TARGET,
    SURE,
    by_month,
    colours,
    label,
    mark,
    value,
    when,
)

_GROUPS: Final = (
    Column("promoters", "Promoters"),
    Column("passives", "Passives"),
    Column("detractors", "Detractors"),
)
_SCORE: Final = (
    Column("responses", "Responses"),
    Column("nps", "NPS", "signed"),
    Column("margin", "Margin", "margin"),
    *_GROUPS,
)
_COUNTS: Final = {"tickCount": 4, "tickMinStep": 1, "format": ",d"}

CHARTS: Final[dict[str, Chart]] = {
    "months": Chart(
        caption="NPS by month",
        columns=(Column("name", "Month", "text"), *_SCORE),
        encoding={"x": MONTH, "y": value("nps", "NPS", scale={"zero": False})},
        layers=(
            mark(
                "area",
                {"y": value("low", "NPS"), "y2": {"field": "high"}},
                opacity=0.18,
                color=ACCENT,
            ),
            *by_month("nps"),
            COLUMN_TARGET,
        ),
        height=320,
    ),
    "scores": Chart(
        caption="Responses by score",
        columns=(
            Column("name", "Score", "text"),
            Column("group", "Group", "text"),
            Column("responses", "Responses"),
            Column("share", "Share", "percent"),
        ),
        encoding={
            "x": NAME | {"title": "Score", "axis": {"labelAngle": 0}},
            "y": value("responses", "Responses", axis=_COUNTS),
        },
        layers=(
            mark(
                "bar",
                {
                    "color": colours(
                        "group", Detractors="detractor", Passives="passive", Promoters="promoter"
                    )
                },
                cornerRadiusEnd=3,
            ),
            label("label", dy=-8, fontSize=11),
            COLUMN_TARGET,
        ),
        height=320,
    ),
    "segments": Chart(
        caption="NPS by segment",
        columns=(Column("name", "Segment", "text"), *_SCORE),
        encoding={"y": NAME, "x": value("nps", "NPS", scale={"zero": False})},
        layers=(
            mark(
                "rule",
                {"x": {"field": "overall", "aggregate": "max"}, "y": None},
                strokeDash=[4, 4],
            ),
            mark(
                "rule",
                {
                    "x": value("low", "NPS"),
                    "x2": {"field": "high"},
                    "opacity": when("datum.chosen", 0.5, 0.2),
                },
                strokeWidth=3,
                color=ACCENT,
            ),
            mark(
                "point",
                SURE | {"opacity": when("datum.chosen", 1, 0.35)},
                size=90,
                stroke=ACCENT,
            ),
            ROW_TARGET,
        ),
        height=28,
        rows=True,
    ),
    "drivers": Chart(
        caption="What each driver adds to the NPS, or takes from it",
        columns=(
            Column("name", "Driver", "text"),
            Column("contribution", "Adds", "signed"),
            Column("responses", "Responses"),
            *_GROUPS,
        ),
        encoding={
            "y": NAME,
            "x": value("contribution", "Points of NPS", scale={"padding": 52, "nice": False}),
        },
        layers=(
            mark(
                "bar",
                {"color": when("datum.contribution < 0", "var(--detractor)", "var(--promoter)")},
                cornerRadiusEnd=3,
            ),
            mark("rule", {"x": {"datum": 0}, "y": None}),
            label("text.contribution", where="datum.contribution >= 0", align="left", dx=6),
            label("text.contribution", where="datum.contribution < 0", align="right", dx=-6),
            ROW_TARGET,
        ),
        height=30,
        rows=True,
    ),
    "topics": Chart(
        caption="Topics by sentiment",
        columns=(
            Column("name", "Topic", "text"),
            Column("net", "Net sentiment", "signed"),
            Column("responses", "Responses"),
            Column("negative", "Negative"),
            Column("mixed", "Mixed"),
            Column("neutral", "Neutral"),
            Column("positive", "Positive"),
            Column("without", "Without"),
        ),
        encoding={"y": NAME},
        layers=(
            mark(
                "bar",
                {
                    "x": value(
                        "parts.start",
                        "← negative · positive →",
                        axis={"labels": False, "grid": False, "domain": False},
                        scale={"range": [0, {"expr": "width - 56"}]},
                    ),
                    "x2": {"field": "parts.end"},
                    "color": colours(
                        "parts.sentiment",
                        Negative="detractor",
                        Mixed="mixed",
                        Neutral="passive",
                        Positive="promoter",
                    ),
                },
            )
            | {"transform": [{"flatten": ["parts"]}]},
            label("text.net", {"x": {"value": "width"}}, align="right"),
            ROW_TARGET,
        ),
        height=30,
        rows=True,
    ),
    "questions": Chart(
        caption="Answers in numbers, by question",
        columns=(
            Column("name", "Question", "text"),
            Column("average", "Average", "number"),
            Column("lowest", "Lowest", "number"),
            Column("highest", "Highest", "number"),
            Column("numeric", "In numbers"),
            Column("answers", "Answers"),
        ),
        encoding={"y": LONG_NAME, "x": value("average")},
        layers=(
            mark(
                "rule",
                {"x": value("lowest"), "x2": {"field": "highest"}},
                strokeWidth=6,
                strokeCap="round",
                opacity=0.25,
            ),
            mark("point", filled=True, size=110, opacity=1, color=ACCENT),
            label("text.average", dy=14, fontSize=11),
            ROW_TARGET,
        ),
        height=56,
        rows=True,
    ),
    "rate": Chart(
        caption="Response rate by month of sending",
        columns=(
            Column("name", "Month", "text"),
            Column("rate", "Rate", "percent"),
            Column("delivered", "Delivered"),
            Column("responded", "Responded"),
        ),
        encoding={
            "x": MONTH,
            "y": value("rate", "Responded of delivered", axis={"format": ".0%", "tickCount": 4}),
        },
        layers=(*by_month("rate"), COLUMN_TARGET),
        height=260,
    ),
    "cases": Chart(
        caption="Cases by status",
        columns=(
            Column("name", "Status", "text"),
            Column("cases", "Cases"),
            Column("hours_to_follow_up", "Hours to follow-up", "number"),
            Column("hours_to_close", "Hours to close", "number"),
        ),
        encoding={"y": NAME, "x": value("cases", "Cases", axis=_COUNTS)},
        layers=(
            mark("bar", color=ACCENT, cornerRadiusEnd=3),
            label("text.cases", align="left", dx=6),
            ROW_TARGET,
        ),
        height=30,
        rows=True,
    ),
}
