"""The tables as dlt is told of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from dlt.common.schema import Schema
from dlt.common.schema.typing import TPartialTableSchema
from dlt.extract import DltResource

from customergauge_source.dlt_bridge import extraction
from customergauge_source.dlt_bridge.keeping import VERSIONS_OF, Keeping
from customergauge_source.resources.resource import Resource
from customergauge_source.tables.shape import (
    DELETED,
    DELETED_RECORDS,
    DIGEST,
    OPEN,
    REJECTED_RECORDS,
    REJECTED_VALUES,
    SCOPE,
    Shape,
    deleted_table,
    rejected_values_table,
)

REJECTED_RECORDS_TABLE: Final = "rejected_records"

# What reconciling needs to know of each record.
_OWN_COLUMNS: Final[Mapping[str, dict[str, Any]]] = {
    DIGEST: {
        "data_type": "bigint",
        "nullable": True,
        "description": "Digest of the record with its lists, as it was loaded.",
    },
    SCOPE: {
        "data_type": "text",
        "nullable": True,
        "description": "What it was read with: hash of the client id, and the outbound filter.",
    },
}
_REMOVAL: Final[Mapping[str, dict[str, Any]]] = {
    DELETED: {
        "data_type": "bool",
        "nullable": True,
        "hard_delete": True,
        "description": "Always NULL: a row that has it is one that the next merge removes.",
    },
}
_DISTINCT: Final = "x-stage-data-deduplicated"
"""dlt's hint for `deduplicated` of a write disposition."""
_NESTED_COLUMNS: Final[Mapping[str, dict[str, Any]]] = {
    "_dlt_root_id": {"data_type": "text", "nullable": False, "root_key": True},
    "_dlt_parent_id": {"data_type": "text", "nullable": False, "parent_key": True},
    "_dlt_list_idx": {"data_type": "bigint", "nullable": False},
}


def declare(schema: Schema, resource: Resource, keeping: Keeping) -> Iterator[tuple[str, str]]:
    """Puts the tables of a resource into the schema under extraction, typed and described.

    Yields:
        Name and parent of each table that the resource fills as it is read, those of undeclared
        lists included.
    """
    root = {"resource": resource.name, "file_format": extraction.file_format()}
    columns = {**_columns(resource.record), **keeping.keys(nested=False), **_OWN_COLUMNS}
    if not keeping.history:
        columns |= _REMOVAL
    columns[resource.key] |= {"nullable": False, **keeping.key()}
    layout = _layout(resource.key, resource.record.description, resource.partition)
    hints = {**root, **keeping.table(resource.key), **layout}
    _update(schema, resource.name, columns, resource.record, hints)
    rejected_values = (rejected_values_table(resource.name), resource.name, REJECTED_VALUES)
    for name, parent, shape in [*resource.record.tables(resource.name), rejected_values]:
        if parent:
            declare_nested(schema, resource, keeping, name, parent, shape)
    root |= keeping.table("_dlt_id")
    beside = keeping.keys(nested=False)
    beside["_dlt_id"] |= keeping.key()
    columns = {resource.key: _key_column(resource), **_columns(DELETED_RECORDS), **beside}
    _update(schema, deleted_table(resource.name), columns, DELETED_RECORDS, root)
    yield deleted_table(resource.name), ""
    known: Mapping[str, Any] = schema.tables.get(REJECTED_RECORDS_TABLE, {})
    if (VERSIONS_OF in known) != keeping.history:
        schema.tables.pop(REJECTED_RECORDS_TABLE, None)  # no refresh drops it: no resource's own
    if REJECTED_RECORDS_TABLE not in schema.tables:
        columns = {**_columns(REJECTED_RECORDS), **beside}
        _update(schema, REJECTED_RECORDS_TABLE, columns, REJECTED_RECORDS, root)
    yield REJECTED_RECORDS_TABLE, ""
    found = {resource.name: ""}
    for name, table in sorted(schema.tables.items()):  # a parent's name begins its children's
        if name == resource.name or table.get("parent") in found:
            found[name] = table.get("parent") or ""
            yield name, found[name]


