"""Values through the function that makes columns of them."""

from __future__ import annotations

from datetime import tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo

import pyarrow as pa

from customergauge_source.columns import to_column
from customergauge_source.schema import DataType

UTC: Final = ZoneInfo("UTC")


def column(
    values: list[Any], data_type: DataType, zone: tzinfo = UTC
) -> tuple[list[Any], list[tuple[int, Any]]]:
    """Returns a column's values, timestamps as microseconds, and what was refused."""
    refused: list[tuple[int, Any]] = []
    array = to_column(
        values, data_type, zone, lambda row, value, _reason: refused.append((row, value))
    )
    if data_type == "timestamp":
        array = array.cast(pa.int64())
    return array.to_pylist(), refused
