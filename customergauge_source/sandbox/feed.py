"""The endpoint GET Responses, v7: ``GET /v7/rest/sync/responses``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from .exchange import Answer, invalid, message, unauthenticated
from .parameters import InvalidParametersError, parse
from .store import to_json

if TYPE_CHECKING:
    from .exchange import Request
    from .store import Store
    from .tokens import Tokens

DATA_PATH = "/v7/rest/sync/responses"
# What cursor.next may be on an empty page is not documented.
EmptyCursor = Literal["same", "null", "absent", "list"]
EMPTY_CURSORS: tuple[EmptyCursor, ...] = ("same", "null", "absent", "list")


@dataclass(frozen=True)
class Page:
    """One page of rows.

    Attributes:
        rows: The rows as JSON.
        sent: The cursor that came with the request.
        last: The key of the last row, or None if there are no rows.
    """

    rows: list[bytes]
    sent: int | None
    last: int | None

    @property
    def data(self) -> bytes:
        """The rows as a JSON list."""
        return b"[" + b",".join(self.rows) + b"]"


def envelope(data: bytes, **members: object) -> bytes:
    """Return the body of a page: ``data``, and what comes beside it."""
    others = b"".join(b"," + to_json({name: value})[1:-1] for name, value in members.items())
    return b'{"data":' + data + others + b"}"


class Feed:
    """Answers requests for responses."""

    def __init__(self, store: Store, tokens: Tokens, *, empty_cursor: EmptyCursor) -> None:
        """Connect the endpoint to its data.

        Args:
            store: The rows.
            tokens: What decides whether a bearer token is good.
            empty_cursor: What stands in ``cursor`` on an empty page.

        Raises:
            ValueError: ``empty_cursor`` is unknown.
        """
        if empty_cursor not in EMPTY_CURSORS:
            raise ValueError(f"empty_cursor must be one of {EMPTY_CURSORS}, not {empty_cursor!r}")
        self._store = store
        self._tokens = tokens
        self._empty_cursor = empty_cursor

    def answer(self, request: Request) -> Answer:
        """Answer a request for a page.

        Args:
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
            query = parse(request.query)
        except InvalidParametersError as error:
            return invalid(error.errors)
        rows = self._store.after(query.cursor, limit=query.per_page, matches=query.matches)
        page = Page(
            rows=[row.render(query.lists) for row in rows],
            sent=query.cursor,
            last=rows[-1].key if rows else None,
        )
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
