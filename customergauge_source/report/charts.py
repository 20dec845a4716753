"""The charts of the report: what each shows, as Vega-Lite and as the columns of its table.

Vega-Lite is kept by the people of the University of Washington's data group, has been stable for
ten years, draws SVG (so that a print is sharp) and hovers, resizes and sorts by itself. Its specs
are JSON, so they are plain dicts here: Altair would be a second language for the same words, and
brings a dozen packages. Only `vl-convert-python` is needed, which holds the JavaScript of Vega,
Vega-Lite and vega-embed as one script, for a page that asks no server for anything.

A colour is always a CSS variable of `page.css`: the SVG then follows light, dark and print by
itself, and no chart is drawn twice.

`page.js` makes the rows. Each has what the spec draws, and under `text` the same figures as a
person reads them: the table and the hover text both show those, so they cannot differ.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

Spec = dict[str, Any]


class Column(NamedTuple):
    """A column of a chart's table, and a line of its hover text."""

    key: str
    """The field of a row."""
    title: str
    kind: str = "count"
    """How it is written: text, count, signed, margin, number, percent."""


class Chart(NamedTuple):
    """A chart and its table."""

    caption: str
    columns: tuple[Column, ...]
    layers: tuple[Spec, ...]
    encoding: Spec
    height: int
    """In pixels; of a chart with a row for each name, of one row."""
    rows: bool = False


GROUPS: Final = {
    "domain": ["Detractors", "Passives", "Promoters"],
    "range": ["var(--detractor)", "var(--passive)", "var(--promoter)"],
}
SENTIMENTS: Final = {
    "domain": ["Negative", "Mixed", "Neutral", "Positive"],
    "range": ["var(--detractor)", "var(--mixed)", "var(--passive)", "var(--promoter)"],
}
CONFIG: Final[Spec] = {
    "font": "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif",
    "background": "transparent",
    "view": {"stroke": None},
    "axis": {
        "labelColor": "var(--quiet)",
        "titleColor": "var(--quiet)",
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "gridColor": "var(--line)",
        "domainColor": "var(--line)",
        "ticks": False,
        "labelPadding": 8,
    },
    "legend": {
        "orient": "top",
        "title": None,
        "labelColor": "var(--ink)",
        "labelFontSize": 12,
        "symbolType": "square",
    },
    "text": {"color": "var(--ink)", "fontSize": 12},
    "rule": {"color": "var(--quiet)"},
    "scale": {"bandPaddingInner": 0.3},
}
SCORE_COLUMNS: Final = (
    Column("responses", "Responses"),
    Column("nps", "NPS", "signed"),
    Column("margin", "Margin", "margin"),
    Column("promoters", "Promoters"),
    Column("passives", "Passives"),
    Column("detractors", "Detractors"),
)
MONTH: Final[Spec] = {
    "field": "date",
    "bandPosition": 0.5,
    "timeUnit": "utcyearmonth",
    "title": None,
    "axis": {
        "format": "%b %Y",
        "grid": False,
        "labelOverlap": True,
        "tickCount": {"interval": "month", "step": 1},
    },
}
NAME: Final[Spec] = {
    "field": "name",
    "type": "nominal",
    "sort": None,
    "title": None,
    "axis": {
        "domain": False,
        "labelColor": "var(--ink)",
        "labelLimit": {"expr": "windowSize()[0] < 640 ? 110 : 200"},
    },
}
# Titles of questions are sentences: they stand over their row.
LONG_NAME: Final[Spec] = NAME | {
    "axis": NAME["axis"]
    | {
        "labelAlign": "left",
        "labelPadding": 0,
        "labelOffset": -14,
        "labelLimit": {"expr": "width"},
    },
}
ZERO: Final[Spec] = {"mark": {"type": "rule"}, "encoding": {"x": {"datum": 0}, "y": None}}


def _value(field: str, title: str | None, **more: Any) -> Spec:
    """Returns the encoding of a figure by position."""
    return {"field": field, "type": "quantitative", "title": title, **more}


