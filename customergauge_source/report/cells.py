"""What the report counts by slice and month, made small enough to be embedded."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, Final, NamedTuple

from customergauge_source.report.queries import FEELINGS, Item

_MOST: Final = 100_000
"""Counts that are embedded."""
_LONGEST: Final = 120
"""Months before and after the busiest one that are shown; what is dated elsewhere has no date."""


class Count(NamedTuple):
    """A row of `queries.cells`."""

    slice: int
    item: Item
    items: int
    month: date | None
    responses: int
    valued: int
    total: float | None
    lowest: float | None
    highest: float | None

    @classmethod
    def of(cls, row: Iterable[Any]) -> Count:
        """Returns a row with numbers of Python's; clients have several types for them."""
        slice_, kind, name, type_, mark, items, month, responses, valued, *numbers = row
        item = Item(kind, name, type_, mark)
        counts = (int(it) for it in (responses, valued))
        return cls(int(slice_), item, int(items), month, *counts, *map(number, numbers))


class Cells:
    """All counts of a report.

    Attributes:
        slices: How many slices there is room for beside everybody, the first ones.
        months: The months, as `2026-10`, in their order.
    """

    def __init__(self, counts: Sequence[Count], slices: int) -> None:
        self.slices = _within_budget(counts, slices)
        self._counts = [it for it in counts if it.slice <= self.slices]
        everybody = [it for it in counts if it.slice == 0]
        self._shown = {kind: _in_order(everybody, kind) for kind in _ROWS}
        self._items = {it.item.kind: it.items for it in everybody}
        self._scores = [it for it in everybody if it.item.kind == "score"]
        by_month: Counter[int] = Counter()
        for it in self._scores:
            if it.month is not None:
                by_month[_number_of(it.month)] += it.responses
        self._busiest = max(by_month, key=lambda it: (by_month[it], it), default=0)
        near = [it for it in by_month if abs(it - self._busiest) <= _LONGEST]
        self.months = (
            [f"{it // 12:04}-{it % 12 + 1:02}" for it in range(min(near), max(near) + 1)]
            if near
            else []
        )
        self._place = {month: place for place, month in enumerate(self.months)}

    def left_out(self) -> Iterator[str]:
        """Yields of what there is more than is shown."""
        for kind, shown in self._shown.items():
            if left := self._items.get(kind, 0) - len(shown):
                yield f"{kind}s ({left:,})"

    def gaps(self) -> list[str]:
        """Returns the months in between that have no response."""
        found = {month_name(it.month) for it in self._scores}
        return [month for month in self.months if month not in found]

    def total(self, *, without_month: bool = False, without_score: bool = False) -> int:
        """Returns the number of responses, or of those that lack something."""
        return sum(
            it.responses
            for it in self._scores
            if not (without_month and self._at(it) >= 0) and not (without_score and it.item.mark)
        )

    def is_near(self, month: date | None) -> bool:
        """Says whether a month is one of those that could be shown."""
        return month is not None and abs(_number_of(month) - self._busiest) <= _LONGEST

    def _at(self, it: Count) -> int:
        """Returns the place of a count's month among all; -1 if it has none."""
        return self._place.get(month_name(it.month), -1)

    def as_json(self) -> dict[str, Any]:
        """Returns the counts, and the names of what is counted."""
        drivers, topics, questions = (
            [(_text(name), _text(type_)) for name, type_ in shown] for shown in self._shown.values()
        )
        return {
            "drivers": [name for name, _ in drivers],
            "topics": [{"label": label, "type": kind} for label, kind in topics],
            "questions": [title for title, _ in questions],
            "scores": [
                [it.slice, self._at(it), _score(it.item), it.responses]
                for it in self._counts
                if it.item.kind == "score"
            ],
            **{f"{kind}_cells": [*self._cells(kind)] for kind in _ROWS},
        }

    def _cells(self, kind: str) -> Iterator[list[Any]]:
        """Yields slice, month, place of the item, and what is counted of it."""
        places = {item: place for place, item in enumerate(self._shown[kind])}
        marked: dict[tuple[int, int, int], list[Count]] = defaultdict(list)
        for it in self._counts:
            if it.item.kind == kind:
                marked[it.slice, self._at(it), places[it.item[1:3]]].append(it)
        for where, counts in marked.items():
            yield [*where, *_ROWS[kind](counts)]


def _driver(counts: Sequence[Count]) -> Iterator[Any]:
    by_mark = Counter({it.item.mark: it.responses for it in counts})
    yield by_mark.total()
    yield from (by_mark[mark] for mark in ("promoter", "passive", "detractor"))
    yield number(sum(it.total or 0 for it in counts))


def _topic(counts: Sequence[Count]) -> Iterator[int]:
    yield sum(it.responses for it in counts)
    for sentiment in (*FEELINGS, "without"):
        yield sum(it.responses for it in counts if sentiment in it.item.mark.split("+"))


def _question(counts: Sequence[Count]) -> Iterator[Any]:
    answered = [it for it in counts if it.item.mark]
    yield sum(it.responses for it in answered)
    yield sum(it.valued for it in answered)
    numeric = [it for it in answered if it.valued]
    yield sum(it.total or 0 for it in numeric) if numeric else None
    yield min((it.lowest for it in numeric if it.lowest is not None), default=None)
    yield max((it.highest for it in numeric if it.highest is not None), default=None)


_ROWS: Final[Mapping[str, Callable[[Sequence[Count]], Iterable[Any]]]] = {
    "driver": _driver,
    "topic": _topic,
    "question": _question,
}
"""What is told of each kind, of its counts with their marks."""


def number(value: Any) -> float | None:  # noqa: ANN401 - what a driver has for a number
    """Returns a number as JSON has it."""
    return None if value is None else round(float(value), 9)


def _within_budget(counts: Iterable[Count], slices: int) -> int:
    """Returns how many of the slices can be embedded."""
    sizes = Counter(it.slice for it in counts)
    total, kept = sizes[0], 0
    while kept < slices and total + sizes[kept + 1] <= _MOST:
        kept += 1
        total += sizes[kept]
    return kept


def _in_order(counts: Iterable[Count], kind: str) -> list[tuple[str, ...]]:
    """Returns name and type of items, those that most responses have first."""
    found: Counter[tuple[str, ...]] = Counter()
    for it in counts:
        if it.item.kind == kind:
            found[it.item[1:3]] += it.responses
    return sorted(found, key=lambda it: (-found[it], it))


def _score(item: Item) -> int | None:
    text = _text(item.mark)
    return None if text is None else int(text)


def _text(key: str) -> str | None:
    """Returns the text that a query's key stands for."""
    return key[1:] if key else None


def _number_of(month: date) -> int:
    return month.year * 12 + month.month - 1


def month_name(month: date | None) -> str:
    """Returns a month as `2026-10`, and "" for none."""
    return f"{month.year:04}-{month.month:02}" if month else ""
