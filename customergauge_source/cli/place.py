"""Where a command loads to, or reads from: the destination as options and configuration say."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dlt import Pipeline
    from dlt.common.runtime.collector_base import Collector

NAME = "customergauge"
LAYOUT = "{table_name}/{YYYY}-{MM}/{load_id}.{file_id}.{ext}"
"""Of a lake: folders that stay few, with files of which each says which load it is of."""


def name_of(*, is_sandbox: bool) -> str:
    """Returns the name of the pipeline, of its source and of its DuckDB file."""
    return f"{NAME}_sandbox" if is_sandbox else NAME


@dataclass(frozen=True)
class Place:
    """What the options of a command say of it.

    Attributes:
        destination: Name of the destination, if it is not the configured one.
        dataset: Name of the dataset, if it is not the usual one.
        is_sandbox: Whether it is that of the built-in API.
        pipeline: Name of the pipeline, if it is not the usual one.
        reads_only: Whether nothing is written; others may then read a DuckDB file meanwhile.
    """

    destination: str | None
    dataset: str | None
    is_sandbox: bool
    pipeline: str | None = None
    reads_only: bool = False


def make_pipeline(place: Place, folder: str, progress: Collector) -> Pipeline:
    """Returns the pipeline, whose working directory lies in a folder."""
    import dlt

    from customergauge_source.dlt_bridge import whole_files
    from customergauge_source.dlt_bridge.refusals import check_destination

    name = name_of(is_sandbox=place.is_sandbox)
    destination = place.destination or dlt.config.get("destination_type", str) or "duckdb"
    is_file = destination == "duckdb"
    usual = f"{NAME}_data" if is_file else f"{name}_data"
    pipeline: Pipeline = dlt.pipeline(
        pipeline_name=place.pipeline or name,
        destination=_duckdb(name, place) if is_file else _laid_out(destination),
        dataset_name=place.dataset or usual,
        pipelines_dir=folder,
        progress=progress,
    )
    check_destination(pipeline)
    whole_files.use(pipeline)
    return pipeline


def _laid_out(destination: str) -> Any:  # noqa: ANN401 - as `_duckdb`
    """Returns a destination; in a lake the files of each month have a folder, if nothing is set."""
    import dlt
    from dlt.common.destination import Destination

    it: Any = Destination.from_reference(destination)
    if not it.destination_type.endswith(".filesystem"):
        return destination
    if dlt.config.get(f"destination.{it.destination_name}.layout") is not None:
        return destination
    return dlt.destination(destination, layout=LAYOUT)


def _duckdb(name: str, it: Place) -> Any:  # noqa: ANN401 - dlt's destinations have no base
    """Returns DuckDB; its file lies in the working directory unless the configuration moves it."""
    import dlt
    from dlt.common.configuration import inject_section, resolve_configuration
    from dlt.common.configuration.specs.config_section_context import ConfigSectionContext
    from dlt.destinations.impl.duckdb.configuration import DuckDbCredentials

    from customergauge_source.dlt_bridge.duckdb_memory import MEMORY

    place = "destination.duckdb.credentials"
    if it.reads_only:  # or nobody else could read
        os.environ["DESTINATION__DUCKDB__CREDENTIALS__READ_ONLY"] = "true"
    elif dlt.config.get(f"{place}.global_config") is None:
        os.environ["DESTINATION__DUCKDB__CREDENTIALS__GLOBAL_CONFIG"] = json.dumps(MEMORY)
    database: str | None = None
    if not it.is_sandbox:
        given: Any = dlt.config.get(place)
        database = given if isinstance(given, str) else dlt.config.get(f"{place}.database", str)
    if database is not None and ":" in database:
        return dlt.destinations.duckdb()  # a connection string, which dlt reads
    # dlt would take ~ for a name, and remember the folder of a run as the one to start from.
    file = Path.cwd() / Path(database or f"{name}.duckdb").expanduser()
    # Of a text dlt would ask sqlalchemy, where it is installed, whether it is an address; and what
    # is not resolved yet it would resolve again and again, two dozen times until the first request.
    # What is set for this pipeline alone counts, too, though there is no pipeline yet.
    with inject_section(ConfigSectionContext(pipeline_name=it.pipeline or name)):
        credentials = resolve_configuration(
            DuckDbCredentials(),
            sections=("destination", "duckdb"),
            explicit_value={"database": str(file)},
        )
    return dlt.destinations.duckdb(credentials)
