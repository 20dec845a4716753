"""How a load begins: what is checked, and how its destination is made ready."""

from __future__ import annotations

from collections.abc import Mapping

from dlt import Pipeline

from customergauge_source.dlt_bridge import (
    duckdb_file,
    ducklake,
    extraction,
    integrity,
    lake_files,
    views,
    whole_files,
)
from customergauge_source.dlt_bridge.keeping import Keeping, is_lake
from customergauge_source.dlt_bridge.refusals import check_destination, check_refresh
from customergauge_source.dlt_bridge.settings import empty_staging
from customergauge_source.reading import ResourceReader

Readers = Mapping[str, ResourceReader | None]
"""Of each resource that is loaded what reads it; None if it is another source's."""


def check(pipeline: Pipeline, readers: Readers) -> None:
    """Checks that what is read can be kept at the destination of a pipeline.

    Raises:
        ConfigurationError: It cannot.
    """
    check_refresh(pipeline)
    ours = [*filter(None, readers.values())]
    for keeping in [it.keeping(pipeline) for it in ours] or [Keeping()]:
        check_destination(pipeline, keeping)
        empty_staging(is_used=not keeping.history)  # by what is pending, too


def make_ready(
    pipeline: Pipeline, source: str, readers: Readers, *, full_refresh: bool, is_dry: bool
) -> list[str]:
    """Makes a destination ready, before anything is requested.

    Args:
        pipeline: A pipeline whose working directory is empty.
        source: Name of the source.
        readers: What is loaded.
        full_refresh: Whether it begins anew.
        is_dry: Whether nothing is written.

    Returns:
        The views that made way for a full refresh.
    """
    whole_files.use(pipeline)
    if extraction.is_into("duckdb"):
        duckdb_file.create_whole(pipeline)
    ducklake.check_bucket(pipeline)
    if is_lake(pipeline):
        lake_files.begin(pipeline, is_dry=is_dry)
    if not full_refresh:
        return []
    if is_lake(pipeline):
        lake_files.clear_the_way(pipeline, source, readers.keys())
    else:
        kept = {name: bool(it and it.keeping(pipeline).history) for name, it in readers.items()}
        integrity.clear_the_way(pipeline, source, kept)
    return views.make_way(pipeline, source)
