"""What a destination lacks of what dlt believes to be there, and how a full refresh begins anew.

dlt compares the tables of a destination with its schema when the schema has changed, and only
then: a table or column that somebody dropped is made again by no load, and missed by each that
needs it.
"""

from __future__ import annotations

import json
import logging
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, Final

from dlt import Pipeline
from dlt.common.schema import Schema
from dlt.common.schema.utils import pipeline_state_table
from dlt.destinations.exceptions import DatabaseException
from dlt.destinations.sql_client import SqlClientBase
from dlt.pipeline.exceptions import PipelineStepFailed

from customergauge_source.dlt_bridge.declare import REJECTED_RECORDS_TABLE

logger = logging.getLogger("customergauge_source")

_UNREADABLE: Final = (ValueError, LookupError, TypeError, zlib.error)
"""What unpacking raises: base64, zlib, JSON, or a key that is not there."""


def lacking(pipeline: Pipeline) -> tuple[list[str], list[str]]:
    """Returns tables and columns of earlier loads that the dataset lacks, or the staging one.

    This is asked after an error, which is told if nothing is lacking, or if asking fails, too.
    """
    lost: list[str] = []
    lost_of_staging: list[str] = []
    try:
        for name in pipeline.schema_names or [""]:
            with pipeline.destination_client(name) as it:
                client: Any = it
                schema = _with_state_table(client.schema)
                stored = dict(client.get_storage_tables(schema.dlt_table_names()))
                if not any(stored.values()):
                    continue  # nothing was loaded yet
                lost += _lacking(client, schema, stored)
                if found := client.get_stored_schema(schema.name):
                    schema = Schema.from_stored_schema(json.loads(found.schema))
                    tables = schema.data_table_names(seen_data_only=True)
                    lost += _lacking(client, schema, tables)
                    with client.with_staging_dataset():
                        if client.is_storage_initialized():
                            lost_of_staging += _lacking(client, schema, tables)
    except Exception as error:  # noqa: BLE001 - drivers raise what they like
        logger.debug("The destination cannot be asked what it lacks: %s", error)
    return [*dict.fromkeys(lost)], [*dict.fromkeys(lost_of_staging)]


def is_unreadable(error: PipelineStepFailed) -> bool:
    """Says whether dlt got state or schema from the destination, and can make nothing of it."""
    return error.step == "sync" and isinstance(error.exception, _UNREADABLE)


def clear_the_way(pipeline: Pipeline, source: str) -> None:
    """Makes a destination such that a full refresh succeeds, whatever has become of it.

    dlt's own tables that lack a column go, and state and schema that dlt cannot read: all of the
    source's resources are read anew then. What else is missing is made with the first package.

    Args:
        pipeline: A pipeline whose working directory is empty.
        source: Name of the source, which is that of its schema.
    """
    with pipeline.destination_client() as it:
        client: Any = it
        if not client.is_storage_initialized():
            return
        schema = _with_state_table(client.schema)
        stored = dict(client.get_storage_tables(schema.dlt_table_names()))
        broken = {it.partition(".")[0] for it in _lacking(client, schema, stored)}
        client.sql_client.drop_tables(*(name for name in broken if stored[name]))
    states = schema.state_table_name, "pipeline_name", pipeline.pipeline_name
    schemas = schema.version_table_name, "schema_name", source
    try:
        pipeline.sync_destination()
    except PipelineStepFailed as error:
        if not is_unreadable(error):
            raise
        with pipeline.sql_client() as sql:
            _delete(sql, *states)
            _delete(sql, *schemas)
        pipeline.sync_destination()
    loaded = pipeline.schemas.get(source, schema)
    with pipeline.destination_client() as it:
        client = it
        sql = client.sql_client
        if names := loaded.data_table_names(seen_data_only=True):
            lost = {*_lacking(client, loaded, names)}
            for name in (name for name in names if f"{name}._dlt_id" in lost):
                with suppress(DatabaseException):  # a table after all: dlt drops it itself
                    sql.execute_sql(f"DROP VIEW {sql.make_qualified_table_name(name)}")
            if REJECTED_RECORDS_TABLE in lost:  # which is no resource's, so that none makes it anew
                loaded.tables.pop(REJECTED_RECORDS_TABLE)
        if schema.version_table_name not in broken:
            _delete(sql, *schemas)  # so that dlt compares all tables with the next one


def drop_forgotten(pipeline: Pipeline, source: str, tables: Iterable[str]) -> None:
    """Drops the declared tables of resources, if dlt has no schema of the source to drop them by.

    Their cursors have to be gone: none may outlive its data.
    """
    schema = pipeline.schemas.get(source)
    if schema is None or not schema.data_table_names(seen_data_only=True):
        with pipeline.sql_client() as sql:
            sql.drop_tables(*tables)


def _lacking(client: Any, schema: Schema, names: Iterable[str]) -> Iterator[str]:  # noqa: ANN401 - dlt names no client with get_storage_tables
    """Yields those of a dataset's tables that are missing, and the columns of the others."""
    able = client.capabilities.generates_case_sensitive_identifiers()
    for name, columns in client.get_storage_tables(names):
        if not columns:
            yield name
        else:
            for column in schema.get_new_table_columns(name, columns, case_sensitive=able):
                yield f"{name}.{column['name']}"


def _with_state_table(schema: Schema) -> Schema:
    """Returns a schema with the table of the state, which dlt adds with the first one."""
    if schema.state_table_name not in schema.tables:
        schema = schema.clone()
        schema.update_table(pipeline_state_table())
    return schema


def _delete(sql: SqlClientBase[Any], table: str, key: str, value: str) -> None:
    """Deletes rows of one of dlt's tables."""
    place, column = sql.make_qualified_table_name(table), sql.escape_column_name(key)
    sql.execute_sql(f"DELETE FROM {place} WHERE {column} = %s", value)  # noqa: S608 - dlt's own
