"""Load a CustomerGauge account into a warehouse: `python pipelines/load.py --help`."""

from __future__ import annotations

import gc
import json
import logging
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any

from customergauge_source.cli import report
from customergauge_source.cli.options import Options, parse

if TYPE_CHECKING:
    from dlt import Pipeline
    from dlt.common.runtime.collector_base import Collector
    from dlt.extract import DltSource

    from customergauge_source import LoadSummary
    from customergauge_source.load.checkpoints import Load

_NAME = "customergauge"
_STREAMS = 2
"""Number of the last of the three standard streams."""
_FOLDER = "DLT_DATA_DIR"
_OF_DLT = ("CREDENTIALS", "DESTINATION_TYPE", _FOLDER)
"""Variables that dlt looks at, beside those with two underscores."""


class Run:
    """One run of the command."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._name = f"{_NAME}_sandbox" if options.sandbox else _NAME
        self._committed: LoadSummary | None = None
        self._selected: set[str] = set()
        self._started = time.monotonic()

    def main(self) -> int:
        """Runs, tells the outcome and returns the exit code."""
        do = self._check if self._options.check else self._load
        try:
            _show_logs(self._options)
            with _source_arguments(self._options) as arguments:
                do(arguments)
        except BaseException as error:  # noqa: BLE001 - however it ends, it is told in two lines
            return self._tell(error)
        return 0

    def _load(self, arguments: dict[str, Any]) -> None:
        from customergauge_source.cli.progress import Progress
        from customergauge_source.dlt_bridge import working_dir

        options, progress = self._options, Progress()

        def commit(summary: LoadSummary) -> None:
            self._committed = summary
            progress.committed(summary.checkpoints)

        with working_dir.emptied(self._name) as folder:
            pipeline = self._make_pipeline(folder, progress)
            source = self._make_source(arguments)
            self._selected = {*source.selected_resources}
            report.warn_if_thrown_away(pipeline)
            summary = self._make_load(pipeline, source, commit).run()
            summary.seconds = time.monotonic() - self._started
            report.loaded(summary, pipeline, as_json=options.json)

    def _make_load(
        self, pipeline: Pipeline, source: DltSource, commit: Callable[[LoadSummary], None]
    ) -> Load:
        it = self._options
        how = (it.checkpoint_pages, it.max_pages, it.full_refresh, it.views or None, commit)
        if it.reconcile:
            from customergauge_source.load.reconcile import Reconciliation

            return Reconciliation(pipeline, source, *how, it.dry_run, it.max_deletes)
        from customergauge_source.load.checkpoints import Load

        return Load(pipeline, source, *how)

    def _check(self, arguments: dict[str, Any]) -> None:
        """Reads one record of each resource, and reaches the destination; loads nothing."""
        from dlt.common.runtime.collector import NULL_COLLECTOR

        from customergauge_source.dlt_bridge import memory
        from customergauge_source.dlt_bridge.tables_step import owner_of

        with tempfile.TemporaryDirectory() as folder:  # a run that is under way has the usual one
            pipeline = self._make_pipeline(folder, NULL_COLLECTOR)
            source = self._make_source(arguments | {"per_page": 1})
            readers = [*map(owner_of, source.selected_resources.values())]
            for reader in readers:
                reader.check_query()
            for reader in readers:
                reader.check()
            states = memory.go_on_from_destination(pipeline, source.name)
            for name, reader in zip(source.selected_resources, readers, strict=True):
                reader.check_state(states.get(name, {}), pipeline.schemas.get(source.name))
                reader.warn_of_policy(states.get(name, {}))
            report.checked(pipeline, as_json=self._options.json)

    def _make_pipeline(self, folder: str, progress: Collector) -> Pipeline:
        import dlt

        from customergauge_source.dlt_bridge.refusals import check_destination

        options = self._options
        destination = options.destination or dlt.config.get("destination_type", str) or "duckdb"
        is_file = destination == "duckdb"
        dataset = f"{_NAME}_data" if is_file else f"{self._name}_data"
        pipeline: Pipeline = dlt.pipeline(
            pipeline_name=self._name,
            destination=_duckdb(self._name, options) if is_file else destination,
            dataset_name=options.dataset or dataset,
            pipelines_dir=folder,
            progress=progress,
        )
        check_destination(pipeline)
        return pipeline

    def _make_source(self, arguments: dict[str, Any]) -> DltSource:
        from customergauge_source import customergauge_source
        from customergauge_source.secrecy import remember_resolved

        make_source = customergauge_source
        if self._options.sandbox:  # whose section is not the real account's
            make_source = customergauge_source.clone(name=self._name, section=self._name)
        source: DltSource = make_source(**arguments)
        remember_resolved()
        gc.freeze()
        gc.enable()
        return source

    def _tell(self, error: BaseException) -> int:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # it is ending already
        if type(error) is KeyboardInterrupt and self._committed is None:
            return self._interrupted()  # maybe in the midst of an import
        from customergauge_source.load.explain import explain, is_interrupt
        from customergauge_source.secrecy import hide

        if self._options.debug:
            report.to_stderr(hide("".join(traceback.format_exception(error))))
        if is_interrupt(error):
            return self._interrupted()
        known = explain(error)
        report.failed(hide(str(known)), hide(known.remedy))
        return known.exit_code

    def _interrupted(self) -> int:
        done = report.committed(self._committed)
        again = "Run again"
        if self._options.full_refresh:
            begun = self._committed.resources if self._committed else {}
            how = "without" if self._selected and self._selected <= begun.keys() else "with"
            again = f"Run again {how} --full-refresh"
        report.failed(f"Interrupted. {done}", f"{again}: nothing is lost, and nothing comes twice.")
        return 130


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    options = parse(arguments)
    _settle_environment()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    gc.disable()  # imports make a hundred thousand objects, and no garbage: a tenth of their time
    code = Run(options).main()
    report.end()
    return code


def _settle_environment() -> None:
    """Prepares streams and variables, which are ours to settle, as the process is ours."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= _STREAMS:
        pass  # or a database's file would take the number of a stream that is closed
    os.close(number)
    if isinstance(sys.stdout, TextIOWrapper):  # what its encoding lacks is no reason to fail
        sys.stdout.reconfigure(errors="backslashreplace")
    # Values in the environment go before. The system's allocator gives memory back between two
    # checkpoints, Arrow's own keeps it.
    os.environ.setdefault("RUNTIME__DLTHUB_TELEMETRY", "false")
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    for name in [name for name, value in os.environ.items() if not value]:
        # A secret of a CI job that is not set; a password may be empty.
        if ("__" in name or name in _OF_DLT) and not name.endswith("__PASSWORD"):
            del os.environ[name]
    if folder := os.environ.get(_FOLDER):
        os.environ[_FOLDER] = str(Path(folder).expanduser())


