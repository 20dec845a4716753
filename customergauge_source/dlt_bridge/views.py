"""Views, and descriptions of tables, at a pipeline's destination.

dlt has neither: it carries descriptions of columns to BigQuery and Snowflake alone, and views only
for what it generates itself.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

from dlt import Pipeline
from dlt.common.normalizers.naming import NamingConvention
from dlt.common.schema import Schema
from dlt.destinations.exceptions import DatabaseException

from customergauge_source.dlt_bridge import lake
from customergauge_source.dlt_bridge.integrity import stored_in
from customergauge_source.dlt_bridge.keeping import is_lake
from customergauge_source.dlt_bridge.writing import (
    dialect_of,
    execute,
    hidden,
    opened,
)
from customergauge_source.views import VIEWS, View
from customergauge_source.views.dialects import DIALECTS, Writer
from customergauge_source.views.hidden import Hidden
from customergauge_source.views.present import CURRENT, view_of
from customergauge_source.views.wide import (
    FIELDS,
    MOST_SEGMENTS,
    SEGMENTS,
    SUBJECT,
    WIDE,
    columns_of_segments,
    wide,
)

logger = logging.getLogger("customergauge_source")


def renew(
    pipeline: Pipeline, source: str, only: Collection[str] | None = None
) -> tuple[list[str], list[str]]:
    """Creates or replaces the views, those whose tables are there.

    Args:
        pipeline: A pipeline that has state and schema of the destination.
        source: Name of the source, which is that of its schema.
        only: Names of views; by default all.

    Returns:
        The names of the views that were made, and of those that were not.
    """
    policy = hidden(pipeline, source)
    lake_file = lake.file_of(pipeline) if is_lake(pipeline) else None
    with opened(pipeline, source, lake_file) as (client, writer):
        known = {**_of_present_state(client, writer), **VIEWS}
        wanted = {
            name: writer.tables(view.sql)
            for name, view in known.items()
            if only is None or name in only
        }
        tables = {table for needed in wanted.values() for table in needed}
        stored = stored_in(client, {*tables, *known})
        made = [name for name, needed in wanted.items() if needed <= stored.keys()]
        views = {name: known[name] for name in made}
        if WIDE in made and SEGMENTS in stored:
            views[WIDE] = _wide(client, writer, stored, policy)
        for name, view in views.items():
            views[name] = replace(view, columns=policy.told(view.columns))
        renewing = replace(writer, views={**known, **views})
        # DuckLake takes no description of a view's columns.
        able = not pipeline.destination.destination_type.endswith(".ducklake")
        scripts = [[*renewing.create(name, describes_columns=able)] for name in made]
        if writer.dialect == "postgres":
            for name, script in zip(made, scripts, strict=True):
                script[:0] = _before(stored.get(name, ()), views[name], writer.drop(name))
        _execute_all(client.sql_client, scripts)
    return made, [name for name in wanted if name not in made]


def _of_present_state(client: Any, writer: Writer) -> dict[str, View]:  # noqa: ANN401 - dlt's client
    """Returns the views of the present state of tables that have all versions."""
    schema: Schema = client.schema
    found = {}
    for name, there in stored_in(client, writer.present.keys() & schema.tables.keys()).items():
        described = _described(schema, name, all_columns=True).items()
        columns = {column: text for column, text in described if writer.fold(column) in there}
        text = schema.tables[name].get("description") or ""
        found[_shortened(schema.naming, f"{CURRENT}{name}")] = view_of(name, text, columns)
    return dict(sorted(found.items()))


def _shortened(naming: NamingConvention, name: str) -> str:
    """Returns a name that the destination does not cut off, and so take for another's."""
    return naming.shorten_identifier(name, name, naming.max_length)


def _before(stored: Sequence[str], view: View, drop: str) -> Iterator[str]:
    """Yields what PostgreSQL needs before it replaces a view."""
    # Whoever reads the view keeps it from being replaced, and all others from reading it meanwhile.
    yield "SET LOCAL lock_timeout = '20s'"
    if [*stored] != [*view.columns][: len(stored)]:
        yield drop  # it replaces none that lacks a column which it had


