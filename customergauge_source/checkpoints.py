"""A load in checkpoints: data and cursor are committed together, every so many pages.

dlt commits a load package as a whole. A first load of millions in one package would lose all of
it to a crash; in checkpoints a crash costs one of them at most.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Final

from dlt import Pipeline
from dlt.common import logger
from dlt.common.exceptions import DltException
from dlt.common.pipeline import ExtractInfo
from dlt.common.typing import TRefreshMode
from dlt.extract import DltSource
from filelock import FileLock, Timeout

from customergauge_source.destinations import check_destination
from customergauge_source.exceptions import ConfigurationError, PipelineLockedError
from customergauge_source.failures import reaching_destination
from customergauge_source.feed import reading_across_packages
from customergauge_source.settings import CHECKPOINT_PAGES

_TARGET: Final = "customergauge_target"
"""Key of dlt's local state: a digest of where the last load went."""


@dataclass
class ResourceSummary:
    """What was read for one resource.

    Attributes:
        records: Responses that were loaded.
        pages: Pages that they came on.
        rejected: Entries that are no loadable records; they are in `rejected_records`.
        rejected_values: Values that their columns could not take.
        cursor: Where the next run goes on; None if nothing was ever read.
    """

    records: int = 0
    pages: int = 0
    rejected: int = 0
    rejected_values: int = 0
    cursor: int | None = None


@dataclass
class LoadSummary:
    """What a load committed.

    Attributes:
        pipeline: Name of the pipeline.
        destination: Name of the destination.
        dataset: Name of the dataset.
        resources: What was read, by resource.
        tables: Rows loaded in this run, by table; dlt's own tables left out.
        checkpoints: Load packages committed.
        seconds: Time since the start.
        caught_up: Whether the feed was read to its end.
    """

    pipeline: str
    destination: str
    dataset: str
    resources: dict[str, ResourceSummary] = field(default_factory=dict)
    tables: dict[str, int] = field(default_factory=dict)
    checkpoints: int = 0
    seconds: float = 0.0
    caught_up: bool = False

    @property
    def pages(self) -> int:
        """Pages that were read for all resources."""
        return sum(resource.pages for resource in self.resources.values())

    def add_package(self, rows_of: dict[str, int] | None) -> None:
        """Adds a load package that was committed."""
        if rows_of is None:
            return
        self.checkpoints += 1
        for table, rows in rows_of.items():
            if not table.startswith("_dlt"):
                self.tables[table] = self.tables.get(table, 0) + rows

    def add_counts(self, extracted: ExtractInfo) -> None:
        """Adds what the resources counted while a package was extracted."""
        self.caught_up = True
        for resource, counts in _metrics(extracted):
            total = self.resources.setdefault(resource, ResourceSummary())
            total.records += counts["records"]
            total.pages += counts["pages"]
            total.rejected += counts["rejected"]
            total.rejected_values += counts["rejected_values"]
            total.cursor = counts["cursor"]
            self.caught_up &= counts["caught_up"]


def load_in_checkpoints(  # noqa: PLR0913 - each is a decision of its own
    pipeline: Pipeline,
    source: DltSource,
    *,
    checkpoint_pages: int = CHECKPOINT_PAGES,
    max_pages: int | None = None,
    full_refresh: bool = False,
    on_checkpoint: Callable[[LoadSummary], None] = lambda _summary: None,
) -> LoadSummary:
    """Loads a source to the end of its feed, in checkpoints.

    A package that an earlier run left pending is loaded first. While a package is loaded, the
    next pages are read already.

    Args:
        pipeline: Any dlt pipeline with an SQL destination.
        source: `customergauge_source(…)`.
        checkpoint_pages: Pages after which data and cursor are committed.
        max_pages: Pages to read in this run; the next run goes on there.
        full_refresh: Drop what was loaded, and the cursor, and start over.
        on_checkpoint: Is told of the state of the load after each commit.

    Returns:
        What was committed.

    Raises:
        PipelineLockedError: Another run of the pipeline is under way on this machine.
        ConfigurationError: `checkpoint_pages` or `max_pages` is less than 1, or the destination
            cannot replace a response together with its children.
    """
    for name, value in (("checkpoint_pages", checkpoint_pages), ("max_pages", max_pages)):
        if value is not None and value < 1:
            raise ConfigurationError(f"{name} is {value}; allowed is a whole number from 1 on.")
    check_destination(pipeline)
    started = time.monotonic()
    summary = LoadSummary(
        pipeline=pipeline.pipeline_name,
        destination=pipeline.destination.destination_name,
        dataset=pipeline.dataset_name or "",
    )
    with exclusive(pipeline), ExitStack() as stack:
        with reaching_destination():
            _leave_other_target(pipeline)
            pipeline.sync_destination()
        loader = _Loader(pipeline, stack)
        summary.add_package(loader.load())  # what an earlier run left behind
        stack.enter_context(reading_across_packages(checkpoint_pages, max_pages))
        refresh: TRefreshMode | None = "drop_sources" if full_refresh else None
        while not summary.caught_up:
            extracted = pipeline.extract(source, refresh=refresh)
            refresh = None
            # What else is in the source has been read whole.
            source = source.with_resources(*dict(_metrics(extracted)))
            committed = loader.load()
            summary.add_package(committed)
            summary.add_counts(extracted)
            summary.seconds = time.monotonic() - started
            if committed is not None:
                on_checkpoint(summary)
            if max_pages is not None and summary.pages >= max_pages:
                break
    return summary