def _show_logs(options: Options) -> None:
    """Shows what is logged, without secrets: ours a plain line each, dlt's in its own format."""
    from customergauge_source.secrecy import HidingFilter

    ours = logging.getLogger("customergauge_source")
    ours.addHandler(logging.StreamHandler())
    if options.debug:
        ours.setLevel(logging.DEBUG)
    for name in ("customergauge_source", "dlt"):
        logging.getLogger(name).addFilter(HidingFilter(tracebacks=options.debug))


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


def _duckdb(name: str, options: Options) -> Any:  # noqa: ANN401 - dlt's destinations have no base
    """Returns DuckDB; its file lies in the working directory unless the configuration moves it."""
    import dlt

    place = "destination.duckdb.credentials"
    if dlt.config.get(f"{place}.global_config") is None:
        # Otherwise DuckDB takes most of the machine's memory as the table grows; it can spill.
        limit = {"memory_limit": f"{128 * max(2, os.cpu_count() or 1)}MB"}
        os.environ["DESTINATION__DUCKDB__CREDENTIALS__GLOBAL_CONFIG"] = json.dumps(limit)
    database: str | None = None
    if not options.sandbox:
        given: Any = dlt.config.get(place)
        database = given if isinstance(given, str) else dlt.config.get(f"{place}.database", str)
    if database is not None and ":" in database:
        return dlt.destinations.duckdb()  # a connection string, which dlt reads
    # dlt would take ~ for a name, and remember the folder of a run as the one to start from.
    file = Path.cwd() / Path(database or f"{name}.duckdb").expanduser()
    return dlt.destinations.duckdb(str(file))
