"""What the tables must say of what the API sent: the rules, told a second time.

It takes the declared columns from the declaration, and shares no other code with the package.
It knows no pages: what is sent has one right place and one right spelling, however it is cut.
Fields with `ROUGH` keys alone may end up in several places, as their types or names clash; but
they must be somewhere, once and whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any, Final
from zoneinfo import ZoneInfo

from customergauge_source.resources import RESPONSES
from customergauge_source.tables.shape import OPEN, Shape
from tests.read_back import KEY, Loaded, Row

Json = Any
Fields = dict[str, Any]
Path = tuple[str, ...]

# dlt's snake_case convention, spelled out for the keys that are generated.
_IDENTIFIERS: Final = {
    "Survey Wave": "survey_wave", "camelCase": "camel_case", "a.b": "a_b", "1st": "_1st",
    "Über": "_ber", "extra data": "extra_data", "🙂": "x", "日本": "x", "NPS": "nps",
    "E-mail": "e_mail", "Email": "email", "Contact": "contact", "Tags": "tags",
    "k\ufffd": "kx", "m\ufffd": "mx", "": "", " ": "",
}  # fmt: skip
# Keys of undeclared fields that are of any kind, whose names clash, or that have no name.
ROUGH: Final = (
    "channel", "weight", "drivers", "label", "value", "k\ufffd", "m\ufffd", "🙂", "日本", "", " ",
    "NPS", "E-mail", "Email", "Contact", "Tags", "_dlt_id", "_dlt_list_idx", KEY,
)  # fmt: skip
# Keys of lists whose items are all of one kind, so that `value` is not rough below them.
LIST_OF_SCALARS: Final = "history"
LIST_OF_LISTS: Final = "grid"
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,19}")
_TIME: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[ T](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?)?"
    r"(?:(Z)|([+-]\d\d):(\d\d))?"
)
_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)


class RefusedError(ValueError):
    """The column cannot take the value."""


def clean(value: Json) -> Json:
    """Returns a JSON value as every destination stores it: no NUL, no half characters."""
    return _replaced(json.loads(json.dumps(value)))  # joins halves that belong together


def _replaced(value: Json) -> Json:
    if isinstance(value, str):
        return re.sub("[\0\ud800-\udfff]", "\ufffd", value)
    if isinstance(value, list):
        return [_replaced(item) for item in value]
    if isinstance(value, dict):
        found: dict[str, Json] = {}
        for key, item in value.items():
            name = str(_replaced(key))
            while name in found:  # two that differ in such characters alone stay two
                name += "\ufffd"
            found[name] = _replaced(item)
        return found
    return value


def cgid_of(record: Json) -> int | None:
    """Returns a record's CGID; None if it is no loadable record."""
    try:
        return _as_integer(record.get(KEY)) if isinstance(record, dict) else None
    except RefusedError:
        return None


def differences(sent: Iterable[Json], loaded: Loaded, zone: str) -> Iterator[str]:
    """Yields how tables differ from what was sent, a line each.

    Args:
        sent: Every entry of the feed, in its order.
        loaded: The tables.
        zone: The zone of the timestamps in what was sent.
    """
    yield from loaded.faults
    declared = {(table, name) for table, _, shape in _tables() for name, _ in shape.columns()}
    for (table, name), kind in loaded.types.items():
        is_ours = name.startswith("_dlt_") or name == KEY or table == "rejected_records"
        if kind != "VARCHAR" and not is_ours and (table, name) not in declared:
            yield f"{table}.{name} is not declared, and {kind}"
    latest = {cgid: entry for entry in sent if (cgid := cgid_of(entry)) is not None}
    yield from (f"{cgid} was never sent" for cgid in loaded.responses.keys() - latest)
    for cgid, entry in latest.items():
        record = _in_documented_shape(clean(entry))
        if (row := loaded.responses.get(cgid)) is None:
            yield f"{cgid} is missing"
            continue
        for difference in _Response(row, zone).compare(record):
            yield f"{cgid}: {difference}\n    sent: {_spelled(record)[:600]}"


def _tables() -> Iterator[tuple[str, str, Shape]]:
    return RESPONSES.record.tables(RESPONSES.name)


def _in_documented_shape(record: Fields) -> Fields:
    """Returns a record whose comment and drivers are as documented, whichever way they came."""
    record = dict(record)
    if isinstance(record.get("comment"), str):
        record["comment"] = {"original": record["comment"]}
    drivers = record.get("drivers", "absent")
    is_empty = record.get("selected_drivers") in (None, [], {})
    if is_empty and isinstance(drivers, (list, type(None))):
        record["selected_drivers"] = [
            {("primary" if key == "label" else key): value for key, value in driver.items()}
            if isinstance(driver, dict) and "primary" not in driver
            else driver
            for driver in record.pop("drivers") or []
        ]
    return record


