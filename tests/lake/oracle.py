"""The present state once more, in plain Python from the files themselves.

It follows the text on a history alone, which says what a version is and what the present state is,
and knows nothing of the product's SQL.
"""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.lake.lakes import Lake
from tests.warehouses.trial import Row, Tables, plain

_KEYS = {"rejected_records": "_dlt_id"}
_KEY = "number_customergauge"


def versions(lake: Lake) -> Tables:
    """Return all rows of all tables of records, of whichever load, by load and key."""
    read = {"delta": _delta, "iceberg": _iceberg, None: _parquet}[lake.table_format]
    folders = sorted(
        it.rstrip("/").rpartition("/")[2] for it in lake.files.ls(lake.root, detail=False)
    )
    names = [it for it in folders if it != "init" and not it.startswith("_dlt")]
    return {name: _rows(read(lake, name)) for name in names if lake.listed(name)}


def done(lake: Lake) -> set[str]:
    """Return the ids of the loads that `_dlt_loads` says are done."""
    entries = [json.loads(lake.files.cat_file(file)) for file in lake.listed("_dlt_loads")]
    return {it["load_id"] for it in entries if it["status"] == 0}


def present(lake: Lake) -> Tables:
    """Return the rows of the present state, by load and key."""
    complete = done(lake)
    tables = {
        name: [row for row in rows if row["_dlt_load_id"] in complete]
        for name, rows in versions(lake).items()
    }
    latest = {name: _latest(name, tables) for name in tables if "__" not in name}
    return {
        name: [row for row in rows if _version_of(row) in latest[name.partition("__")[0]]]
        for name, rows in tables.items()
    }


def wrong(tables: Tables) -> list[str]:
    """Return what is wrong with versions: such as is there twice, or hangs under none, or two."""
    faults = []
    for name, rows in tables.items():
        keys = [(row["_dlt_load_id"], row["_dlt_id"]) for row in rows]
        faults += [f"{name}: {len(keys) - len({*keys})} twice"] if len({*keys}) < len(keys) else []
        if "__" not in name:
            continue
        roots = tables[name.partition("__")[0]]
        owners = {_version_of(row): row[_KEY] for row in roots}
        parents = {
            (row["_dlt_load_id"], row["_dlt_id"]) for row in tables[name.rpartition("__")[0]]
        }
        faults += [
            f"{name}: {row['_dlt_id']} of {row['_dlt_load_id']} hangs under no version"
            for row in rows
            if owners.get(_version_of(row)) != row[_KEY]
            or (row["_dlt_load_id"], row["_dlt_parent_id"]) not in parents
        ]
    return faults


def _latest(root: str, tables: Tables) -> set[tuple[str, str]]:
    """Return load and key of the versions of a root table that are present."""
    deleted = tables.get(f"deleted_{root}", [])
    found: dict[Any, tuple[str, str]] = {}
    for row in tables[root]:
        key = row[_KEYS.get(root, _KEY)]
        found[key] = max(found.get(key, ("", "")), _version_of(row))
    for row in deleted:
        key = row[_KEY]
        if key in found and row["_dlt_load_id"] > found[key][0]:
            del found[key]
    return {*found.values()}


def _version_of(row: Row) -> tuple[str, str]:
    return row["_dlt_load_id"], row.get("_dlt_root_id") or row["_dlt_id"]


def _rows(tables: list[pa.Table]) -> list[Row]:
    columns = {name: None for table in tables for name in table.column_names}
    rows = [{**columns, **row} for table in tables for row in table.to_pylist()]
    rows = [{name: plain(value) for name, value in row.items()} for row in rows]
    return sorted(rows, key=lambda row: (row["_dlt_id"], row["_dlt_load_id"]))


def _parquet(lake: Lake, name: str) -> list[pa.Table]:
    return [pq.ParquetFile(lake.files.open(file)).read() for file in lake.listed(name)]


def _delta(lake: Lake, name: str) -> list[pa.Table]:
    from deltalake import DeltaTable  # noqa: PLC0415 - of one kind of lake

    options = {}
    if lake.s3 is not None:
        options = {"ACCESS_KEY_ID": lake.s3.key, "SECRET_ACCESS_KEY": lake.s3.secret}
        options |= {"REGION": "us-east-1", "ENDPOINT_URL": lake.s3.url, "ALLOW_HTTP": "true"}
        options = {f"AWS_{key}": value for key, value in options.items()}
    scheme = "s3://" if lake.s3 else ""
    return [DeltaTable(f"{scheme}{lake.root}/{name}", storage_options=options).to_pyarrow_table()]


def _iceberg(lake: Lake, name: str) -> list[pa.Table]:
    from pyiceberg.table import StaticTable  # noqa: PLC0415 - of one kind of lake

    scheme, options = "", {}
    if lake.s3 is not None:
        scheme = "s3://"
        options = {"s3.access-key-id": lake.s3.key, "s3.secret-access-key": lake.s3.secret}
        options |= {"s3.endpoint": lake.s3.url, "s3.region": "us-east-1"}
    newest = max(it for it in lake.listed(f"{name}/metadata") if it.endswith(".metadata.json"))
    return [StaticTable.from_metadata(f"{scheme}{newest}", options).scan().to_arrow()]
