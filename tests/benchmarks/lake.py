"""Measures a lake of files after many hourly loads, against one fresh load of the same account.

    python -m tests.benchmarks.lake [--responses 10000] [--hours 200] [--table-format delta]

Each hour 50 responses are new and five come again, edited. The present state is read as views of
DuckDB, each table to its end. It prints Markdown.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import dlt

from customergauge_source import load_in_checkpoints
from customergauge_source.cli.place import LAYOUT
from customergauge_source.dlt_bridge import writing
from customergauge_source.sandbox import Sandbox
from tests.support import DATASET, make_source

_NEW, _EDITED = 50, 5
_ROUNDS = 3


class Lake:
    """A lake in a folder, loaded into by the hour."""

    def __init__(self, folder: Path, table_format: str | None) -> None:
        self._folder = folder
        self._table_format = table_format
        self.seconds: list[float] = []

    def _pipeline(self) -> dlt.Pipeline:
        pipeline: dlt.Pipeline = dlt.pipeline(
            "customergauge",
            destination=dlt.destinations.filesystem(str(self._folder / "lake"), layout=LAYOUT),
            dataset_name=DATASET,
            pipelines_dir=str(self._folder / "pipelines"),
        )
        return pipeline

    def load(self, sandbox: Sandbox) -> None:
        """Loads what is new."""
        started = time.perf_counter()
        source = make_source(sandbox, table_format=self._table_format)
        load_in_checkpoints(self._pipeline(), source)
        self.seconds.append(time.perf_counter() - started)

    def files(self) -> tuple[int, int, float]:
        """Returns how many files there are, how many of them are Parquet, and all their MB."""
        files = [it for it in (self._folder / "lake").rglob("*") if it.is_file()]
        parquet = [it for it in files if it.suffix == ".parquet"]
        return len(files), len(parquet), sum(it.stat().st_size for it in files) / 1e6

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        pipeline = self._pipeline()
        pipeline.sync_destination()
        with writing.opened(pipeline, "customergauge") as (client, _):
            yield client.sql_client.native_connection

    def read(self) -> tuple[float, float, float, int]:
        """Returns the seconds that views, `responses` and all tables take, and the responses."""
        times, rows = [], 0
        for _ in range(_ROUNDS):
            started = time.perf_counter()
            with self._opened() as connection:
                opened = time.perf_counter()
                query = f"SELECT count(*), max(hash(t)) FROM {DATASET}.{{}} AS t"
                ((rows, _),) = connection.execute(query.format("responses")).fetchall()
                read = time.perf_counter()
                found = "SELECT view_name FROM duckdb_views() WHERE schema_name = ?"
                for (name,) in connection.execute(found, [DATASET]).fetchall():
                    connection.execute(query.format(name)).fetchall()
            times.append((opened - started, read - opened, time.perf_counter() - opened))
        views, responses, everything = (median(it) for it in zip(*times, strict=True))
        return views, responses, everything, rows


def main(arguments: list[str] | None = None) -> int:
    """Prints the table and returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.lake")
    parser.add_argument("--responses", type=int, default=10_000)
    parser.add_argument("--hours", type=int, default=200)
    parser.add_argument("--table-format")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name, Sandbox(responses=options.responses) as sandbox:
        hourly = Lake(Path(name, "hourly"), options.table_format)
        hourly.load(sandbox)
        known = [record["number_customergauge"] for record in sandbox.records]
        for hour in range(options.hours):
            sandbox.arrive(_NEW)
            for cgid in known[hour * _EDITED :][:_EDITED]:
                sandbox.redeliver(cgid, nps=hour % 11)
            hourly.load(sandbox)
        fresh = Lake(Path(name, "fresh"), options.table_format)
        fresh.load(sandbox)
        lines = [
            "| | files | of them Parquet | size | views | `responses` | all tables | responses |",
            "|---|---:|---:|---:|---:|---:|---:|---:|",
        ]
        for label, it in ((f"{options.hours} hours", hourly), ("one load", fresh)):
            files, parquet, size = it.files()
            views, responses, everything, rows = it.read()
            lines.append(
                f"| {label} | {files:,} | {parquet:,} | {size:.1f} MB | {views:.2f} s"
                f" | {responses:.2f} s | {everything:.2f} s | {rows:,} |"
            )
    last = median(hourly.seconds[-20:])
    lines += [
        "",
        f"An hourly load: {median(hourly.seconds[1:21]):.2f} s, the last ones {last:.2f} s.",
    ]
    sys.stdout.write("\n".join([*lines, ""]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
