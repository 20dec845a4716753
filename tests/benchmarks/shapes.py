"""What real accounts send beside what is documented: by name, a change of each record.

Every record has what is undeclared; what is odd is in one record of a page, each oddity at a place
of its own. The change of a record depends on nothing but its place in the feed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

Record = dict[str, Any]

PER_PAGE: Final = 1000
_DATE_PLACE, _NUL_PLACE, _MISSHAPEN_PLACE = 500, 250, 750
_IMPOSSIBLE: Final = "2026-02-30 10:00:00"
_DOCUMENTED_LISTS: Final = ("tags", "questions", "properties", "selected_drivers")

TABLES: Final = (
    "responses",
    *(f"responses__{name}" for name in _DOCUMENTED_LISTS),
    "responses__selected_drivers__secondary",
    "responses__products",
    "responses__rejected_values",
)
"""All tables that a record can have rows in."""


@dataclass(frozen=True)
class Shape:
    """How the records of a feed differ from what is documented.

    Attributes:
        title: What it says of them.
        change: Returns a record, changed, from it and its place in the feed.
        column: A column that each of them then has a value in; "" if only some have.
    """

    title: str
    change: Callable[[Record, int], Record]
    column: str = ""


def row_counts(record: Record) -> Iterator[int]:
    """Yields the rows that a record makes in each of `TABLES`."""
    yield 1
    for name in _DOCUMENTED_LISTS:
        yield 0 if isinstance(record[name], str) else len(record[name])
    yield sum(len(driver["secondary"]) for driver in record["selected_drivers"])
    yield len(record.get("products", ()))
    yield isinstance(record["tags"], str) + (record["date_sent"] == _IMPOSSIBLE)


def _scalar(record: Record, index: int) -> Record:
    """Adds an amount; JSON has no decimals in it where they are zero, as in 120 and 99.5."""
    whole = index % 9_973
    revenue = whole if index % 3 else (100 * whole + 50 + index % 50) / 100
    return {**record, "revenue": revenue}


def _object(record: Record, index: int) -> Record:
    """Adds an object of a text, a whole number and a boolean."""
    wave = index % 97
    campaign = {"name": f"Autumn renewals, wave {wave}", "wave": wave, "is_test": not index % 5}
    return {**record, "campaign": campaign}


def _list(record: Record, index: int) -> Record:
    """Adds a list of one to three objects."""
    products = [{"sku": f"P-{(index + it) % 311:04d}", "seats": it + 1} for it in range(index % 3)]
    return {**record, "products": [{"sku": f"P-{index % 311:04d}", "seats": 1}, *products]}


def _numbers(record: Record, _: int) -> Record:
    """Sends the numbers of customer and order as numbers, where text is declared."""
    names = (name for name in ("number_customer", "number_order") if record[name] is not None)
    return record | {name: int(record[name]) for name in names}


def _date(record: Record, index: int) -> Record:
    """Sends a day that there is not, once a page."""
    return record | {"date_sent": _IMPOSSIBLE} if index % PER_PAGE == _DATE_PLACE else record


def _nul(record: Record, index: int) -> Record:
    """Puts a NUL into a comment, once a page."""
    comment = {"original": "Good\u0000 service", "translation": None}
    return record | {"comment": comment} if index % PER_PAGE == _NUL_PLACE else record


def _misshapen(record: Record, index: int) -> Record:
    """Sends a text for a list of objects, once a page."""
    return record | {"tags": "Churn risk"} if index % PER_PAGE == _MISSHAPEN_PLACE else record


_EACH: Final = {
    "undeclared-scalar": Shape("an undeclared number in each", _scalar, "revenue"),
    "undeclared-object": Shape("an undeclared object in each", _object, "campaign__name"),
    "undeclared-list": Shape("an undeclared list in each", _list),
    "numbers": Shape("numbers where text is declared in each", _numbers, "number_customer"),
    "date": Shape("an impossible date a page", _date),
    "nul": Shape("a NUL a page", _nul),
    "misshapen": Shape("a text for a list of objects once a page", _misshapen),
}


def _everything(record: Record, index: int) -> Record:
    """Changes a record in all these ways."""
    for shape in _EACH.values():
        record = shape.change(record, index)
    return record


SHAPES: Final[Mapping[str, Shape]] = {
    **_EACH,
    "everything": Shape("all of these together", _everything, "revenue"),
}
