"""The tables, in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from .cases import Case, Results
from .machine import machine, today, versions
from .process import SECONDS_PER_SAMPLE
from .rows import Row


def report(rows: Sequence[Row], results: Results, *, judged: bool) -> str:
    """Returns the table of rows, what was measured for it, and how.

    Args:
        rows: The rows to show.
        results: What was measured.
        judged: Whether the sizes are those that `must` and `aim` are meant for.
    """
    lines = ["| | must | aim | measured | |", "|---|---|---|---|---|"]
    for row in rows:
        verdict = "" if row.must is None else "holds" if row.holds(results) else "**fails**"
        must, aim = _bound(row, row.must), _bound(row, row.aim)
        value = _number(row, row.value(results))
        lines.append(f"| {row.title} | {must} | {aim} | {value} | {verdict if judged else '-'} |")
    lines += ["", "| | responses | | time | peak memory | runs |", "|---|---|---|---|---|---|"]
    lines += [_measured(case, results) for case in sorted(results.runs, key=_order)]
    return "\n".join([*lines, "", _caption()]) + "\n"


def _caption() -> str:
    """Returns on what, and how, it was measured."""
    return (
        f"Measured {today()} on {machine()}; {versions()}. Medians; times are of the whole"
        " process, with the range in brackets; memory is the resident size (RSS) of all processes"
        f" of a subject together, looked at every {SECONDS_PER_SAMPLE * 1000:.0f} ms"
        " (1 MB = 1,000,000 bytes)."
    )


def _order(case: Case) -> tuple[bool, float, int, str, str, bool]:
    return (
        case.idle,
        case.latency,
        case.responses,
        case.subject,
        case.field,
        case.is_private,
    )


def _number(row: Row, value: float) -> str:
    return f"{value:.0f} {row.unit}" if row.unit else f"{value:.2f}"


def _bound(row: Row, value: float | None) -> str:
    return "" if value is None else f"≤ {_number(row, value)}"


def _measured(case: Case, results: Results) -> str:
    """Returns the line of a case."""
    kind = f"`{case.field}` on each" if case.field else ""
    kind = "with a privacy policy" if case.is_private else kind
    if case.idle or case.latency:
        kind = "idle, fresh directory" if case.idle else f"{case.latency:g} s a page"
    seconds = [run.seconds for run in results.runs[case]]
    spread = f" ({min(seconds):.1f} to {max(seconds):.1f})" if len(seconds) > 1 else ""
    return (
        f"| {case.subject} | {case.responses:,} | {kind} | {results.seconds(case):.1f} s{spread}"
        f" | {results.megabytes(case):.0f} MB | {len(seconds)} |"
    )
