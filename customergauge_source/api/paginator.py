"""The cursor: when to go on, when to stop, when to raise.

GET Responses (v7): "Repeat this process until you have received all your responses (you're done
when the "data" array is empty)". A short page is not the end.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from dlt.sources.helpers.rest_client.paginators import BasePaginator
from requests import Request, Response

from customergauge_source.api.page import NotAsDocumentedError, Page, following, opened
from customergauge_source.exceptions import ApiContractError
from customergauge_source.tables.values import BIGINT

REPEATED_PAGES: Final = 100
"""Pages in a row without anything that was not on the 100 before each: the API goes round.

A feed brings a record once, when it arrives, so a healthy account has no such page at all. A case
of the close loop comes again if it changes while the feed is read; not a hundred pages of them.
"""
_WHOLE_NUMBER: Final = re.compile(r"[0-9]{1,19}")


class SyncCursorPaginator(BasePaginator):
    """Follows the integer cursor of the sync API.

    The cursor has to grow with every page that has data; an empty page ends the feed, whatever
    cursor it carries.

    Attributes:
        cursor: The last cursor that came with data; None for the oldest record.
    """

    def __init__(
        self, broken: Callable[[str, Response], ApiContractError], cursor: int | None = None
    ) -> None:
        super().__init__()
        self._broken = broken
        self._before: deque[frozenset[int | str]] = deque(maxlen=REPEATED_PAGES)
        self._repeated = 0
        self.cursor = cursor

    def init_request(self, request: Request) -> None:
        """Asks for the page after the cursor."""
        self.update_request(request)

    def update_state(self, response: Response, data: list[Any] | None = None) -> None:
        """Takes the cursor of an answer.

        Raises:
            ApiContractError: Data came with a cursor that is no whole number, or does not grow.
        """
        del data  # which is decoded later
        told = following(response.content)
        if told is None or not self._grows(told):
            told = self._following(response)
        if told is None:
            self._has_next_page = False
        else:
            self.cursor = told

    def check_new(self, page: Page, response: Response) -> None:
        """Notes what is on a page.

        Raises:
            ApiContractError: The same data comes again and again.
        """
        is_new = any(not any(key in before for before in self._before) for key in page.keys)
        self._repeated = 0 if is_new else self._repeated + 1
        self._before.append(page.keys)
        if self._repeated == REPEATED_PAGES:
            expected = f"a new record on one of the last {REPEATED_PAGES} pages"
            raise self._broken(expected, response)

    def update_request(self, request: Request) -> None:
        """Puts the cursor into the request for the next page."""
        if self.cursor is not None:
            request.params["cursor"] = self.cursor

    def _following(self, response: Response) -> int | None:
        """Returns the cursor of an answer that is opened; None if there is nothing in it."""
        try:
            entries, sent = opened(response.content)
        except NotAsDocumentedError as error:
            raise self._broken(str(error), response) from None
        if not entries:
            return None
        told = _whole_number(sent)
        if told is None:
            expected = f"cursor.next to be a whole number, not {_kind(sent)}"
            raise self._broken(expected, response)
        if not self._grows(told):
            expected = f"cursor.next to be greater than {self.cursor}, not {told}"
            raise self._broken(expected, response)
        return told

    def _grows(self, cursor: int) -> bool:
        return self.cursor is None or cursor > self.cursor


def _whole_number(value: object) -> int | None:
    if isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value):
        value = int(value)
    return value if type(value) is int and value in BIGINT else None


def _kind(value: object) -> str:
    """Returns what came in the place of a cursor as an error shows it: what could be data, not."""
    if value is None or isinstance(value, (bool, int)):
        return json.dumps(value)
    if isinstance(value, float):
        return "a fraction"
    return "a text" if isinstance(value, str) else "a list or an object"
