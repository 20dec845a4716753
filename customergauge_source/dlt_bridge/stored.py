"""What is at the destination of a resource's records, and how some of them are removed there."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any, Final

import dlt
import pyarrow as pa
from dlt import Pipeline
from dlt.destinations.sql_client import SqlClientBase
from dlt.extract import DltResource

from customergauge_source.dlt_bridge import extraction, writing
from customergauge_source.dlt_bridge.keeping import VERSIONS_OF, Keeping
from customergauge_source.resources.query import Query
from customergauge_source.resources.resource import Resource
from customergauge_source.tables import build
from customergauge_source.tables.comparison import Stored
from customergauge_source.tables.shape import DIGEST, SCOPE, deleted_table
from customergauge_source.views.present import VERSIONS

_AT_ONCE: Final = 10_000
"""Rows of an answer that are held at once."""


@dataclass(frozen=True)
class Question:
    """What to ask a destination about the records of a resource.

    Attributes:
        resource: The resource.
        query: What is read again.
        clock: Where the clock stands that its period is meant on.
        scope: What it is read with.
    """

    resource: Resource
    query: Query
    clock: tzinfo
    scope: str

    def statement(
        self, sql: SqlClientBase[Any], columns: Collection[str], present: str = ""
    ) -> tuple[str, list[str]]:
        """Returns the statement for a table with these columns, and its parameters.

        It is asked for its present state, which is the table itself if nothing else is given.

        Ours is what the same credential and filter loaded; without a filter, what the credential
        did with any. A table of an older release does not tell.
        """
        column, table = sql.escape_column_name, sql.make_qualified_table_name
        digest, ours, parameters = "NULL", "1 = 0", []
        if DIGEST in columns:
            done = f"SELECT load_id FROM {table('_dlt_loads')} WHERE status = 0"  # noqa: S608 - dlt's
            digest = f"CASE WHEN {column('_dlt_load_id')} IN ({done}) THEN {column(DIGEST)} END"
            ours = f"{column(SCOPE)} LIKE %s"
            parameters = [f"{self.scope}%"]
            if self.query.outbound_filter is not None:
                ours, parameters = f"{column(SCOPE)} = %s", [self.scope]
        key, held = column(self.resource.key), "1 = 1"
        if (moments := self.query.moments(self.clock)) is not None:
            start, end = (moment.isoformat() for moment in moments)
            day = column(str(self.query.period_field))
            held = f"{day} >= '{start}' AND {day} < '{end}'"
        elif self.query.number_customergauge is not None:
            held = f"{key} = {self.query.number_customergauge}"
        conditions = ", ".join(f"CASE WHEN {it} THEN 1 ELSE 0 END" for it in (ours, held))
        place = f"({present}) AS present" if present else table(self.resource.name)
        return f"SELECT {key}, {digest}, {conditions} FROM {place} ORDER BY {key}", parameters  # noqa: S608 - ours


def records_of(pipeline: Pipeline, source: str, question: Question) -> Iterator[Stored]:
    """Yields what a `Comparison` needs to know of each record in a table.

    A record has no digest if its load was not completed: where a merge is no transaction, a kill
    may have left it without its children.
    """
    schema = pipeline.schemas.get(source)
    table: Mapping[str, Any] = schema.tables.get(question.resource.name, {}) if schema else {}
    if not (columns := table.get("columns", {})):
        return
    name, key = (f'"{it}"' for it in (question.resource.name, question.resource.key))
    root = question.resource.name
    with writing.opened(pipeline, source, only={root, deleted_table(root)}) as (client, writer):
        sql = client.sql_client
        present, several = "", set[int]()
        if VERSIONS_OF in table:
            twice = f"SELECT {key} FROM {VERSIONS}.{name} GROUP BY {key} HAVING COUNT(*) > 1"  # noqa: S608 - ours
            several = {int(row[0]) for row in sql.execute_sql(writer.query(twice)) or ()}
            present = writer.query(f"SELECT * FROM {name}")  # noqa: S608 - ours
        statement, parameters = question.statement(sql, columns, present)
        with sql.execute_query(statement, *parameters) as cursor:
            while rows := cursor.fetchmany(_AT_ONCE):
                for key, digest, is_ours, is_held in rows:
                    number = None if digest is None else int(digest)
                    yield int(key), number, bool(is_ours), bool(is_held), int(key) in several


def removal(resource: Resource, keys: Sequence[int]) -> DltResource:
    """Returns what removes records from a resource's table, and their rows from those below it."""

    def rows() -> pa.Table:
        return build.removed(extraction.load_id(), resource.key, keys)

    return _written(resource, resource.name, rows, Keeping())


def note(
    resource: Resource, keys: Sequence[int], noticed_at: datetime, keeping: Keeping
) -> DltResource:
    """Returns what notes that records are removed."""

    def rows() -> pa.Table:
        return build.noted(extraction.load_id(), resource.key, keys, noticed_at)

    return _written(resource, deleted_table(resource.name), rows, keeping)


def _written(
    resource: Resource, table: str, rows: Callable[[], pa.Table], keeping: Keeping
) -> DltResource:
    how = keeping.write_disposition

    @dlt.resource(name=resource.name, table_name=table, write_disposition=how)
    def read() -> Iterator[Any]:
        yield rows()

    it: DltResource = read()
    return it