def make_way(pipeline: Pipeline, source: str) -> list[str]:
    """Makes way for tables that are made anew; returns the views that a load has made.

    PostgreSQL keeps a table that a view is over; and a view is made for a clock, which may change.
    """
    if dialect_of(pipeline) not in DIALECTS or is_lake(pipeline):
        return []
    with opened(pipeline, source) as (client, writer):
        if not client.is_storage_initialized():
            return []
        stored = stored_in(client, VIEWS)
        ours = [name for name, columns in stored.items() if _is_ours(name, columns, writer)]
        versions = _of_present_state(client, writer)
        there = stored_in(client, versions).items()
        present = [
            it for it, columns in there if {*columns} <= {*map(writer.fold, versions[it].columns)}
        ]
        # Those over versions have no meaning if the tables come back without.
        gone = [*ours, *present] if writer.dialect == "postgres" else present
        execute(client.sql_client, [writer.drop(name) for name in gone])  # all, or none
        ours += present
    return ours


def _is_ours(name: str, columns: Collection[str], writer: Writer) -> bool:
    """Says whether what has the name of a view has its columns, too."""
    declared = {writer.fold(column) for column in VIEWS[name].columns}
    return declared <= {*columns} if name == WIDE else declared == {*columns}


def describe_tables(pipeline: Pipeline, source: str) -> None:
    """Tells the destination what its tables and columns mean, where dlt does not."""
    dialect = dialect_of(pipeline)
    if dialect not in {"duckdb", "postgres", "snowflake"} or is_lake(pipeline):
        return
    with opened(pipeline, source) as (client, writer):
        schema: Schema = client.schema
        statements: list[str] = []
        stored = stored_in(client, schema.data_table_names(seen_data_only=True))
        for name, there in stored.items():
            described = {} if dialect == "snowflake" else _described(schema, name)
            columns = {it: text for it, text in described.items() if writer.fold(it) in there}
            text = schema.tables[name].get("description") or ""
            statements += writer.comments(name, text, columns)
        try:
            execute(client.sql_client, statements)
        except DatabaseException as error:  # as of a role that does not own them
            logger.warning("The tables could not be described: %s", error)


def _execute_all(sql: Any, scripts: Sequence[Sequence[str]]) -> None:  # noqa: ANN401 - dlt's client
    """Executes scripts together; if that fails one by one, so that one keeps no other from it."""
    try:
        execute(sql, [*chain.from_iterable(scripts)])
    except DatabaseException:
        failures: list[DatabaseException] = []
        for script in scripts:
            try:
                execute(sql, script)
            except DatabaseException as error:  # noqa: PERF203 - on its own each
                failures.append(error)
        if failures:
            raise failures[0] from None


def _wide(
    client: Any,  # noqa: ANN401 - dlt's client
    writer: Writer,
    stored: Mapping[str, Sequence[str]],
    policy: Hidden,
) -> View:
    """Returns the view over all columns of responses, and the segments that there are."""
    schema: Schema = client.schema
    described = _described(schema, SUBJECT, all_columns=True)
    there = {*stored[SUBJECT]}
    columns = {
        name: text
        for name, text in described.items()
        if writer.fold(name) in there and not name.startswith("_dlt")
    }
    fields = [row[0] for row in client.sql_client.execute_sql(writer.query(FIELDS)) or ()]
    if len(fields) > MOST_SEGMENTS:
        logger.warning(
            "There are %d segments: %s has the first %d.", len(fields), WIDE, MOST_SEGMENTS
        )
    segments = columns_of_segments(
        fields[:MOST_SEGMENTS], described, lambda field, end: _name_of(schema.naming, field, end)
    )
    view = wide(columns, segments, policy)
    before = {name: place for place, name in enumerate(stored.get(WIDE, ()))}
    order = sorted(view.columns, key=lambda it: before.get(writer.fold(it), len(before)))
    return wide(columns, segments, policy, order)


def _name_of(naming: NamingConvention, field: str, end: str) -> str:
    """Returns the column of a segment; of one whose name has no character that it may have, too."""
    try:
        name = naming.normalize_identifier(field)
    except ValueError:
        name = "segment"
    if most := naming.max_length:
        name = naming.shorten_identifier(name, field, most - len(end))
    return name + end


def _described(schema: Schema, table: str, *, all_columns: bool = False) -> dict[str, str]:
    columns = schema.get_table_columns(table).items()
    texts = {name: str(it.get("description") or "") for name, it in columns}
    return {name: text for name, text in texts.items() if text or all_columns}
