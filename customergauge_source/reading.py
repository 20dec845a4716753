"""One resource, read: from where its state stands, page by page, into tables."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import dlt
from dlt import Pipeline
from dlt.extract import DltResource

from customergauge_source.api.client import CustomerGaugeClient
from customergauge_source.api.packaged_feed import PackagedFeed
from customergauge_source.api.page import Decoder, Page
from customergauge_source.api.reread import Confirmation, Reread
from customergauge_source.dlt_bridge import extraction, memory, settings, whole_files
from customergauge_source.dlt_bridge.catalog import reader_maker
from customergauge_source.dlt_bridge.keeping import Keeping, decide
from customergauge_source.dlt_bridge.refusals import Steps, check_pipeline, check_steps
from customergauge_source.dlt_bridge.tables_step import TablesStep
from customergauge_source.dlt_bridge.terms import Terms
from customergauge_source.exceptions import ApiError, ConfigurationError, TokenRefusedError
from customergauge_source.resources.positions import Position, scope_of
from customergauge_source.resources.privacy import Privacy
from customergauge_source.resources.query import Query, zone
from customergauge_source.resources.resource import Resource

if TYPE_CHECKING:  # only a run that has something to load pays for Arrow
    from customergauge_source.tables.comparison import Comparison

logger = logging.getLogger("customergauge_source")

PAGES_PER_ITEM: Final = 10
"""Pages that are handed to dlt together, if they come fast enough: each item costs it some ms."""


@dataclass(eq=False)
class ResourceReader:
    """Reads one resource, in each extraction that it takes part in.

    Attributes:
        connect: Opens a client, which is told how to decode pages.
        query: What to ask for; the resource takes its part of it.
        history: Whether every version of a record is kept; None if the destination decides.
        table_format: Format of the tables, as dlt calls it; None for the destination's own.
    """

    resource: Resource
    connect: Callable[[Decoder], CustomerGaugeClient]
    client_id: str
    query: Query
    timezone: str
    unknown_fields: str
    privacy: Privacy | None = None
    history: bool | None = None
    table_format: str | None = None

    def __post_init__(self) -> None:
        """Makes the last step of the resource's pipe."""
        self._step = TablesStep(self.resource, self)
        self._policy = self.privacy.of(self.resource) if self.privacy else None
        self._packaged: PackagedFeed | None = None

    def as_dlt_resource(self, *, selected: bool) -> DltResource:
        """Returns the resource for a dlt source.

        It yields one item for each page where `add_limit` counts them. With a step of the
        user's on it (`add_map`, `add_filter`) the item is the list of the page's records, in the
        documented shape; otherwise it is a tuple of the rows, in Arrow, of the pages that are
        there, joined as far as they have the same fields. The last step turns either into tables.
        """

        @dlt.resource(
            name=self.resource.name,
            write_disposition="merge",
            primary_key=self.resource.key,
            selected=selected,
        )
        def read() -> Iterator[Any]:
            try:
                known = self._packaged
                with nullcontext(known) if known else self.in_packages() as packaged:
                    yield from self._read(packaged)
            except (ApiError, TokenRefusedError) as error:
                error.of(self.resource.name)
                raise

        resource: DltResource = read()
        return resource.add_step(self._step)

    @contextmanager
    def in_packages(
        self,
        pages: int | None = None,
        max_pages: int | None = None,
        reread: Reread | Confirmation | None = None,
        comparison: Comparison | None = None,
    ) -> Iterator[PackagedFeed]:
        """Cuts load packages, and reads on between them.

        Args:
            pages: Pages that go into one package; None for one package of all.
            max_pages: Pages that are read in all.
            reread: What is read once more, in place of what comes behind the cursor; of it is
                loaded what differs from the tables.
            comparison: What the tables say, if only what differs is loaded of what comes.
        """
        self._packaged = packaged = PackagedFeed(self.resource, pages, max_pages, reread)
        self._step.comparison = reread.comparison if reread else comparison
        self._step.is_resumed = pages is None  # else its working directory is ours alone
        try:
            yield packaged
        finally:
            packaged.close()
            self._packaged = self._step.comparison = None

    def stop(self) -> None:
        """Ends what is read, as if the pages of this load package were all; for other threads."""
        if (packaged := self._packaged) is not None:
            packaged.close()

    def sign_in(self) -> int:
        """Gets a token; returns for how many seconds it was granted."""
        return self._client().sign_in()

    def heed(self, resource: DltResource | None) -> None:
        """Takes what is hinted of how the resource is kept, where nothing is set."""
        hinted: Any = resource.table_format if resource is not None else None
        if isinstance(hinted, str) and hinted != "native":
            self.table_format = self.table_format or hinted

    @property
    def url(self) -> str:
        """Scheme and host of the API."""
        return self._client().base_url

    def check(self) -> int:
        """Reads a page of one record, and loads nothing; returns how many records came."""
        alone = replace(self, query=replace(self.query, per_page=1))
        with alone.in_packages(1, max_pages=1):
            for _ in alone.as_dlt_resource(selected=True):
                pass
        return int(alone._step.custom_metrics["records"])  # noqa: SLF001 - another of the same

    def cursor_in(self, state: Mapping[str, Any]) -> int | str | None:
        """Returns where the next run goes on, by the resource's state."""
        query = self.resource.part_of(self.query)
        return self.resource.position(deepcopy({**state}), self.client_id, query).told

    def check_query(self, *, full_refresh: bool = False) -> None:
        """Checks that the resource takes the query, and loads again what a full refresh drops."""
        self.resource.part_of(self.query)
        if full_refresh and self.query.is_one_off:
            raise ConfigurationError(
                f"A full refresh would drop all of {self.resource.name}, and load those of the"
                " period, or the one record, alone.",
                "Set either a full refresh, or a period or number_customergauge.",
            )

    def check_reread(self) -> None:
        """Checks that what was loaded of a period can be found in the table."""
        day = self.query.period_field
        if day is not None and self._policy and self._policy.treatment(day) is not None:
            raise ConfigurationError(
                f"privacy drops {day}, by which the records of the period would be found.",
                "Reconcile a period of another date, or everything.",
            )

    def _read(self, packaged: PackagedFeed) -> Iterator[Any]:
        """Yields the pages of one load package."""
        terms, steps = self._checked(packaged)
        if 0 in steps.limits:
            return
        state = dlt.current.resource_state()
        terms.check(state, dlt.current.source_schema())
        query, position = packaged.begin(state, self.client_id, self.query)
        clock, policy = zone(self.timezone), self._policy
        make_reader = reader_maker(self.resource, clock, self.unknown_fields, policy)
        is_new = self._step.begin(make_reader, position.scope, terms.keeping)
        counts = extraction.metrics()
        counts |= {"pages": 0, "rejected": 0, "cursor": position.told, "caught_up": False}
        if not packaged.is_begun and not isinstance(packaged.reread, Confirmation):
            self._warn(query, position)
            terms.warn(state)

        def connect() -> CustomerGaugeClient:
            rows = None if steps.see_records else make_reader
            how = (self.resource, rows, policy)
            return self.connect(Decoder(*how, all_versions=terms.keeping.history))

        feed = packaged.opened(connect, query, position, make_reader)
        collector = extraction.collector()
        after = position.cursor if position.is_kept else feed.position
        at_once = 1 if steps.see_records or steps.limits else PAGES_PER_ITEM
        for pages in feed.pages(after, at_once, packaged.package_pages):
            # Ahead of the yield: behind it a limit would not let the cursor move.
            position.move(pages[-1].cursor)
            terms.note(state)
            # What is reread leaves a state as it was.
            memory.note_carrier(state, "" if packaged.reread else extraction.load_id())
            counts["cursor"] = position.told
            counts["pages"] += len(pages)
            collector.update("pages", inc=len(pages))
            rejected = [(page.cursor, entry) for page in pages for entry in page.rejected]
            counts["rejected"] += len(rejected)
            self._step.rejected += rejected
            collector.update("records", inc=sum(len(page.data) for page in pages))
            yield from _items(pages, are_records=steps.see_records)
        if feed.is_at_end:
            position.end()
            counts |= {"cursor": position.told, "caught_up": True}
            self._step.is_at_end = True
        if counts["rejected"] or (feed.is_at_end and (is_new or self._step.keeps_back)):
            yield []  # there was no page, none that a filter let pass, or rows were kept back

    def _checked(self, packaged: PackagedFeed) -> tuple[Terms, Steps]:
        """Returns the terms of a load package, and what follows the resource, if both will do."""
        self.check_query(full_refresh=extraction.drops_data())
        self.heed(extraction.current_resource())
        pipeline = extraction.active_pipeline()
        terms = self.terms(pipeline)
        check_pipeline(self.resource, terms.keeping)
        whole_files.use(pipeline)
        settings.empty_staging(is_used=not terms.keeping.history)
        in_packages = packaged.package_pages is not None
        return terms, check_steps(self.resource.name, in_packages=in_packages)

    def _warn(self, query: Query, position: Position) -> None:
        """Warns of what a feed leaves out or brings again."""
        position.warn()
        if query.outbound_filter != self.query.outbound_filter:
            logger.warning("%s takes no outbound_filter; it is read whole.", self.resource.name)

    def _client(self) -> CustomerGaugeClient:
        return self.connect(Decoder(self.resource, None, self._policy))

    def scope(self, query: Query) -> str:
        """Returns what the records of a query are loaded with: the credential and the filter."""
        return scope_of(self.client_id, query)

    def keeping(self, pipeline: Pipeline | None) -> Keeping:
        """Returns how records are kept in a pipeline's destination.

        Raises:
            ConfigurationError: They cannot be kept there as it is set.
        """
        return decide(pipeline, history=self.history, table_format=self.table_format)

    def terms(self, pipeline: Pipeline | None) -> Terms:
        """Returns on which terms records are loaded by a pipeline.

        Raises:
            ConfigurationError: They cannot be kept at its destination as it is set.
        """
        return Terms(self.resource, self.timezone, self._policy, self.keeping(pipeline))


def _items(pages: list[Page], *, are_records: bool) -> Iterator[Any]:
    """Yields what goes into dlt's pipe: the records of each page, or the rows of all, joined.

    The pages are let go: they would be in memory twice until the tables of an item are written.
    """
    data = [page.data for page in pages if not page.is_empty]
    pages.clear()
    if are_records:
        yield from data
    elif data:
        from customergauge_source.tables.build import join  # noqa: PLC0415 - see above

        item = tuple(join(data))
        data.clear()
        yield item
