"""A reconciliation: the tables are made what the account is, edits and deletions included.

CustomerGauge tells of neither; so records are read again, and compared with what was loaded.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Final

from dlt import Pipeline
from dlt.common.runtime import signals
from dlt.extract import DltSource

from customergauge_source.api.reread import Confirmation, Reread
from customergauge_source.dlt_bridge import stored
from customergauge_source.dlt_bridge.keeping import Keeping
from customergauge_source.exceptions import ConfigurationError, RemovalRefusedError
from customergauge_source.load.checkpoints import Load
from customergauge_source.load.explain import check_tables, told_as_ours
from customergauge_source.load.summary import LoadSummary, ReconcileSummary
from customergauge_source.reading import ResourceReader
from customergauge_source.resources.query import Query, zone
from customergauge_source.resources.resource import Resource
from customergauge_source.settings import CHECKPOINT_PAGES
from customergauge_source.tables.comparison import Comparison

logger = logging.getLogger("customergauge_source")

_FEW: Final = 100
_SHARE: Final = 0.01


def reconcile(  # noqa: PLR0913 - each is a decision of its own
    pipeline: Pipeline,
    source: DltSource,
    *,
    dry_run: bool = False,
    max_deletes: int | None = None,
    checkpoint_pages: int = CHECKPOINT_PAGES,
    views: bool | None = None,
    on_checkpoint: Callable[[LoadSummary], None] = lambda _summary: None,
) -> LoadSummary:
    """Makes the tables of the selected resources what the account is; no cursor moves.

    What the source's arguments hold is read again, a period or everything. What differs is merged,
    what was missing is added. A record in the tables that did not come is asked for; if it is gone
    from the account, it is removed with all rows below it, and noted in `deleted_…`. Resources of
    other sources are left alone. What is pending in the pipeline is loaded first; by a dry run not.

    Args:
        pipeline: Any dlt pipeline with an SQL destination, or a lake of files.
        source: `customergauge_source(…)`.
        dry_run: Tell what differs, and change nothing.
        max_deletes: Records of a resource that may be gone. More are taken for an error of the API,
            and nothing is removed. By default 100, or 1 % of what is compared if that is more.
        checkpoint_pages: Pages after which data is committed.
        views: Create or renew the views afterwards; by default as `views` is configured.
        on_checkpoint: Is told of the state of the load after each commit, in the thread that loads.

    Returns:
        What was committed, and in `reconcile` what was found.

    Raises:
        RemovalRefusedError: It cannot be trusted that what is missing is gone.
        CustomerGaugeError: Whatever else goes wrong, with dlt's error as its cause; what
            `on_checkpoint` raises comes as it is.
    """
    it = Reconciliation(
        pipeline,
        source,
        checkpoint_pages,
        max_pages=None,
        full_refresh=False,
        views=views,
        on_checkpoint=on_checkpoint,
        dry_run=dry_run,
        max_deletes=max_deletes,
    )
    return it.run_inside()


@dataclass
class Reconciliation(Load):
    """One reconciliation, in a pipeline whose working directory is empty; see `reconcile`."""

    dry_run: bool
    max_deletes: int | None

    def __post_init__(self) -> None:
        """Checks what can be checked before anything is requested."""
        super().__post_init__()
        most: object = self.max_deletes  # whatever the caller's program has put there
        if most is not None and (type(most) is not int or most < 0):
            raise ConfigurationError(f"max_deletes is {most!r}; allowed: a whole number.")
        for reader in filter(None, self._readers.values()):
            reader.check_reread()
        self._found = self._summary.reconcile = ReconcileSummary(dry_run=self.dry_run)

    @property
    def is_dry(self) -> bool:
        """Whether the pipeline and the destination stay as they are."""
        return self.dry_run

    def _begin(self) -> None:
        super()._begin()
        check_tables(self.pipeline)  # else what is dropped would seem to be as it was

    def _load(self, name: str, reader: ResourceReader | None) -> None:
        """Reconciles one resource; another source's is left alone."""
        if reader is None:
            self._is_read(name)
            return
        bounds = reader.resource.part_of(reader.query)
        with told_as_ours():
            comparison = self._compare(reader, bounds)
        with reader.in_packages(self.checkpoint_pages, reread=Reread(comparison, bounds.widened())):
            self._read(name)
        gone: Sequence[int] = ()
        if comparison.missing():
            gone = self._confirm(reader, comparison, bounds)
        self._found.add_resource(name, comparison, gone)
        if left_alone := comparison.left_alone():
            logger.warning(
                "%s: left alone: %d that did not come, and that another client id or filter, or an"
                " older release, has loaded. If they are gone, --full-refresh (full_refresh=True)"
                " begins without them.",
                name,
                left_alone,
            )
        if gone and not self.dry_run:
            self._remove(reader.resource, gone, reader.keeping(self.pipeline))

    def _confirm(
        self, reader: ResourceReader, comparison: Comparison, bounds: Query
    ) -> Sequence[int]:
        """Returns which of the records that did not come are gone."""
        most = self.max_deletes
        if most is None:
            most = max(_FEW, int(comparison.expected * _SHARE))
        confirmation = Confirmation(comparison, bounds, zone(reader.timezone), most)
        pages = self.checkpoint_pages * bounds.per_page  # of one record each
        try:
            with reader.in_packages(pages, reread=confirmation):
                self._read(reader.resource.name)
        except RemovalRefusedError as refused:
            if not self.dry_run:
                raise
            self._found.refused[reader.resource.name] = str(refused)
            return refused.gone
        return confirmation.gone

    def _remove(self, resource: Resource, gone: Sequence[int], keeping: Keeping) -> None:
        """Removes records, noted first: a kill in between leaves them to be found again.

        A history has them as they were; that they are gone is noted.
        """
        steps = [stored.note(resource, gone, datetime.now(timezone.utc), keeping)]
        if not keeping.history:
            steps.append(stored.removal(resource, gone))
        for rows in steps:
            signals.raise_if_signalled()
            with told_as_ours():
                self.pipeline.extract(rows, schema=self.pipeline.schemas[self.source.name])
            committed = self._packages.load()
            if committed is not None:
                committed.pop(resource.name, None)  # rows that remove others
            self._committed(committed)
