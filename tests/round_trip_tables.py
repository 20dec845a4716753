"""The tables of a DuckDB file, read back with SQL and put together to responses again."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import duckdb

from tests.support import DATASET

_TIES: Final = frozenset(
    {"_dlt_id", "_dlt_load_id", "_dlt_parent_id", "_dlt_root_id", "_dlt_list_idx"}
)
KEY: Final = "number_customergauge"


@dataclass
class Row:
    """A row with the rows of the tables below it.

    Attributes:
        values: What is not NULL, by column; timestamps are microseconds since 1970 in UTC.
        children: The rows below, in their order, by what their table's name adds to this one's.
    """

    values: dict[str, Any] = field(default_factory=dict)
    children: dict[str, list[Row]] = field(default_factory=dict)


@dataclass
class Loaded:
    """What a DuckDB file holds.

    Attributes:
        responses: The rows of the root table by CGID, with all below them.
        rejected: The rows of `rejected_records`.
        types: The type of each column, by table and column.
        faults: What is wrong whatever was sent: rows that hang in the air, variant columns, ….
    """

    responses: dict[int, Row]
    rejected: list[dict[str, Any]]
    types: dict[tuple[str, str], str]
    faults: list[str]


def read_back(file: Path) -> Loaded:
    """Returns what the tables of a DuckDB file say."""
    with duckdb.connect(str(file), read_only=True) as connection:
        connection.execute(f"USE {DATASET}")
        types = {
            (table, column): kind
            for table, column, kind in connection.execute(
                "SELECT table_name, column_name, data_type FROM information_schema.columns"
                " WHERE table_schema = current_schema() AND table_name NOT LIKE '\\_dlt%'"
                " ESCAPE '\\'"
            ).fetchall()
        }
        tables = {
            table: _rows(connection, table, types)
            for table in sorted({table for table, _ in types})
        }
    faults = [f"variant column {name}" for name in types if "__v_" in name[1]]
    rejected = tables.pop("rejected_records")
    rows: dict[tuple[str, str], tuple[Row, dict[str, Any]]] = {}
    for table in sorted(tables, key=len):  # a parent's name is shorter than its children's
        for raw in sorted(tables[table], key=lambda raw: raw.get("_dlt_list_idx", 0)):
            ties = {name: raw.pop(name, None) for name in _TIES}
            row = Row(raw)
            if (table, ties["_dlt_id"]) in rows:
                faults.append(f"{table}: _dlt_id {ties['_dlt_id']} twice")
            rows[table, ties["_dlt_id"]] = (row, {**ties, KEY: raw.get(KEY)})
            if table != "responses":
                faults += _hang(rows, table, row, {**ties, KEY: raw.pop(KEY, None)})
    roots = [row for (table, _), (row, _) in rows.items() if table == "responses"]
    responses = {row.values[KEY]: row for row in roots}
    if len(responses) < len(roots):
        faults.append(f"{len(roots)} rows for {len(responses)} responses")
    return Loaded(responses, rejected, types, faults)


def _rows(connection: Any, table: str, types: dict[tuple[str, str], str]) -> list[dict[str, Any]]:
    columns = {column: kind for (name, column), kind in types.items() if name == table}
    selected = [
        f'epoch_us("{column}")' if kind.startswith("TIMESTAMP") else f'"{column}"'
        for column, kind in columns.items()
    ]
    rows = connection.execute(f'SELECT {", ".join(selected)} FROM "{table}"').fetchall()
    return [
        {column: value for column, value in zip(columns, row, strict=True) if value is not None}
        for row in rows
    ]


def _hang(
    rows: dict[tuple[str, str], tuple[Row, dict[str, Any]]],
    table: str,
    row: Row,
    ties: dict[str, Any],
) -> list[str]:
    """Hangs a row below its parent; returns what is wrong with it."""
    parents = [
        (parent, rows[parent, ties["_dlt_parent_id"]])
        for parent in _parents(table)
        if (parent, ties["_dlt_parent_id"]) in rows
    ]
    if not parents:
        return [f"{table}: {ties['_dlt_id']} has no parent"]
    parent, (above, theirs) = parents[0]
    siblings = above.children.setdefault(table[len(parent) + 2 :], [])
    siblings.append(row)
    root = theirs["_dlt_root_id"] or theirs["_dlt_id"]
    expected = (len(siblings) - 1, root, theirs[KEY])
    found = (ties["_dlt_list_idx"], ties["_dlt_root_id"], ties[KEY])
    return [] if found == expected else [f"{table}: {ties['_dlt_id']} is {found}, not {expected}"]


def _parents(table: str) -> list[str]:
    """Returns the names that a table's parent can have, the longest first."""
    parts = table.split("__")
    return ["__".join(parts[:end]) for end in range(len(parts) - 1, 0, -1)]
