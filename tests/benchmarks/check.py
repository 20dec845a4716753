"""Checks that a subject loaded all there was."""

from __future__ import annotations

from pathlib import Path

import duckdb

from .cases import Case
from .data import Responses
from .process import SubjectFailedError
from .shapes import SHAPES


def check(case: Case, data: Path, database: Path) -> None:
    """Compares the tables with what was served.

    Args:
        case: What was run.
        data: The folder that was served from.
        database: The file that it was loaded into.

    Raises:
        SubjectFailedError: They do not hold the same number of rows, of responses, or of values of
            the shape's column.
    """
    expected = Responses(data, case.served).rows
    column = SHAPES[case.shape].column if case.shape else ""
    with duckdb.connect(str(database), read_only=True) as connection:
        there = connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()
        connection.execute("USE benchmark")
        found = {
            table: _number(connection, f"count(*) FROM {table}") if (table,) in there else 0
            for table in expected
        }
        keys = _number(connection, "count(DISTINCT number_customergauge) FROM responses")
        values = _number(connection, f"count({column or '*'}) FROM responses")
        hashes = _number(connection, "count(*) FROM responses WHERE length(email) = 64")
        comments = _number(connection, "count(comment__original) FROM responses")
    if case.is_private and not (hashes and not comments):
        raise SubjectFailedError(f"{case} has {hashes} hashes and {comments} comments.")
    if found != expected or keys != case.served or values != case.served:
        raise SubjectFailedError(
            f"{case} loaded {found} with {keys} CGIDs and {values} values of its column;"
            f" expected: {expected}."
        )


def _number(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    """Returns the one number that a query selects."""
    row = connection.execute(f"SELECT {query}").fetchone()
    return int(row[0]) if row else 0
