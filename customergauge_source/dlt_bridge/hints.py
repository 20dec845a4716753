"""What a user may hint of the tables of a resource, in code or in a schema that is imported.

Which rows a record replaces hangs on hints; one more of them, and rows are lost or stay behind.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any, Final

from dlt import Pipeline
from dlt.common.schema import Schema
from dlt.common.schema.typing import TSchemaContractDict
from dlt.extract import DltResource

from customergauge_source.dlt_bridge import extraction
from customergauge_source.exceptions import ConfigurationError
from customergauge_source.resources.resource import Resource
from customergauge_source.tables.shape import deleted_table

logger = logging.getLogger("customergauge_source")

_OF_ROWS: Final = (
    "primary_key",
    "merge_key",
    "hard_delete",
    "dedup_sort",
    "row_key",
    "parent_key",
    "root_key",
)
_OWN: Final = "_dlt_"
_LEAVE_OUT: Final = (
    "Leave the hint out. Hints that say what a column holds are taken, such as data_type and"
    " description."
)


def check_hints(resource: Resource, extracted: DltResource, schema: Schema) -> None:
    """Checks what is hinted of a resource, and of its tables in the schema.

    Args:
        resource: The resource.
        extracted: What dlt extracts, with its hints; its name is known to be the resource's.
        schema: The schema that is extracted into.

    Raises:
        ConfigurationError: A hint would let rows get lost, or fail when all is read.
    """
    if extracted.nested_hints or extracted.parent_table_name:
        raise ConfigurationError(
            f"{resource.name} does not take nested_hints or a parent: its child tables are"
            " declared already.",
            "Leave them out. A column of a child table is typed in the schema that"
            " import_schema_path keeps.",
        )
    hinted = extracted.compute_table_schema()["columns"]
    for column, hint in [*_of_rows(resource, hinted), *_of_values(resource, hinted)]:
        raise _refusal(resource, resource.name, column, hint, _LEAVE_OUT)
    for name, table in schema.tables.items():
        if name == resource.name or name.startswith(f"{resource.name}__"):
            ours = {key: it for key, it in table["columns"].items() if not key.startswith(_OWN)}
            for column, hint in _of_rows(resource, ours):
                raise _refusal(
                    resource,
                    name,
                    column,
                    hint,
                    "It stands in the schema: take it out of the file below import_schema_path, or"
                    " start over with refresh='drop_resources' (full_refresh=True).",
                )


def _of_rows(
    resource: Resource, columns: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[str, str]]:
    """Yields columns with a hint that says which rows a record replaces, and the hint."""
    for column, hints in columns.items():
        known = {"primary_key", "merge_key"} if column == resource.key else set()
        yield from ((column, hint) for hint in _OF_ROWS if hints.get(hint) and hint not in known)
        if column == resource.key and hints.get("data_type") not in {None, "bigint"}:
            yield column, "data_type"


def _of_values(
    resource: Resource, columns: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[str, str]]:
    """Yields columns that are not the user's, or that every record would have to fill."""
    for column, hints in columns.items():
        if column.startswith(_OWN):
            yield column, ", ".join(it for it in hints if it != "name")
        elif column != resource.key and hints.get("nullable") is False:
            yield column, "nullable=False"


def _refusal(
    resource: Resource, table: str, column: str, hint: str, remedy: str
) -> ConfigurationError:
    return ConfigurationError(
        f"{table} does not take the hint {hint} on its column {column}: a record is replaced by"
        f" its {resource.key} alone, with its child tables, and may lack any other value.",
        remedy,
    )


def drop_file_format(extracted: DltResource) -> None:
    """Lets the declared tables say which files are loaded, whatever `loader_file_format` is.

    A table without rows, which has to be made all the same, cannot be sent as jsonl; nor Arrow as
    a model; and in CSV an empty text is NULL.
    """
    asked = extracted.compute_table_schema().get("file_format")
    if asked is None:
        return
    ours = extraction.file_format()
    if asked not in {ours, "preferred"}:
        logger.warning(
            "%s is loaded as %s; loader_file_format %s holds for other resources.",
            extracted.name,
            ours,
            asked,
        )
    extracted.apply_hints(file_format="")  # type: ignore[arg-type] # dlt's way to take one away


def contract_of(schema: Schema, name: str, extracted: DltResource | None) -> TSchemaContractDict:
    """Returns the schema contract of a root table: the resource's, before dlt has noted it."""
    table: Any = None
    if extracted is not None and extracted.schema_contract is not None:
        table = {**schema.tables[name], "schema_contract": extracted.schema_contract}
    return schema.resolve_contract_settings_for_table(name, table)


def check_neighbours(resource: Resource, pipeline: Pipeline, schema: Schema) -> None:
    """Checks that no other source of a pipeline has the tables of a resource.

    Raises:
        ConfigurationError: One has, in the same dataset.
    """
    if not pipeline.config.use_single_dataset:
        return
    own = (resource.name, deleted_table(resource.name))
    for name in {*pipeline.schemas.list_schemas()} - {schema.name}:  # those of this run, too
        tables = pipeline.schemas[name].tables
        if shared := [it for it in tables if it in own or it.startswith(f"{resource.name}__")]:
            raise ConfigurationError(
                f"The source {name} of this pipeline has a table {min(shared, key=len)}, too, in"
                f" the dataset {pipeline.dataset_name}: rows of one would replace the other's.",
                "Load one of the two in a pipeline with another dataset_name. If pipeline.run("
                f"source.{resource.name}) has made it: give it source.with_resources("
                f"{resource.name!r}) instead.",
            )