def _by_month(field: str) -> tuple[Spec, ...]:
    """Returns a line with a dot a month; a month without the figure is a gap."""
    return (
        {"mark": {"type": "line", "strokeWidth": 2.5, "stroke": "var(--accent)"}},
        {
            "transform": [{"filter": f"isValid(datum.{field})"}],
            "mark": {"type": "point", "filled": True, "size": 45, "opacity": 1, "color": "var(--accent)"},
        },
    )


def _target(**encoding: Any) -> Spec:
    """Returns what the pointer meets: all the height of a month, all the width of a row."""
    return {
        "name": "target",
        "params": [{"name": "hover", "select": {"type": "point", "on": "pointerover"}}],
        "mark": {"type": "bar", "color": "var(--ink)", "cursor": "pointer"},
        "encoding": {
            "opacity": {"value": 0, "condition": {"param": "hover", "empty": False, "value": 0.07}},
            **encoding,
        },
    }


MONTH_TARGET: Final = _target(y={"value": 0}, y2={"value": "height"})
ROW_TARGET: Final = _target(x={"value": 0}, x2={"value": "width"})
_BAND: Final[Spec] = {
    "mark": {"type": "area", "color": "var(--accent)", "opacity": 0.18},
    "encoding": {"y": _value("low", "NPS"), "y2": {"field": "high"}},
}
_SURE: Final[Spec] = {"test": "datum.few", "value": "var(--paper)"}

