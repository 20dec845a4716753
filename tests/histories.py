"""What a history says, by the contract alone: the present state, and each version there was.

It shares no SQL with the package. Each function copies a DuckDB file into another one, whose tables
look like merged ones; so that whatever looks at those looks at a history, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, Final

import duckdb

from tests.read_back import KEY
from tests.support import DATASET

HISTORY: Final = {"SOURCES__CUSTOMERGAUGE__HISTORY": "true"}
"""The setting, as a variable of the environment."""
_MANY: Final = 1_000
"""More versions than any record of a test has."""
_DONE: Final = f"(SELECT load_id FROM was.{DATASET}._dlt_loads WHERE status = 0)"
_TIES: Final = ("_dlt_id", "_dlt_root_id", "_dlt_parent_id", "_dlt_load_id", "_dlt_cg_deleted")
_BESIDE: Final = "rejected_records"


def present(file: Path) -> Path:
    """Returns a file with the present state of a history, as the contract defines it."""

    def of(table: str, root: str) -> str:
        """Selects the rows of a table that belong to a version with no later one."""
        key = "_dlt_id" if table == _BESIDE or table.startswith("deleted_") else KEY
        row = "_dlt_id" if table == root else "_dlt_root_id"
        gone = f"""
            AND NOT EXISTS (
                FROM {_was(f"deleted_{root}")} AS gone
                WHERE gone.{KEY} = mine.{KEY} AND gone._dlt_load_id > mine._dlt_load_id
                AND gone._dlt_load_id IN {_DONE}
            )
        """
        return f"""
            SELECT its.* FROM {_was(table)} AS its, {_was(root)} AS mine
            WHERE its._dlt_load_id = mine._dlt_load_id AND its.{row} = mine._dlt_id
            AND mine._dlt_load_id IN {_DONE}
            AND NOT EXISTS (
                FROM {_was(root)} AS later
                WHERE later.{key} = mine.{key} AND later._dlt_load_id IN {_DONE}
                AND (later._dlt_load_id, later._dlt_id) > (mine._dlt_load_id, mine._dlt_id)
            )
            {gone if key == KEY else ""}
        """

    return _copied(file, "present", of)


def shown(file: Path) -> Path:
    """Returns a file with the rows of the views of the present state."""
    return _copied(file, "shown", lambda table, _: f"FROM {_was(f'current_{table}')}")


def apart(file: Path, *, undone: bool = False) -> Path:
    """Returns a file in which each version of a record is a record of its own.

    Args:
        file: A history.
        undone: Whether the versions of loads that were never done are there, too.
    """

    def of(table: str, root: str) -> str:
        """Selects the rows of a table, with ids and keys that no two versions share."""
        done = "1 = 1" if undone else f"_dlt_load_id IN {_DONE}"
        if table == _BESIDE or table.startswith("deleted_"):
            return f"FROM {_was(table)} WHERE {done}"
        row = "_dlt_id" if table == root else "_dlt_root_id"
        ids = ["_dlt_id"] if table == root else ["_dlt_id", "_dlt_root_id", "_dlt_parent_id"]
        replaced = ", ".join(f"concat(its._dlt_load_id, ' ', its.{it}) AS {it}" for it in ids)
        return f"""
            WITH numbered AS (
                SELECT _dlt_load_id, _dlt_id, {KEY} * {_MANY} - 1 + row_number() OVER (
                    PARTITION BY {KEY} ORDER BY _dlt_load_id, _dlt_id
                ) AS number
                FROM {_was(root)} WHERE {done}
            )
            SELECT its.* REPLACE ({replaced}, coalesce(numbered.number, its.{KEY}) AS {KEY})
            FROM {_was(table)} AS its LEFT JOIN numbered
            ON numbered._dlt_load_id = its._dlt_load_id AND numbered._dlt_id = its.{row}
            WHERE its.{done}
        """

    return _copied(file, "apart", of)


def numbered(versions: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns what `apart` makes of records that came in this order."""
    seen: Counter[int] = Counter()
    told = []
    for record in versions:
        cgid = record[KEY]
        told.append(record | {KEY: cgid * _MANY + seen[cgid]})
        seen[cgid] += 1
    return told


def rows_of(file: Path) -> dict[str, list[str]]:
    """Returns the rows of each table of the dataset but dlt's, as texts, by name.

    Which load or version a row is of is not in them, nor what was noticed to be gone, and when.
    """
    with duckdb.connect(str(file), read_only=True) as connection:
        found = {}
        for table in _tables(connection, connection.execute("SELECT current_catalog()")):
            if table.startswith("deleted_"):
                continue
            there = connection.execute(f'FROM {DATASET}."{table}" LIMIT 0').description or []
            names = sorted(f'"{it[0]}"' for it in there if it[0] not in _TIES)
            rows = connection.execute(f'SELECT {", ".join(names)} FROM {DATASET}."{table}"')
            found[table] = sorted(map(str, rows.fetchall()))
    return found


@contextmanager
def _open(file: Path, kind: str) -> Iterator[tuple[Path, duckdb.DuckDBPyConnection]]:
    copy = file.with_name(f"{file.stem}-{kind}.duckdb")
    copy.unlink(missing_ok=True)
    with duckdb.connect(str(copy)) as connection:
        connection.execute(f"ATTACH '{file}' AS was (READ_ONLY)")
        connection.execute(f"CREATE SCHEMA {DATASET}")
        connection.execute(f"USE {DATASET}")
        yield copy, connection


def _copied(file: Path, kind: str, select: Callable[[str, str], str]) -> Path:
    with _open(file, kind) as (copy, connection):
        tables = _tables(connection, connection.execute("SELECT 'was'"))
        roots = {it for it in tables if f"deleted_{it}" in tables}
        for table in tables:
            root = next((it for it in roots if f"{table}__".startswith(f"{it}__")), table)
            connection.execute(f'CREATE TABLE "{table}" AS {select(table, root)}')
    return copy


def _tables(connection: duckdb.DuckDBPyConnection, catalog: Any) -> list[str]:
    sql = (
        "SELECT table_name FROM duckdb_tables() WHERE database_name = ? AND schema_name = ?"
        " AND table_name NOT LIKE '\\_dlt%' ESCAPE '\\' ORDER BY 1"
    )
    ((name,),) = catalog.fetchall()
    return [*chain.from_iterable(connection.execute(sql, [name, DATASET]).fetchall())]


def _was(table: str) -> str:
    return f'was.{DATASET}."{table}"'
