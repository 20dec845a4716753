"""One resource, read: from where its state stands, page by page, into tables."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any, Final

import dlt
from dlt.extract import DltResource

from customergauge_source.api.client import CustomerGaugeClient
from customergauge_source.api.page import ObjectDecoder, Page, RowDecoder
from customergauge_source.api.read_ahead import Feed
from customergauge_source.dlt_bridge import extraction, memory
from customergauge_source.dlt_bridge.catalog import reader_maker
from customergauge_source.dlt_bridge.steps import check_pipeline, check_steps
from customergauge_source.dlt_bridge.tables_step import TablesStep, of_resource
from customergauge_source.exceptions import (
    ApiError,
    ConfigurationError,
    CustomerGaugeError,
    TokenRefusedError,
)
from customergauge_source.resources.positions import Position
from customergauge_source.resources.query import Query, zone
from customergauge_source.resources.resource import Resource

logger = logging.getLogger("customergauge_source")

PAGES_PER_ITEM: Final = 10
"""Pages that are handed to dlt together, if they are there already."""
_ZONE: Final = "timezone"
"""Key of a resource's state: the zone that its tables' timestamps were read in."""


class ResourceReader:
    """Reads one resource, in each extraction that it takes part in.

    Args:
        resource: The resource.
        connect: Opens a client, which is told how to decode pages.
        client_id: Whose records are read.
        query: What to ask for; the resource takes its part of it.
        timezone: IANA zone of the API's timestamps.
        unknown_fields: "evolve", "ignore" or "fail".
    """

    def __init__(  # noqa: PLR0913 - each is a setting of its own
        self,
        resource: Resource,
        connect: Callable[[ObjectDecoder], CustomerGaugeClient],
        *,
        client_id: str,
        query: Query,
        timezone: str,
        unknown_fields: str,
    ) -> None:
        self._resource = resource
        self._connect = connect
        self._client_id = client_id
        self._query = query
        self._zone = timezone
        self._unknown_fields = unknown_fields
        self._step = TablesStep(resource, self)
        # How load packages are cut, and the feed that is read on between them: see `in_packages`.
        self._package_pages: int | None = None
        self._max_pages: int | None = None
        self._feed: Feed | None = None

    @staticmethod
    def of(resource: DltResource) -> ResourceReader | None:
        """Returns what reads a resource; None if it is another source's."""
        step = of_resource(resource)
        return step.owner if step is not None and isinstance(step.owner, ResourceReader) else None

    def as_dlt_resource(self, *, selected: bool) -> DltResource:
        """Returns the resource for a dlt source.

        It yields one item for each page where `add_limit` counts them. With a step of the
        user's on it (`add_map`, `add_filter`) the item is the list of the page's records, in the
        documented shape; otherwise it is a tuple of the rows, in Arrow, of the pages that are
        there. The last step turns either into tables.
        """

        @dlt.resource(
            name=self._resource.name,
            write_disposition="merge",
            primary_key=self._resource.key,
            selected=selected,
        )
        def read() -> Iterator[Any]:
            with nullcontext() if self._package_pages else self.in_packages():
                yield from self._read()

        resource: DltResource = read()
        return resource.add_step(self._step)

    @contextmanager
    def in_packages(self, pages: int | None = None, max_pages: int | None = None) -> Iterator[None]:
        """Cuts load packages, and reads on between them.

        Args:
            pages: Pages that go into one package; None for one package of all.
            max_pages: Pages that are read in all.
        """
        self._package_pages, self._max_pages = pages, max_pages
        try:
            yield
        finally:
            if self._feed is not None:
                self._feed.close()
            self._package_pages = self._max_pages = self._feed = None

    def check(self) -> None:
        """Reads one page, and loads nothing.

        Raises:
            CustomerGaugeError: It could not be read.
        """
        try:
            with self.in_packages(1, max_pages=1):
                for _ in self.as_dlt_resource(selected=True):
                    pass
        except (ApiError, TokenRefusedError) as error:
            error.of(self._resource.name)
            raise

    def check_query(self, *, full_refresh: bool = False) -> None:
        """Checks that the resource takes the query, and loads again what a full refresh drops.

        Raises:
            ConfigurationError: It does not.
        """
        self._resource.part_of(self._query)
        if full_refresh and self._query.is_one_off:
            raise ConfigurationError(
                f"A full refresh would drop all of {self._resource.name}, and load those of the"
                " period, or the one record, alone.",
                "Set either a full refresh, or a period or number_customergauge.",
            )

    def _read(self) -> Iterator[Any]:
        """Yields the pages of one load package."""
        name = self._resource.name
        self.check_query(full_refresh=extraction.drops_data())
        check_pipeline(name)
        steps = check_steps(name, in_packages=self._package_pages is not None)
        if 0 in steps.limits:
            return
        state = dlt.current.resource_state()
        self.check_zone(state)
        query = self._resource.part_of(self._query)
        position = self._position(state, query)
        schema = dlt.current.source_schema()
        clock, mode = zone(self._zone), self._unknown_fields
        make_reader = reader_maker(schema, self._resource, clock, mode)
        self._step.begin(schema, make_reader)
        counts = extraction.metrics()
        counts |= {"pages": 0, "rejected": 0, "cursor": position.told, "caught_up": False}
        if self._feed is None:
            decoder = ObjectDecoder(self._resource)
            if not steps.see_records:
                decoder = RowDecoder(self._resource, make_reader)
            client = self._connect(decoder)
            params = {**query.params(), **position.params}
            ask = partial(client.pages, self._resource.path, params)
            self._feed = Feed(ask, client.abandon, self._max_pages)
        feed = self._feed
        at_once = 1 if steps.see_records or steps.limits else PAGES_PER_ITEM
        for pages in self._pages(feed, position, counts, at_once):
            # Ahead of the yield: behind it a limit would not let the cursor move.
            position.move(pages[-1].cursor)
            state[_ZONE] = self._zone
            memory.note_carrier(state, extraction.load_id())
            counts["cursor"] = position.told
            counts["pages"] += len(pages)
            extraction.collector().update("pages", inc=len(pages))
            for page in pages:
                counts["rejected"] += len(page.rejected)
                self._step.rejected += page.rejected
                extraction.collector().update("records", inc=len(page.data))
            data = tuple(page.data for page in pages)
            yield data[0] if steps.see_records else data
        if feed.is_at_end:
            position.end()
            counts |= {"cursor": position.told, "caught_up": True}
        if self._step.rejected or (feed.is_at_end and self._step.to_materialize):
            yield []

    def _pages(
        self, feed: Feed, position: Position, counts: Mapping[str, Any], at_once: int
    ) -> Iterator[list[Page]]:
        """Yields the pages that go into the load package.

        What came before an error is committed first; the next package will meet the error.
        """
        limit = self._package_pages

        def room() -> int:
            return at_once if limit is None else min(at_once, limit - counts["pages"])

        try:
            for pages in feed.pages(position.cursor if position.is_kept else feed.position, room):
                yield pages
                if counts["pages"] == limit:
                    break
        except CustomerGaugeError:
            if limit is None or not counts["pages"]:
                raise

    def _position(self, state: dict[str, Any], query: Query) -> Position:
        position = self._resource.position(state, self._client_id, query)
        if self._feed is None:  # the first package of a run
            position.warn()
            if query.outbound_filter != self._query.outbound_filter:
                logger.warning(
                    "%s takes no outbound_filter; it is read whole.", self._resource.name
                )
        return position

    def check_zone(self, state: Mapping[str, Any]) -> None:
        """Checks that no table gets timestamps that were read by two clocks.

        Raises:
            ConfigurationError: The tables were loaded under another zone, says the state.
        """
        before = state.get(_ZONE, self._zone)
        if before != self._zone:
            raise ConfigurationError(
                f"timezone is {self._zone}, but {self._resource.name} was loaded with {before}: its"
                " timestamps would be those of two clocks.",
                f"Set timezone to {before}; or load everything again with --full-refresh"
                " (full_refresh=True).",
            )
