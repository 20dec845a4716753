"""The plots: time and memory against the number of responses; and a year of hours."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

from .cases import LIMIT, OURS, PARQUET, Case, Results
from .machine import machine, today, versions
from .rows import Sizes

_STYLES: Final = {
    OURS: ("#0b6e99", "circle"),
    PARQUET: ("#c2571a", "square"),
    LIMIT: ("#777777", "triangle-up"),
}
_FROM_ZERO: Final = {"zero": True, "nice": True}
_WIDTH: Final = 350
_HEIGHT: Final = 250
_TEN: Final = 10
"""Hours that make a point of the plot of a year."""


class Hour(NamedTuple):
    """What an hourly run took, and what it left behind.

    Attributes:
        hour: Its number, from 1.
        seconds: What it took.
        bytes: Size of the database after it.
        loads: Rows of `_dlt_loads`.
        states: Rows of `_dlt_pipeline_state`.
        schemas: Rows of `_dlt_version`.
    """

    hour: int
    seconds: float
    bytes: int
    loads: int
    states: int
    schemas: int


def check_available() -> None:
    """Imports what draws.

    Raises:
        ModuleNotFoundError: vl-convert is not installed.
    """
    import_module("vl_convert")


def plot_cases(sizes: Sizes) -> list[Case]:
    """Returns what has to be measured for the plot."""
    numbers = [sizes.usual // 10, sizes.usual * 3 // 10, sizes.usual]
    more = [number for number in (sizes.usual * 3, sizes.large) if number > sizes.usual]
    cases = [Case(subject, number) for number in numbers for subject in _STYLES]
    return cases + [Case(OURS, number) for number in sorted(set(more))]


def draw(results: Results, sizes: Sizes, path: Path) -> None:
    """Writes the plot of time and memory, as SVG."""
    names = {subject: subject.replace("`", "") for subject in _STYLES}
    points = [
        {
            "subject": names[case.subject],
            "x": case.responses,
            "seconds": results.seconds(case),
            "megabytes": results.megabytes(case),
        }
        for case in plot_cases(sizes)
    ]
    colours, shapes = zip(*_STYLES.values(), strict=True)
    subject = {"field": "subject", "type": "nominal", "title": None, "sort": [*names.values()]}
    encoding = {
        "color": {**subject, "scale": {"domain": [*names.values()], "range": colours}},
        "shape": {**subject, "scale": {"domain": [*names.values()], "range": shapes}},
    }
    responses = _axis("x", "responses", scale={"type": "log"}, format=",d")
    seconds = _axis("seconds", None, scale={"type": "log"}, format="~g")
    megabytes = _axis("megabytes", None, scale=_FROM_ZERO, format=",d")
    line = {"type": "line", "point": {"filled": True, "size": 50}}
    charts = [
        {
            "title": title,
            "mark": line,
            "encoding": {"x": responses, "y": y, **encoding},
        }
        for title, y in (
            ("time of the whole process, s", seconds),
            ("peak memory, MB", megabytes),
        )
    ]
    _write(points, charts, path)


def draw_year(hours: Sequence[Hour], fresh: int, path: Path) -> None:
    """Writes the plot of time and size of a year of hours, as SVG.

    Args:
        hours: The hours, in their order.
        fresh: Bytes of a database with the same rows after one load.
        path: The file.
    """
    points = [
        {
            "x": it.hour,
            "seconds": median(one.seconds for one in hours[max(0, it.hour - _TEN) : it.hour]),
            "size": it.bytes / 1e6,
        }
        for it in hours[_TEN - 1 :: _TEN]
    ]
    (ours, _), (theirs, shape) = _STYLES[OURS], _STYLES[LIMIT]
    hour = _axis("x", "hour", format=",d")
    once = {"values": [{"x": hours[-1].hour, "size": fresh / 1e6, "what": "one load of the rows"}]}
    size = _axis("size", None, scale=_FROM_ZERO, format=",d")
    charts: list[dict[str, Any]] = [
        {
            "title": "time of a run, s (median of ten)",
            "mark": {"type": "line", "color": ours},
            "encoding": {
                "x": hour,
                "y": _axis("seconds", None, scale=_FROM_ZERO, format="~g"),
            },
        },
        {
            "title": "size of the database, MB",
            "encoding": {"x": hour, "y": size},
            "layer": [
                {"mark": {"type": "line", "color": ours}},
                {
                    "data": once,
                    "mark": {"type": "point", "filled": True, "color": theirs, "shape": shape},
                },
                {
                    "data": once,
                    "mark": {"type": "text", "align": "right", "dx": -8, "color": theirs},
                    "encoding": {"text": {"field": "what"}},
                },
            ],
        },
    ]
    _write(points, charts, path)


def _axis(field: str, title: str | None, *, format: str, **more: Any) -> dict[str, Any]:  # noqa: A002 - Vega-Lite's
    """Returns what a channel of numbers shows."""
    axis = {"format": format, "labelOverlap": True}
    return {"field": field, "type": "quantitative", "title": title, "axis": axis, **more}


def _write(points: Sequence[Any], charts: Sequence[dict[str, Any]], path: Path) -> None:
    """Draws charts side by side, and below them where and with what was measured."""
    convert: Any = import_module("vl_convert")
    below = {
        "text": [f"{today()} · {machine()}", versions()],
        "orient": "bottom",
        "anchor": "middle",
        "fontSize": 9,
        "fontWeight": "normal",
        "color": "#555555",
    }
    spec = {
        "title": below,
        "background": "white",
        "data": {"values": points},
        "hconcat": [{"width": _WIDTH, "height": _HEIGHT, **chart} for chart in charts],
        "config": {"view": {"stroke": None}, "axis": {"gridOpacity": 0.5}},
    }
    path.write_text(convert.vegalite_to_svg(spec), encoding="utf-8")
