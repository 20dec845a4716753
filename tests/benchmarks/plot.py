"""The plot: time and memory against the number of responses."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from .cases import LIMIT, OURS, PARQUET, Case, Results
from .machine import machine, today, versions
from .rows import Sizes

_STYLES = {OURS: ("#0b6e99", "o"), PARQUET: ("#c2571a", "s"), LIMIT: ("#777777", "^")}


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
    import_module("matplotlib").rcParams.update({"svg.fonttype": "path", "svg.hashsalt": "plot"})
    # Without pyplot nothing is global, and no display is looked for.
    figure: Any = import_module("matplotlib.figure").Figure(figsize=(9, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
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
        axes.grid(visible=True, which="major", alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    left.set_yscale("log")
    left.yaxis.set_major_formatter("{x:g}")
    right.set_ylim(bottom=0)
    left.legend(frameon=False)
    figure.supxlabel(f"{today()} · {machine()}\n{versions()}", fontsize=7, color="#555555")
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
