"""Load a CustomerGauge account into a warehouse: `python pipelines/load.py --help`."""

from __future__ import annotations

import shlex
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from customergauge_source.cli import outcome, process
from customergauge_source.cli.options import PROG, Options, parse
from customergauge_source.cli.place import Place, make_pipeline, name_of

if TYPE_CHECKING:
    from dlt import Pipeline
    from dlt.common.runtime.collector_base import Collector
    from dlt.extract import DltSource

    from customergauge_source import LoadSummary
    from customergauge_source.load.checkpoints import Load


class Run:
    """One run of the command."""

    def __init__(self, options: Options, prog: str) -> None:
        self._options = options
        self._prog = prog
        self._name = name_of(is_sandbox=options.sandbox)
        self._committed: LoadSummary | None = None
        self._selected: set[str] = set()
        self._started = time.monotonic()

    def main(self) -> int:
        """Runs, tells the outcome and returns the exit code."""
        do = self._check if self._options.check else self._load
        try:
            process.show_logs(debug=self._options.debug)
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
            progress.committed(summary)

        with working_dir.emptied(self._name) as folder:
            pipeline = self._make_pipeline(folder, progress)
            source = self._make_source(arguments)
            self._selected = {*source.selected_resources}
            outcome.warn_if_thrown_away(pipeline)
            summary = self._make_load(pipeline, source, commit).run()
            summary.seconds = time.monotonic() - self._started
            outcome.loaded(summary, pipeline, report=self._report(pipeline), as_json=options.json)

    def _report(self, pipeline: Pipeline) -> str:
        """Returns the command that makes the report of what was loaded; "" if none can."""
        from customergauge_source.dlt_bridge.writing import dialect_of
        from customergauge_source.views.dialects import DIALECTS

        if dialect_of(pipeline) not in DIALECTS:
            return ""
        it = self._options
        parts = [self._prog.replace("load", "report"), "--sandbox" if it.sandbox else ""]
        named = {"--destination": it.destination, "--dataset": it.dataset}
        parts += [f"{name} {shlex.quote(value)}" for name, value in named.items() if value]
        return " ".join(filter(None, parts))

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
        """Tells what works and what does not; loads nothing."""
        from dlt.common.runtime.collector import NULL_COLLECTOR

        from customergauge_source.cli.doctor import Doctor

        findings = outcome.Findings(as_json=self._options.json)
        with tempfile.TemporaryDirectory() as folder:  # a run that is under way has the usual one
            doctor = Doctor(
                self._name,
                self._options,
                lambda: self._make_source(arguments),
                lambda: self._make_pipeline(folder, NULL_COLLECTOR),
                findings.tell,
            )
            wrong = doctor.examine()
            findings.end(doctor.pipeline)
        if wrong is not None:
            raise wrong

    def _make_pipeline(self, folder: str, progress: Collector) -> Pipeline:
        it = self._options
        return make_pipeline(Place(it.destination, it.dataset, it.sandbox), folder, progress)

    def _make_source(self, arguments: dict[str, Any]) -> DltSource:
        from customergauge_source import customergauge_source
        from customergauge_source.secrecy import remember_resolved

        make_source = customergauge_source
        if self._options.sandbox:  # whose section is not the real account's
            make_source = customergauge_source.clone(name=self._name, section=self._name)
        source: DltSource = make_source(**arguments)
        remember_resolved()
        process.settled()
        return source

    def _tell(self, error: BaseException) -> int:
        process.ignore_signals()
        if type(error) is KeyboardInterrupt and self._committed is None:
            return self._interrupted()  # maybe in the midst of an import
        code = process.told(error, debug=self._options.debug, of="load")
        return self._interrupted() if code is None else code

    def _interrupted(self) -> int:
        done = outcome.committed(self._committed)
        again = "Run again"
        if self._options.full_refresh:
            begun = self._committed.resources if self._committed else {}
            how = "without" if self._selected and self._selected <= begun.keys() else "with"
            again = f"Run again {how} --full-refresh"
        outcome.failed(
            f"Interrupted. {done}",
            f"{again}: nothing is lost, and nothing comes twice.",
            of="load",
        )
        return 130


def main(arguments: Sequence[str] | None = None, prog: str = PROG) -> int:
    """Runs the command, which is called as `prog`, and returns its exit code."""
    options = parse(arguments, prog)
    process.settle()
    return outcome.run(Run(options, prog).main, quiet=options.quiet, as_json=options.json)


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
