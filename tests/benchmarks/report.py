"""The tables, in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from .cases import IMPORT, Case, Results
from .machine import machine, today, versions
from .process import SECONDS_PER_SAMPLE
from .rows import Row
from .shapes import SHAPES

_SHORT = 2


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


def _order(case: Case) -> tuple[bool, int, float, int, str, str, bool]:
    return (
        case.is_start or case.subject == IMPORT,
        -1 if case.since is None else case.since,
        case.latency,
        case.responses,
        case.subject,
        case.shape,
        case.is_private,
    )


def _number(row: Row, value: float) -> str:
    return f"{value:.0f} {row.unit}" if row.unit else f"{value:.2f}"


def _bound(row: Row, value: float | None) -> str:
    return "" if value is None else f"≤ {_number(row, value)}"


def _kind(case: Case) -> str:
    """Returns what is special about a case."""
    if case.since is not None:
        return f"then {case.since} more, fresh directory" if case.since else "idle, fresh directory"
    if case.shape:
        return SHAPES[case.shape].title
    if case.latency:
        return f"{case.latency:g} s a page"
    if case.is_start:
        return "to the first request"
    return "with a privacy policy" if case.is_private else ""


def _measured(case: Case, results: Results) -> str:
    """Returns the line of a case."""
    responses = f"{case.responses:,}" if case.responses else ""
    seconds = [run.seconds for run in results.runs[case]]
    middle = results.seconds(case)
    digits = 1 if middle >= _SHORT else 2
    low, high = (f"{it:.{digits}f}" for it in (min(seconds), max(seconds)))
    spread = f" ({low} to {high})" if len(seconds) > 1 else ""
    return (
        f"| {case.subject} | {responses} | {_kind(case)} | {middle:.{digits}f} s{spread}"
        f" | {results.megabytes(case):.0f} MB | {len(seconds)} |"
    )
