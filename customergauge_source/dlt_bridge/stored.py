"""What is at the destination of a resource's records, and how some of them are removed there."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import dlt
from dlt import Pipeline
from dlt.extract import DltResource

from customergauge_source.dlt_bridge import extraction
from customergauge_source.resources.query import Query
from customergauge_source.resources.resource import Resource
from customergauge_source.tables.shape import DIGEST, SCOPE, deleted_table

if TYPE_CHECKING:  # only a run that removes something pays for Arrow
    import pyarrow as pa

_AT_ONCE: Final = 10_000
"""Rows of an answer that are held at once."""


def records_of(  # noqa: PLR0913 - what makes a record one that is expected
    pipeline: Pipeline,
    source: str,
    resource: Resource,
    *,
    query: Query,
    moments: tuple[datetime, datetime] | None,
    scope: str,
    cursors: Collection[str],
) -> Iterator[tuple[int, int | None, bool]]:
    """Yields key, digest, and whether a re-read has to bring it, of each record in a table.

    It has to bring what the query holds, and what was loaded in the same scope: a record says so
    itself, but for one of an older release, which is ours if no other scope has a cursor.

    A record has no digest if its load was not completed: where a merge is no transaction, a kill
    may have left it without its children.
    """
    schema = pipeline.schemas.get(source)
    table: Mapping[str, Any] = schema.tables.get(resource.name, {}) if schema else {}
    columns = table.get("columns", {})
    if not columns:
        return
    with pipeline.sql_client() as sql:
        column = sql.escape_column_name
        digest, ours = "NULL", ["1 = 1"] if {*cursors} <= {scope} else []
        arguments: list[object] = []
        if DIGEST in columns:
            loads = sql.make_qualified_table_name("_dlt_loads")
            done = f"SELECT load_id FROM {loads} WHERE status = 0"  # noqa: S608 - dlt's own
            digest = f"CASE WHEN {column('_dlt_load_id')} IN ({done}) THEN {column(DIGEST)} END"
            ours = [f"{column(SCOPE)} = %s", *(f"{column(SCOPE)} IS NULL" for _ in ours)]
            arguments.append(scope)
        expected = [f"({' OR '.join(ours or ['1 = 0'])})"]
        if moments is not None:
            day, (start, end) = column(str(query.period_field)), moments
            expected.append(f"{day} >= '{start.isoformat()}' AND {day} < '{end.isoformat()}'")
        if query.number_customergauge is not None:
            expected.append(f"{column(resource.key)} = {query.number_customergauge}")
        statement = (
            f"SELECT {column(resource.key)}, {digest},"  # noqa: S608 - names and days of ours
            f" CASE WHEN {' AND '.join(expected)} THEN 1 ELSE 0 END"
            f" FROM {sql.make_qualified_table_name(resource.name)} ORDER BY 1"
        )
        with sql.execute_query(statement, *arguments) as cursor:
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
