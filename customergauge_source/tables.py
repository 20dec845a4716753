"""A page of records -> the chain of Arrow tables: flattened, exploded, keyed.

What dlt's relational normalizer does value by value is done here column by column. The tables
carry the same `_dlt_*` keys, so that dlt's own merge of a parent with its children applies.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any, Final
from weakref import WeakValueDictionary

import pyarrow as pa
import pyarrow.compute as pc

from customergauge_source.arrow import ARROW_TYPES
from customergauge_source.columns import make_table, to_column
from customergauge_source.decoding import to_json
from customergauge_source.drift import Drift
from customergauge_source.keys import Keys
from customergauge_source.records import JsonObject, RejectedRecord
from customergauge_source.rows import ObjectRows, Refuse, Rows, explode
from customergauge_source.schema import (
    KEY,
    REJECTED_RECORD_FIELDS,
    REJECTED_VALUE_FIELDS,
    REJECTED_VALUES,
    REJECTED_VALUES_TABLE,
    RESPONSE,
    RESPONSES,
    SCALAR,
    DataType,
    Shape,
)

_OPEN: Final = Shape()
"""The shape of what is not declared: everything in it is unknown."""
_DEEPEST: Final = 8
"""Unknown objects and lists nested deeper than this are kept as JSON text."""


@dataclass(frozen=True)
class Chain:
    """The tables of one page.

    Attributes:
        tables: Arrow tables by name, each parent before its children.
        parents: The parent's name for each child table.
    """

    tables: dict[str, pa.Table] = field(default_factory=dict)
    parents: dict[str, str] = field(default_factory=dict)


@dataclass(eq=False)
class _Versions:
    """What a load package has of responses, to tell the versions of one apart.

    Attributes:
        cgids: Those that are in the package.
        count: Pages on which some came again.
    """

    cgids: set[int] = field(default_factory=set)
    count: int = 0


_VERSIONS: Final[WeakValueDictionary[str, _Versions]] = WeakValueDictionary()
"""By load package: several sources may be extracted into one."""


class ChainBuilder:
    """Builds the chain of tables for pages of responses.

    Args:
        drift: Decides what becomes of fields that are not declared.
        zone: Where the clock stands that timestamps without an offset were read from.
        load_id: dlt's id of the load package that the pages go to.
    """

    def __init__(self, drift: Drift, *, zone: tzinfo, load_id: str) -> None:
        self._drift = drift
        self._zone = zone
        self._load_id = load_id
        self._seen = _VERSIONS.setdefault(load_id, _Versions())

    def build(self, records: Rows) -> Chain:
        """Returns the tables of one page, whose records have distinct CGIDs."""
        cgids = pa.array(records.scalars(KEY), pa.int64())
        rows = self._row_ids(cgids)
        keys = Keys(cgid=cgids, root=rows, row=rows)
        page = _Page(self._drift, self._zone)
        load_id = pa.repeat(pa.scalar(self._load_id), len(records))
        page.add_table((RESPONSES,), RESPONSE, records, keys, extra={"_dlt_load_id": load_id})
        page.add_rejections(keys)
        self._drift.note_written(page.chain.tables)
        return page.chain

    def _row_ids(self, cgids: pa.Array) -> pa.Array:
        """Returns the ids of responses: the CGID, short and the same whenever it is read.

        A CGID that comes again in the same load package is another version of the response. Its
        id sorts behind that of the earlier one, so that dlt keeps the later, with its children.
        """
        numbers = cgids.to_pylist()
        ids = cgids.cast(pa.string())
        if not self._seen.cgids.isdisjoint(numbers):
            self._seen.count += 1
            version = f"~{self._seen.count:08}"
            again = [version if number in self._seen.cgids else "" for number in numbers]
            ids = pc.binary_join_element_wise(ids, pa.array(again), "")
        self._seen.cgids.update(numbers)
        return ids


def rejected_records(load_id: str, rejected: Sequence[RejectedRecord]) -> pa.Table:
    """Returns the table of entries that are no loadable records.

    Their row ids are made of where they stood and what they were: on the same page, read again,
    they are the same.
    """
    rows = [
        {
            "record": entry.record,
            "reason": entry.reason,
            "resource": RESPONSES,
            "cursor": entry.cursor,
            "position": entry.position,
        }
        for entry in rejected
    ]
    columns = {
        name: pa.array([row[name] for row in rows], ARROW_TYPES[column.type])
        for name, column in REJECTED_RECORD_FIELDS.items()
    }
    ids = [
        f"{entry.cursor}-{entry.position}-{hashlib.sha256(entry.record.encode()).hexdigest()[:16]}"
        for entry in rejected
    ]
    columns["_dlt_load_id"] = pa.array([load_id] * len(rows), pa.string())
    columns["_dlt_id"] = pa.array(ids, pa.string())
    return make_table(columns)


class _Page:
    """One page on its way into tables."""

    def __init__(self, drift: Drift, zone: tzinfo) -> None:
        self.chain = Chain()
        self.drift = drift
        self.zone = zone
        self._claims: dict[str, tuple[tuple[str, ...], str]] = {
            REJECTED_VALUES_TABLE: ((), "")
        }  # no list of the API's
        self._rejections: dict[int, list[JsonObject]] = {}

    def claim(self, path: tuple[str, ...], parent: str) -> str:
        """Returns the name of the table at a path; "" if it has none, or another list has it."""
        name = self.drift.name(path)
        return name if self._claims.setdefault(name, (path, parent)) == (path, parent) else ""

    def add_table(  # noqa: PLR0913 - what a table is made of
        self,
        path: tuple[str, ...],
        shape: Shape,
        rows: Rows,
        keys: Keys,
        *,
        parent: str = "",
        extra: Mapping[str, pa.Array] | None = None,
    ) -> None:
        """Adds the table of these rows, and below it the tables of their lists."""
        name = self.claim(path, parent)
        level = _Level(self, path, name, keys)
        level.add_object((), shape, rows)
        self.chain.tables[name] = make_table(
            {**level.columns, **dict(keys.columns()), **(extra or {})},
            never_null={KEY} if len(path) == 1 else set(),
        )
        if parent:
            self.chain.parents[name] = parent
        for key, (item, lengths, items) in level.lists.items():
            if len(items) or item is not _OPEN:
                below = keys.below(f".{'.'.join(key)}.", lengths)
                self.add_table((*path, *key), item, items, below, parent=name)

    def add_rejections(self, keys: Keys) -> None:
        """Adds the table of the values that their columns could not take."""
        found = self._rejections
        cgids = keys.cgid.to_pylist() if found else ()
        lengths, rows = explode([found.get(cgid, []) for cgid in cgids], scalars=False)
        if not found:
            keys = keys.none()
        self._claims[REJECTED_VALUES_TABLE] = ((RESPONSES, REJECTED_VALUES), RESPONSES)
        shape = Shape(fields=REJECTED_VALUE_FIELDS)
        below = keys.below(f".{REJECTED_VALUES}.", lengths)
        self.add_table((RESPONSES, REJECTED_VALUES), shape, rows, below, parent=RESPONSES)

    def reject(self, cgid: int, path: Sequence[str], value: object, reason: str) -> None:
        """Notes a value that its column cannot take."""
        self._rejections.setdefault(cgid, []).append(
            {"field": ".".join(path), SCALAR: to_json(value), "reason": reason}
        )


class _Level:
    """One table on its way: its columns, and the lists that become tables below it."""

    def __init__(self, page: _Page, path: tuple[str, ...], table: str, keys: Keys) -> None:
        self.columns: dict[str, pa.Array] = {}
        self.lists: dict[tuple[str, ...], tuple[Shape, pa.Array, Rows]] = {}
        self._page = page
        self._path = path
        self._table = table
        self._keys = keys

    def add_object(self, prefix: tuple[str, ...], shape: Shape, rows: Rows) -> None:
        """Adds the columns and lists of an object that every row has."""
        for key, column in shape.fields.items():
            path = (*prefix, key)
            self._add_column("__".join(path), path, column.type, rows.scalars(key))
        for key, nested in shape.objects.items():
            path = (*prefix, key)
            self.add_object(path, nested, rows.objects(key, self._refuse(path)))
        for key, item in shape.lists.items():
            path = (*prefix, key)
            self._page.claim((*self._path, *path), self._table)
            scalars = item.fields.keys() == {SCALAR}
            self.lists[path] = (item, *rows.lists(key, self._refuse(path), scalars=scalars))
        known = shape.fields.keys() | shape.objects.keys() | shape.lists.keys()
        for path, values in self._open_fields(prefix, rows, known):
            self._add_open(path, values)

    def _open_fields(
        self, prefix: tuple[str, ...], rows: Rows, known: Collection[str]
    ) -> list[tuple[tuple[str, ...], list[Any]]]:
        """Returns paths and values of the fields that are not declared.

        Keys that make the same name are one field, whichever rows of the page have which.
        """
        fields: dict[str, tuple[tuple[str, ...], list[Any]]] = {}
        for key in rows.unknown(known):
            path = (*prefix, key)
            if not self._page.drift.admits(self._table, self._path, path):
                continue
            values = rows.scalars(key)
            _, taken = fields.setdefault(self._page.drift.name(path) or key, (path, values))
            for row, value in enumerate(values if taken is not values else ()):
                if taken[row] is None:
                    taken[row] = value
                elif value is not None:
                    self._refuse(path)(row, value, "another key has its column's name")
        return list(fields.values())

    def _add_open(self, path: tuple[str, ...], values: Sequence[Any]) -> None:
        """Adds a field that is not declared."""
        drift = self._page.drift
        name = drift.name(path)
        if (
            len(self._path) - 1 + len(path) > _DEEPEST
            or drift.has_column(self._table, name)
            or any(value is not None and type(value) not in (dict, list) for value in values)
        ):
            self._add_open_column(name, path, values)
            return
        objects = [value if type(value) is dict else {} for value in values]
        self.add_object(path, _OPEN, ObjectRows(objects))
        lists = [value if type(value) is list else [] for value in values]
        if not any(lists):
            return
        if self._page.claim((*self._path, *path), self._table):
            self.lists[path] = (_OPEN, *explode(lists, scalars=False))
        else:
            self._refuse_all(path, lists, "its table's name is taken")

    def _add_open_column(self, name: str, path: tuple[str, ...], values: Sequence[Any]) -> None:
        if not name or name in self.columns or (name == KEY and len(self._path) > 1):
            self._refuse_all(path, values, "its column's name is taken")
            return
        flat = [to_json(value) if type(value) in (dict, list) else value for value in values]
        if any(value is not None for value in flat):
            data_type = self._page.drift.settle(self._table, name, flat)
            self._add_column(name, path, data_type, flat)

    def _add_column(
        self,
        name: str,
        path: tuple[str, ...],
        data_type: DataType,
        values: Any,  # noqa: ANN401 - a list or an Arrow array
    ) -> None:
        self.columns[name] = to_column(values, data_type, self._page.zone, self._refuse(path))

    def _refuse(self, path: tuple[str, ...]) -> Refuse:
        """Returns what notes a rejected value of the field at a path."""

        def refuse(row: int, value: object, reason: str) -> None:
            cgid = self._keys.cgid[row].as_py()
            self._page.reject(cgid, (*self._path[1:], *path), value, reason)

        return refuse

    def _refuse_all(self, path: tuple[str, ...], values: Sequence[Any], reason: str) -> None:
        refuse = self._refuse(path)
        for row, value in enumerate(values):
            if value not in (None, []):
                refuse(row, value, reason)
