"""Records of JSON become rows of an Arrow array, by the shortest way that is right.

A row has a field for each column of the root table, and one for each table below it: the list
of the child rows. Whichever way a record came, its row is the same. What a privacy policy names is
gone from it already.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from customergauge_source.tables.arrow import in_place, json_type
from customergauge_source.tables.as_declared import NotAsDeclaredError, check_names, rows_of_arrow
from customergauge_source.tables.catalog import Target
from customergauge_source.tables.private_rows import PrivateRows
from customergauge_source.tables.put_right import rows_of_objects
from customergauge_source.tables.records import JsonObject

_WHOLE_AS_FRACTION: Final = r"(?:\.0+|[0-9][eE][-+]?[0-9]+)\s*[,}\]]"


class Reader:
    """Makes rows of the records of one resource.

    Attributes:
        json_type: What Arrow's reader is to be told of a record: what is declared, less the texts
            that are numbers or booleans in this account; and the undeclared texts that it would
            take for timestamps.
        expects_odd: Whether the page before had records that Arrow's reader does not take.
        odd_signs: What such records had in their JSON, as `"tags":"`, which begins a text where a
            list belongs; others that have it are likely odd, too.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._private = None if target.policy is None else PrivateRows(target.policy, target)
        self._declared = self.json_type = json_type(target.shape)
        self._open: set[tuple[str, ...]] = set()
        self.expects_odd = False
        self.odd_signs: set[bytes] = set()

    def learn(self, seen: pa.StructType) -> bool:
        """Takes into `json_type` what Arrow's inference got wrong; says if it was anything."""
        before = self.json_type
        self.json_type = _with_texts(seen, before)
        return bool(self.json_type != before)

    def declares(self, path: Sequence[str]) -> bool:
        """Says whether a field of a record is declared, by its keys, with `[]` for a list's."""
        return _type_at(self._declared, path) is not None

    def leave_open(self, path: Sequence[str]) -> bool:
        """Takes a text out of `json_type`, so that it may be numbers; once, as it may be both."""
        if path[-1] == "[]" or (place := tuple(path)) in self._open:
            return False
        self._open.add(place)
        self.json_type = _without(self.json_type, path)
        return True

    def rows_of_arrow(
        self, records: pa.StructArray, body: bytes
    ) -> tuple[pa.StructArray, list[int]]:
        """Returns what `finished` makes rows of, from records that Arrow's reader read in a body.

        With it come the places of records that have no row; it raises what `as_declared` does.
        """
        writes_whole = cache(lambda: not _has_whole_as_fraction(body))
        return rows_of_arrow(records, self._target, writes_whole)

    def rows_of_objects(self, records: Sequence[JsonObject]) -> pa.StructArray:
        """Returns the rows of records."""
        return self._finished(rows_of_objects(records, self._target))

    def finished(self, rows: pa.StructArray, others: Sequence[JsonObject]) -> pa.StructArray | None:
        """Returns the rows of a page, of which other records are objects.

        A field that some of them lack is null there. None if they do not go together.
        """
        if others:
            parts = [rows, rows_of_objects(others, self._target)]
            if _has_two_kinds(*(part.type for part in parts)):
                return None
            tables = [pa.Table.from_struct_array(part) for part in parts]
            try:
                joined = pa.concat_tables(tables, promote_options="permissive")
                check_names(joined.schema)
            except (pa.ArrowInvalid, pa.ArrowTypeError, NotAsDeclaredError):
                return None
            rows = joined.to_struct_array().combine_chunks()
        return self._finished(rows)

    def _finished(self, rows: pa.StructArray) -> pa.StructArray:
        return rows if self._private is None else self._private.of(rows)


def _has_two_kinds(one: pa.StructType, other: pa.StructType) -> bool:
    """Says whether a field may be a scalar in some rows, and an object or a list in the others.

    An object `mood` becomes columns `mood__…`, and a list in it or it itself tables `…__mood…`.
    """
    ours, theirs = ([f"__{name}__" for name in it.names] for it in (one, other))
    ours_alone, theirs_alone = set(ours) - set(theirs), set(theirs) - set(ours)
    if any(name in it or it in name for name in ours_alone for it in theirs_alone):
        return True
    our_lists, their_lists = (
        {field.name: field.type.value_type for field in it if pa.types.is_list(field.type)}
        for it in (one, other)
    )
    shared = our_lists.keys() & their_lists.keys()
    return any(_has_two_kinds(our_lists[name], their_lists[name]) for name in shared)


def _has_whole_as_fraction(body: bytes) -> bool:
    """Says whether a number may be whole that was written with a fraction or an exponent."""
    found = pc.match_substring_regex(in_place(body), _WHOLE_AS_FRACTION)
    return bool(found[0].as_py())


def _type_at(kind: pa.DataType, path: Sequence[str]) -> pa.DataType | None:
    """Returns the type at a path of keys; None if there is no such field."""
    for key in path:
        if pa.types.is_list(kind) and key == "[]":
            kind = kind.value_type
        elif pa.types.is_struct(kind) and key in kind.names:
            kind = kind.field(key).type
        else:
            return None
    return kind


def _without(kind: pa.DataType, path: Sequence[str]) -> pa.DataType:
    """Returns a type less the field at a path of keys."""
    key, *rest = path
    if key == "[]":
        return pa.list_(_without(kind.value_type, rest))
    fields = [
        pa.field(field.name, _without(field.type, rest)) if field.name == key else field
        for field in kind
        if field.name != key or rest
    ]
    return pa.struct(fields)


def _with_texts(seen: pa.DataType, told: pa.DataType | None) -> pa.DataType | None:
    """Returns what was told of a type, and text for each timestamp that was inferred in it."""
    if pa.types.is_struct(seen):
        known = {field.name: field.type for field in told or ()}
        fields = [(field.name, _with_texts(field.type, known.get(field.name))) for field in seen]
        wanted = [(name, kind) for name, kind in fields if kind is not None]
        return pa.struct(wanted) if wanted or told is not None else None
    if pa.types.is_list(seen):
        items = _with_texts(seen.value_type, told.value_type if told is not None else None)
        return None if items is None else pa.list_(items)
    return pa.string() if pa.types.is_temporal(seen) else told
