"""The parameters that all feeds share: read, checked, and turned into what they select."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date

from .rows import Row

# The page says that up to 1000 responses are returned, and names no other default.
MOST_PER_PAGE = 1000
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_WITH = re.compile(r"with\[[0-9]*\]")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

Parameters = dict[str, str]
Errors = dict[str, list[str]]
Test = Callable[[Row], bool]
# Reads one filter of a feed, and notes what is wrong; None if the filter was not sent.
Filter = Callable[[Parameters, Errors], "Test | None"]


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
class Query:
    """What one request asks for.

    Attributes:
        per_page: Most rows to return, 1 to 1000.
        cursor: Return rows with a greater key only.
        lists: The lists of ``with[]``.
        tests: Return the rows that pass all of these only.
    """

    per_page: int
    cursor: int | None
    lists: frozenset[str]
    tests: tuple[Test, ...]

    @property
    def matches(self) -> Test | None:
        """The test that a row must pass, or None if all do."""
        return self._matches if self.tests else None

    def _matches(self, row: Row) -> bool:
        """Tell whether a row passes every filter."""
        return all(test(row) for test in self.tests)


def parse(pairs: list[tuple[str, str]], lists: tuple[str, ...], filters: Iterable[Filter]) -> Query:
    """Read and check the query of a request; parameters that the feed does not know are ignored.

    Args:
        pairs: The decoded query.
        lists: What ``with[]`` offers.
        filters: The filters of the feed.

    Returns:
        What the request asks for.

    Raises:
        InvalidParametersError: A parameter breaks its rule.
    """
    given = dict(pairs)
    errors: Errors = {}
    query = Query(
        per_page=_per_page(given, errors),
        cursor=integer(given, "cursor", errors),
        lists=_lists(pairs, lists, errors),
        tests=tuple(test for read in filters if (test := read(given, errors))),
    )
    if errors:
        raise InvalidParametersError(errors)
    return query


def integer(given: Parameters, name: str, errors: Errors) -> int | None:
    """Read an integer parameter; None if it was not sent or is none."""
    text = given.get(name)
    if text is None:
        return None
    if _INTEGER.fullmatch(text):
        return int(text)
    errors[name] = [f"The {name} must be an integer."]
    return None


def is_day(text: str) -> bool:
    """Tell whether a text is a day of the calendar, ``yyyy-mm-dd``."""
    try:
        return bool(_DAY.fullmatch(text) and date.fromisoformat(text))
    except ValueError:
        return False


def _per_page(given: Parameters, errors: Errors) -> int:
    """Read ``per_page``."""
    size = integer(given, "per_page", errors)
    if size is None:
        return MOST_PER_PAGE
    if not 1 <= size <= MOST_PER_PAGE:
        errors["per_page"] = [f"The per_page must be between 1 and {MOST_PER_PAGE}."]
    return size


def _lists(
    pairs: list[tuple[str, str]], offered: tuple[str, ...], errors: Errors
) -> frozenset[str]:
    """Read ``with[]``."""
    asked = [value for name, value in pairs if _WITH.fullmatch(name)]
    if any(name == "with" for name, _ in pairs):
        errors["with"] = ["The with must be an array."]
    for place, value in enumerate(asked):
        if value not in offered:
            errors[f"with.{place}"] = [f"The selected with.{place} is invalid."]
    return frozenset(asked)
