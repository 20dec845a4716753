"""A load in checkpoints: data and cursor are committed together, every so many pages.

dlt commits a load package as a whole. A first load of millions in one package would lose all of
it to a crash; in checkpoints a crash costs one of them at most.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import chain

from dlt import Pipeline
from dlt.common.exceptions import DltException
from dlt.common.runtime import signals
from dlt.common.typing import TRefreshMode
from dlt.extract import DltSource

from customergauge_source.destinations import check_destination
from customergauge_source.exceptions import ConfigurationError
from customergauge_source.failures import reaching_destination
from customergauge_source.feed import reading_across_packages
from customergauge_source.leftovers import put_in_order
from customergauge_source.lock import exclusive
from customergauge_source.secrecy import remember_resolved
from customergauge_source.settings import CHECKPOINT_PAGES
from customergauge_source.summary import LoadSummary, counts_of
from customergauge_source.target import LAST_LOAD, leave_other_target


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
    with exclusive(pipeline), signals.intercepted_signals(), ExitStack() as stack:
        is_pending = put_in_order(pipeline)
        with reaching_destination():
            is_pending &= not leave_other_target(pipeline)
            remember_resolved()
            pipeline.sync_destination()
        loader = _Loader(pipeline, stack)
        if is_pending:  # by an earlier run
            summary.add_package(loader.load())
        refresh: TRefreshMode | None = None
        if full_refresh:
            # The tables are dropped before the new state counts: let no old cursor outlive them.
            _forget_cursors(pipeline, source)
            loader.load()
            refresh = "drop_sources"
        stack.enter_context(reading_across_packages(checkpoint_pages, max_pages))
        while not summary.caught_up:
            signals.raise_if_signalled()  # dlt notes a signal, and forgets it with the step
            extracted = pipeline.extract(source, refresh=refresh)
            refresh = None
            if len(source.selected_resources) > 1:  # the others have been read whole
                source = source.with_resources(*dict(counts_of(extracted)))
            committed = loader.load()
            summary.add_package(committed)
            summary.add_counts(extracted)
            summary.seconds = time.monotonic() - started
            if committed is not None:
                on_checkpoint(summary)
            if max_pages is not None and summary.pages >= max_pages:
                break
    return summary


def _forget_cursors(pipeline: Pipeline, source: DltSource) -> None:
    """Extracts a state without the cursors of a source's resources, in a package of its own."""
    if source.name not in pipeline.state.get("sources", {}):
        return
    with pipeline.managed_state(extract_state=True) as state:
        resources = state.get("sources", {}).get(source.name, {}).get("resources", {})
        for name in source.selected_resources:
            resources.get(name, {}).pop("cursors", None)


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
        rows = self._rows_left_behind()
        if self._pipeline.list_extracted_load_packages():
            rows.update(self._pipeline.normalize().row_counts)
        if not self._pipeline.list_normalized_load_packages():
            return None  # an idle run extracts an empty package
        if not self._holds:
            self._stack.enter_context(_connected(self._pipeline))
            self._holds = True
        loaded = self._pipeline.load().loads_ids
        if not loaded:
            return None
        self._pipeline.set_local_state_val(LAST_LOAD, loaded[-1])
        return dict(rows)

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
