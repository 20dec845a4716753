"""What a pipeline may do with a resource, checked before the first request.

A record and its child tables hang together. What dlt would do to the root table alone, or with
the Arrow tables that the last step makes, is refused, with what to do instead.
"""

from __future__ import annotations

from typing import Final, NamedTuple, cast

import dlt
from dlt.extract.items_transform import FilterItem, LimitItem, MapItem, MetricsItem
from dlt.extract.pipe import Pipe

from customergauge_source.dlt_bridge import extraction
from customergauge_source.dlt_bridge.destinations import check_destination
from customergauge_source.dlt_bridge.tables_step import TablesStep
from customergauge_source.exceptions import ConfigurationError

_STEPS: Final = (MapItem, FilterItem, MetricsItem)
_STRATEGIES: Final = (None, "delete-insert", "upsert")
_SEPARATOR: Final = "__"


class Steps(NamedTuple):
    """What follows a resource in its pipe.

    Attributes:
        see_records: Whether a step of the user's is there, which gets records.
        limits: How many pages each `add_limit` lets pass.
    """

    see_records: bool
    limits: list[int]


def check_steps(name: str, *, in_packages: bool) -> Steps:
    """Checks the steps behind the resource that is being read.

    Args:
        name: Name of the resource.
        in_packages: Whether `load_in_checkpoints` cuts the load packages.

    Raises:
        ConfigurationError: What the pipeline does with the resource would leave wrong rows.
    """
    steps = cast("Pipe", dlt.current.pipe()).steps[1:]
    for step in steps:
        if not isinstance(step, (TablesStep, LimitItem, *_STEPS)):
            raise ConfigurationError(
                f"{name} does not take a step of the kind {type(step).__name__}.",
                "Use add_map, add_filter, add_metrics or add_limit; what a transformer would"
                " read, read from the loaded tables.",
            )
    limits = [step.max_items for step in steps if isinstance(step, LimitItem)]
    if limits and in_packages:
        raise ConfigurationError(
            "add_limit would count the pages of each load package anew.",
            "Give load_in_checkpoints max_pages instead.",
        )
    return Steps(any(isinstance(step, _STEPS) for step in steps), limits)


def check_pipeline(name: str) -> None:
    """Checks where and how the resource that is being read is to be written, if it is.

    Raises:
        ConfigurationError: It would leave wrong rows.
    """
    pipeline, extracted = extraction.active_pipeline(), extraction.current_resource()
    if pipeline is not None and pipeline.destination is not None:
        check_destination(pipeline)
    if extracted is None:
        return
    disposition = extracted.write_disposition
    config = disposition if isinstance(disposition, dict) else {"disposition": disposition}
    if config.get("disposition") != "merge" or config.get("strategy") not in _STRATEGIES:
        raise ConfigurationError(
            f"{name} is merged, with its child tables; write disposition {disposition!r}"
            " would leave their rows behind.",
            "Leave write_disposition out. To start over: refresh='drop_resources'.",
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
    naming = dlt.current.source_schema().naming
    if naming.PATH_SEPARATOR != _SEPARATOR:
        raise ConfigurationError(
            f"The naming convention {naming.name()} does not join names with {_SEPARATOR}.",
            "Use dlt's default, snake_case.",
        )
