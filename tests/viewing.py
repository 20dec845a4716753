"""What the tests of the views share: loads that make them, and a look at their rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb

from customergauge_source.sandbox import Sandbox
from tests.command import Command
from tests.figures import Row
from tests.support import DATASET, Finished

EVERYTHING = ("--resources", "responses", "non_responses", "close_loop")
NON_RESPONSES = "non-responses"
FAR = "Pacific/Kiritimati"
"""A session's time zone, fourteen hours ahead of UTC: no account's own."""


def load_views(command: Command, sandbox: Sandbox, *options: str) -> Finished:
    """Loads what is new of all resources, and makes the views."""
    ended = command(sandbox, "--json", "--views", *EVERYTHING, *options)
    assert ended.code == 0, ended.err
    return ended


def ask(file: Path, sql: str, zone: str = "UTC") -> list[tuple[Any, ...]]:
    """Returns the rows of a query over a DuckDB file, in a session with a time zone."""
    return _asked(file, sql, zone, lambda cursor: cursor.fetchall())


def view_rows(file: Path, view: str, zone: str = "UTC") -> list[Row]:
    """Returns the rows of a view in a DuckDB file, by column; the session has a time zone."""

    def named(cursor: duckdb.DuckDBPyConnection) -> list[Row]:
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    return _asked(file, f'FROM "{view}"', zone, named)


def view_columns(file: Path, view: str) -> dict[str, str]:
    """Returns the columns of a view in a DuckDB file with their types, in their order."""
    return {name: kind for name, kind, *_ in ask(file, f'DESCRIBE "{view}"')}


def views_in(file: Path) -> list[str]:
    """Returns the names of the views in a DuckDB file, sorted."""
    sql = "SELECT view_name FROM duckdb_views() WHERE schema_name = current_schema() ORDER BY 1"
    return [name for (name,) in ask(file, sql)]


def _asked(
    file: Path, sql: str, zone: str, told: Callable[[duckdb.DuckDBPyConnection], list[Any]]
) -> list[Any]:
    with duckdb.connect(str(file), read_only=True) as connection:
        connection.execute(f"USE {DATASET}")
        connection.execute(f"SET TimeZone = '{zone}'")
        return told(connection.execute(sql))
