"""A Dagster instance in a folder, with the file as a user copies it, set up as the docs say."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from dagster import DagsterEvent, DagsterInstance, Definitions
from dagster._core.code_pointer import load_python_file

from customergauge_source.sandbox import Sandbox
from tests.support import ROOT

FILE = ROOT / "pipelines" / "dagster_definitions.py"
DOCS = ROOT / "docs" / "orchestrators.md"
LOAD, RECONCILE = "customergauge_load", "customergauge_reconcile"
_commands: Callable[[], Any] = import_module("dagster._cli").create_dagster_cli
_IMPATIENT = ("max_retries=4, delay=60", "max_retries=2, delay=0.1")


class Deployment:
    """A code location and an instance."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.home.mkdir()
        said = DOCS.read_text("utf-8").split("\n## Dagster\n")[1]
        (settings,) = re.findall(r"```yaml\n(.*?)```", said.split("\n## ")[0], re.DOTALL)
        (self.home / "dagster.yaml").write_text(settings, "utf-8")
        self.file = folder / f"copy_{folder.name}.py"
        self.file.write_text(FILE.read_text("utf-8"), "utf-8")
        self.change(*_IMPATIENT)
        self.instance = DagsterInstance.from_config(str(self.home))

    def change(self, usual: str, changed: str) -> None:
        """Changes something in the copy, before it is used."""
        text = self.file.read_text("utf-8")
        assert text.count(usual) == 1
        self.file.write_text(text.replace(usual, changed), "utf-8")

    @property
    def definitions(self) -> Definitions:
        """What the file defines."""
        definitions: Definitions = load_python_file(str(self.file), None).defs
        return definitions

    def command(self, *arguments: str) -> str:
        """Runs a command of Dagster to its end, in this process; returns what it says."""
        done = CliRunner().invoke(_commands(), arguments, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return str(done.output)

    def execute(self, job: str) -> str:
        """Runs a job by Dagster's command, each step in a process of its own; returns its id."""
        self.command("job", "execute", "-f", str(self.file), "-j", job)
        return self.newest(job)

    def here(self, job: str) -> str:
        """Runs a job in this process, whether it succeeds or not; returns its id."""
        it = self.definitions.resolve_job_def(job)
        it.execute_in_process(instance=self.instance, raise_on_error=False)
        return self.newest(job)

    def newest(self, job: str) -> str:
        """Returns the id of the run of a job that began last."""
        runs = self.instance.get_runs()  # the newest first
        return next(str(it.run_id) for it in runs if it.job_name == job)

    def events(self, run: str, *kinds: str) -> list[DagsterEvent]:
        """Returns the events of a run, of some kinds."""
        events = [it.dagster_event for it in self.instance.all_logs(run)]
        return [it for it in events if it is not None and it.event_type_value in kinds]

    def tries(self, run: str) -> list[str]:
        """Returns how a run's tries ended, in their order."""
        shown = ("STEP_UP_FOR_RETRY", "STEP_SUCCESS", "STEP_FAILURE")
        return [it.event_type_value for it in self.events(run, *shown)]

    def metadata(self, run: str) -> dict[str, dict[str, Any]]:
        """Returns the metadata of the materializations of a run, by the names of the assets."""
        return {
            str(it.asset_key and it.asset_key.to_user_string()): {
                name: value.value for name, value in it.materialization.metadata.items()
            }
            for it in self.events(run, "ASSET_MATERIALIZATION")
        }

    def failure(self, run: str) -> tuple[str, dict[str, Any]]:
        """Returns the description and the metadata of the failure of a run."""
        (event,) = self.events(run, "STEP_FAILURE")
        failed = event.step_failure_data.user_failure_data
        assert failed is not None
        assert failed.description is not None
        return failed.description, {name: it.value for name, it in failed.metadata.items()}

    def has_committed(self, run: str) -> bool:
        """Says whether a run has told of a package that it committed."""
        return any("packages are committed" in it.message for it in self.instance.all_logs(run))

    def span(self, run: str) -> tuple[float, float]:
        """Returns when a run began and when it ended."""
        record = self.instance.get_run_record_by_id(run)
        assert record is not None
        assert record.start_time is not None
        assert record.end_time is not None
        return record.start_time, record.end_time

    def status(self, run: str) -> str:
        """Returns how a run stands."""
        it = self.instance.get_run_by_id(run)
        assert it is not None
        return str(it.status.value)

    def holding(self, texts: list[str]) -> list[str]:
        """Returns which files of the instance hold one of some texts."""
        files = [file for file in self.home.rglob("*") if file.is_file()]
        wanted = [text.encode() for text in texts]
        return [it.name for it in files if any(text in it.read_bytes() for text in wanted)]

    @contextmanager
    def daemon(self) -> Iterator[None]:
        """Runs Dagster's daemon and the code server that it starts runs with."""
        socket = str(self.home / "socket")
        server = ["-m", "dagster", "api", "grpc", "--socket", socket, "-f", str(self.file)]
        daemon = ["-m", "dagster._daemon", "run", "--grpc-socket", socket]
        with (self.home.parent / "daemon.log").open("w") as log:
            started = [subprocess.Popen([sys.executable, *server], stdout=log, stderr=log)]
            try:
                wait_until(Path(socket).exists)
                started.append(subprocess.Popen([sys.executable, *daemon], stdout=log, stderr=log))
                yield
            finally:
                for process in reversed(started):
                    process.kill()  # when asked to end, a code server waits as long as it likes
                    process.wait(30)

    def launch(self, job: str) -> str:
        """Puts a run of a job into the daemon's queue; returns its id."""
        place = str(self.home / "socket")
        self.command("job", "launch", "--grpc-socket", place, "-j", job)
        return self.newest(job)


def wait_until(condition: Callable[[], bool], seconds: float = 300.0) -> None:
    """Waits until something is so, and leaves the processor to those who make it so."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not become so"
        time.sleep(0.1)


def environment(folder: Path, sandbox: Sandbox) -> dict[str, str]:
    """Returns what the deployment sets."""
    return {
        "DAGSTER_HOME": str(folder / "home"),
        "DAGSTER_DISABLE_TELEMETRY": "yes",
        "DESTINATION__DUCKDB__CREDENTIALS": str(folder / "customergauge.duckdb"),
        "SOURCES__CUSTOMERGAUGE__API_URL": sandbox.url,
        "SOURCES__CUSTOMERGAUGE__AUTH_URL": sandbox.url,
        "SOURCES__CUSTOMERGAUGE__CREDENTIALS__CLIENT_ID": sandbox.client_id,
        "SOURCES__CUSTOMERGAUGE__CREDENTIALS__CLIENT_SECRET": sandbox.client_secret,
    }
