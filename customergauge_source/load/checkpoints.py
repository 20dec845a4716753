"""A load in checkpoints: data and cursor are committed together, every so many pages.

dlt commits a load package as a whole. A first load of millions in one package would lose all of
it to a crash; in checkpoints a crash costs one of them at most.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

from dlt import Pipeline
from dlt.common.runtime import signals
from dlt.extract import DltSource

from customergauge_source.dlt_bridge import (
    extraction,
    health,
    integrity,
    memory,
    working_dir,
    writing,
)
from customergauge_source.dlt_bridge.settings import is_set
from customergauge_source.dlt_bridge.tables_step import owner_of
from customergauge_source.exceptions import (
    ApiError,
    ConfigurationError,
    CustomerGaugeError,
    TokenRefusedError,
)
from customergauge_source.load import beginning
from customergauge_source.load.explain import told_as_ours
from customergauge_source.load.packages import Packages
from customergauge_source.load.summary import LoadSummary, counts_of
from customergauge_source.load.views_after import ViewsAfter
from customergauge_source.reading import ResourceReader
from customergauge_source.resources.query import Query, zone
from customergauge_source.secrecy import remember_resolved
from customergauge_source.settings import CHECKPOINT_PAGES
from customergauge_source.tables.comparison import Comparison

logger = logging.getLogger("customergauge_source")


def load_in_checkpoints(  # noqa: PLR0913 - each is a decision of its own
    pipeline: Pipeline,
    source: DltSource,
    *,
    checkpoint_pages: int = CHECKPOINT_PAGES,
    max_pages: int | None = None,
    full_refresh: bool = False,
    views: bool | None = None,
    on_checkpoint: Callable[[LoadSummary], None] = lambda _summary: None,
) -> LoadSummary:
    """Loads the selected resources of a source to the end of their feeds, in checkpoints.

    State and schema come from the destination, and load packages lie in a directory of their own;
    what is pending in the pipeline is loaded first. While a package is loaded, the next pages are
    read already. A resource that cannot be read does not keep the others from being loaded.

    Args:
        pipeline: Any dlt pipeline with an SQL destination, or a lake of files.
        source: `customergauge_source(…)`.
        checkpoint_pages: Pages after which data and cursor are committed.
        max_pages: Pages to read of each resource in this run; the next run goes on there.
        full_refresh: Drop what was loaded of the selected resources, and their cursors, and
            start over.
        views: Create or renew the views after the load; by default as `views` is configured.
        on_checkpoint: Is told of the state of the load after each commit, in the thread that loads.

    Returns:
        What was committed.

    Raises:
        CustomerGaugeError: Whatever goes wrong, with dlt's error as its cause; what
            `on_checkpoint` raises comes as it is.
    """
    how = (checkpoint_pages, max_pages, full_refresh, views, on_checkpoint)
    return Load(pipeline, source, *how).run_inside()


@dataclass
class Load:
    """One load, in a pipeline whose working directory is empty; see `load_in_checkpoints`."""

    pipeline: Pipeline
    source: DltSource
    checkpoint_pages: int
    max_pages: int | None
    full_refresh: bool
    views: bool | None
    on_checkpoint: Callable[[LoadSummary], None]

    def __post_init__(self) -> None:
        """Checks what can be checked before anything is requested."""
        for name, value, kind, example in (
            ("pipeline", self.pipeline, Pipeline, "dlt.pipeline(…)"),
            ("source", self.source, DltSource, "customergauge_source(…)"),
        ):
            if not isinstance(value, kind):
                raise ConfigurationError(
                    f"The {name} has to be what {example} returns, not {type(value).__name__}."
                )
        for name in ("checkpoint_pages", "max_pages"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise ConfigurationError(f"{name} is {value}; allowed: a whole number, 1 or more.")
        selected = self.source.selected_resources.items()
        self._readers: dict[str, ResourceReader | None] = {
            name: owner_of(resource) for name, resource in selected
        }
        for name, resource in selected:
            if (reader := self._readers[name]) is not None:
                reader.heed(resource)
        with told_as_ours():
            beginning.check(self.pipeline, self._readers)
        for reader in filter(None, self._readers.values()):
            reader.check_query(full_refresh=self.full_refresh)
        if self.views is None:
            with told_as_ours():
                self.views = is_set(self.source.section, "views")
        if self.views:
            writing.check_dialect(self.pipeline)
        self._started = time.monotonic()
        self._unread = {*self._readers}
        self._summary = LoadSummary(
            pipeline=self.pipeline.pipeline_name,
            destination=self.pipeline.destination.destination_name,
            dataset=self.pipeline.dataset_name or "",
        )

    @property
    def is_dry(self) -> bool:
        """Whether the pipeline and the destination stay as they are."""
        return False

    def run_inside(self) -> LoadSummary:
        """Runs in somebody's pipeline; what is pending there is loaded first."""
        pipeline = self.pipeline
        with working_dir.exclusive(pipeline.pipeline_name, pipeline.pipelines_dir):
            try:
                with told_as_ours():
                    if not self.is_dry:
                        working_dir.load_pending(pipeline)
                    self.pipeline = working_dir.again(pipeline)
                return self.run()
            finally:
                with told_as_ours():
                    working_dir.take_back(pipeline)
                if not self.is_dry:
                    self._sync(pipeline)

    def _sync(self, pipeline: Pipeline) -> None:
        """Lets the pipeline know what the destination has; how the load ended, it does not change.

        If it cannot be known now, the next load asks anyway.
        """
        try:
            with told_as_ours():
                pipeline.sync_destination()
        except CustomerGaugeError as error:
            logger.warning("The pipeline is not up to date with its destination: %s", error)

    def run(self) -> LoadSummary:
        """Loads all selected resources; returns what was committed.

        Raises:
            CustomerGaugeError: What kept a resource from being read, after all others are loaded.
        """
        failure: CustomerGaugeError | None = None
        with signals.intercepted_signals(), ExitStack() as opened:
            how = (bool(self.views), self._summary)
            self._seen = ViewsAfter(self.pipeline, self.source.name, *how)
            opened.enter_context(self._seen.put_back())
            self._packages = opened.enter_context(
                Packages(self.pipeline, self.source.name, self.full_refresh, self.is_dry)
            )
            with told_as_ours():
                self._make_ready()
                if extraction.is_into("duckdb"):
                    # dlt closes its last connection several times in each package, and each time
                    # DuckDB writes its whole log into the file, to open it anew: so one is kept.
                    client: Any = self.pipeline.sql_client()
                    opened.enter_context(client)
                self._begin()
            for name, reader in self._readers.items():
                try:
                    self._load(name, reader)
                except (ApiError, TokenRefusedError) as error:  # noqa: PERF203 - on its own each
                    if failure is not None:
                        logger.warning("%s", error)
                    failure = failure or error
                except BaseException:
                    if failure is not None:
                        logger.warning("%s", failure)
                    raise
            if failure is not None:
                raise failure
            if not self.is_dry:
                self._seen.make()
        return self._summary

    def _load(self, name: str, reader: ResourceReader | None) -> None:
        """Loads one resource."""
        pages = (self.checkpoint_pages, self.max_pages)
        if reader is None:
            self._read(name)
            return
        with reader.in_packages(*pages, comparison=self._known_of(reader)):
            self._read(name)

    def _known_of(self, reader: ResourceReader) -> Comparison | None:
        """Returns what a history has of a resource whose feed brings records again as they were."""
        is_history = reader.keeping(self.pipeline).history
        if self.full_refresh or not (is_history and reader.resource.position.repeats):
            return None
        with told_as_ours():
            # What was kept back would be lost with a run that stops, behind whose cursor it is.
            return self._compare(reader, reader.resource.part_of(reader.query), comes_once=True)

    def _compare(
        self, reader: ResourceReader, bounds: Query, *, comes_once: bool = False
    ) -> Comparison:
        """Returns what is in a resource's table, to be compared with what comes."""
        from customergauge_source.dlt_bridge import stored  # noqa: PLC0415 - it brings Arrow

        clock = zone(reader.timezone)
        question = stored.Question(reader.resource, bounds, clock, reader.scope(bounds))
        records = stored.records_of(self.pipeline, self.source.name, question)
        return Comparison(reader.resource.key, records, is_dry=self.is_dry, comes_once=comes_once)

    def _make_ready(self) -> None:
        place, anew = (self.pipeline, self.source.name, self._readers), self.full_refresh
        self._seen.gone = beginning.make_ready(*place, full_refresh=anew, is_dry=self.is_dry)

    def _begin(self) -> None:
        place = (self.pipeline, self.source.name)
        states = memory.go_on_from_destination(*place, is_dry=self.is_dry)
        remember_resolved()
        if self.full_refresh:
            # Before the tables are dropped: no cursor may outlive its data.
            memory.forget_cursors(*place, self._readers)
            self._packages.load()
            integrity.drop_unused_staging(self.pipeline)
            memory.forget_rejected(*place, self._readers)
            return
        self._packages.trust_tables()
        schema = self.pipeline.schemas.get(self.source.name)
        for name, reader in self._readers.items():
            if reader is not None:
                reader.terms(self.pipeline).check(states.get(name, {}), schema)
        if any(it and it.keeping(self.pipeline).history for it in self._readers.values()):
            health.check_clock(*place)  # of a lake it lists all loads: so once

    def _read(self, name: str) -> None:
        """Loads one resource to its end, or as far as may be."""
        drop, at_end, pages = self.full_refresh, False, 0
        reader = self._readers[name]
        stop = reader.stop if reader else lambda: None
        try:
            while not at_end and pages != self.max_pages:
                signals.raise_if_signalled()  # dlt notes a signal, and forgets it with the step
                with told_as_ours():
                    extracted = self.pipeline.extract(
                        self.source.with_resources(name), refresh="drop_resources" if drop else None
                    )
                drop = False
                counts = counts_of(name, extracted)
                at_end = counts.get("caught_up", True)
                pages += counts.get("pages", 0)
                self._packages.begin_to_load(partial(self._loaded, name, counts), stop)
        finally:
            self._packages.wait()

    def _loaded(self, name: str, counts: Mapping[str, Any], rows: dict[str, int] | None) -> None:
        """Notes what was extracted of a resource, and is loaded, with its rows, if it had any."""
        if counts:
            self._summary.add_counts(name, counts)
        if counts.get("caught_up", True):
            self._is_read(name)
        self._committed(rows)

    def _is_read(self, name: str) -> None:
        """Notes that a feed was read to its end."""
        self._unread.discard(name)
        self._summary.caught_up = not self._unread

    def _committed(self, rows: dict[str, int] | None) -> None:
        """Notes a load package with the rows that it had, if it had any."""
        self._summary.seconds = time.monotonic() - self._started
        if rows is not None:
            self._summary.add_package(rows)
            self.on_checkpoint(self._summary)
