"""How one resource is read in one run: from where on, and in parts for load packages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from customergauge_source.api.client import CustomerGaugeClient
from customergauge_source.api.page import Page
from customergauge_source.api.read_ahead import Feed
from customergauge_source.api.reread import Confirmation, Reread
from customergauge_source.resources.positions import Position
from customergauge_source.resources.query import Query
from customergauge_source.resources.resource import Resource

if TYPE_CHECKING:  # only a run that has something to load pays for Arrow
    from customergauge_source.tables.read import Reader


@dataclass(eq=False)
class PackagedFeed:
    """A feed that is read on between the load packages that its pages go into.

    Attributes:
        resource: What is read.
        package_pages: How many pages go into one package; None for one package of all.
        max_pages: How many are read in all; None for all that there are.
        reread: What is read once more, in place of what comes behind the cursor.
    """

    resource: Resource
    package_pages: int | None = None
    max_pages: int | None = None
    reread: Reread | Confirmation | None = None

    def __post_init__(self) -> None:
        """Begins without a feed."""
        self._feed: Feed | None = None

    @property
    def is_begun(self) -> bool:
        """Whether a package has opened it."""
        return self._feed is not None

    def begin(
        self, state: MutableMapping[str, Any], client_id: str, asked: Query
    ) -> tuple[Query, Position]:
        """Returns what a package asks for, and from where on.

        Args:
            state: The resource's state; a reread leaves it as it is.
            client_id: With which credential.
            asked: What the source is asked for; the resource takes its part of it.
        """
        if (reread := self.reread) is not None:
            return reread.query, Position(state, client_id, reread.query, is_kept=False)
        query = self.resource.part_of(asked)
        return query, self.resource.position(state, client_id, query)

    def opened(
        self,
        connect: Callable[[], CustomerGaugeClient],
        query: Query,
        position: Position,
        make_reader: Callable[[], Reader],
    ) -> Feed:
        """Returns the feed, which the first package opens."""
        if self._feed is None:
            client, reread, most = connect(), self.reread, self.max_pages
            params = {**query.params(), **position.params}

            def read(cursor: int | None) -> Iterator[Page]:
                if reread is not None:
                    return reread.pages(client, self.resource, make_reader)
                return client.pages(self.resource.path, params, cursor, most)

            self._feed = Feed(read, client.abandon, most)
        return self._feed

    def close(self) -> None:
        """Ends what is read, as if the pages of this package were all; for any thread."""
        if self._feed is not None:
            self._feed.close()
