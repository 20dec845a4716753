"""The tables as dlt is told of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

import dlt
from dlt.common.schema import Schema
from dlt.common.schema.typing import TPartialTableSchema

from customergauge_source.schema import (
    KEY,
    REJECTED_RECORD_FIELDS,
    REJECTED_RECORDS,
    REJECTED_VALUE_FIELDS,
    REJECTED_VALUES_TABLE,
    RESPONSE,
    RESPONSES,
    Field,
    Shape,
)

_ROW_KEY: Final = {"data_type": "text", "nullable": False, "unique": True, "row_key": True}
_ROOT_COLUMNS: Final[Mapping[str, dict[str, Any]]] = {
    "_dlt_load_id": {"data_type": "text", "nullable": False},
    # Row ids sort in the order of arrival: of two versions in one package the later one stays.
    "_dlt_id": {**_ROW_KEY, "dedup_sort": "desc"},
}
_NESTED_COLUMNS: Final[Mapping[str, dict[str, Any]]] = {
    KEY: {
        "data_type": "bigint",
        "nullable": True,
        "description": "CGID of the response that this row belongs to.",
    },
    "_dlt_root_id": {"data_type": "text", "nullable": False, "root_key": True},
    "_dlt_parent_id": {"data_type": "text", "nullable": False, "parent_key": True},
    "_dlt_list_idx": {"data_type": "bigint", "nullable": False},
    "_dlt_id": _ROW_KEY,
}

# BigQuery bills a merge by what it reads. By month, as a job may touch 4,000 partitions at most,
# and a first load goes back for years. Other destinations do not know these hints.
_CLUSTERED: Final = {"x-bigquery-cluster-columns": [KEY]}
_PARTITIONED: Final = {
    **_CLUSTERED,
    "x-bigquery-partition": {"date_survey_response": "TIMESTAMP_TRUNC({column_name}, MONTH)"},
}


def declare(schema: Schema, file_format: str) -> None:
    """Puts the declared tables into a schema, typed and described.

    Args:
        schema: The schema that is being extracted into.
        file_format: Format of the files that dlt loads the tables from.
    """
    columns = {**_columns(RESPONSE), **_named(_ROOT_COLUMNS)}
    columns[KEY] |= {"nullable": False, "primary_key": True}
    root = {"resource": RESPONSES, "write_disposition": "merge", "file_format": file_format}
    _update(schema, RESPONSES, columns, RESPONSE.description, {**root, **_PARTITIONED})
    values = Shape(
        fields=REJECTED_VALUE_FIELDS,
        description="Values of a response that their columns could not take.",
    )
    for name, parent, shape in [
        *_below(RESPONSES, RESPONSE),
        (REJECTED_VALUES_TABLE, RESPONSES, values),
    ]:
        _declare_nested(schema, name, parent, shape)
    columns = {**_columns(Shape(fields=REJECTED_RECORD_FIELDS)), **_named(_ROOT_COLUMNS)}
    columns["_dlt_id"] |= {"primary_key": True}
    description = "Entries of the feed that are no loadable records."
    _update(schema, REJECTED_RECORDS, columns, description, root)


def declare_nested(schema: Schema, name: str, parent: str) -> None:
    """Puts a nested table of an unknown list into a schema; its columns come with the data."""
    _declare_nested(schema, name, parent, Shape())


def hints(name: str, parent: str | None) -> Any:  # noqa: ANN401 - dlt does not name the type
    """Returns what dlt has to be told when a table's data is first sent.

    The columns are in the schema already; here they are emptied, as those of the resource's root
    table would be taken over.
    """
    return dlt.mark.make_hints(
        table_name=name,
        parent_table_name=parent,
        write_disposition="merge",
        columns={},
        primary_key=[] if parent else "_dlt_id",
    )


def column_types(schema: Schema) -> dict[str, dict[str, str]]:
    """Returns the types of all columns of a schema, by table and column."""
    return {
        name: {
            column: str(hint["data_type"])
            for column, hint in table["columns"].items()
            if "data_type" in hint
        }
        for name, table in schema.tables.items()
    }


def nested_tables(schema: Schema) -> list[tuple[str, str]]:
    """Returns names and parents of the nested tables of a schema."""
    nested = []
    for name, table in schema.tables.items():
        if parent := table.get("parent"):
            nested.append((name, parent))
    return nested


def unseen_tables(schema: Schema) -> set[str]:
    """Returns the names of the tables that never had data, and so are not at the destination."""
    return {
        name
        for name, table in schema.tables.items()
        if not name.startswith("_dlt")
        and not cast("Mapping[str, Any]", table.get("x-normalizer", {})).get("seen-data")
    }


def _below(name: str, shape: Shape) -> Iterator[tuple[str, str, Shape]]:
    for key, child in shape.lists.items():
        yield f"{name}__{key}", name, child
        yield from _below(f"{name}__{key}", child)


def _declare_nested(schema: Schema, name: str, parent: str, shape: Shape) -> None:
    columns = {**_columns(shape), **_named(_NESTED_COLUMNS)}
    _update(schema, name, columns, shape.description, {"parent": parent, **_CLUSTERED})


def _update(
    schema: Schema,
    name: str,
    columns: Mapping[str, Any],
    description: str,
    properties: Mapping[str, Any],
) -> None:
    table = {"name": name, "columns": dict(columns), **properties}
    if description:
        table |= {"description": description, "x-bigquery-table-description": description}
    schema.update_table(cast("TPartialTableSchema", table))


def _columns(shape: Shape) -> dict[str, dict[str, Any]]:
    return {name: _hint(name, column) for name, column in shape.columns()}


def _named(columns: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {name: {"name": name, **hint} for name, hint in columns.items()}


def _hint(name: str, column: Field) -> dict[str, Any]:
    hint: dict[str, Any] = {
        "name": name,
        "data_type": column.type,
        "nullable": True,
        "description": column.description,
    }
    if column.type == "timestamp":
        hint |= {"timezone": True, "precision": 6}
    return hint
