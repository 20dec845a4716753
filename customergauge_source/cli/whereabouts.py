"""Where the data is that a command has loaded, and a command that looks at it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dlt import Pipeline

    from customergauge_source import LoadSummary


def shown(summary: LoadSummary, pipeline: Pipeline) -> Iterator[str]:
    """Yields where a load went, and how it is looked at."""
    yield f"data: {place_of(pipeline)}"
    file = duckdb_file(pipeline)
    if (views := _file_of_views(pipeline)) is not None:
        if summary.views is None:
            yield f"look at it: --views makes {views}, which shows the present state"
            return
        file = views
    name = next(iter(summary.resources))
    query = f"SELECT * FROM {_dataset(pipeline)}.{name} LIMIT 5"  # noqa: S608 - it is shown
    if file is not None:
        path = json.dumps(file, ensure_ascii=False)
        look = f'it = duckdb.connect({path}, read_only=True); it.sql("{query}").show()'
        query = f"python -c {shlex.quote(f'import duckdb; {look}')}"
    yield f"look at it: {query}"


def place_of(pipeline: Pipeline) -> str:
    """Returns where a pipeline loads to."""
    name = duckdb_file(pipeline) or pipeline.destination.destination_name
    if _file_of_views(pipeline) is not None:
        name = str(pipeline.destination_client().config)  # where the files are, as dlt shows it
    return f"{name}, dataset {_dataset(pipeline)}"


def duckdb_file(pipeline: Pipeline) -> str | None:
    """Returns the DuckDB file that a pipeline loads into; None if it is another destination."""
    if not pipeline.destination.destination_type.endswith(".duckdb"):
        return None
    config: Any = pipeline.destination_client().config
    path, here = Path(config.credentials.database), Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _file_of_views(pipeline: Pipeline) -> str | None:
    """Returns the name of the DuckDB file of a lake's views; None if the data is in no lake."""
    from customergauge_source.dlt_bridge import keeping, lake

    return lake.file_of(pipeline).name if keeping.is_lake(pipeline) else None


def _dataset(pipeline: Pipeline) -> str:
    """Returns the name of the dataset as the destination spells it."""
    client: Any = pipeline.destination_client()
    return str(client.config.normalize_dataset_name(client.schema))