CHARTS: Final[dict[str, Chart]] = {
    "months": Chart(
        caption="NPS by month",
        columns=(Column("name", "Month", "text"), *SCORE_COLUMNS),
        layers=(_BAND, *_by_month("nps"), MONTH_TARGET),
        encoding={"x": MONTH, "y": _value("nps", "NPS", scale={"zero": False})},
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
        layers=(
            {
                "mark": {"type": "bar", "cornerRadiusEnd": 3},
                "encoding": {"color": {"field": "group", "type": "nominal", "scale": GROUPS}},
            },
            {
                "mark": {"type": "text", "dy": -8, "fontSize": 11},
                "encoding": {"text": {"field": "label"}},
            },
            _target(y={"value": 0}, y2={"value": "height"}),
        ),
        encoding={
            "x": {
                "field": "name",
                "type": "nominal",
                "sort": None,
                "title": "Score",
                "axis": {"labelAngle": 0},
            },
            "y": _value("responses", "Responses", axis={"tickCount": 4, "format": ",d"}),
        },
        height=320,
    ),
    "segments": Chart(
        caption="NPS by segment",
        columns=(Column("name", "Segment", "text"), *SCORE_COLUMNS),
        layers=(
            {
                "mark": {"type": "rule", "strokeDash": [4, 4]},
                "encoding": {"x": {"field": "overall", "aggregate": "max"}, "y": None},
            },
            {
                "mark": {"type": "rule", "strokeWidth": 3, "color": "var(--accent)"},
                "encoding": {
                    "x": _value("low", "NPS"),
                    "x2": {"field": "high"},
                    "opacity": {"value": 0.2, "condition": {"test": "datum.chosen", "value": 0.5}},
                },
            },
            {
                "mark": {"type": "point", "size": 90, "opacity": 1, "stroke": "var(--accent)"},
                "encoding": {
                    "fill": {"value": "var(--accent)", "condition": _SURE},
                    "opacity": {"value": 0.35, "condition": {"test": "datum.chosen", "value": 1}},
                },
            },
            ROW_TARGET,
        ),
        encoding={
            "y": NAME,
            "x": _value("nps", "NPS", scale={"zero": False}, axis={"tickCount": 6}),
        },
        height=28,
        rows=True,
    ),
    "drivers": Chart(
        caption="What each driver adds to the NPS, or takes from it",
        columns=(
            Column("name", "Driver", "text"),
            Column("contribution", "Adds", "signed"),
            Column("responses", "Responses"),
            Column("promoters", "Promoters"),
            Column("passives", "Passives"),
            Column("detractors", "Detractors"),
        ),
        layers=(
            {
                "mark": {"type": "bar", "cornerRadiusEnd": 3},
                "encoding": {
                    "color": {
                        "value": "var(--promoter)",
                        "condition": {"test": "datum.contribution < 0", "value": "var(--detractor)"},
                    }
                },
            },
            ZERO,
            *(
                {
                    "transform": [{"filter": f"datum.contribution {sign} 0"}],
                    "mark": {"type": "text", "align": align, "dx": away},
                    "encoding": {"text": {"field": "text.contribution"}},
                }
                for sign, align, away in ((">=", "left", 6), ("<", "right", -6))
            ),
            ROW_TARGET,
        ),
        encoding={
            "y": NAME,
            "x": _value(
                "contribution",
                "Points of NPS",
                scale={"padding": 40, "nice": False},
                axis={"tickCount": 6},
            ),
        },
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
        layers=(
            {
                "transform": [{"flatten": ["parts"]}],
                "mark": {"type": "bar"},
                "encoding": {
                    "x": _value(
                        "parts.start",
                        "← negative · positive →",
                        axis={"labels": False, "grid": False, "domain": False},
                        scale={"range": [0, {"expr": "width - 56"}]},
                    ),
                    "x2": {"field": "parts.end"},
                    "color": {
                        "field": "parts.sentiment",
                        "type": "nominal",
                        "scale": SENTIMENTS,
                        "legend": {"columns": {"expr": "windowSize()[0] < 640 ? 2 : 4"}},
                    },
                },
            },
            {
                "mark": {"type": "text", "align": "right"},
                "encoding": {"x": {"value": "width"}, "text": {"field": "text.net"}},
            },
            ROW_TARGET,
        ),
        encoding={"y": NAME},
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
        layers=(
            {
                "mark": {"type": "rule", "strokeWidth": 6, "strokeCap": "round", "opacity": 0.25},
                "encoding": {
                    "x": _value("lowest", "Lowest, average and highest answer"),
                    "x2": {"field": "highest"},
                },
            },
            {"mark": {"type": "point", "filled": True, "size": 110, "opacity": 1, "color": "var(--accent)"}},
            {
                "mark": {"type": "text", "dy": 14, "fontSize": 11},
                "encoding": {"text": {"field": "text.average"}},
            },
            ROW_TARGET,
        ),
        encoding={"y": LONG_NAME, "x": _value("average", None, axis={"tickCount": 6})},
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
        layers=(*_by_month("rate"), MONTH_TARGET),
        encoding={
            "x": MONTH,
            "y": _value("rate", "Responded of delivered", axis={"format": ".0%", "tickCount": 4}),
        },
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
        layers=(
            {"mark": {"type": "bar", "color": "var(--accent)", "cornerRadiusEnd": 3}},
            {
                "mark": {"type": "text", "align": "left", "dx": 6},
                "encoding": {"text": {"field": "text.cases"}},
            },
            ROW_TARGET,
        ),
        encoding={"y": NAME, "x": _value("cases", "Cases", axis={"tickCount": 4, "format": ",d"})},
        height=30,
        rows=True,
    ),
}


def spec(chart: Chart) -> Spec:
    """Returns the Vega-Lite spec of a chart; its rows come from the page, under `rows`."""
    tooltip = [{"field": f"text.{it.key}", "title": it.title} for it in chart.columns]
    *drawn, target = chart.layers
    target = target | {"encoding": target["encoding"] | {"tooltip": tooltip}}
    return {
        "data": {"name": "rows"},
        "width": 300,
        "height": chart.height,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "padding": 4,
        "encoding": chart.encoding,
        "layer": [*drawn, target],
        "config": CONFIG,
    }


def declared() -> Spec:
    """Returns all charts as the page takes them."""
    return {
        name: {
            "caption": chart.caption,
            "columns": [it._asdict() for it in chart.columns],
            "step": chart.height if chart.rows else None,
            "spec": spec(chart),
        }
        for name, chart in CHARTS.items()
    }
