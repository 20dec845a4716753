"""What the tests of `--reconcile` share: runs of it, and what they found and left."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from customergauge_source.sandbox import Sandbox
from customergauge_source.tables.shape import DELETED
from tests.command import Command
from tests.support import DATASET, EMPTY, Finished, every_table, query

RESPONSES = 150
KEY = "number_customergauge"
ALL = ("--resources", "responses", "non_responses", "close_loop")
OPTIONS = ("--per-page", "20", "--json")
EDITS: tuple[dict[str, Any], ...] = (
    EMPTY,
    {"tags": [{"label": "edited", "type": "tag"}]},
    {"selected_drivers": [{"primary": "Price", "secondary": ["Edited", "Rising"]}]},
    {"contact": {"first_name": None, "last_name": None}, "email": None, "phone": None},
    {"nps": 3, "status": "edited", "comment": {"original": "Edited", "translation": None}},
)


def run(command: Command, sandbox: Sandbox, *options: str, **env: str) -> Finished:
    """Runs `--reconcile`."""
    return command(sandbox, *OPTIONS, "--reconcile", *options, **env)


def found(ended: Finished) -> dict[str, Any]:
    """Returns what a reconciliation that succeeded has found."""
    assert ended.code == 0, ended.err
    told: dict[str, Any] = ended.summary["reconcile"]
    return told


def ids(told: dict[str, Any]) -> tuple[list[int], list[int], list[int]]:
    """Returns the CGIDs that were added, changed and deleted."""
    kinds = ("added", "changed", "deleted")
    assert [told[kind] for kind in kinds] == [len(told[f"{kind}_ids"]) for kind in kinds]
    return told["added_ids"], told["changed_ids"], told["deleted_ids"]


def cgids(records: list[Any]) -> list[int]:
    return [record[KEY] for record in records]


def contents(file: Path) -> dict[str, list[str]]:
    """Returns all rows of all tables of a DuckDB file, dlt's own included."""
    with duckdb.connect(str(file), read_only=True) as connection:
        return {
            f"{schema}.{table}": sorted(map(str, rows))
            for schema, table, rows in every_table(connection)
        }


def noted(file: Path, table: str = "deleted_responses") -> list[int]:
    """Returns the CGIDs that are noted as removed, sorted."""
    return [cgid for (cgid,) in query(file, f"SELECT {KEY} FROM {table} ORDER BY 1")]


def tables_with(file: Path, *keys: int) -> set[str]:
    """Returns the tables of responses in which one of these CGIDs has a row."""
    listed = ", ".join(map(str, keys))
    tables = query(
        file,
        "SELECT table_name FROM duckdb_columns()"
        f" WHERE schema_name = '{DATASET}' AND column_name = '{KEY}'"
        " AND regexp_matches(table_name, '^(deleted_)?responses(__|$)')",
    )
    rows = f"SELECT count(*) FROM {{}} WHERE {KEY} IN ({listed})"
    return {table for (table,) in tables if query(file, rows.format(table)) != [(0,)]}


def marked(file: Path) -> list[str]:
    """Returns the tables in which the marker column is not NULL throughout."""
    tables = query(
        file,
        "SELECT table_name FROM duckdb_columns()"
        f" WHERE schema_name = '{DATASET}' AND column_name = '{DELETED}'",
    )
    assert tables
    rows = f"SELECT count({DELETED}) FROM {{}}"
    return [table for (table,) in tables if query(file, rows.format(table)) != [(0,)]]


def later(moment: str, days: int) -> str:
    """Returns a timestamp of the API, some days later."""
    return str(datetime.fromisoformat(moment) + timedelta(days=days))


def period(start: str, end: str, field: str = "date_survey_response") -> tuple[str, ...]:
    return ("--period-field", field, "--start-date", start, "--end-date", end)


def day_of(record: dict[str, Any]) -> str:
    return str(record["date_survey_response"])[:10]


def asked_for(sandbox: Sandbox, since: int) -> list[int]:
    """Returns the CGIDs that were asked for, since so many requests."""
    asked = [dict(request.query).get(KEY) for request in sandbox.data_requests[since:]]
    return [int(cgid) for cgid in asked if cgid is not None]
