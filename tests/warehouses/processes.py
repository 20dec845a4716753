"""Run a server as a process of its own: a free port, a bounded wait, a sure end."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_START_SECONDS = 60.0
_STOP_SECONDS = 5.0
_LOG_CHARACTERS = 3000


class ServerStartError(RuntimeError):
    """A server ended, or did not listen in time."""


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(
    command: Sequence[str],
    *,
    port: int,
    log: Path,
    env: Mapping[str, str] | None = None,
    stop: signal.Signals = signal.SIGTERM,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the block ends.

    Args:
        command: What to run.
        port: The port that the server listens on once it is ready.
        log: File that takes its output.
        env: Environment variables besides the present ones.
        stop: The signal that asks the server to end; after five seconds it is killed.

    Yields:
        The process, listening.

    Raises:
        ServerStartError: It ended or did not listen within a minute; the message holds the end
            of its output.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*_ending_with_us(stop), *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=_clean_environment() | dict(env or {}),
            cwd=log.parent,
            # A group of its own, so that its children end with it.
            start_new_session=True,
        )
        try:
            _wait_for(process, port=port, log=log)
            yield process
        finally:
            _stop(process, stop)


def _ending_with_us(stop: signal.Signals) -> list[str]:
    """Return what to put before a command so that it ends even if this process is killed.

    A test run that is killed, or stopped by its time limit, runs no clean-up. Only Linux offers
    this; elsewhere such a run leaves its servers behind.
    """
    setpriv = shutil.which("setpriv")
    return [setpriv, f"--pdeathsig={stop.name.removeprefix('SIG')}", "--"] if setpriv else []


def _clean_environment() -> dict[str, str]:
    """Return the present environment without what would leak our packages into the server."""
    return {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}


def _wait_for(process: subprocess.Popen[bytes], *, port: int, log: Path) -> None:
    """Wait until the process listens on its port."""
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if _listens(port):
            return
        time.sleep(0.05)
    problem = (
        f"did not listen on port {port} within {_START_SECONDS:.0f} s"
        if process.returncode is None
        else f"ended with exit code {process.returncode}"
    )
    tail = log.read_text(encoding="utf-8", errors="replace")[-_LOG_CHARACTERS:]
    raise ServerStartError(f"{process.args!r} {problem}:\n{tail}")


def _listens(port: int) -> bool:
    """Tell whether anything takes connections on a port of the loopback interface."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _stop(process: subprocess.Popen[bytes], request: signal.Signals) -> None:
    """End the process and its children, by force if a polite request does not do."""
    for sign in (request, signal.SIGKILL):
        try:
            os.killpg(process.pid, sign)
        except ProcessLookupError:
            break
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            continue
    process.wait(_STOP_SECONDS)
