"""The real command without its two seconds of imports: forked off a process that has done them.

Each run is a process of its own, in which `load.py` runs as the main program: with its own
environment, working directory, streams and signals.
"""

from __future__ import annotations

import gc
import json
import os
import runpy
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from pkgutil import walk_packages
from typing import Any

import customergauge_source
from customergauge_source.report.page import render
from customergauge_source.sandbox import Sandbox
from tests.fake_report import one_month
from tests.killed_at import KILL_AT, kill_at
from tests.scripted import Scripted
from tests.support import LOAD, REPORT, ROOT, Finished, environment

Service = Sandbox | Scripted
_PRELOADED = (
    "dlt._workspace.cli._plugins",
    "dlt.common.libs.pyarrow",
    "dlt.common.libs.sql_alchemy_compat",
    "dlt.destinations.impl.duckdb.duck",
    "dlt.destinations.impl.duckdb.factory",
    "dlt.sources.helpers.requests",
    "pendulum.locales.en.locale",
    "pyarrow.json",
    "pyarrow.parquet",
    "sqlglot.dialects.duckdb",
    *(it.name for it in walk_packages(customergauge_source.__path__, "customergauge_source.")),
)
"""What runs import: each of them would take a quarter of a second for what is not here."""
_HOLD = "import sys, duckdb; held = duckdb.connect(sys.argv[1]); print(); input()"


@dataclass
class Running:
    """A run of the command that is under way."""

    pid: int
    folder: Path
    _answer: Callable[[], str]
    ended: bool = False

    def finish(self) -> Finished:
        """Waits for the end."""
        code = int(self._answer())
        self.ended = True
        out, err = (Path(self.folder, name).read_text("utf-8") for name in ("stdout", "stderr"))
        return Finished(code, out, err)

    def errors(self) -> str:
        """Returns what was written to stderr until now."""
        file = self.folder / "stderr"
        return file.read_text("utf-8") if file.exists() else ""

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal; one that comes after the end does nothing."""
        os.kill(self.pid, number)


class Command:
    """Runs the command in one folder, against one sandbox at a time.

    Args:
        server: What forks; see `start_server`.
        folder: Where it runs, and where its streams go.

    Attributes:
        program: What runs; another one than the command may be set.
    """

    def __init__(self, server: subprocess.Popen[str], folder: Path) -> None:
        self._server = server
        self._last: Running | None = None
        self.program = LOAD
        self.folder = folder
        self.file = folder / "customergauge.duckdb"

    def start(self, sandbox: Service | None, *options: str, **env: str) -> Running:
        """Starts a run."""
        self.folder.mkdir(exist_ok=True)
        for stream in ("stdout", "stderr"):
            (self.folder / stream).unlink(missing_ok=True)
        order = {
            "folder": str(self.folder),
            "argv": [str(self.program), *options],
            "env": environment(self.folder, sandbox, **env),
        }
        assert self._server.stdin is not None
        self._server.stdin.write(f"{json.dumps(order)}\n")
        self._server.stdin.flush()
        self._last = Running(int(self._read()), self.folder, self._read)
        return self._last

    def stop(self) -> None:
        """Ends what a failed test left running."""
        if self._last is not None and not self._last.ended:
            self._last.signal(signal.SIGKILL)
            self._last.finish()

    def __call__(self, sandbox: Service | None, *options: str, **env: str) -> Finished:
        """Runs to the end."""
        return self.start(sandbox, *options, **env).finish()

    def _read(self) -> str:
        assert self._server.stdout is not None
        return self._server.stdout.readline()


def start_server(folder: Path) -> subprocess.Popen[str]:
    """Starts the process that runs are forked off."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.command"],
        cwd=folder,
        env=environment(folder) | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def until(condition: Callable[[], Any], seconds: float = 60.0) -> None:
    """Waits until something is so.

    Raises:
        TimeoutError: It did not become so.
    """
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.005)


@contextmanager
def held_open(file: Path) -> Iterator[int]:
    """Lets another process hold a DuckDB file open; yields its id."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid


def _bundle_charts() -> None:
    """Makes the JavaScript of a report's charts, for which each run would take two seconds."""
    render(one_month())


def _serve() -> None:
    for name in _PRELOADED:
        __import__(name)
    gc.freeze()  # the runs that are forked off need not look through all of it
    pid = 0
    for line in sys.stdin:
        order = json.loads(line)
        if Path(order["argv"][0]) == REPORT:
            _bundle_charts()
        if pid:
            os.waitpid(pid, 0)
        pid = os.fork()
        if not pid:
            os.close(0)
            _run(order)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()
        # It keeps its id until the next one starts: a signal that comes late must hit no other.
        end = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert end is not None
        sys.stdout.write(f"{end.si_status if end.si_code == os.CLD_EXITED else -end.si_status}\n")
        sys.stdout.flush()


def _run(order: dict[str, Any]) -> None:
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["env"])
    for stream, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
    sys.argv = order["argv"]
    if moment := os.environ.pop(KILL_AT, None):
        kill_at(moment)
    code = 1
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 - as an interpreter ends
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve()
