"""What a destination lacks of what dlt believes to be there, and how a full refresh begins anew.

dlt compares the tables of a destination with its schema when the schema has changed, and only
then. A table or column that somebody dropped is missed by each load that needs it; and with the
next change of the schema it is made again, empty, without a word.
"""

from __future__ import annotations

import json
import logging
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

from dlt import Pipeline
from dlt.common.schema import Schema
from dlt.common.schema.utils import get_root_table, pipeline_state_table
from dlt.destinations.exceptions import DatabaseException, DatabaseUndefinedRelation
from dlt.destinations.sql_client import SqlClientBase
from dlt.pipeline.exceptions import PipelineStepFailed

from customergauge_source.dlt_bridge.declare import REJECTED_RECORDS_TABLE
from customergauge_source.dlt_bridge.keeping import is_lake
from customergauge_source.exceptions import DestinationError
from customergauge_source.tables.shape import DELETED, root_tables

logger = logging.getLogger("customergauge_source")

_UNREADABLE: Final = (ValueError, LookupError, TypeError, zlib.error)
"""What unpacking raises: base64, zlib, JSON, or a key that is not there."""


def lacking(pipeline: Pipeline, *, after_load: bool = True) -> tuple[list[str], list[str]]:
    """Returns tables and columns of earlier loads that the dataset lacks, or the staging one.

    Empty, if the destination cannot be asked: something else has failed then, and is told.

    Args:
        pipeline: The pipeline that loads into it.
        after_load: Whether a load has failed, and so had made dlt's tables and the staging ones if
            a kill had kept an earlier one from it; otherwise they are not looked at.
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
                if after_load:
                    lost += _lacking(client, schema, stored)
                if not (found := client.get_stored_schema(schema.name)):
                    continue
                schema = Schema.from_stored_schema(json.loads(found.schema))
                if REJECTED_RECORDS_TABLE not in schema.tables:
                    continue  # another source's
                tables = schema.data_table_names(seen_data_only=True)
                if is_lake(pipeline):
                    tables = [it for it in tables if _is_loaded(pipeline, schema, it)]
                lost += _lacking(client, schema, tables)
                if not after_load:
                    continue
                with client.with_staging_dataset():
                    if client.is_storage_initialized():
                        merged = [it for it in tables if _is_merged(schema, it)]
                        lost_of_staging += _lacking(client, schema, merged)
    except Exception as error:  # noqa: BLE001 - drivers raise what they like
        logger.debug("The destination cannot be asked what it lacks: %s", error)
    return [*dict.fromkeys(lost)], [*dict.fromkeys(lost_of_staging)]


def stored_in(client: Any, names: Iterable[str]) -> dict[str, list[str]]:  # noqa: ANN401 - dlt's client
    """Returns the columns of tables and views that are there, as the destination spells them."""
    return {name: [*columns] for name, columns in client.get_storage_tables(names) if columns}


def is_unreadable(error: PipelineStepFailed) -> bool:
    """Says whether dlt got state or schema from the destination, and can make nothing of it."""
    return error.step == "sync" and isinstance(error.exception, _UNREADABLE)


def clear_the_way(pipeline: Pipeline, source: str, resources: Mapping[str, bool]) -> None:
    """Makes a destination such that a full refresh succeeds, whatever has become of it.

    dlt's own tables go if they lack a column that they cannot do without, and so does the source's
    schema, or the pipeline's state, if dlt cannot read it: what is not remembered is read anew. The
    rest of what is missing is made with the first package.

    Args:
        pipeline: A pipeline whose working directory is empty.
        source: Name of the source, which is that of its schema.
        resources: The resources that are loaded anew, and whether they are a history then.

    Raises:
        DestinationError: There are tables that dlt does not know, and that are kept in another way.
    """
    with pipeline.destination_client() as it:
        client: Any = it
        if not client.is_storage_initialized():
            return
        schema = _with_state_table(client.schema)
        stored = dict(client.get_storage_tables(schema.dlt_table_names()))
        broken = {*_lacking(client, schema, stored, needed=True)}
        gone = {name.partition(".")[0] for name in broken}
        client.sql_client.drop_tables(*(name for name in gone if stored[name]))
    states = schema.state_table_name, "pipeline_name", pipeline.pipeline_name
    schemas = schema.version_table_name, "schema_name", source
    for unreadable in (schemas, states):
        if can_sync(pipeline):
            break
        with pipeline.sql_client() as sql:
            _change(sql, "DELETE FROM {}", *unreadable)
    else:
        pipeline.sync_destination()
    loaded = pipeline.schemas.get(source, schema)
    with pipeline.destination_client() as it:
        client = it
        sql = client.sql_client
        names = loaded.data_table_names(seen_data_only=True)
        lost = {*_lacking(client, loaded, names)}
        for name in (name for name in names if f"{name}._dlt_id" in lost):
            with suppress(DatabaseException):  # a table after all: dlt drops it itself
                sql.execute_sql(f"DROP VIEW {sql.make_qualified_table_name(name)}")
        if REJECTED_RECORDS_TABLE in lost:  # which is no resource's, so that none makes it anew
            loaded.tables.pop(REJECTED_RECORDS_TABLE)
        found = client.get_storage_tables({*resources} - {*names})
        if unknown := {name: columns for name, columns in found if columns}:
            _check_kept(unknown, resources, client.capabilities.casefold_identifier(DELETED))
            logger.warning(
                "dlt does not know the tables of %s any more, and cannot drop them: all is read"
                " anew, and merged. What CustomerGauge has deleted meanwhile stays; drop the"
                " dataset to begin without it.",
                ", ".join(unknown),
            )
        if schema.version_table_name not in gone:
            # No schema has this hash, so that dlt compares all tables with the next one.
            column = sql.escape_column_name("version_hash")
            _change(sql, f"UPDATE {{}} SET {column} = ''", *schemas)  # noqa: S608 - dlt's own


def drop_unused_staging(pipeline: Pipeline) -> None:
    """Drops a staging dataset that was made, to be emptied, and in which nothing was staged.

    When dlt drops tables it looks there for one of its own, which comes with the first that is
    staged.
    """
    with pipeline.destination_client() as it:
        client: Any = it
        name = client.schema.version_table_name
        with client.with_staging_dataset():
            if (
                client.is_storage_initialized()
                and not dict(client.get_storage_tables([name]))[name]
            ):
                client.drop_storage()


def _check_kept(
    unknown: Mapping[str, Iterable[str]], resources: Mapping[str, bool], of_merge: str
) -> None:
    """Checks that tables which a killed full refresh has left are kept as those will be."""
    others = [name for name, columns in unknown.items() if (of_merge in columns) == resources[name]]
    if others:
        raise DestinationError(
            f"dlt does not know the tables of {', '.join(others)} any more, and history was"
            f" {str(not resources[others[0]]).lower()} when they were made.",
            "Drop the dataset, or those tables and the ones whose names begin with theirs; then run"
            " again with --full-refresh (full_refresh=True).",
        )


def can_sync(pipeline: Pipeline) -> bool:
    """Takes state and schemas from the destination; says whether dlt could read them."""
    try:
        pipeline.sync_destination()
    except PipelineStepFailed as error:
        if not is_unreadable(error):
            raise
        return False
    return True


def _lacking(
    client: Any,  # noqa: ANN401 - dlt has no name for a client with get_storage_tables
    schema: Schema,
    names: Iterable[str],
    *,
    needed: bool = False,
) -> Iterator[str]:
    """Yields those of a dataset's tables that are missing, and the columns of the others.

    Of columns those alone that are `needed`: dlt adds the others, if it is made to look.
    """
    able = client.capabilities.generates_case_sensitive_identifiers()
    for name, columns in client.get_storage_tables(names):
        if not columns:
            yield name
            continue
        for column in schema.get_new_table_columns(name, columns, case_sensitive=able):
            if not (needed and column.get("nullable", True)):
                yield f"{name}.{column['name']}"


def _is_loaded(pipeline: Pipeline, schema: Schema, table: str) -> bool:
    """Says whether a load that is done had a table of a lake.

    A table comes there with its first file, behind the schema: one that was cut off lacks some.
    """
    done = pipeline.state.get("sources", {}).get(schema.name, {}).get("resources", {})
    return get_root_table(schema.tables, table)["name"] in root_tables(done)


def _is_merged(schema: Schema, table: str) -> bool:
    return get_root_table(schema.tables, table).get("write_disposition") == "merge"


def _with_state_table(schema: Schema) -> Schema:
    """Returns a schema with the table of the state, which dlt adds with the first one."""
    if schema.state_table_name not in schema.tables:
        schema = schema.clone()
        schema.update_table(pipeline_state_table())
    return schema


def _change(sql: SqlClientBase[Any], what: str, table: str, key: str, value: str) -> None:
    """Changes rows of one of dlt's tables; one that is not there has none."""
    place, column = sql.make_qualified_table_name(table), sql.escape_column_name(key)
    with suppress(DatabaseUndefinedRelation):
        sql.execute_sql(f"{what.format(place)} WHERE {column} = %s", value)
