"""The views after a load: those that are wanted, and those that made way for a full refresh."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from dlt import Pipeline
from dlt.common.runtime import signals

from customergauge_source.dlt_bridge import views
from customergauge_source.exceptions import CustomerGaugeError
from customergauge_source.load.explain import told_as_ours, told_as_views
from customergauge_source.load.summary import LoadSummary

logger = logging.getLogger("customergauge_source")


@dataclass
class ViewsAfter:
    """What becomes of the views of a load.

    Attributes:
        pipeline: A pipeline whose working directory is empty.
        source: Name of the source, which is that of its schema.
        are_wanted: Whether all of them are made.
        summary: Is told which were made.
        gone: Those that made way for a full refresh, and are made again.
    """

    pipeline: Pipeline
    source: str
    are_wanted: bool
    summary: LoadSummary
    gone: list[str] = field(default_factory=list)

    def make(self) -> None:
        """Makes the views, if they are wanted or were there before a full refresh."""
        if self.source not in self.pipeline.schemas or not (self.are_wanted or self.gone):
            return  # nothing was ever loaded, or nobody wants them
        only = None if self.are_wanted else self.gone
        with told_as_ours(), told_as_views():
            made = views.renew(self.pipeline, self.source, only)
        self.summary.views, self.summary.views_left_out = made
        signals.raise_if_signalled()  # a database may have let it wait
        self.gone = []

    @contextmanager
    def put_back(self) -> Iterator[None]:
        """Makes views again that made way for a full refresh, should that fail."""
        try:
            yield
        except BaseException:
            if self.gone:
                try:
                    self.make()
                except CustomerGaugeError as error:
                    logger.warning("%s", error)
            raise
