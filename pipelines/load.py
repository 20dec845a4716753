"""Load CustomerGauge survey responses into a warehouse: `python pipelines/load.py --help`."""

from __future__ import annotations

import gc
import json
import logging
import os
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import load_report as report
from load_options import Options, parse

if TYPE_CHECKING:
    from dlt import Pipeline
    from dlt.extract import DltSource

    from customergauge_source import LoadSummary
    from load_progress import Progress

_INTERRUPTED = 130
_NAME = "customergauge"


class Run:
    """One run of the command.

    Args:
        options: What the command line says.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self._committed: LoadSummary | None = None
        self._started = time.monotonic()

    def main(self) -> int:
        """Runs, tells the outcome and returns the exit code."""
        options = self._options
        try:
            with _source_arguments(options) as arguments, _progress(options) as progress:
                self._run(arguments, progress)
        except BaseException as error:  # noqa: BLE001 - however it ends, it is told in two lines
            return self._tell(error)
        return 0

    def _run(self, arguments: dict[str, Any], progress: Progress) -> None:
        from customergauge_source import customergauge_source, load_in_checkpoints
        from customergauge_source.destinations import check_destination
        from customergauge_source.leftovers import abort_pending, put_in_order
        from customergauge_source.secrecy import remember_resolved

        options = self._options
        pipeline = _make_pipeline(options, progress)
        check_destination(pipeline)
        if not options.check:
            put_in_order(pipeline)  # before the source asks it for its schema
        make_source = customergauge_source
        if options.sandbox:  # a section of its own: the real account's settings are not for it
            name = f"{_NAME}_sandbox"
            make_source = customergauge_source.clone(name=name, section=name)
        source = make_source(**arguments)
        remember_resolved()
        gc.freeze()
        gc.enable()
        if options.check:
            _check(pipeline, make_source(**arguments | {"per_page": 1}))
            progress.close()
            report.checked(pipeline, as_json=options.json)
            return
        report.warn_if_thrown_away(pipeline)
        if options.abort_pending and (aborted := abort_pending(pipeline)):
            report.warn(f"Dropped {len(aborted)} pending load packages; they are read again.")

        def commit(summary: LoadSummary) -> None:
            self._committed = summary
            progress.committed(summary.checkpoints)

        summary = load_in_checkpoints(
            pipeline,
            source,
            checkpoint_pages=options.checkpoint_pages,
            max_pages=options.max_pages,
            full_refresh=options.full_refresh,
            on_checkpoint=commit,
        )
        progress.close()
        summary.seconds = time.monotonic() - self._started
        report.loaded(summary, pipeline, as_json=options.json)

    def _tell(self, error: BaseException) -> int:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # it is ending already
        if type(error) is KeyboardInterrupt and self._committed is None:
            return self._interrupted()  # maybe in the midst of an import
        from customergauge_source.failures import explain, is_interrupt
        from customergauge_source.secrecy import hide

        if self._options.debug:
            sys.stderr.write(hide("".join(traceback.format_exception(error))))
        if is_interrupt(error):
            return self._interrupted()
        known = explain(error)
        if known is None:
            text = " ".join(f"{type(error).__name__}: {error}".split())
            report.failed(hide(text), "Run again with --debug for the traceback, and report it.")
            return 1
        report.failed(hide(str(known)), hide(known.remedy))
        return known.exit_code

    def _interrupted(self) -> int:
        done = report.committed(self._committed)
        report.failed(f"Interrupted. {done}", "Run again: the next run goes on there.")
        return _INTERRUPTED


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    # Ours to say, as the process is ours; a value in the environment goes before. The system's
    # allocator gives memory back between two checkpoints, Arrow's own keeps it.
    os.environ.setdefault("RUNTIME__DLTHUB_TELEMETRY", "false")
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    options = parse(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    gc.disable()  # imports make a hundred thousand objects, and no garbage: a tenth of their time
    return Run(options).main()


def _interrupt(_signal: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


@contextmanager
def _progress(options: Options) -> Iterator[Progress]:
    from customergauge_source.secrecy import HidingFilter
    from load_progress import Progress

    progress = Progress()
    hiding = HidingFilter(tracebacks=options.debug)
    logging.getLogger("dlt").addFilter(hiding)
    try:
        yield progress
    finally:
        progress.close()
        logging.getLogger("dlt").removeFilter(hiding)


@contextmanager
def _source_arguments(options: Options) -> Iterator[dict[str, Any]]:
    """Yields the arguments of the source; with --sandbox, while its API runs."""
    if not options.sandbox:
        yield options.source
        return
    from customergauge_source.sandbox import Sandbox

    with Sandbox(responses=options.sandbox_responses) as sandbox:
        credentials = {"client_id": sandbox.client_id, "client_secret": sandbox.client_secret}
        here = {"credentials": credentials, "api_url": sandbox.url, "auth_url": sandbox.url}
        yield options.source | here


def _check(pipeline: Pipeline, source: DltSource) -> None:
    """Reads one page, and reaches the destination; loads nothing."""
    from customergauge_source.failures import reaching_destination
    from customergauge_source.feed import reading_across_packages

    with reading_across_packages(1, max_pages=1):
        for _ in source.resources["responses"]:
            pass
    with reaching_destination(), pipeline.sql_client() as client:
        client.execute_sql("SELECT 1")


def _make_pipeline(options: Options, progress: Progress) -> Pipeline:
    import dlt

    name = f"{_NAME}_sandbox" if options.sandbox else _NAME
    destination = options.destination or dlt.config.get("destination_type", str) or "duckdb"
    dataset = f"{_NAME}_data"
    if options.sandbox and destination != "duckdb":
        dataset = f"{_NAME}_sandbox_data"
    return dlt.pipeline(
        pipeline_name=name,
        destination=_duckdb(name, options) if destination == "duckdb" else destination,
        dataset_name=options.dataset or dataset,
        progress=progress,
    )


def _duckdb(name: str, options: Options) -> Any:  # noqa: ANN401 - dlt's destinations have no base
    """Returns DuckDB; its file lies in the working directory unless the configuration moves it."""
    import dlt

    place = "destination.duckdb.credentials"
    if dlt.config.get(f"{place}.global_config") is None:
        # Otherwise DuckDB takes most of the machine's memory as the table grows; it can spill.
        limit = {"memory_limit": f"{128 * max(2, os.cpu_count() or 1)}MB"}
        os.environ["DESTINATION__DUCKDB__CREDENTIALS__GLOBAL_CONFIG"] = json.dumps(limit)
    if not options.sandbox and dlt.secrets.get(place) is not None:
        return dlt.destinations.duckdb()
    # A relative path would be one from the directory of the first run, which dlt remembers.
    return dlt.destinations.duckdb(str(Path.cwd() / f"{name}.duckdb"))


if __name__ == "__main__":
    sys.exit(main())
