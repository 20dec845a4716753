"""One page of a feed: `{"data": […], "cursor": {"next": …}}` (GET Responses, v7)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from customergauge_source.resources.resource import Resource
from customergauge_source.tables.encoding import decode, without_nul
from customergauge_source.tables.privacy import Policy
from customergauge_source.tables.records import JsonObject, RejectedRecord, sort_out

if TYPE_CHECKING:  # an idle run does without Arrow
    import pyarrow as pa

    from customergauge_source.api.arrow_json import Answer
    from customergauge_source.tables.read import Reader

_END: Final = 256
"""Bytes at the end of an answer, in which its cursor is looked for."""
_BEGINNING: Final = re.compile(rb'\s*\{\s*"data"\s*:\s*\[\s*\{')
_FOLLOWING: Final = re.compile(
    rb'[,{]\s*"cursor"\s*:\s*\{\s*"next"\s*:\s*("?)([0-9]{1,18})\1\s*\}\s*\}\s*\Z'
)


class NotAsDocumentedError(ValueError):
    """An answer has another form; the message says which was expected."""


@dataclass(frozen=True)
class Page:
    """One page of a feed.

    Attributes:
        data: Its records: rows of an Arrow array, or JSON objects for steps of the user's.
        rejected: Entries that are no loadable records.
        keys: What tells its entries apart from those of other pages.
        size: Bytes of the answer's body.
        cursor: Where the next page begins.
    """

    data: pa.StructArray | list[JsonObject]
    rejected: Sequence[RejectedRecord]
    keys: frozenset[int | str]
    size: int
    cursor: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether there was nothing in `data`: the end of the feed."""
        return not len(self.data) and not self.rejected


@dataclass(frozen=True)
class Decoder:
    """Decodes pages: into rows of an Arrow array if there is a reader, else into JSON objects.

    Attributes:
        all_versions: Whether a record that is twice on a page is there twice, or as it came last.
    """

    resource: Resource
    make_reader: Callable[[], Reader] | None = None
    policy: Policy | None = None
    all_versions: bool = False

    def decode(self, body: bytes) -> Page:
        """Returns what an answer holds.

        Raises:
            NotAsDocumentedError: It is not what the API's page documents.
        """
        if self.make_reader is None:
            return self._objects(body)
        reader = self.make_reader()
        # Arrow's reader would crash on what is no object, such as null.
        if body.lstrip(b" \t\r\n").startswith(b"{"):
            from customergauge_source.api.arrow_json import read_page  # noqa: PLC0415 - see above

            read = read_page(without_nul(body), reader)
            if read and (finished := self._finished(read, reader, len(body))):
                return finished
        page = self._objects(body)
        return replace(page, data=reader.rows_of_objects(page.data))

    def _finished(self, read: Answer, reader: Reader, size: int) -> Page | None:
        """Returns the page of an answer; None if what was set aside does not go with the rest."""
        keys = frozenset(read.rows.field(self.resource.key).to_pylist())
        page = self._sorted_out(read.odd, size)
        if not keys.isdisjoint(page.keys):
            return None
        rows = reader.finished(read.rows, page.data)
        return None if rows is None else replace(page, data=rows, keys=keys | page.keys)

    def _objects(self, body: bytes) -> Page:
        data, _ = opened(body)
        return self._sorted_out(enumerate(data), len(body))

    def _sorted_out(self, entries: Iterable[tuple[int, Any]], size: int) -> Page:
        how = (self.resource.key, self.resource.put_right, self.policy)
        records, rejected = sort_out(entries, *how, all_versions=self.all_versions)
        keys = {record[self.resource.key] for record in records} | {it.identity for it in rejected}
        return Page(records, rejected, frozenset(keys), size)


def opened(body: bytes) -> tuple[list[Any], object]:
    """Returns `data` and `cursor.next` of an answer, the second as it was sent, or None.

    Raises:
        NotAsDocumentedError: It is not what the API's page documents.
    """
    try:
        answer: Any = decode(body)
    except (ValueError, RecursionError):
        raise NotAsDocumentedError("JSON in UTF-8") from None
    if not isinstance(answer, dict) or "data" not in answer:
        raise NotAsDocumentedError("an object with data and cursor")
    data, cursor = answer["data"], answer.get("cursor")
    if not isinstance(data, list):
        raise NotAsDocumentedError("data to be a list")
    return data, cursor.get("next") if isinstance(cursor, dict) else None


def following(body: bytes) -> int | None:
    """Returns `cursor.next` of an answer that begins and ends as documented, and has a record.

    Nothing else of a JSON object ends with two braces behind such a number, so nothing is decoded.
    None for any other answer, which has to be opened.
    """
    found = _FOLLOWING.search(body[-_END:]) if _BEGINNING.match(body) else None
    return int(found[2]) if found else None
