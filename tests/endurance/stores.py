"""Where a year is loaded into: a DuckDB file, or a dataset in PostgreSQL."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, Protocol

import duckdb

from customergauge_source.sandbox import Sandbox
from tests.command import Command
from tests.endurance.copied import copied
from tests.support import DATASET
from tests.warehouses.postgres import URL
from tests.warehouses.trial import Trial

BOOKKEEPING: Final = ("_dlt_loads", "_dlt_pipeline_state", "_dlt_version")


class Store(Protocol):
    """A database that the command loads into."""

    def load(self, sandbox: Sandbox) -> None:
        """Lets the command load what is new."""

    def size(self) -> int:
        """Returns how many bytes the database takes on disk."""

    def bookkeeping(self) -> list[int]:
        """Returns how many rows dlt's own tables have, in the order of `BOOKKEEPING`."""

    def copy(self) -> Path:
        """Returns a DuckDB file with the tables."""


class DuckDbFile:
    """The DuckDB file in the command's folder."""

    def __init__(self, command: Command) -> None:
        self._command = command

    def load(self, sandbox: Sandbox) -> None:
        """Lets the command load what is new."""
        _run(self._command, sandbox)

    def size(self) -> int:
        """Returns the size of the file, and of what DuckDB keeps beside it."""
        file = self._command.file
        return sum(it.stat().st_size for it in file.parent.glob(f"{file.name}*"))

    def bookkeeping(self) -> list[int]:
        """Returns how many rows dlt's own tables have."""
        with duckdb.connect(str(self._command.file), read_only=True) as connection:
            return [
                connection.execute(f"SELECT count(*) FROM {DATASET}.{it}").fetchall()[0][0]
                for it in BOOKKEEPING
            ]

    def copy(self) -> Path:
        """Returns the file."""
        return self._command.file


class PostgresDataset:
    """A dataset of a PostgreSQL server, at which the environment points dlt."""

    def __init__(self, command: Command, dataset: str) -> None:
        self._command = command
        self._trial = Trial(
            destination="postgres",
            dataset=dataset,
            folder=command.folder.with_name(f"of_{dataset}"),
        )

    def load(self, sandbox: Sandbox) -> None:
        """Lets the command load what is new."""
        credentials = {URL: os.environ[URL]}
        place = ("--destination", "postgres", "--dataset", self._trial.dataset)
        _run(self._command, sandbox, *place, **credentials)

    def size(self) -> int:
        """Returns the size of all tables, indexes and TOAST of the dataset and its staging one."""
        sizes = (
            "SELECT sum(pg_total_relation_size(c.oid))::bigint FROM pg_class c"
            " JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE c.relkind = 'r' AND n.nspname IN (%s, %s)"
        )
        dataset = self._trial.dataset
        with self._trial.pipeline().sql_client() as client:
            ((size,),) = client.execute_sql(sizes, dataset, f"{dataset}_staging") or ((0,),)
            return int(size)

    def bookkeeping(self) -> list[int]:
        """Returns how many rows dlt's own tables have."""
        counts = []
        with self._trial.pipeline().sql_client() as client:
            for name in BOOKKEEPING:
                table = client.make_qualified_table_name(name)
                ((count,),) = client.execute_sql(f"SELECT count(*) FROM {table}") or ((0,),)
                counts.append(int(count))
        return counts

    def copy(self) -> Path:
        """Returns a DuckDB file with the tables."""
        return copied(self._trial, self._command.folder / "copy.duckdb")


def _run(command: Command, sandbox: Sandbox, *options: str, **env: str) -> None:
    ended = command(sandbox, "--quiet", *options, **env)
    if ended.code:
        raise RuntimeError(f"The command ended with {ended.code}:\n{ended.err}")
