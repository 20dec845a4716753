"""Progress of a load: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from dlt.common.runtime.collector_base import Collector

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

_LINE_EVERY = 5.0
"""Seconds between two plain lines."""


class Progress(Collector):
    """Tells pages, responses and rate while dlt works, on stderr."""

    def __init__(self) -> None:
        self.step = ""
        self._started = self._told = time.monotonic()
        self._pages = 0
        self._responses = 0
        self._bar: Bar | None = _make_bar() if sys.stderr.isatty() else None
        self._task = self._bar.add_task("starting", total=None) if self._bar else None

    def update(  # noqa: PLR0913, PLR0917 - the signature is dlt's
        self,
        name: str,
        inc: int = 1,
        total: int | None = None,  # noqa: ARG002 - dlt's signature
        inc_total: int | None = None,  # noqa: ARG002
        message: str | None = None,  # noqa: ARG002
        label: str | None = None,  # noqa: ARG002
    ) -> None:
        """Counts what dlt and the source report."""
        if not self.step.startswith("Extract"):
            return
        if name == "pages":
            self._pages += inc
        elif name == "responses":
            self._responses += inc
            self._tell("reading")

    def close(self) -> None:
        """Takes the bar away."""
        if self._bar is not None:
            self._bar.stop()

    def committed(self, checkpoints: int) -> None:
        """Tells that a checkpoint is committed."""
        if self._responses:
            self._tell(f"checkpoint {checkpoints} committed", at_once=True)

    def _start(self, step: str) -> None:
        self.step = step
        if step.startswith("Load"):
            self._tell("loading")

    def _stop(self) -> None:
        self.step = ""

    def _tell(self, doing: str, *, at_once: bool = False) -> None:
        now = time.monotonic()
        rate = self._responses / max(now - self._started, 0.001)
        line = f"{doing}: {self._pages:,} pages, {self._responses:,} responses, {rate:,.0f}/s"
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, description=line)
        elif at_once or now - self._told >= _LINE_EVERY:
            self._told = now
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()


def _make_bar() -> Bar:
    from rich.console import Console
    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    bar = Bar(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    bar.start()
    return bar
