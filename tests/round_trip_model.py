"""What the tables must say of what the API sent: the rules, told a second time.

It shares nothing with the package. Declared fields have one right place and one right value.
A field that is not declared may be a column, columns of its own, a child table or JSON text, as
its types came; but it must be somewhere, once, whole, and be told apart from nothing.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

Json = Any
Fields = dict[str, Any]
Path = tuple[str, ...]

DECLARED: Final[Fields] = {
    **dict.fromkeys(("status", "number_customer", "number_order", "email", "phone"), "text"),
    "number_customergauge": "key",
    "nps": "integer",
    **dict.fromkeys(("date_creation", "date_order", "date_sent", "date_survey_response"), "time"),
    **dict.fromkeys(("language", "locale"), "text"),
    "contact": {"first_name": "text", "last_name": "text"},
    "account": {"name": "text", "number": "text"},
    "comment": {"original": "text", "translation": "text"},
    "follow_up": {"requested": "flag", "details": "text"},
    "tags": [{"label": "text", "type": "text", "sentiment": "text"}],
    "questions": [{"title": "text", "answer": "text"}],
    "selected_drivers": [{"primary": "text", "secondary": [{"value": "text"}]}],
    "properties": [{"field": "text", "reference": "text"}],
}
EMPTY: Final[tuple[Json, ...]] = (None, [], {})
# dlt's snake_case convention, spelled out for the keys that are generated.
IDENTIFIERS: Final = {
    "Survey Wave": "survey_wave",
    "camelCase": "camel_case",
    "a.b": "a_b",
    "1st": "_1st",
    "Über": "_ber",
    "🙂": "x",
    "日本": "x",
    "NPS": "nps",
    "E-mail": "e_mail",
    "Email": "email",
    "Contact": "contact",
    "Tags": "tags",
    "k\ufffd": "kx",
    "m\ufffd": "mx",
    "": "",
    " ": "",
}
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,19}")
_TIME: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[ T](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?)?"
    r"(?:(Z)|([+-]\d\d):(\d\d))?"
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)


def identifier(path: Path) -> str:
    """Returns the name of the column of a field."""
    names = [IDENTIFIERS.get(key, key) for key in path]
    return "__".join(names) if all(names) else ""


class RefusedError(ValueError):
    """The column cannot take the value."""


def clean(value: Json) -> Json:
    """Returns a JSON value as every destination stores it: no NUL, no half characters."""
    whole = json.loads(json.dumps(value))  # joins halves that belong together
    return _replaced(whole)


def _replaced(value: Json) -> Json:
    if isinstance(value, str):
        return re.sub("[\0\ud800-\udfff]", "\ufffd", value)
    if isinstance(value, list):
        return [_replaced(item) for item in value]
    if isinstance(value, dict):
        return {_replaced(key): _replaced(item) for key, item in value.items()}
    return value


def cgid_of(record: Json) -> int | None:
    """Returns a record's CGID; None if it is no loadable record."""
    if not isinstance(record, dict):
        return None
    try:
        return as_integer(record.get("number_customergauge"))
    except RefusedError:
        return None


def in_documented_shape(record: Fields) -> Fields:
    """Returns a record whose comment and drivers are as documented, whichever way they came."""
    record = dict(record)
    if isinstance(record.get("comment"), str):
        record["comment"] = {"original": record["comment"]}
    drivers = record.get("drivers", "absent")
    if record.get("selected_drivers") in (None, []) and isinstance(drivers, (list, type(None))):
        record["selected_drivers"] = [
            {("primary" if key == "label" else key): value for key, value in driver.items()}
            if isinstance(driver, dict) and "primary" not in driver
            else driver
            for driver in record.pop("drivers") or []
        ]
    return record


def expected(kind: str, value: Json, zone: str) -> Any:
    """Returns what a declared column must hold.

    Raises:
        RefusedError: It must hold nothing, and the value be among the rejected ones.
    """
    if value is None:
        return None
    if kind == "text":
        return value if isinstance(value, str) else spelled(value)
    if kind == "flag":
        return as_flag(value)
    return as_integer(value) if kind in ("integer", "key") else as_time(value, zone)


def spelled(value: Json) -> str:
    """Returns compact JSON text."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def as_integer(value: Json) -> int:
    """Returns a whole number of 64 bits."""
    number = value
    if isinstance(value, str) and _INTEGER.fullmatch(value.strip()):
        number = int(value.strip())
    elif isinstance(value, float) and value == value // 1:
        number = int(value)
    if type(number) is not int or not -(2**63) <= number < 2**63:
        raise RefusedError
    return number


def as_flag(value: Json) -> bool:
    """Returns a boolean."""
    text = value.strip().lower() if isinstance(value, str) else spelled(value)
    if text not in ("0", "1", "false", "true"):
        raise RefusedError
    return text in ("1", "true")


def as_time(value: Json, zone: str) -> int:
    """Returns microseconds since 1970 in UTC."""
    match = _TIME.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise RefusedError
    numbers = [int(text or 0) for text in match.groups()[:6]]
    fraction = int((match[7] or "").ljust(6, "0"))
    try:
        local = datetime(*numbers, fraction)  # type: ignore[call-arg,arg-type]  # noqa: DTZ001
    except ValueError:
        raise RefusedError from None
    if match[8] or match[9]:
        minutes = int(f"{(match[9] or '+')[0]}{match[10] or 0}")
        offset = timedelta(hours=int(match[9] or 0), minutes=minutes)
        moment = local.replace(tzinfo=timezone(offset))
    else:
        moment = local.replace(tzinfo=ZoneInfo(zone))
    return (moment - _EPOCH) // timedelta(microseconds=1)


def says(stored: Any, value: Json) -> bool:
    """Says whether what a column of an undeclared field holds tells of the value that was sent."""
    if isinstance(value, (dict, list)):
        return isinstance(stored, str) and spelled(json.loads(stored)) == spelled(value)
    if not isinstance(stored, str):
        either = {type(stored), type(value)}
        return stored == value and (len(either) == 1 or either == {int, float})
    if isinstance(value, str):
        return stored == value
    if isinstance(value, bool):
        return stored == spelled(value)
    # A number that was in a column before it became text is spelled by the destination.
    return bool(Decimal(stored) == value or float(stored) == value)


def column_types(kinds: Counter[type]) -> set[str]:
    """Returns the types that a column of an undeclared field may have, by the scalars that came."""
    if kinds.keys() == {bool}:
        return {"BOOLEAN"}
    if kinds.keys() == {float}:
        return {"DOUBLE"}
    if kinds.keys() == {int}:
        return {"BIGINT"}
    return {"DOUBLE", "VARCHAR"} if kinds.keys() == {int, float} else {"VARCHAR"}
