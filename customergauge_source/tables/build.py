"""Rows of an Arrow array become a chain of tables: exploded and keyed.

What dlt's relational normalizer does value by value is done here column by column. The tables
carry the same `_dlt_*` keys, so that dlt's own merge of a parent with its children applies.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass, field
from datetime import datetime
from itertools import groupby

import pyarrow as pa
import pyarrow.compute as pc

from customergauge_source.tables.arrow import ARROW_TYPES, lengths_of
from customergauge_source.tables.keys import Keys
from customergauge_source.tables.records import RejectedRecord
from customergauge_source.tables.shape import DELETED, OWN, REJECTED_RECORDS, SCOPE


@dataclass(frozen=True)
class Table:
    """One table of the chain, and the name of its parent; "" for a root table."""

    name: str
    parent: str
    rows: pa.Table


def join(pages: Sequence[pa.StructArray]) -> Iterator[pa.StructArray]:
    """Yields the rows of pages, of as many together as have the same fields."""
    for _, alike in groupby(pages, lambda rows: rows.type):
        yield pa.concat_arrays(list(alike))


def apart(rows: pa.StructArray, key: str) -> Iterator[pa.StructArray]:
    """Yields rows in parts with distinct keys: first versions of records, then second ones.

    Of rows with the same key the later ones come later.
    """
    if len(pc.unique(rows.field(key))) == len(rows):
        yield rows
        return
    seen: Counter[int] = Counter()
    versions = []
    for number in rows.field(key).to_pylist():
        seen[number] += 1
        versions.append(seen[number])
    for version in sorted(set(versions)):
        yield rows.filter(pc.equal(pa.array(versions), version))


@dataclass
class ChainBuilder:
    """Builds the chain of tables of one resource, for one load package.

    Attributes:
        root: Name of the root table.
        key: The column that tells records apart; every table has it.
        load_id: dlt's id of the load package.
        version: Sorts the records of this builder behind those of earlier ones that fill the same
            load package; the first one's is 0.
        scope: What the records are read with, as reconciling has to know of each.
        history: Whether each version of a record stays, so that its rows say which one they are of.
    """

    root: str
    key: str
    load_id: str
    version: int = 0
    scope: str = ""
    history: bool = False
    _pages: int = 0
    _seen: set[int] = field(default_factory=set)

    @property
    def has_repeats(self) -> bool:
        """Whether the load package has another version of a record that it had already."""
        return self._pages > 0

    def build(self, rows: pa.StructArray) -> Iterator[Table]:
        """Yields the tables of rows with distinct keys, each parent before its children."""
        numbers = rows.field(self.key)
        ids = self._row_ids(numbers)
        keys = Keys(record=numbers, root=ids, row=ids)
        yield from self._tables(self.root, "", rows, keys)

    def _tables(
        self,
        name: str,
        parent: str,
        rows: pa.StructArray,
        keys: Keys,
    ) -> Iterator[Table]:
        fields = dict(zip(rows.type.names, rows.flatten(), strict=True))
        lists = {key: values for key, values in fields.items() if pa.types.is_list(values.type)}
        columns = {key: values for key, values in fields.items() if key not in lists}
        never_null = set() if parent else {self.key}
        same = {} if parent else {SCOPE: self.scope}
        if self.history or not parent:
            same["_dlt_load_id"] = self.load_id
        columns |= dict(keys.columns(self.key))
        columns |= {it: pa.repeat(pa.scalar(text), len(rows)) for it, text in same.items()}
        yield Table(name, parent, _table(columns, never_null))
        for table, values in lists.items():
            below = keys.below(lengths_of(values))
            yield from self._tables(table, name, pc.list_flatten(values), below)

    def _row_ids(self, numbers: pa.Array) -> pa.Array:
        """Returns the ids of records: their key, short and the same whenever they are read.

        A record that comes again in the same load package is another version of it. Its id sorts
        behind that of the earlier one, so that dlt keeps the later, with its children.
        """
        coming = numbers.to_pylist()
        ids = numbers.cast(pa.string())
        if self.version or not self._seen.isdisjoint(coming):
            self._pages += 1
            later = f"~{self.version:04}{self._pages:08}"
            suffixes = [later if self.version or it in self._seen else "" for it in coming]
            ids = pc.binary_join_element_wise(ids, pa.array(suffixes, pa.string()), "")
        self._seen.update(coming)
        return ids


def rejected_records(
    load_id: str, resource: str, rejected: Sequence[tuple[int, RejectedRecord]], *, by_place: bool
) -> pa.Table:
    """Returns the table of entries that are no loadable records.

    Each comes with the cursor that its page came back with. Their row ids are made of what they
    were and where they stood, or `by_place` not, as where the feed brings an entry again elsewhere;
    so an entry that is read again has the same.
    """
    place = "{}-{}-" if by_place else ""
    rows = [
        {
            **asdict(entry),
            "resource": resource,
            "cursor": cursor,
            "_dlt_load_id": load_id,
            "_dlt_id": f"{resource}-{place.format(cursor, entry.position)}{entry.digest}",
        }
        for cursor, entry in rejected
    ]
    types = {name: ARROW_TYPES[column.type] for name, column in REJECTED_RECORDS.fields.items()}
    types |= {"_dlt_load_id": pa.string(), "_dlt_id": pa.string()}
    return _table({name: pa.array([it[name] for it in rows], types[name]) for name in types})


def removed(load_id: str, key: str, keys: Sequence[int]) -> pa.Table:
    """Returns the rows that remove records from their table, and from those below it."""
    return _marked(load_id, key, keys, DELETED, pa.scalar(value=True))


def noted(load_id: str, key: str, keys: Sequence[int], noticed_at: datetime) -> pa.Table:
    """Returns the rows of the table that tells which records were removed."""
    moment = pa.scalar(noticed_at, ARROW_TYPES["timestamp"])
    return _marked(load_id, key, keys, "noticed_at", moment)


def _marked(load_id: str, key: str, keys: Sequence[int], name: str, mark: pa.Scalar) -> pa.Table:
    numbers, count = pa.array(keys, pa.int64()), len(keys)
    same = {name: mark, "_dlt_load_id": pa.scalar(load_id)}
    columns = {key: numbers, "_dlt_id": numbers.cast(pa.string())}
    columns |= {column: pa.repeat(value, count) for column, value in same.items()}
    return _table(columns, {key} if name == DELETED else frozenset())


def _table(columns: Mapping[str, pa.Array], never_null: AbstractSet[str] = frozenset()) -> pa.Table:
    """Returns a table whose nullability is the declared one; else dlt would warn of each."""
    of_dlt = {name for name in columns if name.startswith("_dlt_") and not name.startswith(OWN)}
    fields = [
        pa.field(name, column.type, nullable=name not in never_null | of_dlt)
        for name, column in columns.items()
    ]
    return pa.table(list(columns.values()), schema=pa.schema(fields))
