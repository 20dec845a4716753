"""The cursor: when to go on, when to stop, when to raise.

GET Responses (v7): "Repeat this process until you have received all your responses (you're done
when the "data" array is empty)". A short page is not the end.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from dlt.sources.helpers.rest_client.paginators import BasePaginator
from requests import Request, Response

from customergauge_source.api.page import Page
from customergauge_source.exceptions import ApiContractError
from customergauge_source.tables.values import BIGINT

_WHOLE_NUMBER = re.compile(r"[0-9]{1,19}")


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
        self.cursor = cursor

    def init_request(self, request: Request) -> None:
        """Asks for the page after the cursor."""
        self.update_request(request)

    def update_state(self, response: Response, data: list[Any] | None = None) -> None:
        """Takes the cursor of a page.

        Raises:
            ApiContractError: Data came with a cursor that is no whole number, or does not grow.
        """
        (answer,) = data or (None,)
        if not isinstance(answer, Page) or answer.is_empty:
            self._has_next_page = False
            return
        following = _whole_number(answer.following)
        if following is None:
            expected = f"cursor.next to be a whole number, not {answer.following!r}"
            raise self._broken(expected, response)
        if self.cursor is not None and following <= self.cursor:
            expected = f"cursor.next to be greater than {self.cursor}, not {following}"
            raise self._broken(expected, response)
        self.cursor = following

    def update_request(self, request: Request) -> None:
        """Puts the cursor into the request for the next page."""
        if self.cursor is not None:
            request.params["cursor"] = self.cursor


def _whole_number(value: object) -> int | None:
    if isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value):
        value = int(value)
    return value if type(value) is int and value in BIGINT else None
