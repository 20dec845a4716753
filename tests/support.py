"""What the tests share: pipelines, the command as a subprocess, and a look into the tables."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dlt
import duckdb
import pytest

from customergauge_source import customergauge_source
from customergauge_source.sandbox import Sandbox
from tests.scripted import Scripted

ROOT = Path(__file__).parents[1]
LOAD = ROOT / "pipelines" / "load.py"
REPORT = ROOT / "pipelines" / "report.py"
DATASET = "customergauge_data"
EMPTY: dict[str, Any] = {"tags": [], "questions": [], "selected_drivers": [], "properties": []}
TABLES = (
    "responses",
    "responses__tags",
    "responses__questions",
    "responses__selected_drivers",
    "responses__selected_drivers__secondary",
    "responses__properties",
)


def at_length(values: Iterable[Any], *, short: Iterable[Any]) -> list[Any]:
    """Returns the values of a parameter, of which only those in `short` run without `--long`."""
    always = [*short]
    return [it if it in always else pytest.param(it, marks=pytest.mark.long) for it in values]


def make_source(sandbox: Sandbox | Scripted, **arguments: Any) -> Any:
    """Returns the source, reading from a sandbox."""
    here = {
        "credentials": {"client_id": sandbox.client_id, "client_secret": sandbox.client_secret},
        "api_url": sandbox.url,
        "auth_url": sandbox.url,
    }
    return customergauge_source(**(here | arguments))


def read(server: Sandbox | Scripted, **arguments: Any) -> list[Any]:
    """Returns the records of a server's responses as the source hands them on; no pipeline."""
    records: list[Any] = []

    def keep(record: Any) -> bool:
        records.append(record)
        return True

    list(make_source(server, **{"per_page": 20, **arguments}).responses.add_filter(keep))
    return records


def make_pipeline(folder: Path, name: str = "customergauge", **arguments: Any) -> dlt.Pipeline:
    """Returns a pipeline whose working directory and DuckDB file lie in a folder."""
    pipeline: dlt.Pipeline = dlt.pipeline(
        pipeline_name=name,
        destination=dlt.destinations.duckdb(str(folder / f"{name}.duckdb")),
        dataset_name=DATASET,
        pipelines_dir=str(folder / "pipelines"),
        **arguments,
    )
    return pipeline


def asked_cursors(sandbox: Sandbox) -> list[str | None]:
    """Returns the cursors that the last run asked for pages with; None where it sent none.

    A run is known by its token: what an ended run sent last may be noticed after its end.
    """
    return [
        dict(request.query).get("cursor")
        for request in sandbox.data_requests
        if request.header("Authorization") == f"Bearer {sandbox.tokens[-1]}"
    ]


def query(file: Path, sql: str) -> list[tuple[Any, ...]]:
    """Returns the rows of a query over a DuckDB file, in the dataset."""
    with duckdb.connect(str(file), read_only=True) as connection:
        connection.execute(f"USE {DATASET}")
        connection.execute("SET TimeZone = 'UTC'")
        return connection.execute(sql).fetchall()


def every_table(
    connection: duckdb.DuckDBPyConnection,
) -> Iterator[tuple[str, str, list[tuple[Any, ...]]]]:
    """Yields schema, name and rows of each table of a database, dlt's own included."""
    tables = connection.execute("SELECT schema_name, table_name FROM duckdb_tables()").fetchall()
    for schema, table in tables:
        yield schema, table, connection.execute(f'FROM "{schema}"."{table}"').fetchall()


@dataclass(frozen=True)
class Finished:
    """How a run of the command ended."""

    code: int
    out: str
    err: str

    @property
    def summary(self) -> dict[str, Any]:
        """The JSON object on stdout; for runs with --json."""
        summary: dict[str, Any] = json.loads(self.out)
        return summary


def environment(
    folder: Path, sandbox: Sandbox | Scripted | None = None, **more: str
) -> dict[str, str]:
    """Returns an environment in which the command keeps everything in one folder.

    Retries of requests wait for hundredths of a second; dlt's of a load job, one, for a second.
    """
    inherited = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("SOURCES__", "DESTINATION__", "GITHUB_", "RUNTIME__", "DLT_"))
    }
    here = {
        "DLT_DATA_DIR": str(folder / "dlt"),
        "RUNTIME__REQUEST_BACKOFF_FACTOR": "0.01",
        "RUNTIME__REQUEST_MAX_RETRY_DELAY": "2",
        "LOAD__RAISE_ON_MAX_RETRIES": "2",
        "PYTHONWARNINGS": "ignore",
    }
    if sandbox is not None:
        here |= {
            "SOURCES__CUSTOMERGAUGE__API_URL": sandbox.url,
            "SOURCES__CUSTOMERGAUGE__AUTH_URL": sandbox.url,
            "SOURCES__CUSTOMERGAUGE__CREDENTIALS__CLIENT_ID": sandbox.client_id,
            "SOURCES__CUSTOMERGAUGE__CREDENTIALS__CLIENT_SECRET": sandbox.client_secret,
        }
    return {**inherited, **here, **more}


def start_load(folder: Path, *options: str, env: Mapping[str, str]) -> subprocess.Popen[str]:
    """Starts the real command in a folder."""
    return subprocess.Popen(
        [sys.executable, str(LOAD), *options],
        cwd=folder,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run_load(folder: Path, *options: str, env: Mapping[str, str], timeout: float = 120) -> Finished:
    """Runs the real command in a folder to its end."""
    process = start_load(folder, *options, env=env)
    out, err = process.communicate(timeout=timeout)
    return Finished(process.returncode, out, err)
