"""The tables of a DuckDB file, read with SQL and put together to responses again."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import duckdb

from tests.support import DATASET

KEY: Final = "number_customergauge"
_ROOT: Final = "responses"


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
        faults: What is wrong whatever was sent, such as rows that hang in the air.
    """

    responses: dict[int, Row]
    rejected: list[dict[str, Any]]
    types: dict[tuple[str, str], str]
    faults: list[str]


def read_back(file: Path) -> Loaded:
    """Returns what the tables of a DuckDB file say; nobody else holds it open."""
    with duckdb.connect(str(file), read_only=True) as connection:
        connection.execute(f"USE {DATASET}")
        types = {
            (table, column): kind
            for table, column, kind in connection.execute(
                "SELECT table_name, column_name, data_type FROM information_schema.columns"
                " WHERE table_schema = current_schema()"
            ).fetchall()
            if table == "rejected_records" or f"{table}__".startswith(f"{_ROOT}__")
        }
        tables = {table: _rows(connection, table, types) for table in {name[0] for name in types}}
    loaded = Loaded({}, tables.pop("rejected_records"), types, [])
    loaded.faults += [f"variant column {name}" for name in types if "__v_" in name[1]]
    found: dict[str, dict[str, tuple[Row, tuple[Any, ...]]]] = {}
    for table in sorted(tables, key=len):  # a parent's name is shorter than its children's
        parents = [name for name in [*found][::-1] if table.startswith(f"{name}__")]
        found[table] = {}
        for values in sorted(tables[table], key=lambda raw: raw.get("_dlt_list_idx", 0)):
            ties = {name: values.pop(name) for name in [*values] if name.startswith("_dlt_")}
            row, own = Row(values), ties["_dlt_id"]
            if own in found[table]:
                loaded.faults.append(f"{table}: _dlt_id {own} twice")
            if table == _ROOT:
                place: tuple[Any, ...] = (own, values[KEY])
                if values[KEY] in loaded.responses:
                    loaded.faults.append(f"{values[KEY]} twice")
                loaded.responses[values[KEY]] = row
            else:
                place = (ties["_dlt_root_id"], values.pop(KEY, None))
                if wrong := _hang(row, table, (ties, place), parents, found):
                    loaded.faults.append(f"{table}: {own} {wrong}")
            found[table][own] = row, place
    return loaded


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
    row: Row,
    table: str,
    tied: tuple[dict[str, Any], tuple[Any, ...]],
    parents: list[str],
    found: dict[str, dict[str, tuple[Row, tuple[Any, ...]]]],
) -> str:
    """Hangs a row below its parent; returns what is wrong with it, if anything is."""
    ties, place = tied
    for name in parents:
        if ties["_dlt_parent_id"] in found[name]:
            above, expected = found[name][ties["_dlt_parent_id"]]
            siblings = above.children.setdefault(table[len(name) + 2 :], [])
            siblings.append(row)
            right = (ties["_dlt_list_idx"], place) == (len(siblings) - 1, expected)
            return "" if right else f"is {ties['_dlt_list_idx']}th of {place}, not of {expected}"
    return "has no parent"
