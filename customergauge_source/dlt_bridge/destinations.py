"""Which destinations keep a record and its children together."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final

from dlt import Pipeline
from dlt.common.schema.typing import TTableSchema

from customergauge_source.exceptions import ConfigurationError

_NEEDED = "delete-insert"
_CLIENTS: Final = {"bigquery": "google.cloud.bigquery", "snowflake": "snowflake.connector"}
# A root table of ours, as a destination is asked about it.
_TABLE: Final[TTableSchema] = {"name": "records", "write_disposition": "merge"}


def check_destination(pipeline: Pipeline) -> None:
    """Refuses a destination in which a merge would leave wrong rows.

    A record is replaced together with its children. dlt does so with the delete-insert
    strategy; on files it appends, or leaves children behind that their record lost.

    Raises:
        ConfigurationError: The destination does not know this strategy, or its client is not
            installed.
    """
    destination = pipeline.destination
    if destination is None:
        raise ConfigurationError("The pipeline has no destination.")
    kind = destination.destination_type.rpartition(".")[2]
    if kind in _CLIENTS and not _is_installed(_CLIENTS[kind]):  # dlt would miss its settings first
        raise ConfigurationError(
            f"The destination {kind} needs packages that are not installed.",
            f"Install them: pip install '.[{kind}]'",
        )
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


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # not even the package that it is in
        return False
