"""What a pipeline may do with a resource, and where; checked before the first request.

A record and its child tables hang together. What dlt would do to the root table alone, or with
the Arrow tables that the last step makes, is refused: a `ConfigurationError` says what to do.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final, NamedTuple, cast

import dlt
from dlt import Pipeline
from dlt.common.schema.typing import TTableSchema
from dlt.extract.items_transform import FilterItem, LimitItem, MapItem, MetricsItem
from dlt.extract.pipe import Pipe

from customergauge_source.dlt_bridge import extraction, hints, lake_settings
from customergauge_source.dlt_bridge.keeping import Keeping, is_lake
from customergauge_source.dlt_bridge.settings import check_filled_in
from customergauge_source.dlt_bridge.tables_step import TablesStep
from customergauge_source.exceptions import ConfigurationError
from customergauge_source.resources.resource import Resource

_STEPS: Final = (MapItem, FilterItem, MetricsItem)
_STRATEGIES: Final = (None, "delete-insert", "upsert")
_SEPARATOR: Final = "__"
_NEEDED = "delete-insert"
_CLIENTS: Final = {"bigquery": "google.cloud.bigquery", "snowflake": "snowflake.connector"}
_READ_FILES: Final = ("duckdb", "motherduck", "ducklake")
"""Destinations for which dlt puts the path of a file into SQL, as it is."""
# A root table of ours, as a destination is asked about it.
_TABLE: Final[TTableSchema] = {"name": "records", "write_disposition": "merge"}


class Steps(NamedTuple):
    """What follows a resource: whether steps of the user's, and the pages of each `add_limit`."""

    see_records: bool
    limits: list[int]


def check_steps(name: str, *, in_packages: bool) -> Steps:
    """Checks the steps behind the resource that is being read, and returns what follows of them."""
    steps = cast("Pipe", dlt.current.pipe()).steps[1:]
    for step in steps:
        if not isinstance(step, (TablesStep, LimitItem, *_STEPS)):
            raise ConfigurationError(
                f"{name} does not take a step of the kind {type(step).__name__}.",
                "Use add_map, add_filter, add_metrics or add_limit; read from the loaded tables"
                " what a transformer would.",
            )
    limiting = [step for step in steps if isinstance(step, LimitItem)]
    if any(step.count_rows for step in limiting):
        raise ConfigurationError(
            f"add_limit of {name} counts pages, and count_rows asks for rows.",
            "Leave count_rows out, or set per_page so that so many pages have that many rows.",
        )
    limits = [step.max_items for step in limiting]
    if limits and in_packages:
        raise ConfigurationError(
            "add_limit would count the pages of each load package anew.",
            "Give load_in_checkpoints max_pages instead.",
        )
    return Steps(any(isinstance(step, _STEPS) for step in steps), limits)


def check_pipeline(resource: Resource, keeping: Keeping) -> None:
    """Checks where and how the resource that is being read is to be written, if it is."""
    name = resource.name
    pipeline, extracted = extraction.active_pipeline(), extraction.current_resource()
    if pipeline is not None and pipeline.destination is not None:
        check_destination(pipeline, keeping)
    if extracted is None:
        return
    disposition = extracted.write_disposition
    config = disposition if isinstance(disposition, dict) else {"disposition": disposition}
    if (
        config.get("disposition") not in {"merge", keeping.write_disposition}
        or config.get("strategy") not in _STRATEGIES
        or config.keys() - {"disposition", "strategy"}
    ):
        raise ConfigurationError(
            f"{name} is merged, with its child tables; write disposition {disposition!r}"
            " would leave their rows behind.",
            "Leave write_disposition out. To start over: refresh='drop_resources'. To keep every"
            " version: history=True.",
        )
    if extracted.name != name or extracted.table_name != name:
        raise ConfigurationError(
            f"The tables of this source have fixed names; the resource {extracted.name} is to load"
            f" into {extracted.table_name}.",
            "Load it under its own name; dataset_name of the pipeline sets the tables apart.",
        )
    if dlt.config.get("normalize.parquet_normalizer.add_dlt_id", bool):
        raise ConfigurationError(
            "normalize.parquet_normalizer.add_dlt_id would give rows other ids than those that"
            " tie children to their record.",
            "Leave the setting out; the tables have _dlt_id already.",
        )
    schema = dlt.current.source_schema()
    naming = schema.naming
    if naming.PATH_SEPARATOR != _SEPARATOR:
        raise ConfigurationError(
            f"The naming convention {naming.name()} does not join names with {_SEPARATOR}.",
            "Use dlt's default, snake_case.",
        )
    hints.check_hints(resource, extracted, schema)
    if pipeline is not None:
        hints.check_neighbours(resource, pipeline, schema)


def check_refresh(pipeline: Pipeline) -> None:
    """Refuses a pipeline that drops what is there with each load package."""
    if pipeline.refresh is not None:
        raise ConfigurationError(
            f"dlt's refresh is {pipeline.refresh}: each load package would drop what the one before"
            " it has brought.",
            "Leave it out of the pipeline and of dlt's settings; to begin anew: --full-refresh"
            " (full_refresh=True).",
        )


def check_destination(pipeline: Pipeline, keeping: Keeping | None = None) -> None:
    """Refuses a destination that lacks something, or in which a merge would leave wrong rows.

    A record is replaced together with its children. dlt does so with the delete-insert strategy; on
    files it appends, or leaves children behind that their record lost.

    Args:
        pipeline: The pipeline that has the destination.
        keeping: How records are kept there, if some are to be loaded.
    """
    destination = pipeline.destination
    if destination is None:
        raise ConfigurationError("The pipeline has no destination.")
    kind = destination.destination_type.rpartition(".")[2]
    if is_lake(pipeline):
        lake_settings.check(pipeline, keeping.table_format if keeping else None)
    if kind in _CLIENTS and not _is_installed(_CLIENTS[kind]):  # dlt would miss its settings first
        raise ConfigurationError(
            f"The destination {kind} needs packages that are not installed.",
            f"Install them: pip install 'dlt[{kind}]'",
        )
    check_filled_in(destination.destination_name)
    if kind in _READ_FILES and "'" in pipeline.working_dir:
        raise ConfigurationError(
            f"dlt's folder {pipeline.working_dir} has an apostrophe in its path, which would end"
            " the name of a file too early in SQL.",
            "Set DLT_DATA_DIR (pipelines_dir) to a folder without one; nothing was requested.",
        )
    if keeping is None or keeping.history:
        return
    able = destination.capabilities()
    strategies = able.supported_merge_strategies or []
    if able.merge_strategies_selector is not None:  # such as Athena, which merges Iceberg alone
        strategies = able.merge_strategies_selector(strategies, table_schema=_TABLE)
    if _NEEDED not in strategies:
        raise ConfigurationError(
            f"{destination.destination_name} cannot replace a record together with its"
            " children: rows would be left behind or come twice.",
            "Use duckdb, bigquery, snowflake or another SQL destination; or keep every version of"
            " a record: history=True (history = true).",
        )


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # not even the package that it is in
        return False
