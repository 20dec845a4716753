"""The rows of the table: what must be reached, and how it follows from what was measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .cases import AS_IT_COMES, LIMIT, OURS, PARQUET, Case, Results


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


ROW_NAMES = (
    "limit",
    "parquet",
    "insert-values",
    "undeclared-number",
    "undeclared-text",
    "privacy",
    "privacy-memory",
    "memory",
    "large-memory",
    "large-time",
    "latency",
    "idle",
)


def rows(sizes: Sizes) -> list[Row]:
    """Returns all rows, in the order of `ROW_NAMES`."""
    return [*_against_others(sizes), *_undeclared(sizes), *_private(sizes), *_alone(sizes)]


def _against_others(sizes: Sizes) -> list[Row]:
    """Returns the rows that compare ours with the limit and with `rest_api`."""
    number, few = f"{sizes.usual:,}", f"{sizes.small:,}"
    return [
        _ratio("limit", f"backfill of {number} responses: time ÷ limit",
               (3.0, 1.5), Case(OURS, sizes.usual), Case(LIMIT, sizes.usual)),
        _ratio("parquet", f"backfill of {number} responses: time ÷ `rest_api` with `parquet`",
               (0.4, 0.2), Case(OURS, sizes.usual), Case(PARQUET, sizes.usual)),
        _ratio("insert-values", f"backfill of {few} responses: time ÷ `rest_api` as it comes",
               None, Case(OURS, sizes.small), Case(AS_IT_COMES, sizes.small)),
    ]  # fmt: skip


def _alone(sizes: Sizes) -> list[Row]:
    """Returns the rows about memory, growth, waiting and idle runs."""
    number, large = f"{sizes.usual:,}", f"{sizes.large:,}"
    usual, more = Case(OURS, sizes.usual), Case(OURS, sizes.large)
    slow = Case(OURS, sizes.usual, latency=sizes.latency)
    idle, other = Case(OURS, sizes.usual, idle=True), Case(PARQUET, sizes.usual, idle=True)
    return [
        Row("memory", f"peak memory, {number} responses",
            650, 350, (usual,), lambda results: results.megabytes(usual), unit="MB"),
        Row("large-memory", f"peak memory at {large} ÷ at {number} responses",
            1.3, 1.05, (usual, more),
            lambda results: results.megabytes(more) / results.megabytes(usual)),
        Row("large-time", f"time per response at {large} ÷ at {number} responses",
            1.2, 1.0, (usual, more),
            lambda results: results.seconds(more) / sizes.large
            / (results.seconds(usual) / sizes.usual)),
        Row("latency", f"{number} responses, {sizes.latency:g} s a page:"
            f" time ÷ (pages × {sizes.latency:g} s)",  # noqa: RUF001 - it is meant
            1.15, 1.05, (slow,),
            lambda results: results.seconds(slow) / (slow.pages * sizes.latency)),
        _ratio("idle", "an idle run in a fresh working directory: time ÷ `rest_api` with `parquet`",
               (1.0, 0.7), idle, other),
    ]  # fmt: skip


def _undeclared(sizes: Sizes) -> list[Row]:
    """Returns the rows about a field that is not declared, on every record.

    A number and a text are two rows, as they go two ways: a text is stored as it came, while a
    number that mixes 120 and 99.5 has to be stored as it was spelled.
    """
    documented, number = Case(OURS, sizes.usual), f"{sizes.usual:,}"
    return [
        _ratio(name, f"{number} responses with an undeclared {kind}: time ÷ as documented",
               (1.25, 1.05), Case(OURS, sizes.usual, field=field), documented)
        for name, kind, field in (
            ("undeclared-number", "number", "revenue"),
            ("undeclared-text", "text", "campaign"),
        )
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
