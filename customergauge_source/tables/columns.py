"""Columns: JSON values as Arrow arrays of the declared types."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, tzinfo
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from customergauge_source.tables.arrow import ARROW_TYPES
from customergauge_source.tables.shape import DataType
from customergauge_source.tables.values import UnfitError, converter

Refuse = Callable[[int, Any, str], None]
"""Is told the row, the value and the reason of a value that cannot be taken."""

_SAFE: Final = (datetime(1, 1, 2), datetime(2037, 12, 31))  # noqa: DTZ001 - wall clocks
"""Arrow goes below the year 1, and knows no summer time after 2037."""
_UNFIT: Final = (
    pa.ArrowInvalid,
    pa.ArrowTypeError,
    pa.ArrowNotImplementedError,
    OverflowError,
)


def to_column(values: list[Any], data_type: DataType, zone: tzinfo, refuse: Refuse) -> pa.Array:
    """Returns a column of these JSON values.

    They are taken as they are, at the speed of Arrow; only if the column does not take one
    of them, each is put right on its own.

    Args:
        values: The values.
        data_type: The type of the column.
        zone: Where the clock stands that timestamps without an offset were read from.
        refuse: Is told of each value that cannot be put right.
    """
    try:
        return _as_sent(values, data_type, zone)
    except _UNFIT:
        convert = converter(data_type, zone)
    fit: list[Any] = []
    for row, value in enumerate(values):
        try:
            fit.append(None if value is None else convert(value))
        except UnfitError as unfit:  # noqa: PERF203 - each value on its own is the point
            refuse(row, value, str(unfit))
            fit.append(None)
    return pa.array(fit, ARROW_TYPES[data_type])


def timestamps(texts: pa.StringArray, zone: tzinfo) -> pa.Array:
    """Returns timestamps that are spelled in any way that a timestamp column takes.

    Raises:
        UnfitError: One of the texts is no timestamp.
    """
    try:
        return _local_timestamps(texts, zone)
    except _UNFIT:
        convert = converter("timestamp", zone)
    fit = [None if text is None else convert(text) for text in texts.to_pylist()]
    return pa.array(fit, ARROW_TYPES["timestamp"])


def _as_sent(values: list[Any], data_type: DataType, zone: tzinfo) -> pa.Array:
    arrow_type = ARROW_TYPES[data_type]
    if data_type == "timestamp":
        return _local_timestamps(pa.array(values, pa.string()), zone)
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
