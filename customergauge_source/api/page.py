"""One page of a feed: `{"data": […], "cursor": {"next": …}}` (GET Responses, v7)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from customergauge_source.resources.resource import Resource
from customergauge_source.tables.encoding import decode, without_nul
from customergauge_source.tables.records import JsonObject, RejectedRecord, sort_out

if TYPE_CHECKING:  # an idle run does without Arrow
    import pyarrow as pa

    from customergauge_source.tables.read import Reader

_EMPTY = 256
"""Bytes of an answer that has no records in it, and is not worth Arrow."""


class NotAsDocumentedError(ValueError):
    """An answer has another form; the message says which was expected."""


@dataclass(frozen=True)
class Page:
    """One page of a feed.

    Attributes:
        data: Its records: rows of an Arrow array, or JSON objects for steps of the user's.
        rejected: Entries that are no loadable records, each with the cursor of its page.
        size: Bytes of the answer's body.
        following: `cursor.next` as it was sent, or None.
        after: The cursor that the page was asked with, None on the first page.
        cursor: The cursor that it came back with: where the next page begins.
    """

    data: pa.StructArray | list[JsonObject]
    rejected: Sequence[tuple[int, RejectedRecord]]
    size: int
    following: object = None
    after: int | None = None
    cursor: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether there was nothing in `data`: the end of the feed."""
        return not len(self.data) and not self.rejected

    def at(self, after: int | None, cursor: int) -> Page:
        """Returns the page with its place in the feed."""
        rejected = [(cursor, entry) for _, entry in self.rejected]
        return replace(self, after=after, cursor=cursor, rejected=rejected)


class ObjectDecoder:
    """Decodes the pages of a resource into records that are JSON objects."""

    def __init__(self, resource: Resource) -> None:
        self._resource = resource

    def decode(self, body: bytes) -> Page:
        """Returns what an answer holds.

        Raises:
            NotAsDocumentedError: It is not what the API's page documents.
        """
        try:
            answer: Any = decode(body)
        except (ValueError, RecursionError):
            raise NotAsDocumentedError("JSON") from None
        if not isinstance(answer, dict) or "data" not in answer:
            raise NotAsDocumentedError("an object with data and cursor")
        data, cursor = answer["data"], answer.get("cursor")
        if not isinstance(data, list):
            raise NotAsDocumentedError("data to be a list")
        records, rejected = sort_out(data, self._resource.key, self._resource.put_right)
        following = cursor.get("next") if isinstance(cursor, dict) else None
        return Page(records, [(0, entry) for entry in rejected], len(body), following)


class RowDecoder(ObjectDecoder):
    """Decodes the pages of a resource into rows of an Arrow array."""

    def __init__(self, resource: Resource, make_reader: Callable[[], Reader]) -> None:
        super().__init__(resource)
        self._make_reader = make_reader

    def decode(self, body: bytes) -> Page:
        """Returns what an answer holds.

        Raises:
            NotAsDocumentedError: It is not what the API's page documents.
        """
        if len(body) < _EMPTY and (page := super().decode(body)).is_empty:
            return page
        reader = self._make_reader()
        # Arrow's reader would crash on what is no object, such as null.
        if body.lstrip(b" \t\r\n").startswith(b"{"):
            from customergauge_source.api.arrow_json import read_page  # noqa: PLC0415 - see above

            if read := read_page(without_nul(body), reader):
                rows, following = read
                return Page(rows, (), len(body), following)
        page = super().decode(body)
        return replace(page, data=reader.rows_of_objects(page.data))
