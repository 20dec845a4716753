"""What the charts are drawn of, in Vega-Lite: axes, lines, points, and what the pointer meets.

A colour is always a CSS variable of `page.css`: the SVG then follows light, dark and print by
itself, and no chart is drawn twice.
"""

from __future__ import annotations

from typing import Any, Final

Spec = dict[str, Any]
"""A piece of Vega-Lite: https://vega.github.io/vega-lite/docs/"""

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
ACCENT: Final = "var(--accent)"
# A phone has no room for four entries in a row, and little for names.
_NARROW: Final = "windowSize()[0] < 640"


def colours(field: str, **named: str) -> Spec:
    """Returns the encoding of groups by colour, with its legend; `named` are CSS variables."""
    return {
        "field": field,
        "type": "nominal",
        "scale": {"domain": [*named], "range": [f"var(--{it})" for it in named.values()]},
        "legend": {"columns": {"expr": f"{_NARROW} && {len(named)} > 3 ? 2 : {len(named)}"}},
    }


def value(field: str, title: str | None = None, **more: object) -> Spec:
    """Returns the encoding of a figure by position; an axis has but a few ticks."""
    axis: Spec = {"tickCount": 6}
    return {"field": field, "type": "quantitative", "title": title, "axis": axis, **more}


def mark(kind: str, encoding: Spec | None = None, where: str = "", **style: object) -> Spec:
    """Returns a layer: a mark, in the rows where an expression is true."""
    layer: Spec = {"mark": {"type": kind, **style}}
    if encoding:
        layer["encoding"] = encoding
    if where:
        layer["transform"] = [{"filter": where}]
    return layer


def when(test: str, then: object, otherwise: object) -> Spec:
    """Returns the encoding of what depends on a test of a row."""
    return {"value": otherwise, "condition": {"test": test, "value": then}}


def label(field: str, encoding: Spec | None = None, where: str = "", **style: object) -> Spec:
    """Returns a layer of texts."""
    return mark("text", {"text": {"field": field}, **(encoding or {})}, where, **style)


SURE: Final[Spec] = {"fill": when("datum.few", "var(--paper)", ACCENT)}
"""A point of few scores is hollow."""


def by_month(field: str) -> tuple[Spec, ...]:
    """Returns a line with a dot a month; a month without the figure is a gap."""
    return (
        mark("line", strokeWidth=2.5, stroke=ACCENT),
        mark("point", SURE, where=f"isValid(datum.{field})", size=45, opacity=1, stroke=ACCENT),
    )


def target(**encoding: object) -> Spec:
    """Returns what the pointer meets: a row or a column as a whole, however small its mark."""
    faint: Spec = {"param": "hover", "empty": False, "value": 0.07}
    return mark(
        "bar",
        {"opacity": {"value": 0, "condition": faint}, **encoding},
        color="var(--ink)",
        cursor="pointer",
    ) | {
        "name": "target",
        "params": [{"name": "hover", "select": {"type": "point", "on": "pointerover"}}],
    }


MONTH: Final[Spec] = {
    "field": "date",
    "timeUnit": "utcyearmonth",
    "bandPosition": 0.5,
    "title": None,
    "axis": {
        "format": "%b %Y",
        "grid": False,
        "labelOverlap": True,
        "tickCount": {"interval": "month", "step": 1},
    },
}
# Without a sort Vega keeps the order in which it first met a name, in an earlier selection.
_ORDER: Final[Spec] = {"field": "order", "op": "min"}
_ROW: Final[Spec] = {"field": "name", "type": "nominal", "sort": _ORDER, "title": None}
_ROW_AXIS: Final[Spec] = {"domain": False, "labelColor": "var(--ink)"}
NAME: Final[Spec] = _ROW | {"axis": _ROW_AXIS | {"labelLimit": {"expr": f"{_NARROW} ? 110 : 200"}}}
# Titles of questions are sentences: they stand over their row.
LONG_NAME: Final[Spec] = _ROW | {
    "axis": _ROW_AXIS
    | {
        "labelAlign": "left",
        "labelPadding": 0,
        "labelOffset": -14,
        "labelLimit": {"expr": "width"},
    }
}
COLUMN_TARGET: Final = target(y={"value": 0}, y2={"value": "height"})
ROW_TARGET: Final = target(x={"value": 0}, x2={"value": "width"})
