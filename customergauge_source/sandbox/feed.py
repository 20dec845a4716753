"""The feeds, ``GET /v7/rest/sync/<name>``: what each is made of, and the answer for all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from .exchange import Answer, Request, invalid, message, unauthenticated
from .pages import Page, envelope
from .parameters import Filter, InvalidParametersError, parse
from .store import Store
from .tokens import Tokens

SYNC_PATH = "/v7/rest/sync/"
DATA_PATH = f"{SYNC_PATH}responses"
# What cursor.next may be on an empty page is not documented.
EmptyCursor = Literal["same", "null", "absent", "list"]
EMPTY_CURSORS: tuple[EmptyCursor, ...] = ("same", "null", "absent", "list")


@dataclass(frozen=True)
class Feed:
    """Rows that are read page by page.

    Attributes:
        name: The last part of its path.
        store: Its rows, and the lists that its ``with[]`` offers.
        filters: The filters that it knows.
    """

    name: str
    store: Store
    filters: tuple[Filter, ...] = ()

    @property
    def path(self) -> str:
        """The path of its endpoint."""
        return SYNC_PATH + self.name

    def page(self, parameters: list[tuple[str, str]]) -> Page:
        """Return the page that the parameters of a request select.

        Raises:
            InvalidParametersError: A parameter breaks its rule.
        """
        query = parse(parameters, self.store.lists, self.filters)
        rows = self.store.after(query.cursor, limit=query.per_page, matches=query.matches)
        return Page(
            rows=[row.render(query.lists) for row in rows],
            sent=query.cursor,
            last=rows[-1].key if rows else None,
        )


class DataEndpoint:
    """Answers requests for the pages of any feed."""

    def __init__(
        self, feeds: Mapping[str, Feed], tokens: Tokens, *, empty_cursor: EmptyCursor
    ) -> None:
        """Connect the feeds.

        Args:
            feeds: The feeds by name; what is added later is served too.
            tokens: What decides whether a bearer token is good.
            empty_cursor: What stands in ``cursor`` on an empty page.

        Raises:
            ValueError: ``empty_cursor`` is unknown.
        """
        if empty_cursor not in EMPTY_CURSORS:
            raise ValueError(f"empty_cursor must be one of {EMPTY_CURSORS}, not {empty_cursor!r}")
        self._feeds = feeds
        self._tokens = tokens
        self._empty_cursor = empty_cursor

    def feed_at(self, path: str) -> Feed | None:
        """Return the feed with a path, or None."""
        return self._feeds.get(path[len(SYNC_PATH) :]) if path.startswith(SYNC_PATH) else None

    def answer(self, feed: Feed, request: Request) -> Answer:
        """Answer a request for a page.

        Args:
            feed: The feed that is asked.
            request: The request.

        Returns:
            200 with the page, 401 without a good token, 405 for another method than GET, 422
            for parameters that break their rules.
        """
        if request.method != "GET":
            text = f"The {request.method} method is not supported for this route."
            return message(405, text)
        if not self._tokens.accepts(request.header("authorization")):
            return unauthenticated()
        try:
            page = feed.page(request.query)
        except InvalidParametersError as error:
            return invalid(error.errors)
        return Answer(200, self._body(page), page=page)

    def _body(self, page: Page) -> bytes:
        """Write a page with its cursor."""
        if page.last is not None:
            return envelope(page.data, cursor={"next": page.last})
        if self._empty_cursor == "absent":
            return envelope(page.data)
        if self._empty_cursor == "list":
            return envelope(page.data, cursor=[])
        same = page.sent if self._empty_cursor == "same" else None
        return envelope(page.data, cursor={"next": same})
