"""Which destinations keep a record and its children together."""

from __future__ import annotations

from typing import Final

from dlt import Pipeline
from dlt.common.schema.typing import TTableSchema

from customergauge_source.exceptions import ConfigurationError

_NEEDED = "delete-insert"
# A root table of ours, as a destination is asked about it.
_TABLE: Final[TTableSchema] = {"name": "records", "write_disposition": "merge"}


def check_destination(pipeline: Pipeline) -> None:
    """Refuses a destination in which a merge would leave wrong rows.

    A record is replaced together with its children. dlt does so with the delete-insert
    strategy; on files it appends, or leaves children behind that their record lost.

    Raises:
        ConfigurationError: The destination does not know this strategy.
    """
    destination = pipeline.destination
    if destination is None:
        raise ConfigurationError("The pipeline has no destination.")
    able = destination.capabilities()
    strategies = able.supported_merge_strategies or []
    if able.merge_strategies_selector is not None:  # such as Athena, which merges Iceberg alone
        strategies = able.merge_strategies_selector(strategies, table_schema=_TABLE)
    if _NEEDED not in strategies:
        raise ConfigurationError(
            f"{destination.destination_name} cannot replace a record together with its"
            " children: rows would be left behind or come twice.",
            "Use duckdb, bigquery, snowflake or another SQL destination; for files in a lake use"
            " ducklake.",
        )