class _Response:
    """Takes from the rows of one response what was sent, until nothing is left."""

    def __init__(self, row: Row, zone: str) -> None:
        self._row = row
        self._zone = zone
        self._rejected = [
            (below.values["field"], below.values["value"])
            for below in row.children.pop("rejected_values", [])
            if below.values.get("reason")
        ]

    def compare(self, record: Fields) -> Iterator[str]:
        yield from self._object((), (), RESPONSES.record, record, self._row)
        yield from _left("", self._row)
        for field, value in self._rejected:
            yield f"rejected without need: {field} = {value[:80]}"

    def _object(
        self, above: Path, path: Path, shape: Shape, value: Fields, row: Row
    ) -> Iterator[str]:
        """Compares an object with the columns and lists of a row.

        Args:
            above: Where the row stands in the record.
            path: Where the object stands in the row.
            shape: What is declared of the object.
            value: The object.
            row: The row.
        """
        for key, column in shape.fields.items():
            yield from self._declared(above, (*path, key), column.type, value.get(key), row)
        for key, inner in shape.objects.items():
            item = value.get(key)
            if not isinstance(item, dict):
                yield from self._refused((*above, *path, key), item, (None, []))
            nested = item if isinstance(item, dict) else {}
            yield from self._object(above, (*path, key), inner, nested, row)
        for key, inner in shape.lists.items():
            item = value.get(key)
            if isinstance(item, dict) and all(re.fullmatch("[0-9]+", name) for name in item):
                item = [*item.values()]
            if not isinstance(item, list):
                yield from self._refused((*above, *path, key), item, (None,))
            items = item if isinstance(item, list) else []
            yield from self._list(above, (*path, key), inner, items, row)
        declared = {*shape.fields, *shape.objects, *shape.lists}
        for key in value:
            if key not in declared and value[key] is not None:
                yield from self._open(above, (*path, key), value[key], row)

    def _list(
        self, above: Path, path: Path, shape: Shape, items: list[Json], row: Row
    ) -> Iterator[str]:
        """Compares a list with the rows of a child table."""
        where = (*above, *path)
        rows = row.children.pop(_identifier(path), []) if items else []
        if len(rows) != len(items):
            yield f"{'.'.join(where)} has {len(rows)} rows, not {len(items)}"
        for item, below in zip(items, rows, strict=False):
            is_object = isinstance(item, dict) and not shape.of_scalars
            fields = item if is_object else {"value": item}
            yield from self._object(where, (), shape, fields, below)
            yield from _left(f"{'.'.join(where)} ", below)

    def _declared(self, above: Path, path: Path, kind: str, value: Json, row: Row) -> Iterator[str]:
        found = row.values.pop(_identifier(path), None)
        try:
            wanted = None if value is None else _expected(kind, value, self._zone)
        except RefusedError:
            wanted = None
            yield from self._refused((*above, *path), value)
        is_right = type(found) is type(wanted) and found == wanted
        if not is_right and not (kind == "text" and _says(found, value)):
            yield f"{'.'.join((*above, *path))} is {found!r:.80}, not {wanted!r:.80}"

    def _open(self, above: Path, path: Path, value: Json, row: Row) -> Iterator[str]:
        """Compares a field that is not declared; a scalar is text."""
        where, name = ".".join((*above, *path)), _identifier(path)
        is_rough = not {*above, *path}.isdisjoint(ROUGH)
        if path == ("value",) and {LIST_OF_SCALARS, LIST_OF_LISTS} & {*above[-2:]}:
            is_rough = False  # its items are always of one kind
        if is_rough and self._take(where, value):
            return
        is_nested = isinstance(value, (dict, list))
        if (is_rough or not is_nested) and _says(row.values.get(name), value):
            del row.values[name]
        elif isinstance(value, dict):
            for key, item in value.items():
                if item is not None:
                    yield from self._open(above, (*path, key), item, row)
        elif isinstance(value, list):
            yield from self._list(above, path, OPEN, value, row)
        else:
            yield f"{where} is {row.values.get(name)!r:.80}, not {value!r:.80}"

    def _refused(self, path: Path, value: Json, right: tuple[Json, ...] = ()) -> Iterator[str]:
        """Takes the rejection of a value that has no place."""
        if value not in right and not self._take(".".join(path), value):
            yield f"{'.'.join(path)}: {_spelled(value)[:80]} is not in rejected_values"

    def _take(self, where: str, value: Json) -> bool:
        for entry in self._rejected:
            if entry[0] == where and _says(entry[1], value, is_json=True):
                self._rejected.remove(entry)
                return True
        return False


def _left(where: str, row: Row) -> Iterator[str]:
    for column, value in row.values.items():
        yield f"{where}{column} holds {str(value)[:80]!r}, which was not sent"
    for name, rows in row.children.items():
        yield f"{where}{name} has {len(rows)} rows, which were not sent"


def _identifier(path: Path) -> str:
    """Returns the name of the column or table of a field."""
    names = [_IDENTIFIERS.get(key, key) for key in path]
    return "__".join(names) if all(names) else ""


def _spelled(value: Json) -> str:
    """Returns compact JSON text."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _says(stored: Any, value: Json, *, is_json: bool = False) -> bool:
    """Says whether a stored text is the value that was sent: text as it is, else compact JSON."""
    if not isinstance(stored, str):
        return False
    if isinstance(value, str) and not is_json:
        return stored == value
    try:
        is_same = _spelled(json.loads(stored)) == _spelled(value)
    except ValueError:
        return False
    return is_same and not re.search(r"\s", _STRING.sub("", stored))


def _expected(kind: str, value: Json, zone: str) -> Any:
    """Returns what a declared column must hold; text for what `_says` has to judge.

    Raises:
        RefusedError: It must hold nothing, and the value be among the rejected ones.
    """
    if kind == "text":
        return value if isinstance(value, str) else _spelled(value)
    if kind == "bool":
        return _as_flag(value)
    return _as_integer(value) if kind == "bigint" else _as_time(value, zone)


def _as_integer(value: Json) -> int:
    """Returns a whole number of 64 bits."""
    number = value
    if isinstance(value, str) and _INTEGER.fullmatch(value.strip()):
        number = int(value.strip())
    elif isinstance(value, float) and value == value // 1:
        number = int(value)
    if type(number) is not int or not -(2**63) <= number < 2**63:
        raise RefusedError
    return number


def _as_flag(value: Json) -> bool:
    text = value.strip().lower() if isinstance(value, str) else _spelled(value)
    if text not in ("0", "1", "false", "true"):
        raise RefusedError
    return text in ("1", "true")


def _as_time(value: Json, zone: str) -> int:
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
