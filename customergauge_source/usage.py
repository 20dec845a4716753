"""What a pipeline may do with the resource, checked before the first request.

A response and its child tables hang together. What dlt would do to the root table alone, or with
the Arrow tables that the last step makes, is refused, with what to do instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, cast

import dlt
from dlt.extract import DltResource
from dlt.extract.items_transform import FilterItem, LimitItem, MapItem, MetricsItem
from dlt.extract.pipe import Pipe

from customergauge_source import extraction
from customergauge_source.chain import ArrowChain
from customergauge_source.destinations import check_destination
from customergauge_source.exceptions import ConfigurationError
from customergauge_source.query import Query
from customergauge_source.schema import RESPONSES

_OWN_STEPS: Final = (ArrowChain, LimitItem)
_STEPS: Final = (MapItem, FilterItem, MetricsItem)
_STRATEGIES: Final = (None, "delete-insert", "upsert")
_SEPARATOR: Final = "__"


@dataclass(frozen=True)
class Steps:
    """What follows the resource in its pipe.

    Attributes:
        see_records: Whether a step of the user's is there, which gets records.
        has_limit: Whether `add_limit` counts pages.
        reads_nothing: Whether it lets none of them pass.
    """

    see_records: bool
    has_limit: bool
    reads_nothing: bool


def check_usage(query: Query, *, in_packages: bool) -> Steps:
    """Checks the extraction that is beginning.

    Args:
        query: What is read.
        in_packages: Whether `load_in_checkpoints` cuts the load packages.

    Raises:
        ConfigurationError: What the pipeline does with the resource would leave wrong rows.
    """
    if query.is_one_off and extraction.drops_data():
        raise ConfigurationError(
            "A full refresh would drop all responses, and load those of the period, or the one"
            " response, alone.",
            "Set either a full refresh, or a period or number_customergauge.",
        )
    pipeline = extraction.active_pipeline()
    if not in_packages and pipeline is not None and pipeline.destination is not None:
        check_destination(pipeline)
    if (resource := extraction.current_resource()) is not None:
        _check_hints(resource)
    steps = cast("Pipe", dlt.current.pipe()).steps[1:]
    for step in steps:
        if not isinstance(step, (*_OWN_STEPS, *_STEPS)):
            raise ConfigurationError(
                f"{RESPONSES} does not take a step of the kind {type(step).__name__}.",
                "Use add_map, add_filter, add_metrics or add_limit; what a transformer would"
                " read, read from the loaded tables.",
            )
    has_limit = any(isinstance(step, LimitItem) for step in steps)
    if has_limit and in_packages:
        raise ConfigurationError(
            "add_limit would count the pages of each load package anew.",
            "Give load_in_checkpoints max_pages instead.",
        )
    return Steps(
        see_records=any(isinstance(step, _STEPS) for step in steps),
        has_limit=has_limit,
        reads_nothing=any(isinstance(step, LimitItem) and step.max_items == 0 for step in steps),
    )


def _check_hints(resource: DltResource) -> None:
    disposition = resource.write_disposition
    config = disposition if isinstance(disposition, dict) else {"disposition": disposition}
    if config.get("disposition") != "merge" or config.get("strategy") not in _STRATEGIES:
        raise ConfigurationError(
            f"{RESPONSES} is merged, with its child tables; write disposition {disposition!r}"
            " would leave their rows behind.",
            "Leave write_disposition out. To start over: refresh='drop_sources'.",
        )
    if resource.name != RESPONSES or resource.table_name != RESPONSES:
        raise ConfigurationError(
            f"The tables of this source have fixed names; the resource {resource.name} is to load"
            f" into {resource.table_name}.",
            "Load it under its own name; dataset_name of the pipeline sets the tables apart.",
        )
    if dlt.config.get("normalize.parquet_normalizer.add_dlt_id", bool):
        raise ConfigurationError(
            "normalize.parquet_normalizer.add_dlt_id would give rows other ids than those that"
            " tie children to their response.",
            "Leave the setting out; the tables have _dlt_id already.",
        )
    naming = dlt.current.source_schema().naming
    if naming.PATH_SEPARATOR != _SEPARATOR:
        raise ConfigurationError(
            f"The naming convention {naming.name()} does not join names with {_SEPARATOR}.",
            "Use dlt's default, snake_case.",
        )
