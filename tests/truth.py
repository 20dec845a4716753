"""What the tables must hold: told from the API's records alone, and compared by value.

Which column has which value is said by the declaration of the resource; the tables are put
together to records again by SQL.
"""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import zlib
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import duckdb

from customergauge_source.resources import RESPONSES
from customergauge_source.tables.shape import SCALAR, Shape
from tests.read_back import KEY, Row, read_back
from tests.support import DATASET

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_REASONS = {"bigint": "not a whole number of 64 bits", "timestamp": "no such date"}


def differences(file: Path, records: Iterable[dict[str, Any]]) -> list[str]:
    """Returns how the tables of a DuckDB file differ from the API's records; nothing if equal.

    Args:
        file: The DuckDB file; nobody else holds it open.
        records: All records that the API has delivered, oldest first, and as the sandbox makes
            them; the later of two with the same CGID counts.
    """
    tables = read_back(file)
    wanted = {record[KEY]: row_of(record) for record in records}
    missing, more = wanted.keys() - tables.responses, tables.responses.keys() - wanted.keys()
    return [
        *tables.faults[:5],
        *(f"rejected: {entry}" for entry in tables.rejected[:5]),
        *(f"{len(cgids)} {kind}, such as {min(cgids)}"
          for kind, cgids in (("missing", missing), ("too many", more)) if cgids),
        *[f"{cgid} is {tables.responses[cgid]}, not {row}" for cgid, row in wanted.items()
          if cgid not in missing and tables.responses[cgid] != row][:5],
    ]  # fmt: skip


def row_of(record: dict[str, Any]) -> Row:
    """Returns the row, with all below it, that a record as the sandbox makes it becomes."""
    row = _row(RESPONSES.record, record)
    if rejected := [*_rejected(RESPONSES.record, record)]:
        row.children["rejected_values"] = rejected
    return row


def loaded(file: Path) -> list[int]:
    """Returns the CGIDs in a DuckDB file, sorted; none if nothing was ever loaded."""
    if not file.exists():
        return []
    with duckdb.connect(str(file), read_only=True) as connection:
        try:
            rows = connection.execute(f"SELECT {KEY} FROM {DATASET}.responses ORDER BY 1")
        except duckdb.CatalogException:
            return []
        return [cgid for (cgid,) in rows.fetchall()]


def as_after_a_crash(file: Path) -> Path:
    """Returns a copy of a DuckDB file in use: what would be there if its process died now."""
    copy = file.with_name(f"{file.stem}-copied.duckdb")
    for suffix in ("", ".wal"):
        copied = copy.with_name(copy.name + suffix)
        copied.unlink(missing_ok=True)
        if (original := file.with_name(file.name + suffix)).exists():
            shutil.copyfile(original, copied)
    return copy


def stored_cursor(file: Path) -> int | None:
    """Returns the cursor in the state that was committed last to a DuckDB file."""
    with duckdb.connect(str(file), read_only=True) as connection:
        ((text,),) = connection.execute(
            f"SELECT state FROM {DATASET}._dlt_pipeline_state ORDER BY version DESC LIMIT 1"
        ).fetchall()
    state = json.loads(zlib.decompress(base64.b64decode(text)))
    (entry,) = state["sources"]["customergauge"]["resources"]["responses"]["cursors"].values()
    cursor: int | None = entry.get("cursor")
    return cursor


def _row(shape: Shape, item: dict[str, Any]) -> Row:
    return Row(
        dict(_values(shape, item)),
        {
            key: [
                _row(inner, below if isinstance(below, dict) else {SCALAR: below}) for below in it
            ]
            for key, inner in shape.lists.items()
            if (it := item.get(key))
        },
    )


def _values(shape: Shape, item: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, column in shape.fields.items():
        if (value := _taken(item.get(key), column.type)) is not None:
            yield prefix + key, value
    for key, inner in shape.objects.items():
        yield from _values(inner, item.get(key) or {}, f"{prefix}{key}__")


def _rejected(shape: Shape, item: dict[str, Any]) -> Iterator[Row]:
    for key, column in shape.fields.items():
        if (value := item.get(key)) is not None and _taken(value, column.type) is None:
            reason = _REASONS[column.type]
            yield Row({"field": key, "value": json.dumps(value), "reason": reason})


def _taken(value: Any, kind: str) -> Any:
    """Returns what the column has; None for text that is no number or no date."""
    if kind == "text" and isinstance(value, list):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    if kind == "bigint" and isinstance(value, str):
        return None
    if kind == "timestamp" and value is not None:
        with contextlib.suppress(ValueError):
            return _micros(value)
        return None
    return value


def _micros(text: str) -> int:
    moment = datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=timezone.utc)
    return (moment - _EPOCH) // timedelta(microseconds=1)