def declare_distinct(
    schema: Schema, resource: Resource, keeping: Keeping, *, are_distinct: bool
) -> None:
    """Tells dlt whether each record is once in a load package, so that its merge need not look.

    That look, at each row of each table, took DuckDB an eighth of a first load. Where a load is
    cut off in between, and resumed, rows may be staged twice; so DuckDB alone is told, and only of
    packages that are never resumed. A history is appended, and never looked at.
    """
    if keeping.history or not extraction.is_into("duckdb"):
        return
    table: Any = schema.tables[resource.name]
    table[_DISTINCT] = are_distinct
    row = table["columns"]["_dlt_id"]
    row |= keeping.keys(nested=False)["_dlt_id"]
    if are_distinct:
        row.pop("dedup_sort")  # of which dlt would warn


def declare_nested(  # noqa: PLR0913, PLR0917 - a table of a resource, at its place
    schema: Schema,
    resource: Resource,
    keeping: Keeping,
    name: str,
    parent: str,
    shape: Shape = OPEN,
) -> None:
    """Puts a nested table into a schema; the columns of an undeclared list come with the data."""
    columns = {**_columns(shape), resource.key: _key_column(resource), **_NESTED_COLUMNS}
    columns |= keeping.keys(nested=True)
    layout = _layout(resource.key, shape.description)
    _update(schema, name, columns, shape, {"parent": parent, **layout})


def declare_variant(extracted: DltResource, keeping: Keeping, name: str, parent: str) -> None:
    """Tells dlt of a table beside the resource's own, before its first data is sent.

    The columns are in the schema already; here they are emptied, as those of the resource's root
    table would be taken over.
    """
    extracted.apply_hints(
        table_name=name,
        parent_table_name=parent or None,
        write_disposition=keeping.write_disposition,
        columns={},
        primary_key=[] if parent or keeping.history else "_dlt_id",
        create_table_variant=True,
    )


def _key_column(resource: Resource) -> dict[str, Any]:
    return {
        "data_type": resource.record.fields[resource.key].type,
        "nullable": True,
        "description": f"{resource.key} of the record that this row belongs to.",
    }


def _layout(key: str, description: str, partition: str | None = None) -> dict[str, Any]:
    """Returns how BigQuery lays a table out: it bills a merge by what that reads.

    Partitioned by month, as a job may touch 4,000 partitions at most, and a first load goes back
    for years.
    """
    if not extraction.is_into("bigquery"):
        return {}
    from dlt.destinations.impl.bigquery.bigquery_adapter import (  # noqa: PLC0415 - for it alone
        PartitionTransformation,
        bigquery_adapter,
    )

    options: dict[str, Any] = {"cluster": [key]}
    if description:
        options["table_description"] = description
    if partition:
        by_month = PartitionTransformation("TIMESTAMP_TRUNC({column_name}, MONTH)", partition)
        options["partition"] = by_month
    hints = bigquery_adapter([], **options).compute_table_schema().items()
    return {name: hint for name, hint in hints if name.startswith("x-bigquery-")}


def _update(
    schema: Schema,
    name: str,
    columns: Mapping[str, dict[str, Any]],
    shape: Shape,
    properties: Mapping[str, Any],
) -> None:
    named = {column: {"name": column, **hint} for column, hint in columns.items()}
    described = {"description": shape.description} if shape.description else {}
    table = {"name": name, "columns": named, **described, **properties}
    schema.update_table(cast("TPartialTableSchema", table))


def _columns(shape: Shape) -> dict[str, dict[str, Any]]:
    timestamp = {"timezone": True, "precision": 6}
    return {
        name: {
            "data_type": column.type,
            "nullable": True,
            "description": column.description,
            **(timestamp if column.type == "timestamp" else {}),
        }
        for name, column in shape.columns()
    }
