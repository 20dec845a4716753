"""A copy of a warehouse's tables as a DuckDB file, so that one comparison serves for all."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from tests.support import DATASET
from tests.warehouses.trial import Trial

_TYPES: Final[dict[str | None, pa.DataType]] = {
    "text": pa.string(),
    "bigint": pa.int64(),
    "double": pa.float64(),
    "bool": pa.bool_(),
    "timestamp": pa.timestamp("us", "UTC"),
}


def copied(trial: Trial, file: Path) -> Path:
    """Returns a DuckDB file, made anew, with the tables of a dataset but dlt's own."""
    file.unlink(missing_ok=True)
    pipeline = trial.pipeline()
    pipeline.sync_destination()
    tables = trial.tables()
    with duckdb.connect(str(file)) as connection:
        connection.execute(f"CREATE SCHEMA {DATASET}")
        for name, rows in tables.items():
            columns = pipeline.default_schema.get_table_columns(name)
            types = pa.schema([(it, _TYPES[hint.get("data_type")]) for it, hint in columns.items()])
            connection.register("copied", pa.Table.from_pylist(rows, types))
            connection.execute(f'CREATE TABLE {DATASET}."{name}" AS FROM copied')
    return file
