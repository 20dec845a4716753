"""How records are kept: the latest version of each, merged; or all of them, as a history."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from dlt import Pipeline
from dlt.common.destination import AnyDestination
from dlt.common.schema import Schema
from dlt.common.schema.typing import TWriteDisposition
from dlt.common.schema.utils import get_root_table

from customergauge_source.exceptions import ConfigurationError
from customergauge_source.views.present import definitions

VERSIONS_OF: Final = "x-customergauge-versions-of"
"""Hint of a root table that has all versions: the column that tells its records apart."""

_LOAD_ID: Final = {"data_type": "text", "nullable": False}
_ROW_KEY: Final = {"data_type": "text", "nullable": False, "row_key": True}
_ANEW: Final = (
    "Load into another dataset; or begin anew with --full-refresh (full_refresh=True), which drops"
    " what is there."
)


@dataclass(frozen=True)
class Keeping:
    """How the rows of a resource are kept.

    Attributes:
        history: Whether every version of a record is, or the latest in place of the others.
        table_format: Format of the tables, as dlt calls it; None for the destination's own.
    """

    history: bool = False
    table_format: str | None = None

    @property
    def write_disposition(self) -> TWriteDisposition:
        """How dlt writes the tables."""
        return "append" if self.history else "merge"

    def table(self, key: str) -> dict[str, Any]:
        """Returns the hints of a root table whose records a column tells apart."""
        hints: dict[str, Any] = {"write_disposition": self.write_disposition}
        if self.history:
            hints[VERSIONS_OF] = key
        if self.table_format is not None:
            hints["table_format"] = self.table_format
        return hints

    def keys(self, *, nested: bool) -> dict[str, dict[str, Any]]:
        """Returns the hints of dlt's columns for the id of a row, and for that of its load."""
        row: dict[str, Any] = {**_ROW_KEY}
        if not self.history:
            row["unique"] = True
            if nested:
                return {"_dlt_id": row}
            # They sort in the order of arrival: of two versions in one package the later one stays.
            row["dedup_sort"] = "desc"
        return {"_dlt_load_id": _LOAD_ID, "_dlt_id": row}

    def key(self) -> dict[str, bool]:
        """Returns the hint of the column that a row takes the place of others by."""
        return {} if self.history else {"primary_key": True}

    def check_before(self, name: str, *, history: bool, schema: Schema | None) -> None:
        """Checks that the records of a resource are kept as they were before.

        Args:
            name: Name of the resource.
            history: Whether its tables have all versions.
            schema: The schema that has them; None if there is none.

        Raises:
            ConfigurationError: They are not.
        """
        table = schema.tables.get(name) if schema else None
        before = table.get("table_format") if table else self.table_format
        if self.history and before != self.table_format:
            raise ConfigurationError(
                f"table_format is {self.table_format or 'not set'}, and the tables of {name} are"
                f" {before or 'plain Parquet'}.",
                f"Set table_format as it was. Or: {_ANEW}",
            )
        if history != self.history:
            has, had = ("all versions", "one") if self.history else ("one version", "all")
            raise ConfigurationError(
                f"history is {str(self.history).lower()}: {has} of each record would be kept; the"
                f" tables of {name} have {had}.",
                f"Set history to {str(history).lower()}. Or: {_ANEW}",
            )


def present_of(schema: Schema, tables: Collection[str]) -> dict[str, str]:
    """Returns the queries for the present state of those of a schema's tables that have versions.

    Args:
        schema: The schema.
        tables: Which of its tables there are.
    """
    roots = {name: str(get_root_table(schema.tables, name)["name"]) for name in tables}
    hints: Mapping[str, Mapping[str, Any]] = {it: schema.tables[it] for it in roots.values()}
    keys = {name: str(hint[VERSIONS_OF]) for name, hint in hints.items() if VERSIONS_OF in hint}
    return definitions(keys, {name: root for name, root in roots.items() if root in keys})


def is_lake(pipeline: Pipeline) -> bool:
    """Says whether a pipeline's destination are files, which can be added to, not changed."""
    destination: AnyDestination | None = pipeline.destination
    return destination is not None and destination.destination_type.endswith(".filesystem")


def decide(pipeline: Pipeline | None, *, history: bool | None, table_format: str | None) -> Keeping:
    """Returns how records are kept at a pipeline's destination.

    Args:
        pipeline: The pipeline; None if records are read without one.
        history: What is set; None if nothing is.
        table_format: The same.

    Raises:
        ConfigurationError: The destination cannot do what is set.
    """
    destination: AnyDestination | None = pipeline.destination if pipeline else None
    if pipeline is None or destination is None:
        return Keeping(bool(history), table_format)
    name = destination.destination_name
    if (is_files := is_lake(pipeline)) and history is False:
        raise ConfigurationError(
            f"history is false, and in {name} a version of a record cannot take the place of"
            " another, with its children.",
            "Leave history out; or use duckdb, bigquery, snowflake, ducklake or another SQL"
            " destination.",
        )
    if table_format is not None:
        formats = destination.capabilities().supported_table_formats or ()
        known = f"it has {', '.join(formats)}, or its own" if formats else "it has its own alone"
        if table_format not in formats:
            raise ConfigurationError(
                f"table_format is {table_format!r}, which {name} does not have; {known}.",
                "Set table_format to one of those, or leave it out.",
            )
    return Keeping(history if history is not None else is_files, table_format)
