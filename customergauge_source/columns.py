"""Columns: JSON values as Arrow arrays of the declared types."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime, tzinfo
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from customergauge_source.arrow import ARROW_TYPES
from customergauge_source.rows import Refuse
from customergauge_source.schema import DataType
from customergauge_source.values import UnfitError, converter

_SAFE: Final = (datetime(1, 1, 2), datetime(2037, 12, 31))  # noqa: DTZ001 - wall clocks
"""Arrow goes below the year 1, and knows no summer time after 2037."""


def to_column(
    values: Any,  # noqa: ANN401 - a list or an Arrow array
    data_type: DataType,
    zone: tzinfo,
    refuse: Refuse,
) -> pa.Array:
    """Returns a column of these values.

    They are taken as they are, at the speed of Arrow; only if the column does not take one
    of them, each is put right on its own.

    Args:
        values: A list of JSON values, or an Arrow array.
        data_type: The type of the column.
        zone: Where the clock stands that timestamps without an offset were read from.
        refuse: Is told of each value that cannot be put right.
    """
    try:
        return _as_sent(values, data_type, zone)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        convert = converter(data_type, zone)
    fit: list[Any] = []
    for row, value in enumerate(values if isinstance(values, list) else values.to_pylist()):
        try:
            fit.append(None if value is None else convert(value))
        except UnfitError as unfit:  # noqa: PERF203 - each value on its own is the point
            refuse(row, value, str(unfit))
            fit.append(None)
    return pa.array(fit, ARROW_TYPES[data_type])


def _as_sent(values: Any, data_type: DataType, zone: tzinfo) -> pa.Array:  # noqa: ANN401
    arrow_type = ARROW_TYPES[data_type]
    if data_type == "timestamp":
        local = pa.array(values, pa.string()).cast(pa.timestamp("us"))
        bounds = pc.min_max(local).as_py()
        if bounds["min"] is not None and not _SAFE[0] < bounds["min"] <= bounds["max"] < _SAFE[1]:
            raise pa.ArrowInvalid("outside of the years that Arrow and Python agree on")
        return pc.assume_timezone(local, str(zone)).cast(arrow_type)
    if data_type == "text":
        return pa.array(values, arrow_type)
    # Told to make integers, Arrow would cut 9.5 to 9; so it is asked what it sees.
    seen = pa.array(values)
    if seen.type not in (arrow_type, pa.null()):
        raise pa.ArrowTypeError(f"{seen.type} is not {arrow_type}")
    return seen.cast(arrow_type)


def make_table(
    columns: Mapping[str, pa.Array], never_null: AbstractSet[str] = frozenset()
) -> pa.Table:
    """Returns a table whose nullability is the declared one; else dlt would warn of each."""
    fields = [
        pa.field(name, column.type, nullable=name not in never_null and name[:5] != "_dlt_")
        for name, column in columns.items()
    ]
    return pa.table(list(columns.values()), schema=pa.schema(fields))
