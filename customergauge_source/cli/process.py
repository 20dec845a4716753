"""What all commands do with the process that is theirs: streams, variables, signals, logs."""

from __future__ import annotations

import atexit
import ctypes
import gc
import logging
import os
import signal
import sys
import traceback
from io import TextIOWrapper
from pathlib import Path
from typing import Final

from customergauge_source.cli import outcome
from customergauge_source.dlt_bridge.known import lacks

_STREAMS: Final = 2
"""Number of the last of the three standard streams."""
_M_ARENA_MAX: Final = -8
_M_MMAP_THRESHOLD: Final = -3
_M_TRIM_THRESHOLD: Final = -1
"""What glibc's mallopt calls the number of heaps, the size from which on a piece lies in none, and
how much of a heap may be free at its end before it is given back, both in bytes.
"""
_FOLDER: Final = "DLT_DATA_DIR"
_OF_DLT: Final = ("CREDENTIALS", "DESTINATION_TYPE", _FOLDER)
"""Variables that dlt looks at, beside those with two underscores."""


def settle() -> None:
    """Prepares the process: its streams and variables are ours to settle, as it is ours."""
    _settle_environment()
    _settle_memory()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    gc.disable()  # imports make a hundred thousand objects, and no garbage: a tenth of their time
    atexit.register(gc.freeze)  # nor is there any to look for at the end, for 0.07 s


def settled() -> None:
    """Ends the preparation: what was imported stays."""
    gc.freeze()
    gc.enable()


def _settle_environment() -> None:
    while (number := os.open(os.devnull, os.O_RDWR)) <= _STREAMS:
        pass  # or a database's file would take the number of a stream that is closed
    os.close(number)
    if sys.stdin is None:  # at a signal dlt asks whether it is a terminal
        sys.stdin = Path(os.devnull).open()  # noqa: SIM115 - as long as the process lasts
    if isinstance(sys.stdout, TextIOWrapper):  # what its encoding lacks is no reason to fail
        sys.stdout.reconfigure(errors="backslashreplace")
    # Values in the environment go before. The system's allocator gives memory back between two
    # checkpoints, Arrow's own keeps it. In turns, dlt would take the next pages before the tables
    # of the last ones are written, and keep those of a whole package: 20 to 25 MB.
    os.environ.setdefault("RUNTIME__DLTHUB_TELEMETRY", "false")
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    os.environ.setdefault("EXTRACT__NEXT_ITEM_MODE", "fifo")
    for name in [name for name, value in os.environ.items() if not value]:
        # A secret of a CI job that is not set; a password may be empty.
        if ("__" in name or name in _OF_DLT) and not name.endswith("__PASSWORD"):
            del os.environ[name]
    if folder := os.environ.get(_FOLDER):
        os.environ[_FOLDER] = str(Path(folder).expanduser())


def _settle_memory() -> None:
    """Has all threads share two heaps, and what is large stay out of them.

    Each thread would keep a heap of its own, and dlt starts threads by the dozen: 300,000 responses
    would take 20 MB more. A heap keeps what is freed below what is in use: a million take 338 MB,
    and 359 MB if pages lie in heaps. The second makes the third 128 KB, unless that is set, too;
    giving back so often takes 3 % more processor time.
    """
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(_M_ARENA_MAX, 2)
        libc.mallopt(_M_MMAP_THRESHOLD, 256 * 1024)
        libc.mallopt(_M_TRIM_THRESHOLD, 32 * 1024 * 1024)


def show_logs(*, debug: bool) -> None:
    """Shows what is logged, without secrets: ours a plain line each, dlt's in its own format."""
    from customergauge_source.secrecy import HidingFilter

    ours = logging.getLogger("customergauge_source")
    ours.addHandler(logging.StreamHandler())
    if debug:
        ours.setLevel(logging.DEBUG)
    for name in ("customergauge_source", "dlt"):
        logging.getLogger(name).addFilter(HidingFilter(tracebacks=debug))


def ignore_signals() -> None:
    """Lets no signal come between an error and what is told of it: the process ends already."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def told(error: BaseException, *, debug: bool, of: str) -> int | None:
    """Tells an error in two lines, and returns its exit code; None of an interrupt, which is none.

    Args:
        error: What ended the command.
        debug: Whether to show the traceback.
        of: The command.
    """
    if isinstance(error, ImportError) and (lines := lacks(error)):
        outcome.failed(*lines, of=of)
        return 2
    from customergauge_source.load.explain import explain, is_interrupt
    from customergauge_source.secrecy import hide

    if debug:
        outcome.to_stderr(hide("".join(traceback.format_exception(error))))
    if is_interrupt(error):
        return None
    known = explain(error)
    outcome.failed(str(known), known.remedy, of=of)
    return known.exit_code
