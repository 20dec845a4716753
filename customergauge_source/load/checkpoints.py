"""A load in checkpoints: data and cursor are committed together, every so many pages.

dlt commits a load package as a whole. A first load of millions in one package would lose all of
it to a crash; in checkpoints a crash costs one of them at most.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from typing import Any

from dlt import Pipeline
from dlt.common.runtime import signals
from dlt.common.typing import TRefreshMode
from dlt.extract import DltSource

from customergauge_source.dlt_bridge import extraction, memory, working_dir
from customergauge_source.dlt_bridge.destinations import check_destination
from customergauge_source.exceptions import (
    ApiError,
    ConfigurationError,
    CustomerGaugeError,
    TokenRefusedError,
)
from customergauge_source.load.explain import told_as_ours
from customergauge_source.load.lock import exclusive
from customergauge_source.load.summary import LoadSummary
from customergauge_source.reading import ResourceReader
from customergauge_source.secrecy import remember_resolved
from customergauge_source.settings import CHECKPOINT_PAGES

logger = logging.getLogger("customergauge_source")


def load_in_checkpoints(  # noqa: PLR0913 - each is a decision of its own
    pipeline: Pipeline,
    source: DltSource,
    *,
    checkpoint_pages: int = CHECKPOINT_PAGES,
    max_pages: int | None = None,
    full_refresh: bool = False,
    on_checkpoint: Callable[[LoadSummary], None] = lambda _summary: None,
) -> LoadSummary:
    """Loads the selected resources of a source to the end of their feeds, in checkpoints.

    State and schema come from the destination, and load packages lie in a directory of their own;
    what is pending in the pipeline is loaded first. While a package is loaded, the next pages are
    read already. A resource that cannot be read does not keep the others from being loaded.

    Args:
        pipeline: Any dlt pipeline with an SQL destination.
        source: `customergauge_source(…)`.
        checkpoint_pages: Pages after which data and cursor are committed.
        max_pages: Pages to read of each resource in this run; the next run goes on there.
        full_refresh: Drop what was loaded of the selected resources, and their cursors, and
            start over.
        on_checkpoint: Is told of the state of the load after each commit.

    Returns:
        What was committed.

    Raises:
        CustomerGaugeError: Whatever goes wrong, with dlt's error as its cause; what
            `on_checkpoint` raises comes as it is.
    """
    with exclusive(pipeline.pipeline_name, pipeline.pipelines_dir):
        try:
            with told_as_ours():
                own = working_dir.again(pipeline)
            return load_alone(
                own,
                source,
                checkpoint_pages=checkpoint_pages,
                max_pages=max_pages,
                full_refresh=full_refresh,
                on_checkpoint=on_checkpoint,
            )
        finally:
            with told_as_ours():
                working_dir.take_back(pipeline)


def load_alone(  # noqa: PLR0913 - as above
    pipeline: Pipeline,
    source: DltSource,
    *,
    checkpoint_pages: int,
    max_pages: int | None,
    full_refresh: bool,
    on_checkpoint: Callable[[LoadSummary], None],
) -> LoadSummary:
    """Does what `load_in_checkpoints` does, in a pipeline whose working directory is empty."""
    for name, value in (("checkpoint_pages", checkpoint_pages), ("max_pages", max_pages)):
        if value is not None and value < 1:
            raise ConfigurationError(f"{name} is {value}; allowed is a whole number from 1 on.")
    with told_as_ours():
        check_destination(pipeline)
    for resource in source.selected_resources.values():
        if (reader := ResourceReader.of(resource)) is not None:
            reader.check_query(full_refresh=full_refresh)
    load = _Load(pipeline, source, on_checkpoint)
    with signals.intercepted_signals():
        return load.run(checkpoint_pages, max_pages, full_refresh=full_refresh)


class _Load:
    """One run: package after package, resource after resource."""

    def __init__(
        self, pipeline: Pipeline, source: DltSource, on_checkpoint: Callable[[LoadSummary], None]
    ) -> None:
        self._pipeline = pipeline
        self._source = source
        self._on_checkpoint = on_checkpoint
        self._started = time.monotonic()
        self._open = ExitStack()
        self._is_connected = False
        self._unread = set(source.selected_resources)
        self._failure: CustomerGaugeError | None = None
        self._summary = LoadSummary(
            pipeline=pipeline.pipeline_name,
            destination=pipeline.destination.destination_name,
            dataset=pipeline.dataset_name or "",
        )

    def run(
        self, checkpoint_pages: int, max_pages: int | None, *, full_refresh: bool
    ) -> LoadSummary:
        """Loads all selected resources; returns what was committed.

        Raises:
            CustomerGaugeError: What kept a resource from being read, after all others are loaded.
        """
        with self._open:
            with told_as_ours():
                self._begin(full_refresh=full_refresh)
            for name, resource in self._source.selected_resources.items():
                reader = ResourceReader.of(resource)
                cut = reader.in_packages(checkpoint_pages, max_pages) if reader else nullcontext()
                try:
                    with cut:
                        self._read(name, max_pages, "drop_resources" if full_refresh else None)
                except (ApiError, TokenRefusedError) as error:
                    error.of(name)
                    if self._failure is not None:
                        logger.warning("%s", error)
                    self._failure = self._failure or error
        if self._failure is not None:
            raise self._failure
        return self._summary

    def _begin(self, *, full_refresh: bool) -> None:
        source = self._source
        states = memory.go_on_from_destination(self._pipeline, source.name)
        remember_resolved()
        if full_refresh:
            # Before the tables are dropped: no cursor may outlive its data.
            memory.forget_cursors(self._pipeline, source.name, source.selected_resources)
            self._commit()
            memory.forget_rejected(self._pipeline, source.selected_resources)
            return
        for name, resource in source.selected_resources.items():
            if (reader := ResourceReader.of(resource)) is not None:
                reader.check_zone(states.get(name, {}))

    def _read(self, name: str, max_pages: int | None, refresh: TRefreshMode | None) -> None:
        """Loads one resource to its end, or as far as may be."""
        at_end = False
        while not at_end:
            signals.raise_if_signalled()  # dlt notes a signal, and forgets it with the step
            with told_as_ours():
                part = self._source.with_resources(name)
                extracted = self._pipeline.extract(part, refresh=refresh)
                rows = self._commit()
            refresh = None
            at_end = self._summary.add_counts(name, extracted)
            if at_end:
                self._unread.discard(name)
            self._summary.caught_up = not self._unread
            self._summary.seconds = time.monotonic() - self._started
            if rows is not None:
                self._summary.add_package(rows)
                self._on_checkpoint(self._summary)
            if not at_end and self._summary.resources[name].pages == max_pages:
                break

    def _commit(self) -> dict[str, int] | None:
        """Normalizes and loads what was extracted; returns the rows of each table, if any."""
        if not self._pipeline.list_extracted_load_packages():
            return None
        rows = self._pipeline.normalize().row_counts
        if not self._pipeline.list_normalized_load_packages():
            return None  # an idle run extracts an empty package
        if not self._is_connected and extraction.is_into("duckdb"):
            # dlt closes its last connection several times in each package, and each time DuckDB
            # writes its whole log into the file: so one is kept open.
            client: Any = self._pipeline.sql_client()
            self._open.enter_context(client)
            self._is_connected = True
        self._pipeline.load()
        return dict(rows)
