"""The rows of the table: what must be reached, and how it follows from what was measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .cases import AS_IT_COMES, IMPORT, LIMIT, OURS, PARQUET, Case, Results
from .shapes import PER_PAGE, SHAPES

_HOURLY = 50
_IMPORT_MORE = 0.3


@dataclass(frozen=True)
class Sizes:
    """Numbers of responses.

    Attributes:
        usual: For most rows.
        large: To see what grows.
        small: For `rest_api` as it comes, which takes 17 GB for 100,000.
        latency: Seconds that a page takes in the row about latency.
    """

    usual: int = 100_000
    large: int = 1_000_000
    small: int = 10_000
    latency: float = 0.5


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes:
        name: Its name on the command line.
        title: What it says.
        must: The largest value that passes; None if it is there to be known only.
        aim: The value to aim at.
        cases: What has to be measured for it.
        value: Returns the row's value.
        unit: Unit of the value; empty if it is a ratio.
    """

    name: str
    title: str
    must: float | None
    aim: float | None
    cases: tuple[Case, ...]
    value: Callable[[Results], float]
    unit: str = ""

    def holds(self, results: Results) -> bool:
        """Tells whether the `must` is reached."""
        return self.must is None or self.value(results) <= self.must


def rows(sizes: Sizes) -> list[Row]:
    """Returns all rows."""
    return [
        *_against_others(sizes),
        *_shapes(sizes),
        *_private(sizes),
        *_alone(sizes),
        *_short(sizes),
    ]


def _against_others(sizes: Sizes) -> list[Row]:
    """Returns the rows that compare ours with the limit and with `rest_api`."""
    number, few = f"{sizes.usual:,}", f"{sizes.small:,}"
    return [
        _ratio("limit", f"backfill of {number} responses: time ÷ limit",
               (1.8, 1.5), Case(OURS, sizes.usual), Case(LIMIT, sizes.usual)),
        _ratio("parquet", f"backfill of {number} responses: time ÷ `rest_api` with `parquet`",
               (0.3, 0.2), Case(OURS, sizes.usual), Case(PARQUET, sizes.usual)),
        _ratio("insert-values", f"backfill of {few} responses: time ÷ `rest_api` as it comes",
               None, Case(OURS, sizes.small), Case(AS_IT_COMES, sizes.small)),
    ]  # fmt: skip


def _alone(sizes: Sizes) -> list[Row]:
    """Returns the rows about memory, growth and waiting."""
    number, large = f"{sizes.usual:,}", f"{sizes.large:,}"
    usual, more = Case(OURS, sizes.usual), Case(OURS, sizes.large)
    slow = Case(OURS, sizes.usual, latency=sizes.latency)
    return [
        Row("memory", f"peak memory, {number} responses",
            450, 350, (usual,), lambda results: results.megabytes(usual), unit="MB"),
        Row("large-memory", f"peak memory at {large} ÷ at {number} responses",
            1.15, 1.05, (usual, more),
            lambda results: results.megabytes(more) / results.megabytes(usual)),
        Row("large-time", f"time per response at {large} ÷ at {number} responses",
            1.2, 1.0, (usual, more),
            lambda results: results.seconds(more) / sizes.large
            / (results.seconds(usual) / sizes.usual)),
        Row("latency", f"{number} responses, {sizes.latency:g} s a page:"
            f" time ÷ (pages × {sizes.latency:g} s)",  # noqa: RUF001 - it is meant
            1.08, 1.05, (slow,),
            lambda results: results.seconds(slow) / (slow.pages * sizes.latency)),
    ]  # fmt: skip


def _short(sizes: Sizes) -> list[Row]:
    """Returns the rows about runs with little or nothing to load, and about the start of one."""
    idle, other = (Case(subject, sizes.usual, since=0) for subject in (OURS, PARQUET))
    over_large, over_small = (
        Case(OURS, before, since=_HOURLY) for before in (sizes.large, sizes.small)
    )
    start, bare = Case(OURS, PER_PAGE, is_start=True), Case(IMPORT, 0)
    return [
        _ratio("idle", "an idle run in a fresh working directory: time ÷ `rest_api` with `parquet`",
               (1.0, 0.7), idle, other),
        _ratio("hourly", f"{_HOURLY} new responses: time over {sizes.large:,} ÷ over"
               f" {sizes.small:,} responses", (1.5, 1.2), over_large, over_small),
        Row("start", f"start to first request: (time - {_IMPORT_MORE} s) ÷ a bare `import dlt`",
            1.0, None, (start, bare),
            lambda results: (results.seconds(start) - _IMPORT_MORE) / results.seconds(bare)),
    ]  # fmt: skip


def _shapes(sizes: Sizes) -> list[Row]:
    """Returns the rows about what is not as documented."""
    documented, number = Case(OURS, sizes.usual), f"{sizes.usual:,}"
    return [
        _ratio(name, f"{number} responses, {shape.title}: time ÷ as documented",
               (1.35, 1.15), Case(OURS, sizes.usual, shape=name), documented)
        for name, shape in SHAPES.items()
    ]  # fmt: skip


def _private(sizes: Sizes) -> list[Row]:
    """Returns the rows about a privacy policy."""
    plain, private = Case(OURS, sizes.usual), Case(OURS, sizes.usual, is_private=True)
    what = f"{sizes.usual:,} responses with four fields hashed and the comments dropped"
    return [
        _ratio("privacy", f"{what}: time ÷ without a policy", (1.25, 1.05), private, plain),
        Row("privacy-memory", f"{what}: peak memory ÷ without a policy",
            1.05, 1.0, (private, plain),
            lambda results: results.megabytes(private) / results.megabytes(plain)),
    ]  # fmt: skip


def _ratio(
    name: str, title: str, bounds: tuple[float, float] | None, ours: Case, other: Case
) -> Row:
    """Returns a row that compares the times of two cases; the bounds are `must` and `aim`."""
    must, aim = bounds or (None, None)
    return Row(
        name, title, must, aim, (ours, other),
        lambda results: results.seconds(ours) / results.seconds(other),
    )  # fmt: skip


ROW_NAMES = tuple(row.name for row in rows(Sizes()))
