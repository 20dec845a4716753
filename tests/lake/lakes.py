"""Lakes of each kind, and trials in them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import fsspec

from customergauge_source import LoadSummary, load_in_checkpoints, reconcile
from customergauge_source.cli.place import LAYOUT
from customergauge_source.load.summary import ReconcileSummary
from customergauge_source.resources import RESOURCES
from customergauge_source.sandbox import Sandbox
from customergauge_source.views import VIEWS
from tests.support import DATASET, at_length, make_source
from tests.warehouses.s3 import S3
from tests.warehouses.trial import ZONE, Tables, Trial, plain

KINDS = at_length(
    ["parquet", "s3", "delta", "iceberg", "delta on s3", "iceberg on s3"],
    short=["parquet", "s3", "delta", "iceberg"],
)
"""The kinds of lakes; the first two are of plain Parquet."""
FILE = "customergauge-lake.duckdb"
VERSIONS = f"{DATASET}_versions"


@dataclass(frozen=True, kw_only=True)
class Lake:
    """An empty lake.

    Attributes:
        url: Where it is, as dlt is told: a folder or a bucket.
        table_format: The format of its tables; None for plain Parquet.
        s3: The server of the bucket, if it is one.
    """

    url: str
    table_format: str | None
    s3: S3 | None = None

    @property
    def env(self) -> dict[str, str]:
        """What points dlt at it, as environment variables."""
        place = "DESTINATION__FILESYSTEM"
        return {
            f"{place}__BUCKET_URL": self.url,
            f"{place}__LAYOUT": LAYOUT,
            **({"SOURCES__CUSTOMERGAUGE__TABLE_FORMAT": it} if (it := self.table_format) else {}),
            **(self.s3.settings(place) if self.s3 else {}),
        }

    @property
    def files(self) -> Any:
        """A file system that reads it, which is not the one that dlt has."""
        if self.s3 is None:
            return fsspec.get_filesystem_class("local")(skip_instance_cache=True)
        return fsspec.filesystem(
            "s3",
            key=self.s3.key,
            secret=self.s3.secret,
            endpoint_url=self.s3.url,
            skip_instance_cache=True,
        )

    @property
    def root(self) -> str:
        """The folder of the dataset, as `files` calls it."""
        return f"{self.url.removeprefix('s3://')}/{DATASET}"

    def listed(self, table: str) -> list[str]:
        """Return all files of a table, sorted; none if it has no folder."""
        folder = f"{self.root}/{table}"
        return sorted(self.files.find(folder)) if self.files.exists(folder) else []

    def copied(self, folder: Path) -> Path:
        """Return a folder with a copy of all that is in it."""
        self.files.get(self.url.removeprefix("s3://"), str(folder), recursive=True)
        return folder

    def undo(self, load_id: str) -> None:
        """Make a load one that is not done."""
        (file,) = (it for it in self.listed("_dlt_loads") if it.endswith(f"__{load_id}.jsonl"))
        self.files.rm(file)


@dataclass(frozen=True, kw_only=True)
class LakeTrial(Trial):
    """A trial in a lake.

    Attributes:
        lake: The lake.
    """

    lake: Lake


@contextmanager
def looked_into(lake: Lake) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a connection to the DuckDB file that has the views over a lake."""
    with duckdb.connect(FILE, read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        if lake.s3 is not None:
            connection.execute(lake.s3.duckdb_secret)
        yield connection


def names(connection: duckdb.DuckDBPyConnection, schema: str) -> list[str]:
    """Return the names of what has rows of records in a schema of views."""
    rows = connection.execute(
        "SELECT view_name FROM duckdb_views() WHERE schema_name = ?", [schema]
    )
    return sorted(name for (name,) in rows.fetchall() if name not in {*VIEWS, "_dlt_loads"})


def shown(lake: Lake, schema: str) -> Tables:
    """Return all rows of the views of a schema, by load and key; those of an analyst are none."""
    with looked_into(lake) as connection:
        return {
            name: asked(connection, f'FROM "{schema}"."{name}"')
            for name in names(connection, schema)
        }


def asked(connection: duckdb.DuckDBPyConnection, sql: str) -> list[dict[str, Any]]:
    """Return the rows of a query over tables of records, by load and key."""
    cursor = connection.execute(sql)
    columns = [column[0] for column in cursor.description or ()]
    rows = [dict(zip(columns, map(plain, row), strict=True)) for row in cursor.fetchall()]
    return sorted(rows, key=lambda row: (row["_dlt_id"], row.get("_dlt_load_id", "")))


def as_tables(lake: Lake, to: Path, schema: str = DATASET, where: str = "true") -> Path:
    """Return a DuckDB file in which what the views show is in tables."""
    with looked_into(lake) as connection:
        connection.execute(f"ATTACH '{to}' AS copied (READ_WRITE)")
        connection.execute(f"CREATE SCHEMA copied.{DATASET}")
        for name in names(connection, schema):
            rows = f'FROM "{schema}"."{name}" WHERE {where}'
            connection.execute(f'CREATE TABLE copied.{DATASET}."{name}" AS {rows}')
    return to


def loads(lake: Lake) -> list[str]:
    """Return the ids of the loads that are done, in their order."""
    return sorted(it.rpartition("__")[2].removesuffix(".jsonl") for it in lake.listed("_dlt_loads"))


def load(
    trial: Trial, sandbox: Sandbox, zone: str = ZONE, *, views: bool = True, **how: Any
) -> LoadSummary:
    """Load what is new of every resource, in pages of few."""
    arguments = {it: how.pop(it) for it in ("resources",) if it in how}
    few = source(trial, sandbox, zone, per_page=50, **arguments)
    return load_in_checkpoints(trial.pipeline(), few, views=views, **how)


def reconciled(trial: Trial, sandbox: Sandbox, zone: str = ZONE) -> ReconcileSummary:
    """Reconcile every resource, with views."""
    found = reconcile(trial.pipeline(), source(trial, sandbox, zone), views=True).reconcile
    assert found is not None
    return found


def source(trial: Trial, sandbox: Sandbox, zone: str, **arguments: Any) -> Any:
    """Return the source of a trial, with every resource."""
    if isinstance(trial, LakeTrial):
        arguments["table_format"] = trial.lake.table_format
    arguments.setdefault("resources", [it.name for it in RESOURCES])
    return make_source(sandbox, timezone=zone, **arguments)
