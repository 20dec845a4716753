"""Progress of a load: a line on stderr, now and then."""

from __future__ import annotations

import time

from dlt.common.runtime.collector_base import Collector

from customergauge_source.cli import outcome
from customergauge_source.load.summary import LoadSummary

_LINE_EVERY = 5.0
"""Seconds between two lines."""


class Progress(Collector):
    """Tells pages, records and rate while dlt works."""

    def __init__(self) -> None:
        self.step = ""
        self._started = self._told = time.monotonic()
        self._counts = {"pages": 0, "records": 0}

    def update(self, name: str, inc: int = 1, *_: object, **__: object) -> None:
        """Counts what the source reports."""
        if name in self._counts:
            self._counts[name] += inc
            self._tell_now_and_then("reading")

    def committed(self, summary: LoadSummary) -> None:
        """Tells that a checkpoint is committed, and what is in it and those before."""
        loaded = summary.resources.values()
        if records := sum(it.records for it in loaded):
            pages = sum(it.pages for it in loaded)
            self._tell(f"checkpoint {summary.checkpoints} committed", pages, records)

    def _start(self, step: str) -> None:
        self.step = step
        if step.startswith("Load"):
            self._tell_now_and_then("loading")

    def _stop(self) -> None:
        self.step = ""

    def _tell_now_and_then(self, doing: str) -> None:
        if time.monotonic() - self._told >= _LINE_EVERY:
            self._tell(doing, *self._counts.values())

    def _tell(self, doing: str, pages: int, records: int) -> None:
        self._told = time.monotonic()
        rate = records / max(self._told - self._started, 0.001)
        outcome.to_stderr(f"{doing}: {pages:,} pages, {records:,} records, {rate:,.0f}/s\n")
