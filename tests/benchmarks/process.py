"""Time and memory of a process and of all that it starts (Linux)."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SECONDS_PER_SAMPLE = 0.1

_PROC = Path("/proc")
_LINES_SHOWN = 30


@dataclass(frozen=True)
class Measurement:
    """What a run cost.

    Attributes:
        seconds: From the start of the process to its end.
        peak: Bytes of memory; see `MemoryWatch`.
        started: When the process was started, by `time.monotonic`, which processes share.
    """

    seconds: float
    peak: int
    started: float


class SubjectFailedError(Exception):
    """A subject did not do what is measured."""


class MemoryWatch(threading.Thread):
    """Watches the resident memory (RSS) of a process and its descendants, summed.

    Samples are taken every `SECONDS_PER_SAMPLE`: each costs up to 2 ms of a processor, as every
    thread may have started processes. Memory that processes share counts for each of them. The
    kernel's own high-water mark of each process is looked at as well: a single process cannot
    hide a peak between two samples.

    Attributes:
        peak: The largest sum until now, in bytes.
    """

    def __init__(self, pid: int) -> None:
        """Starts to watch.

        Args:
            pid: The process.
        """
        super().__init__(name="memory-watch", daemon=True)
        self.peak = 0
        self._pid = pid
        self._done = threading.Event()
        self.start()

    def run(self) -> None:
        """Takes samples until stopped."""
        while not self._done.wait(SECONDS_PER_SAMPLE):
            sizes = [_memory(pid) for pid in _tree(self._pid)]
            highest = max((high for _, high in sizes), default=0)
            self.peak = max(self.peak, highest, sum(resident for resident, _ in sizes))

    def stop(self) -> int:
        """Ends the watch and returns the peak."""
        self._done.set()
        self.join()
        return self.peak


def measure(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Measurement:
    """Runs a command and returns what it cost.

    Args:
        command: The command.
        folder: Where it runs; what it writes goes into `output.log` there.
        environment: Its environment variables.

    Raises:
        SubjectFailedError: It ended with another code than 0.
    """
    log = folder / "output.log"
    with log.open("wb") as output:
        started = time.monotonic()
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        watch = MemoryWatch(process.pid)
        try:
            code = process.wait()
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        finally:
            seconds = time.monotonic() - started
            peak = watch.stop()
    if code != 0:
        said = log.read_text(errors="replace").splitlines()[-_LINES_SHOWN:]
        raise SubjectFailedError("\n".join([f"{command} exited with {code}:", *said]))
    return Measurement(seconds, peak, started)


def _tree(pid: int) -> Iterator[int]:
    """Yields a process and its descendants."""
    yield pid
    try:
        threads = [*_PROC.glob(f"{pid}/task/*/children")]
    except OSError:  # it has ended, between two looks of glob
        return
    for children in threads:
        try:
            pids = children.read_text().split()
        except OSError:  # it has ended
            continue
        for child in pids:
            yield from _tree(int(child))


def _memory(pid: int) -> tuple[int, int]:
    """Returns the bytes that a process has resident, now and at most so far."""
    try:
        lines = (_PROC / str(pid) / "status").read_text().splitlines()
    except OSError:  # it has ended
        return 0, 0
    fields = dict(line.split(":", 1) for line in lines)
    resident, high = (fields.get(name, "0 kB").split()[0] for name in ("VmRSS", "VmHWM"))
    return int(resident) * 1024, int(high) * 1024
