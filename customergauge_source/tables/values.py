"""Single values, put right: what a column of a type takes, or `UnfitError` with the reason.

Pure functions; the rules are those that the `docs/tables.md` lists under "What the tables say".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, timezone, tzinfo
from decimal import Decimal
from typing import Any, Final

from customergauge_source.tables.encoding import to_json
from customergauge_source.tables.shape import DataType

BIGINT: Final = range(-(2**63), 2**63)
_EXACT_IN_DOUBLE: Final = 2**53
DECIMAL_PLACES: Final = 9
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_WHOLE_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,19}")
_TIMESTAMP: Final = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}(?::\d{2})?)(:\d{2}(?:\.\d{1,9})?)?)?\s*(Z|[+-]\d{2}:?\d{2})?"
)


class UnfitError(ValueError):
    """A value that its column cannot take; the message is the reason."""


def to_bigint(value: object) -> int:
    """Returns a whole number of 64 bits, which may come as text."""
    number: object = value
    if (isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value.strip())) or (
        isinstance(value, float) and value.is_integer()
    ):
        number = int(value)
    if type(number) is int and number in BIGINT:
        return number
    raise UnfitError("not a whole number of 64 bits")


def to_double(value: object) -> float:
    """Returns a number that a double holds exactly enough."""
    if type(value) is float or (type(value) is int and abs(value) <= _EXACT_IN_DOUBLE):
        return float(value)
    raise UnfitError("not a number that a double holds")


def to_bool(value: object) -> bool:
    """Returns a boolean, which may come as 0, 1 or their text."""
    spelled = str(value).strip().lower()
    if spelled not in {"1", "true", "0", "false"}:
        raise UnfitError("not a boolean")
    return spelled in {"1", "true"}


def to_timestamp(value: object, zone: tzinfo = timezone.utc) -> datetime:
    """Returns a point in time in UTC.

    Args:
        value: Text such as `2022-03-30 12:34:56`, with or without an offset.
        zone: Where the clock stands that texts without an offset were read from.
    """
    if isinstance(value, datetime):  # what a user's own step may have made of it
        return (value if value.tzinfo else value.replace(tzinfo=zone)).astimezone(timezone.utc)
    match = _TIMESTAMP.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise UnfitError("not a timestamp")
    day, minutes, seconds, offset = match.groups()
    whole, _, fraction = (seconds or ":00").partition(".")
    minutes = f"{minutes or '00'}:00"[:5]
    text = f"{day}T{minutes}{whole}.{fraction[:6] or '0'}{offset or 'Z'}"
    try:
        moment = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z")
        return (moment if offset else moment.replace(tzinfo=zone)).astimezone(timezone.utc)
    except (ValueError, OverflowError):
        raise UnfitError("no such date") from None


def to_date(value: object) -> date:
    """Returns a day, which comes as text such as `2022-03-30`."""
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise UnfitError("not a date")
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise UnfitError("no such date") from None


def to_decimal(value: object) -> Decimal:
    """Returns a number of up to 29 digits before the point, and 9 behind it, as dlt's decimals."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    number = Decimal(to_json(value) if is_number else "nan")
    exponent = number.as_tuple().exponent
    if isinstance(exponent, int) and exponent >= -DECIMAL_PLACES and number.adjusted() < 29:  # noqa: PLR2004
        return number
    raise UnfitError("not a decimal")


def as_list(value: object) -> list[Any] | None:
    """Returns a list, also one with gaps as PHP sends it, or null; None if it is another value."""
    if isinstance(value, dict) and all(map(str.isdecimal, value)):
        return [*value.values()]
    return [] if value is None else value if isinstance(value, list) else None


def converter(data_type: DataType, zone: tzinfo) -> Callable[[object], Any]:
    """Returns the function that makes a value what a column of this type takes."""
    converters: Mapping[DataType, Callable[[object], Any]] = {
        "text": lambda value: value if isinstance(value, str) else to_json(value),
        "bigint": to_bigint,
        "double": to_double,
        "bool": to_bool,
        "timestamp": lambda value: to_timestamp(value, zone),
        "date": to_date,
        "decimal": to_decimal,
    }
    return converters[data_type]
