"""Compares what was sent with what the tables say, response by response."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tests.round_trip_model import (
    DECLARED,
    EMPTY,
    Fields,
    Json,
    Path,
    RefusedError,
    cgid_of,
    clean,
    column_types,
    expected,
    identifier,
    in_documented_shape,
    says,
    spelled,
)
from tests.round_trip_tables import KEY, Loaded, Row


class Comparison:
    """Compares all responses of a feed with the tables of a file.

    Args:
        sent: Every entry of the feed, in its order.
        zone: The zone of the timestamps in it.
    """

    def __init__(self, sent: Iterable[Json], zone: str) -> None:
        self._zone = zone
        self.latest: dict[int, Fields] = {}
        self._names: defaultdict[tuple[str, str], set[Path]] = defaultdict(set)
        self._nested: set[tuple[str, str]] = set()
        self._kinds: defaultdict[tuple[str, str], Counter[type]] = defaultdict(Counter)
        for entry in sent:
            cgid = cgid_of(entry)
            if cgid is not None:
                record = in_documented_shape(clean(entry))
                self._survey((), "responses", DECLARED, record)
                self.latest[cgid] = record
        self._everything = {name: set(kinds) for name, kinds in self._kinds.items()}
        self._kinds.clear()
        for record in self.latest.values():
            self._survey((), "responses", DECLARED, record)

    def differences(self, loaded: Loaded) -> Iterator[str]:
        """Yields what differs, a line each."""
        yield from loaded.faults
        for cgid, record in self.latest.items():
            row = loaded.responses.pop(cgid, None)
            if row is None:
                yield f"{cgid} is missing"
                continue
            for difference in _Response(self, row).compare(record):
                yield f"{cgid}: {difference}\n    sent: {spelled(record)[:600]}"
        yield from (f"{cgid} was never sent" for cgid in loaded.responses)
        for name, seen in self._kinds.items():
            kind = loaded.types.get(name)
            if _is_column_too(name[0], loaded.types):
                continue  # some of its lists are in that column, as JSON
            if kind is not None and not self._may_be_text(name) and kind not in column_types(seen):
                yield f"{'.'.join(name)} is {kind} for {dict(seen)}"

    def _may_be_text(self, name: tuple[str, str]) -> bool:
        """Says whether more had a say in a column's type than the scalars that are in it."""
        outdated = self._everything[name] != set(self._kinds[name])
        shared = any(self.may_be_refused(name[0], path) for path in self._names[name])
        return outdated or shared or name in self._nested

    def may_be_refused(self, table: str, path: Path) -> bool:
        """Says whether a field has no usable name, or shares it with another one."""
        name = identifier(path)
        if not name or name.startswith("_dlt") or (table != "responses" and name == KEY):
            return True
        ends = [identifier(path[:end]) for end in range(1, len(path) + 1)]
        return any(not end or len(self._names[table, end]) > 1 for end in ends)

    def expect(self, kind: str, value: Json) -> Any:
        """Returns what a declared column must hold; see `expected`."""
        return expected(kind, value, self._zone)

    def _survey(self, path: Path, table: str, shape: Fields, value: Fields) -> None:
        """Notes which keys share a name, and which scalars came under it."""
        for key in {**shape, **value}:
            below, item = (*path, key), value.get(key)
            declared = shape.get(key)
            name = (table, identifier(below))
            self._names[name].add(below)
            if isinstance(item, (dict, list)):
                self._nested.add(name)
            if isinstance(declared, dict) or (declared is None and isinstance(item, dict)):
                self._survey(below, table, declared or {}, item if isinstance(item, dict) else {})
            elif isinstance(item, list) and not isinstance(declared, str):
                inner = declared[0] if declared else {}
                for element in item:
                    self._survey((), f"{table}__{name[1]}", inner, wrap(element, inner))
            elif declared is None and item is not None:
                exact = type(item) is not int or -(2**63) <= item < 2**63
                self._kinds[name][type(item) if exact else str] += 1


def _is_column_too(table: str, types: Mapping[tuple[str, str], str]) -> bool:
    """Says whether what a table is made of was also put into a column of its parent."""
    parts = table.split("__")
    return any(
        ("__".join(parts[:end]), "__".join(parts[end:])) in types for end in range(1, len(parts))
    )


def wrap(item: Json, shape: Fields) -> Fields:
    """Returns an item of a list as the row that it becomes."""
    if isinstance(item, dict) and shape.keys() != {"value"}:
        return item
    return {"value": item}


