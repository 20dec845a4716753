"""The parameters of GET Responses, v7: read, checked, and turned into what they select."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from .store import LISTS, Row

if TYPE_CHECKING:
    from collections.abc import Callable

PERIOD_FIELDS = ("date_creation", "date_order", "date_sent", "date_survey_response")
DETRACTORS_FILTER = "147b3662-cd7e-490c-b865-9be3480ca2fd"
PROMOTERS_FILTER = "5b1d9a04-2f6c-4f0e-9d57-0c8a3e7716b2"
# What each outbound filter lets through, as scores.
FILTERS = {DETRACTORS_FILTER: range(7), PROMOTERS_FILTER: range(9, 11)}
# The page says that up to 1000 responses are returned, and names no other default.
MOST_PER_PAGE = 1000
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_WITH = re.compile(r"with\[[0-9]*\]")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

Errors = dict[str, list[str]]


class InvalidParametersError(Exception):
    """Parameters break the documented rules.

    Attributes:
        errors: What is wrong, by parameter.
    """

    def __init__(self, errors: Errors) -> None:
        """Keep the errors."""
        super().__init__(errors)
        self.errors = errors


@dataclass(frozen=True)
class Period:
    """Days, both included, on which a date of the record must lie."""

    field: str
    start: str
    end: str


@dataclass(frozen=True)
class Query:
    """What one request asks for.

    Attributes:
        per_page: Most rows to return, 1 to 1000.
        cursor: Return rows with a greater key only.
        lists: The lists of ``with[]``.
        cgid: Return the rows with this ``number_customergauge`` only.
        scores: Return the rows with these scores only.
        period: Return the rows of these days only.
    """

    per_page: int
    cursor: int | None
    lists: tuple[str, ...]
    cgid: int | None
    scores: range | None
    period: Period | None

    @property
    def matches(self) -> Callable[[Row], bool] | None:
        """The test that a row must pass, or None if all do."""
        if self.cgid is None and self.scores is None and self.period is None:
            return None
        return self._matches

    def _matches(self, row: Row) -> bool:
        """Tell whether a row passes every filter."""
        if self.cgid is not None and row.cgid != self.cgid:
            return False
        if self.scores is None and self.period is None:
            return True
        value = row.value
        if not isinstance(value, dict):
            return False
        if self.scores is not None and value.get("nps") not in self.scores:
            return False
        if self.period is None:
            return True
        day = value.get(self.period.field)
        return isinstance(day, str) and self.period.start <= day[:10] <= self.period.end


def parse(pairs: list[tuple[str, str]]) -> Query:
    """Read and check the query of a request; parameters that are not documented are ignored.

    Args:
        pairs: The decoded query.

    Returns:
        What the request asks for.

    Raises:
        InvalidParametersError: A parameter breaks its rule.
    """
    given = dict(pairs)
    errors: Errors = {}
    query = Query(
        per_page=_integer(given, "per_page", errors) or MOST_PER_PAGE,
        cursor=_integer(given, "cursor", errors),
        lists=_lists(pairs, errors),
        cgid=_integer(given, "number_customergauge", errors),
        scores=_scores(given, errors),
        period=_period(given, errors),
    )
    if "per_page" in given and "per_page" not in errors:
        size = int(given["per_page"])
        if not 1 <= size <= MOST_PER_PAGE:
            errors["per_page"] = [f"The per_page must be between 1 and {MOST_PER_PAGE}."]
    if errors:
        raise InvalidParametersError(errors)
    return query


def _integer(given: dict[str, str], name: str, errors: Errors) -> int | None:
    """Read an integer parameter."""
    text = given.get(name)
    if text is None:
        return None
    if _INTEGER.fullmatch(text):
        return int(text)
    errors[name] = [f"The {name} must be an integer."]
    return None


def _lists(pairs: list[tuple[str, str]], errors: Errors) -> tuple[str, ...]:
    """Read ``with[]``."""
    asked = [value for name, value in pairs if _WITH.fullmatch(name)]
    if any(name == "with" for name, _ in pairs):
        errors["with"] = ["The with must be an array."]
    for place, value in enumerate(asked):
        if value not in LISTS:
            errors[f"with.{place}"] = [f"The selected with.{place} is invalid."]
    return tuple(name for name in LISTS if name in asked)


def _scores(given: dict[str, str], errors: Errors) -> range | None:
    """Look the outbound filter up."""
    reference = given.get("filter")
    if reference is None:
        return None
    if reference not in FILTERS:
        errors["filter"] = ["The selected filter is invalid."]
    return FILTERS.get(reference)


def _is_day(text: str) -> bool:
    """Tell whether a text is a day of the calendar, ``yyyy-mm-dd``."""
    try:
        return bool(_DAY.fullmatch(text) and date.fromisoformat(text))
    except ValueError:
        return False


def _period(given: dict[str, str], errors: Errors) -> Period | None:
    """Read the three parameters of the period: all or none."""
    parts = {name: given.get(f"period[{name}]") for name in ("field", "start", "end")}
    if all(value is None for value in parts.values()):
        return None
    field, start, end = (value or "" for value in parts.values())
    for name, value in parts.items():
        if value is None:
            errors[f"period.{name}"] = [f"The period.{name} field is required."]
    if field and field not in PERIOD_FIELDS:
        errors["period.field"] = ["The selected period.field is invalid."]
    for name, day in (("start", start), ("end", end)):
        if f"period.{name}" not in errors and not _is_day(day):
            errors[f"period.{name}"] = [f"The period.{name} does not match the format Y-m-d."]
    if not {"period.start", "period.end"} & errors.keys() and end < start:
        text = "The period.end must be a date after or equal to period.start."
        errors["period.end"] = [text]
    return Period(field, start, end)
