"""What a resource knows of the extraction that it takes part in, if it does in one.

A resource may also be iterated without a pipeline, to look at what it yields.
"""

from __future__ import annotations

from typing import Any, Final

import dlt
from dlt import Pipeline
from dlt.common.configuration.container import Container
from dlt.common.destination import AnyDestination
from dlt.common.pipeline import PipelineContext
from dlt.common.runtime.collector import NULL_COLLECTOR
from dlt.common.runtime.collector_base import Collector
from dlt.common.storages.exceptions import CurrentLoadPackageStateNotAvailable
from dlt.common.storages.load_package import TLoadPackage, commit_load_package_state
from dlt.extract import DltResource
from dlt.extract.source import SourceInjectableContext

_EXTRACTIONS: Final = "customergauge_extractions"
"""Key of a load package's state: how many extractions fill each root table of it."""


def active_pipeline() -> Pipeline | None:
    """Returns the pipeline that is running; None if there is none."""
    context = Container()[PipelineContext]
    pipeline = context.pipeline() if context.is_active() else None
    return pipeline if isinstance(pipeline, Pipeline) else None


def current_resource() -> DltResource | None:
    """Returns the resource that is extracted; None if there is no extraction."""
    return dlt.current.resource() if SourceInjectableContext in Container() else None


def metrics() -> dict[str, Any]:
    """Returns the resource's metrics in dlt's trace, emptied."""
    if current_resource() is None:
        return {}
    counts = dlt.current.resource_metrics()
    counts.clear()
    return counts


def drops_data() -> bool:
    """Says whether the load package drops or empties tables first, as a refresh does."""
    state: Any = _package().get("state", {})
    return bool(state.get("dropped_tables") or state.get("truncated_tables"))


def load_id() -> str:
    """Returns the id of the load package that is extracted into; "" if there is none."""
    return _package().get("load_id", "")


def count_extraction(table: str) -> int:
    """Returns how many extractions have filled a table of this load package before this one.

    Two sources may be extracted into one package, with the same records in them.
    """
    if not (package := _package()):
        return 0
    state: Any = package["state"]
    counts = state.setdefault(_EXTRACTIONS, {})
    counts[table] = counts.get(table, -1) + 1
    commit_load_package_state()
    return int(counts[table])


def _package() -> TLoadPackage:
    try:
        return dlt.current.load_package_state()
    except CurrentLoadPackageStateNotAvailable:
        return TLoadPackage()


def file_format() -> str:
    """Returns the format of the files that dlt loads: Parquet, if the destination reads it itself.

    Where dlt has to send Parquet over ADBC, as to PostgreSQL, it would take CSV without ADBC, in
    which an empty text is NULL, and with ADBC fail on a table without rows.
    """
    if (destination := _destination()) is None:
        return "parquet"
    able: Any = destination.capabilities()
    if able.loader_file_format_selector is None or is_into("filesystem"):
        return "parquet"
    return str(able.preferred_loader_file_format)


def is_into(kind: str) -> bool:
    """Says whether the running pipeline loads into a kind of destination, such as `bigquery`."""
    destination = _destination()
    return bool(destination and destination.destination_type.endswith(f".{kind}"))


def _destination() -> AnyDestination | None:
    pipeline = active_pipeline()
    return pipeline.destination if pipeline else None


def collector() -> Collector:
    """Returns what progress is told to."""
    pipeline = active_pipeline()
    return pipeline.collector if pipeline else NULL_COLLECTOR
