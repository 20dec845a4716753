"""The declared shape in Arrow's terms, and arrays made of others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from customergauge_source.tables.shape import REJECTED_VALUES, SCALAR, Shape

ARROW_TYPES: Final[Mapping[str, pa.DataType]] = {
    "text": pa.string(),
    "bigint": pa.int64(),
    "double": pa.float64(),
    "bool": pa.bool_(),
    "timestamp": pa.timestamp("us", tz="UTC"),
}


def json_type(shape: Shape) -> pa.StructType:
    """Returns the Arrow type of a shape as JSON has it, where timestamps are text."""
    fields = [
        (key, pa.string() if column.type == "timestamp" else ARROW_TYPES[column.type])
        for key, column in shape.fields.items()
    ]
    fields += [(key, json_type(nested)) for key, nested in shape.objects.items()]
    fields += [
        (key, pa.list_(pa.string() if item.of_scalars else json_type(item)))
        for key, item in shape.lists.items()
    ]
    return pa.struct(fields)


def make_struct(columns: Sequence[tuple[str, pa.Array]], length: int) -> pa.StructArray:
    """Returns columns of the same length as one array of structs."""
    if not columns:  # Arrow would not know how many there are
        return pa.array([{}] * length, pa.struct([]))
    names, arrays = zip(*columns, strict=True)
    return pa.StructArray.from_arrays(arrays, names)


def make_lists(lengths: pa.Array, items: pa.Array) -> pa.ListArray:
    """Returns lists of these lengths, made of all their items; an empty list is never null."""
    return pa.ListArray.from_arrays(_offsets(lengths), items)


def lengths_of(lists: pa.ListArray) -> pa.Array:
    """Returns how long each list is; null is as long as an empty one."""
    return pc.fill_null(pc.list_value_length(lists), 0)


def scalars_as_objects(items: pa.Array) -> pa.StructArray:
    """Returns the items of a list of scalars as objects with one key, `value`."""
    return pa.StructArray.from_arrays([items], [SCALAR])


def rejected_lists(rows: Sequence[Sequence[Mapping[str, str]]]) -> pa.ListArray:
    """Returns the rejected values of each row as the lists that they are loaded as."""
    return pa.array(rows, pa.list_(json_type(REJECTED_VALUES)))


def nothing_rejected(length: int) -> pa.ListArray:
    """Returns an empty list of rejected values for each row."""
    items = pa.array([], json_type(REJECTED_VALUES))
    return pa.ListArray.from_arrays(pa.array([0] * (length + 1), pa.int32()), items)


def _offsets(lengths: pa.Array) -> pa.Array:
    """Returns where each list begins and, at last, where the last one ends."""
    zero = pa.array([0], pa.int32())
    return pa.concat_arrays([zero, pc.cumulative_sum(lengths).cast(pa.int32())])