class _Response:
    """Takes from the rows of one response what was sent, until nothing is left."""

    def __init__(self, all_of_them: Comparison, row: Row) -> None:
        self._all = all_of_them
        self._row = row
        self._rejected = Counter(
            (below.values["field"], below.values["value"])
            for below in row.children.pop("rejected_values", [])
            if below.values.get("reason")
        )

    def compare(self, record: Fields) -> Iterator[str]:
        yield from self._object((), (), "responses", DECLARED, record, self._row)
        yield from self._left("", self._row)
        for (field, value), count in self._rejected.items():
            yield f"rejected {count} times without need: {field} = {value[:80]}"

    def _open(self, above: Path, path: Path, table: str, value: Json, row: Row) -> Iterator[str]:
        """Compares a field that is not declared with whatever place it got."""
        if value is None:
            return
        where = ".".join((*above, *path))
        if self._take(above, path, value):
            if not self._all.may_be_refused(table, path):
                yield f"{where}: {spelled(value)[:80]} was rejected, though its name is free"
            return
        name = identifier(path)
        if name in row.values and says(row.values[name], value):
            del row.values[name]
        elif isinstance(value, dict):
            for key, item in value.items():
                yield from self._open(above, (*path, key), table, item, row)
        elif isinstance(value, list):
            yield from self._list(above, path, table, {}, value, row)
        else:
            yield f"{where} is {row.values.get(name)!r:.80}, not {value!r:.80}"

    def _list(  # noqa: PLR0913, PLR0917 - as for an object
        self, above: Path, path: Path, table: str, shape: Fields, value: list[Json], row: Row
    ) -> Iterator[str]:
        """Compares a list with the rows of a child table."""
        name = identifier(path)
        where = (*above, *path)
        rows = row.children.pop(name, []) if value else []
        if len(rows) != len(value):
            yield f"{'.'.join(where)} has {len(rows)} rows, not {len(value)}"
        for item, below in zip(value, rows, strict=False):
            wrapped = wrap(item, shape)
            yield from self._object(where, (), f"{table}__{name}", shape, wrapped, below)
            yield from self._left(f"{'.'.join(where)} ", below)

    def _left(self, where: str, row: Row) -> Iterator[str]:
        for column, value in row.values.items():
            yield f"{where}{column} holds {str(value)[:80]!r}, which was not sent"
        for name, rows in row.children.items():
            yield f"{where}{name} has {len(rows)} rows, which were not sent"

    def _object(  # noqa: PLR0913, PLR0917
        self, above: Path, path: Path, table: str, shape: Fields, value: Fields, row: Row
    ) -> Iterator[str]:
        """Compares an object with the columns and lists of a row.

        Args:
            above: Where the row stands in the record.
            path: Where the object stands in the row.
            table: The row's table.
            shape: What is declared of the object.
            value: The object.
            row: The row.
        """
        for key in {**shape, **value}:
            declared, item, below = shape.get(key), value.get(key), (*path, key)
            if isinstance(declared, str):
                yield from self._scalar(above, below, declared, item, row)
            elif isinstance(declared, dict):
                nested = item if isinstance(item, dict) else {}
                yield from self._refused(above, below, item, dict)
                yield from self._object(above, below, table, declared, nested, row)
            elif isinstance(declared, list):
                items = item if isinstance(item, list) else []
                yield from self._refused(above, below, item, list)
                yield from self._list(above, below, table, declared[0], items, row)
            else:
                yield from self._open(above, below, table, item, row)

    def _scalar(self, above: Path, path: Path, kind: str, value: Json, row: Row) -> Iterator[str]:
        try:
            wanted = self._all.expect(kind, value)
        except RefusedError:
            wanted = None
            yield from self._refused(above, path, value, type(None))
        found = row.values.pop(identifier(path), None)
        if type(found) is not type(wanted) or found != wanted:
            same = isinstance(value, (float, list, dict)) and says(found, value)
            if not same or " " in str(found).replace(json.dumps(" "), ""):
                yield f"{'.'.join((*above, *path))} is {found!r:.80}, not {wanted!r:.80}"

    def _refused(self, above: Path, path: Path, value: Json, kind: type) -> Iterator[str]:
        """Takes the rejection of a value that is not of a kind."""
        right = value in EMPTY if kind in (dict, list) else value is None
        if not right and not isinstance(value, kind) and not self._take(above, path, value):
            yield f"{'.'.join((*above, *path))}: {spelled(value)[:80]} is not in rejected_values"

    def _take(self, above: Path, path: Path, value: Json) -> bool:
        for entry in self._rejected:
            field, text = entry
            if field == ".".join((*above, *path)) and spelled(json.loads(text)) == spelled(value):
                self._rejected[entry] -= 1
                self._rejected += Counter()  # drops what is down to nothing
                return True
        return False
