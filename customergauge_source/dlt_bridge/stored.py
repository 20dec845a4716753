"""What is at the destination of a resource's records, and how some of them are removed there."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import dlt
from dlt import Pipeline
from dlt.destinations.sql_client import SqlClientBase
from dlt.extract import DltResource

from customergauge_source.dlt_bridge import extraction
from customergauge_source.resources.query import Query
from customergauge_source.resources.resource import Resource
from customergauge_source.tables.shape import DIGEST, SCOPE, deleted_table

if TYPE_CHECKING:  # only a run that removes something pays for Arrow
    import pyarrow as pa

_AT_ONCE: Final = 10_000
"""Rows of an answer that are held at once."""


@dataclass(frozen=True)
class Question:
    """What to ask a destination about the records of a resource.

    Attributes:
        resource: The resource.
        query: What is read again.
        moments: Where its period begins and has ended, if it has one.
        scope: What it is read with.
        cursors: The scopes that have a cursor.
    """

    resource: Resource
    query: Query
    moments: tuple[datetime, datetime] | None
    scope: str
    cursors: Collection[str]

    def statement(self, sql: SqlClientBase[Any], columns: Collection[str]) -> tuple[str, list[str]]:
        """Returns the statement for a table with these columns, and its parameters."""
        column, table = sql.escape_column_name, sql.make_qualified_table_name
        digest, ours = "NULL", ["1 = 1"] if {*self.cursors} <= {self.scope} else []
        parameters = []
        if DIGEST in columns:
            done = f"SELECT load_id FROM {table('_dlt_loads')} WHERE status = 0"  # noqa: S608 - dlt's
            digest = f"CASE WHEN {column('_dlt_load_id')} IN ({done}) THEN {column(DIGEST)} END"
            of_older_release = [f"{column(SCOPE)} IS NULL" for _ in ours]
            ours = [f"{column(SCOPE)} = %s", *of_older_release]
            parameters.append(self.scope)
        expected = [f"({' OR '.join(ours or ['1 = 0'])})"]
        if self.moments is not None:
            start, end = (moment.isoformat() for moment in self.moments)
            day = column(str(self.query.period_field))
            expected.append(f"{day} >= '{start}' AND {day} < '{end}'")
        key = column(self.resource.key)
        if self.query.number_customergauge is not None:
            expected.append(f"{key} = {self.query.number_customergauge}")
        statement = (
            f"SELECT {key}, {digest}, CASE WHEN {' AND '.join(expected)} THEN 1 ELSE 0 END"  # noqa: S608 - ours
            f" FROM {table(self.resource.name)} ORDER BY {key}"
        )
        return statement, parameters


def records_of(
    pipeline: Pipeline, source: str, question: Question
) -> Iterator[tuple[int, int | None, bool]]:
    """Yields key, digest, and whether a re-read has to bring it, of each record in a table.

    It has to bring what the query holds, and what was loaded in the same scope: a record says so
    itself, but for one of an older release, which is ours if no other scope has a cursor.

    A record has no digest if its load was not completed: where a merge is no transaction, a kill
    may have left it without its children.
    """
    schema = pipeline.schemas.get(source)
    table: Mapping[str, Any] = schema.tables.get(question.resource.name, {}) if schema else {}
    if not (columns := table.get("columns", {})):
        return
    with pipeline.sql_client() as sql:
        statement, parameters = question.statement(sql, columns)
        with sql.execute_query(statement, *parameters) as cursor:
            while rows := cursor.fetchmany(_AT_ONCE):
                for key, number, is_expected in rows:
                    yield int(key), None if number is None else int(number), bool(is_expected)


def removal(resource: Resource, keys: Sequence[int]) -> DltResource:
    """Returns what removes records from a resource's table, and their rows from those below it."""

    def rows() -> pa.Table:
        from customergauge_source.tables import build  # noqa: PLC0415 - see above

        return build.removed(extraction.load_id(), resource.key, keys)

    return _resource(resource, resource.name, rows)


def note(resource: Resource, keys: Sequence[int], noticed_at: datetime) -> DltResource:
    """Returns what notes that records are removed."""

    def rows() -> pa.Table:
        from customergauge_source.tables import build  # noqa: PLC0415 - see above

        return build.noted(extraction.load_id(), resource.key, keys, noticed_at)

    return _resource(resource, deleted_table(resource.name), rows)


def _resource(resource: Resource, table: str, rows: Callable[[], pa.Table]) -> DltResource:
    @dlt.resource(name=resource.name, table_name=table, write_disposition="merge")
    def read() -> Iterator[Any]:
        yield rows()

    it: DltResource = read()
    return it
