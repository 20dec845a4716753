"""Records of JSON become rows of an Arrow array, by the shortest way that is right.

A row has a field for each column of the root table, and one for each table below it: the list
of the child rows. Whichever way a record came, its row is the same. What a privacy policy names is
gone from it already.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import pyarrow as pa

from customergauge_source.tables.arrow import json_type
from customergauge_source.tables.as_declared import AmbiguousNumberError, rows_of_arrow
from customergauge_source.tables.catalog import Target
from customergauge_source.tables.private_rows import PrivateRows
from customergauge_source.tables.put_right import rows_of_objects
from customergauge_source.tables.records import JsonObject

_WHOLE_AS_FRACTION: Final = re.compile(rb"\.0+[,}\]\seE]")


class Reader:
    """Makes rows of the records of one resource.

    Attributes:
        json_type: What Arrow's reader is to be told of a record: what is declared, and the
            undeclared texts that it would take for timestamps.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._private = None if target.policy is None else PrivateRows(target.policy, target)
        self.json_type = json_type(target.shape)

    def learn(self, seen: pa.StructType) -> bool:
        """Takes into `json_type` what Arrow's inference got wrong; says if it was anything."""
        before = self.json_type
        self.json_type = _with_texts(seen, before)
        return bool(self.json_type != before)

    def rows_of_arrow(self, records: pa.StructArray, body: bytes) -> pa.StructArray:
        """Returns the rows of records that Arrow's reader has read from JSON, as `as_declared`."""
        try:
            return self._finished(rows_of_arrow(records, self._target))
        except AmbiguousNumberError:
            if _WHOLE_AS_FRACTION.search(body):
                raise
            target = replace(self._target, writes_whole=True)
            return self._finished(rows_of_arrow(records, target))

    def rows_of_objects(self, records: Sequence[JsonObject]) -> pa.StructArray:
        """Returns the rows of records."""
        return self._finished(rows_of_objects(records, self._target))

    def _finished(self, rows: pa.StructArray) -> pa.StructArray:
        return rows if self._private is None else self._private.of(rows)


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
