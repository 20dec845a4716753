"""The declared shape in Arrow's terms; JSON values, lists and objects as Arrow arrays."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from customergauge_source.tables.shape import REJECTED_VALUES, DataType, Shape
from customergauge_source.tables.values import DECIMAL_PLACES, UnfitError, converter

ARROW_TYPES: Final[Mapping[str, pa.DataType]] = {
    "text": pa.string(),
    "bigint": pa.int64(),
    "double": pa.float64(),
    "bool": pa.bool_(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "date": pa.date32(),
    "decimal": pa.decimal128(38, DECIMAL_PLACES),
}

Refuse = Callable[[int, Any, str], None]
"""Is told the row, the value and the reason of a value that cannot be taken."""

_SAFE: Final = (datetime(1, 1, 2), datetime(2037, 12, 31))  # noqa: DTZ001 - wall clocks
"""Arrow goes below the year 1, and knows no summer time after 2037."""
_FEW: Final = 8
"""So many texts are put right one by one: Arrow would take as long to refuse them."""
_UNFIT: Final = (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError)


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


def in_place(body: bytes) -> pa.BinaryArray:
    """Returns a body as an array of one value, without a copy of it."""
    ends = pa.py_buffer(array("i", [0, len(body)]))
    return pa.Array.from_buffers(pa.binary(), 1, [None, ends, pa.py_buffer(body)])


def make_struct(columns: Sequence[tuple[str, pa.Array]], length: int) -> pa.StructArray:
    """Returns columns of the same length as one array of structs."""
    if not columns:  # Arrow would not know how many there are
        return pa.array([{}] * length, pa.struct([]))
    names, arrays = zip(*columns, strict=True)
    return pa.StructArray.from_arrays(arrays, names)


def make_lists(lengths: pa.Array, items: pa.Array) -> pa.ListArray:
    """Returns lists of these lengths, made of all their items; an empty list is never null."""
    zero = pa.array([0], pa.int32())
    ends = pc.cumulative_sum(lengths).cast(pa.int32())
    return pa.ListArray.from_arrays(pa.concat_arrays([zero, ends]), items)


def lengths_of(lists: pa.ListArray) -> pa.Array:
    """Returns how long each list is; null is as long as an empty one."""
    return pc.fill_null(pc.list_value_length(lists), 0)


def rejected_lists(rows: Sequence[Sequence[Mapping[str, str]]]) -> pa.ListArray:
    """Returns the rejected values of each row as the lists that they are loaded as."""
    return pa.array(rows, pa.list_(json_type(REJECTED_VALUES)))


def to_column(values: list[Any], data_type: DataType, zone: tzinfo, refuse: Refuse) -> pa.Array:
    """Returns a column of these JSON values.

    They are taken as they are, at the speed of Arrow; only if the column does not take one
    of them, each is put right on its own, or refused.
    """
    try:
        if data_type == "timestamp":
            return timestamps(pa.array(values, pa.string()), zone, refuse)
        return _as_sent(values, data_type)
    except _UNFIT:
        return _one_by_one(values, data_type, zone, refuse)


def timestamps(texts: pa.StringArray, zone: tzinfo, refuse: Refuse, first: int = 0) -> pa.Array:
    """Returns timestamps, the first of them that of row `first`.

    Where Arrow does not take all texts, it is asked for each half, so that few are left.
    """
    try:
        return _local_timestamps(texts, zone)
    except _UNFIT:
        middle = len(texts) // 2
    if middle < _FEW:

        def refuse_one(row: int, value: object, reason: str) -> None:
            refuse(first + row, value, reason)

        return _one_by_one(texts.to_pylist(), "timestamp", zone, refuse_one)
    halves = ((texts[:middle], first), (texts[middle:], first + middle))
    return pa.concat_arrays([timestamps(half, zone, refuse, row) for half, row in halves])


def _one_by_one(values: list[Any], data_type: DataType, zone: tzinfo, refuse: Refuse) -> pa.Array:
    convert = converter(data_type, zone)
    fit: list[Any] = []
    for row, value in enumerate(values):
        try:
            fit.append(None if value is None else convert(value))
        except UnfitError as unfit:  # noqa: PERF203 - each value on its own is the point
            refuse(row, value, str(unfit))
            fit.append(None)
    return pa.array(fit, ARROW_TYPES[data_type])


def _as_sent(values: list[Any], data_type: DataType) -> pa.Array:
    arrow_type = ARROW_TYPES[data_type]
    if data_type == "text":
        return pa.array(values, arrow_type)
    # Told to make integers, Arrow would cut 9.5 to 9; so it is asked what it sees.
    seen = pa.array(values)
    if seen.type not in (arrow_type, pa.null()):
        raise pa.ArrowTypeError(f"{seen.type} is not {arrow_type}")
    return seen.cast(arrow_type)


def _local_timestamps(texts: pa.StringArray, zone: tzinfo) -> pa.Array:
    local = texts.cast(pa.timestamp("us"))
    bounds = pc.min_max(local).as_py()
    if bounds["min"] is not None and not _SAFE[0] < bounds["min"] <= bounds["max"] < _SAFE[1]:
        raise pa.ArrowInvalid("outside of the years that Arrow and Python agree on")
    return pc.assume_timezone(local, str(zone)).cast(ARROW_TYPES["timestamp"])
