"""Where a command loads to, or reads from: the destination as options and configuration say."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dlt import Pipeline
    from dlt.common.runtime.collector_base import Collector

NAME = "customergauge"


def name_of(*, is_sandbox: bool) -> str:
    """Returns the name of the pipeline, of its source and of its DuckDB file."""
    return f"{NAME}_sandbox" if is_sandbox else NAME


def make_pipeline(
    destination: str | None,
    dataset: str | None,
    *,
    is_sandbox: bool,
    folder: str,
    progress: Collector | None,
) -> Pipeline:
    """Returns the pipeline, whose working directory lies in a folder.

    Args:
        destination: Name of the destination, if it is not the configured one.
        dataset: Name of the dataset, if it is not the usual one.
        is_sandbox: Whether it is that of the built-in API.
        folder: Where the working directory is to lie.
        progress: What progress is told to; None if nothing is loaded.
    """
    import dlt
    from dlt.common.runtime.collector import NULL_COLLECTOR

    from customergauge_source.dlt_bridge.refusals import check_destination

    name = name_of(is_sandbox=is_sandbox)
    destination = destination or dlt.config.get("destination_type", str) or "duckdb"
    is_file = destination == "duckdb"
    usual = f"{NAME}_data" if is_file else f"{name}_data"
    pipeline: Pipeline = dlt.pipeline(
        pipeline_name=name,
        destination=_duckdb(name, is_sandbox=is_sandbox, is_spare=progress is not None)
        if is_file
        else destination,
        dataset_name=dataset or usual,
        pipelines_dir=folder,
        progress=progress or NULL_COLLECTOR,
    )
    check_destination(pipeline)
    return pipeline


def _duckdb(name: str, *, is_sandbox: bool, is_spare: bool) -> Any:  # noqa: ANN401 - dlt's destinations have no base
    """Returns DuckDB; its file lies in the working directory unless the configuration moves it."""
    import dlt

    place = "destination.duckdb.credentials"
    if is_spare and dlt.config.get(f"{place}.global_config") is None:
        # Otherwise DuckDB takes most of the machine's memory as the table grows; it can spill.
        limit = {"memory_limit": f"{128 * max(2, os.cpu_count() or 1)}MB"}
        os.environ["DESTINATION__DUCKDB__CREDENTIALS__GLOBAL_CONFIG"] = json.dumps(limit)
    database: str | None = None
    if not is_sandbox:
        given: Any = dlt.config.get(place)
        database = given if isinstance(given, str) else dlt.config.get(f"{place}.database", str)
    if database is not None and ":" in database:
        return dlt.destinations.duckdb()  # a connection string, which dlt reads
    # dlt would take ~ for a name, and remember the folder of a run as the one to start from.
    file = Path.cwd() / Path(database or f"{name}.duckdb").expanduser()
    return dlt.destinations.duckdb(str(file))
