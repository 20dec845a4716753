"""A lake of Parquet in a folder, read by what the contract says of it alone."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from tests.support import DATASET

KEY = "number_customergauge"
ROOTS = ("responses", "non_responses", "close_loop")
_IDS = {"_dlt_id", "_dlt_parent_id", "_dlt_root_id"}
"""They are unique within a load; `present` makes them so for all of them."""


def tables_of(lake: Path) -> list[str]:
    """Returns the tables that have files, the shortest names first."""
    folders = [it for it in (lake / DATASET).glob("*") if any(it.rglob("*.parquet"))]
    return sorted((it.name for it in folders), key=lambda name: (len(name), name))


def present(lake: Path, file: Path) -> Path:
    """Writes the present state of a lake into a new DuckDB file, as the tables of a dataset."""
    file.unlink(missing_ok=True)
    tables = tables_of(lake)
    with duckdb.connect(str(file)) as it:
        it.execute(f"CREATE SCHEMA {DATASET}; USE {DATASET}")
        it.execute(_done(lake))
        for root in (name for name in ROOTS if name in tables):
            gone = f"deleted_{root}"
            later = f"{KEY} IN (SELECT {KEY} FROM {_versions(lake, gone)} AS d WHERE"
            later = f"{later} d._dlt_load_id > v._dlt_load_id)" if gone in tables else "false"
            it.execute(f"""CREATE TEMP TABLE latest AS
                SELECT _dlt_load_id, _dlt_id FROM (FROM {_versions(lake, root)}
                QUALIFY row_number() OVER
                (PARTITION BY {KEY} ORDER BY _dlt_load_id DESC, _dlt_id DESC) = 1) AS v
                WHERE NOT {later}""")
            for name in (it for it in tables if f"{it}__".startswith(f"{root}__")):
                own = "_dlt_id" if name == root else "_dlt_root_id"
                it.execute(f"""CREATE TABLE {name} AS
                    SELECT v.* EXCLUDE (_dlt_load_id) {_unique(lake, name)}
                    FROM {_versions(lake, name)} AS v JOIN latest
                    ON v._dlt_load_id = latest._dlt_load_id AND v.{own} = latest._dlt_id""")
            it.execute("DROP TABLE latest")
        it.execute("CREATE TABLE rejected_records (cursor BIGINT)")
    return file


def repeated(lake: Path) -> list[str]:
    """Returns the rows of loads that are done of which there are several."""
    with duckdb.connect() as it:
        it.execute(_done(lake))
        return [
            f"{name}: {row}"
            for name in tables_of(lake)
            if "_dlt_id" in _columns(lake, name)
            for row in it.execute(f"""SELECT _dlt_load_id, _dlt_id, count(*)
                FROM {_versions(lake, name)} GROUP BY ALL HAVING count(*) > 1""").fetchall()
        ]


def versions(lake: Path) -> Counter[int]:
    """Returns how many versions of each response are in the loads that are done."""
    with duckdb.connect() as it:
        it.execute(_done(lake))
        rows = it.execute(f"SELECT {KEY}, count(*) FROM {_versions(lake, 'responses')} GROUP BY 1")
        return Counter(dict(rows.fetchall()))


def unreadable(lake: Path) -> list[str]:
    """Returns the files that have a name of their own, and cannot be read."""
    files = sorted(it for it in lake.rglob("*") if it.is_file())
    return [f"{file}: {what}" for file in files if (what := _trouble(file))]


def _trouble(file: Path) -> str:
    try:
        if file.suffix == ".parquet":
            pq.read_table(file)
        elif file.suffix == ".jsonl" or file.name == "init":
            json.loads(file.read_bytes())
    except (ValueError, OSError, pa.ArrowException) as error:
        return str(error)
    return ""


def _done(lake: Path) -> str:
    loads = f"{lake}/{DATASET}/_dlt_loads/*.jsonl"
    return f"""CREATE TEMP TABLE done AS
        SELECT regexp_extract(file, '__([0-9.]+)\\.jsonl$', 1) AS load_id FROM glob('{loads}')"""


def _versions(lake: Path, table: str) -> str:
    files = f"'{lake}/{DATASET}/{table}/**/*.parquet', union_by_name = true"
    return f"""(FROM read_parquet({files}, hive_partitioning = false)
        WHERE _dlt_load_id IN (SELECT load_id FROM done))"""


def _columns(lake: Path, table: str) -> set[str]:
    files = (lake / DATASET / table).rglob("*.parquet")
    return {name for file in files for name in pq.read_schema(file).names}


def _unique(lake: Path, table: str) -> str:
    ids = sorted(_IDS & _columns(lake, table))
    return "REPLACE ({})".format(", ".join(f"v._dlt_load_id || v.{it} AS {it}" for it in ids))


def files(folder: Path) -> dict[str, bytes]:
    """Returns all files in a folder."""
    return {str(it): it.read_bytes() for it in sorted(folder.rglob("*")) if it.is_file()}
