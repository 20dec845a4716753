"""Where a year is loaded into: a DuckDB file, or a dataset in PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final, Protocol

import duckdb
import psycopg2

from customergauge_source.sandbox import Sandbox
from tests.command import Command
from tests.endurance.copied import copied
from tests.support import DATASET
from tests.warehouses.postgres import URL
from tests.warehouses.target import Target
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
            return [*_counts(connection, DATASET)]

    def copy(self) -> Path:
        """Returns the file."""
        return self._command.file


class PostgresDataset:
    """A dataset of a PostgreSQL server."""

    def __init__(self, command: Command, target: Target, dataset: str) -> None:
        self._command = command
        self._target = target
        self._dataset = dataset

    def load(self, sandbox: Sandbox) -> None:
        """Lets the command load what is new."""
        place = ("--destination", "postgres", "--dataset", self._dataset)
        _run(self._command, sandbox, *place, **self._target.env)

    def size(self) -> int:
        """Returns the size of all tables, indexes and TOAST of the dataset and its staging one."""
        schemas = (self._dataset, f"{self._dataset}_staging")
        with closing(psycopg2.connect(self._target.env[URL])) as server, server.cursor() as cursor:
            cursor.execute(
                "SELECT sum(pg_total_relation_size(c.oid))::bigint FROM pg_class c"
                " JOIN pg_namespace n ON n.oid = c.relnamespace"
                " WHERE c.relkind = 'r' AND n.nspname IN %s",
                (schemas,),
            )
            return int(cursor.fetchall()[0][0])

    def bookkeeping(self) -> list[int]:
        """Returns how many rows dlt's own tables have."""
        with closing(psycopg2.connect(self._target.env[URL])) as server, server.cursor() as cursor:
            return [*_counts(cursor, self._dataset)]

    def copy(self) -> Path:
        """Returns a DuckDB file with the tables."""
        folder = self._command.folder / "copy"
        trial = Trial(destination="postgres", dataset=self._dataset, folder=folder)
        return copied(trial, self._command.folder / f"{self._dataset}.duckdb")


def _run(command: Command, sandbox: Sandbox, *options: str, **env: str) -> None:
    ended = command(sandbox, "--quiet", *options, **env)
    if ended.code:
        raise RuntimeError(f"The command ended with {ended.code}:\n{ended.err}")


def _counts(cursor: Any, schema: str) -> Iterator[int]:
    for name in BOOKKEEPING:
        cursor.execute(f"SELECT count(*) FROM {schema}.{name}")
        yield cursor.fetchall()[0][0]
