"""A column of the destination becomes text, when the API changes the type of a field.

dlt adds columns, but never changes the type of one; it would put the new values into a variant
column beside the old one. These four statements are understood by every SQL destination, and
can be repeated after a crash between any two of them.
"""

from __future__ import annotations

from dlt.common import logger
from dlt.common.destination.client import WithStagingDataset
from dlt.common.schema import Schema
from dlt.common.schema.typing import TColumnSchema
from dlt.destinations.job_client_impl import SqlJobClientBase
from dlt.pipeline.exceptions import PipelineConfigMissing

from customergauge_source.extraction import active_pipeline


def widen_to_text(schema: Schema, table: str, column: str) -> bool:
    """Makes a column text, in the destination and in the schema.

    It is called while a resource is extracted, so the running pipeline's destination is meant.

    Args:
        schema: The schema that is being extracted into.
        table: Name of the table.
        column: Name of the column; it has scalars of another type.

    Returns:
        Whether it could be done: not without an SQL destination.
    """
    pipeline = active_pipeline()
    if pipeline is None:
        return False
    try:
        client = pipeline.destination_client(schema.name)
    except PipelineConfigMissing:
        return False
    if not isinstance(client, SqlJobClientBase):
        return False
    hint = schema.tables[table]["columns"][column]
    with client:
        _widen(client, table, hint)
        if isinstance(client, WithStagingDataset):
            with client.with_staging_dataset():
                _widen(client, table, hint)
    hint["data_type"] = "text"
    logger.warning("Column %s.%s was made text: the API changed its type.", table, column)
    return True


def _widen(client: SqlJobClientBase, table: str, hint: TColumnSchema) -> None:
    if not client.is_storage_initialized():
        return
    column = str(hint["name"])
    sql = client.sql_client
    wide = f"_dlt_text__{column}"  # no field of the API gets such a name
    fold = sql.capabilities.casefold_identifier  # Snowflake answers in capitals
    present = set(client.get_storage_table(table)[1])
    has_old, has_new = fold(column) in present, fold(wide) in present
    if not has_old and not has_new:
        return
    text = client.type_mapper.to_destination_type(
        {"name": wide, "data_type": "text"}, {"name": table}
    )
    name = sql.make_qualified_table_name(table)
    old, new = sql.escape_column_name(column), sql.escape_column_name(wide)
    if not has_new:
        sql.execute_sql(f"ALTER TABLE {name} ADD COLUMN {new} {text}")
    if has_old:
        spelled = f"CAST({old} AS {text})"
        if hint["data_type"] == "double":  # most destinations spell 2.0 as 2
            is_whole = f"{spelled} NOT LIKE '%.%' AND {spelled} NOT LIKE '%e%'"
            spelled = f"CASE WHEN {is_whole} THEN CONCAT({spelled}, '.0') ELSE {spelled} END"
        update = f"UPDATE {name} SET {new} = {spelled}"  # noqa: S608 - escaped names
        sql.execute_sql(f"{update} WHERE {old} IS NOT NULL")
        sql.execute_sql(f"ALTER TABLE {name} DROP COLUMN {old}")
    sql.execute_sql(f"ALTER TABLE {name} RENAME COLUMN {new} TO {old}")
