"""What a statement reads and rewrites, told from its text and the sizes of the tables.

BigQuery's rules are those of its documentation: on-demand queries pay for the columns that they
reference; DELETE, UPDATE and MERGE besides for every column of the table they change or, if it is
partitioned, of the partitions they change; and for 10 MB at least of every table referenced.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import sqlglot
from sqlglot import exp

MEGABYTE = 1024 * 1024
_LEAST = 10 * MEGABYTE

Sizes = Mapping[str, Mapping[str, int]]
"""Bytes of each column of each table; tables of the staging dataset by `staging.table`."""


@dataclass(frozen=True)
class Statement:
    """What one statement of a merge does.

    Attributes:
        kind: CREATE, DELETE, INSERT or MERGE.
        target: The table that it changes.
        read: The columns that it references, by table; temporary tables without any.
    """

    kind: str
    target: str
    read: Mapping[str, frozenset[str]]

    @property
    def rewrites(self) -> bool:
        """Whether rows that are there already may change."""
        return self.kind in {"DELETE", "MERGE"}


def parse(sql: str, dialect: str, staging: str) -> Statement:
    """Read a statement.

    Args:
        sql: The statement.
        dialect: How sqlglot calls the SQL of the warehouse.
        staging: Name of the staging dataset.
    """
    tree = sqlglot.parse_one(sql, dialect=dialect)
    target = tree.find(exp.Table)
    assert target is not None
    read: dict[str, set[str]] = defaultdict(set)
    aliases = {table.alias: table for table in tree.find_all(exp.Table) if table.alias}
    for table in tree.find_all(exp.Table):
        if table is not target or isinstance(tree, (exp.Delete, exp.Merge)):
            read[_name(table, staging)] |= set()
    for column in tree.find_all(exp.Column):
        owner = aliases.get(column.table) or _nearest(column)
        if owner is not None:
            read[_name(owner, staging)].add(column.name.lower())
    return Statement(
        kind=tree.key.upper(),
        target=_name(target, staging),
        read={table: frozenset(columns) for table, columns in read.items()},
    )


def bigquery_bytes(statement: Statement, sizes: Sizes, changed: Mapping[str, int]) -> int:
    """Return the bytes that BigQuery bills for a statement.

    Args:
        statement: The statement.
        sizes: The sizes of the tables.
        changed: Bytes of the partitions that are changed, for tables that are partitioned.
    """
    billed = 0
    for table, columns in statement.read.items():
        known = sizes.get(table, {})
        size = sum(known.get(column, 0) for column in columns)
        if table == statement.target and statement.rewrites:
            size += changed.get(table, sum(known.values()))
        billed += max(_LEAST, -(-size // MEGABYTE) * MEGABYTE)
    return billed


def scanned_bytes(statement: Statement, sizes: Sizes) -> int:
    """Return the bytes, not compressed, of the columns that a statement references."""
    return sum(
        sizes.get(table, {}).get(column, 0)
        for table, columns in statement.read.items()
        for column in columns
    )


def _nearest(column: exp.Expression) -> exp.Table | None:
    """Return the table that a column without a prefix belongs to."""
    scope = column.find_ancestor(exp.Select, exp.Delete)
    while scope is not None:
        source = scope if isinstance(scope, exp.Delete) else scope.find(exp.From)
        found = source.find(exp.Table) if source is not None else None
        if found is not None:
            return found
        scope = scope.find_ancestor(exp.Select, exp.Delete)
    return None


def _name(table: exp.Table, staging: str) -> str:
    name = table.name.lower()
    return f"staging.{name}" if table.db.lower() == staging.lower() else name