@contextmanager
def exclusive(pipeline: Pipeline) -> Iterator[None]:
    """Keeps other runs of a pipeline on this machine out; the lock goes with the process.

    Raises:
        PipelineLockedError: Another run has it.
    """
    folder = Path(pipeline.pipelines_dir)
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f"{pipeline.pipeline_name}.lock", is_singleton=True)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise PipelineLockedError(
            f"Another run holds the pipeline {pipeline.pipeline_name} ({lock.lock_file})."
        ) from None
    try:
        yield
    finally:
        lock.release()


def _leave_other_target(pipeline: Pipeline) -> None:
    """Drops the working directory if another destination or dataset was loaded from it last.

    dlt would take over its cursor, and never load what the other target alone has. Packages that
    are pending for the other target are read again when it is its turn.
    """
    config = pipeline.destination_client().config
    place = f"{config.destination_type} {config.data_location()} {pipeline.dataset_name}"
    target = hashlib.sha256(place.encode()).hexdigest()
    before = pipeline.state["_local"].get(_TARGET)
    if before == target:
        return
    if before is not None:
        logger.warning("The last load went to another place: its working directory is dropped.")
        pipeline.drop()
    pipeline.set_local_state_val(_TARGET, target)


def abort_pending(pipeline: Pipeline) -> list[str]:
    """Gets past load packages that can never load, without losing their responses.

    The packages are dropped, and the cursor goes back to where they began: the next run reads
    their responses again.

    Returns:
        The ids of the packages that were dropped.
    """
    with exclusive(pipeline):
        try:
            plan = pipeline.abort_packages()
        except (DltException, OSError, ValueError) as error:
            # What the package holds is broken as well: the destination knows where to go on.
            logger.warning("The working directory is dropped, as it cannot be read: %s", error)
            pending = pipeline.list_normalized_load_packages()
            pending = [*pending, *pipeline.list_extracted_load_packages()]
            pipeline.drop()
            return pending
    if plan is None:
        return []
    aborted = plan["package_to_abort"]
    return [
        *([aborted["load_id"]] if aborted else []),
        *plan["packages_to_delete"],
        *plan["extracted_packages_to_delete"],
    ]


class _Loader:
    """Normalizes and loads what was extracted.

    It keeps a DuckDB file open from its first package on, as long as the stack is. dlt closes its
    last connection several times in each package, and each time DuckDB writes its whole log into
    the file.
    """

    def __init__(self, pipeline: Pipeline, stack: ExitStack) -> None:
        self._pipeline = pipeline
        self._stack = stack
        self._holds = not pipeline.destination.destination_type.endswith(".duckdb")

    def load(self) -> dict[str, int] | None:
        """Loads what is pending; returns the rows of each table, or None if nothing was."""
        if not self._pipeline.has_pending_data:
            return None
        if not self._holds:
            self._stack.enter_context(_connected(self._pipeline))
            self._holds = True
        rows = self._rows_left_behind()
        if self._pipeline.list_extracted_load_packages():
            rows.update(self._pipeline.normalize().row_counts)
        return dict(rows) if self._pipeline.load().loads_ids else None

    def _rows_left_behind(self) -> Counter[str]:
        """Returns the rows of packages that an earlier run normalized, as far as in Parquet."""
        rows = Counter[str]()
        for load_id in self._pipeline.list_normalized_load_packages():
            from pyarrow.parquet import read_metadata  # noqa: PLC0415 - see `arrow`

            with suppress(DltException, ValueError):  # what is broken here, the load will tell
                package = self._pipeline.get_load_package_info(load_id)
                for job in chain.from_iterable(package.jobs.values()):
                    if job.job_file_info.file_format == "parquet":
                        rows[job.job_file_info.table_name] += read_metadata(job.file_path).num_rows
        return rows


@contextmanager
def _connected(pipeline: Pipeline) -> Iterator[None]:
    with pipeline.sql_client():
        yield


def _metrics(extract_info: ExtractInfo) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields what the resources of a run counted; see `ArrowChain`."""
    for packages in extract_info.metrics.values():
        for package in packages:
            for resource, metrics in package["resource_metrics"].items():
                if "caught_up" in metrics.custom_metrics:
                    yield resource, metrics.custom_metrics
