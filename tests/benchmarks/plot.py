"""The plots: time and memory against the number of responses; and a year of hours."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from .cases import LIMIT, OURS, PARQUET, Case, Results
from .machine import machine, today, versions
from .rows import Sizes

_STYLES = {OURS: ("#0b6e99", "o"), PARQUET: ("#c2571a", "s"), LIMIT: ("#777777", "^")}


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
        ModuleNotFoundError: matplotlib is not installed.
    """
    import_module("matplotlib")


def plot_cases(sizes: Sizes) -> list[Case]:
    """Returns what has to be measured for the plot."""
    numbers = [sizes.usual // 10, sizes.usual * 3 // 10, sizes.usual]
    more = [number for number in (sizes.usual * 3, sizes.large) if number > sizes.usual]
    cases = [Case(subject, number) for number in numbers for subject in _STYLES]
    return cases + [Case(OURS, number) for number in sorted(set(more))]


def draw(results: Results, sizes: Sizes, path: Path) -> None:
    """Writes the plot, as SVG or whatever the path's suffix says."""
    figure, left, right = _figure()
    for subject, (colour, marker) in _STYLES.items():
        cases = [case for case in plot_cases(sizes) if case.subject == subject]
        cases.sort(key=lambda case: case.responses)
        style = {"color": colour, "marker": marker, "label": subject.replace("`", "")}
        numbers = [case.responses for case in cases]
        left.plot(numbers, [results.seconds(case) for case in cases], **style)
        right.plot(numbers, [results.megabytes(case) for case in cases], **style)
    for axes, title in ((left, "time of the whole process, s"), (right, "peak memory, MB")):
        axes.set(title=title, xlabel="responses", xscale="log")
        axes.xaxis.set_major_formatter("{x:,.0f}")
    left.set_yscale("log")
    left.yaxis.set_major_formatter("{x:g}")
    right.set_ylim(bottom=0)
    left.legend(frameon=False)
    _write(figure, path)


def draw_year(hours: Sequence[Hour], fresh: int, path: Path) -> None:
    """Writes time and size of a year of hours, as SVG or whatever the path's suffix says.

    Args:
        hours: The hours, in their order.
        fresh: Bytes of a database with the same rows after one load.
        path: The file.
    """
    figure, left, right = _figure()
    (ours, _), (theirs, _) = _STYLES[OURS], _STYLES[LIMIT]
    numbers = [it.hour for it in hours]
    left.plot(numbers, [it.seconds for it in hours], color=ours, marker=".", ms=2, ls="")
    right.plot(numbers, [it.bytes / 1e6 for it in hours], color=ours, label="after each hour")
    right.plot(
        numbers[-1:], [fresh / 1e6], color=theirs, marker="^", ls="", label="one load of the rows"
    )
    for axes, title in ((left, "time of a run, s"), (right, "size of the database, MB")):
        axes.set(title=title, xlabel="hour")
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_formatter("{x:,.0f}")
    right.legend(frameon=False)
    _write(figure, path)


def _figure() -> tuple[Any, Any, Any]:
    """Returns a figure and its two axes, which are bare yet."""
    import_module("matplotlib").rcParams.update({"svg.fonttype": "path", "svg.hashsalt": "plot"})
    # Without pyplot nothing is global, and no display is looked for.
    figure: Any = import_module("matplotlib.figure").Figure(figsize=(9, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for axes in (left, right):
        axes.grid(visible=True, which="major", alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    return figure, left, right


def _write(figure: Any, path: Path) -> None:
    figure.supxlabel(f"{today()} · {machine()}\n{versions()}", fontsize=7, color="#555555")
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
