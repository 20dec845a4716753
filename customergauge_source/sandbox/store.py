"""The rows of the sandbox: records in the order of their internal key, ready to be sent."""

from __future__ import annotations

import json
import threading
import time
from bisect import bisect_right
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from .surveys import response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# The lists that with[] asks for (GET Responses, v7).
LISTS = ("selected_drivers", "tags", "questions", "properties")


def to_json(value: object) -> bytes:
    """Write a JSON value; also lone surrogates and integers of any size."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, ensure_ascii=True, allow_nan=False).encode()


_Plain = tuple[int, "int | None", tuple[bytes, ...]]


class Row(NamedTuple):
    """One row of the feed.

    Attributes:
        key: The internal primary key, which the cursor counts in.
        cgid: Its ``number_customergauge``, or None if it has no usable one.
        parts: JSON of the record without the lists and without its braces, then of each member
            that ``with[]`` governs, name and value, in the order of ``LISTS``; empty where the
            record has none. One part alone is the whole value, which is not an object.
    """

    key: int
    cgid: int | None
    parts: tuple[bytes, ...]

    @classmethod
    def of(cls, key: int, value: object) -> Row:
        """Serialise a JSON value as the row with a key."""
        if not isinstance(value, dict):
            return cls(key, None, (to_json(value),))
        base = to_json({name: part for name, part in value.items() if name not in LISTS})
        lists = (to_json({name: value[name]})[1:-1] if name in value else b"" for name in LISTS)
        cgid = value.get("number_customergauge")
        return cls(key, cgid if isinstance(cgid, int) else None, (base[1:-1], *lists))

    def render(self, wanted: Iterable[str]) -> bytes:
        """Return the row as JSON with the lists that are wanted."""
        if len(self.parts) == 1:
            return self.parts[0]
        places = (0, *(1 + LISTS.index(name) for name in wanted))
        return b"{" + b",".join([self.parts[n] for n in places if self.parts[n]]) + b"}"

    @property
    def plain(self) -> _Plain:
        """The row as a plain tuple."""
        return self.key, self.cgid, self.parts

    @property
    def value(self) -> Any:  # noqa: ANN401  # a row may be any JSON value
        """The row as it would be sent with all lists."""
        return json.loads(self.render(LISTS))


class Store:
    """Rows that may be added, changed and delivered again while they are read."""

    def __init__(
        self, responses: int, *, seed: int, records: Iterable[object] | None, rate: float
    ) -> None:
        """Fill the store.

        Args:
            responses: How many responses to generate; ignored if ``records`` are given.
            seed: Seed of the generated responses and of the gaps between the keys.
            records: JSON values to hold in place of generated responses.
            rate: Generated responses that arrive per second from now on.
        """
        self._seed = seed
        self._rate = rate
        self._lock = threading.RLock()
        # Kept as plain tuples, which the garbage collector forgets: a client in the same process
        # would be slowed down if it had to walk through 100,000 objects.
        self._rows: list[_Plain] = []
        self._keys: list[int] = []
        self._generated = self._arrived = 0
        if records is None:
            self.arrive(responses)
        else:
            self.append(*records)
        self._started = time.monotonic()

    def arrive(self, count: int) -> None:
        """Add generated responses at the end of the key order."""
        with self._lock:
            for index in range(self._generated, self._generated + count):
                self._add(response(index, self._seed))
            self._generated += count

    def append(self, *values: object) -> None:
        """Add any JSON values as rows at the end of the key order."""
        with self._lock:
            for value in values:
                self._add(value)

    def edit(self, cgid: int, changes: dict[str, Any]) -> None:
        """Change the newest row with a CGID, which keeps its key.

        Raises:
            KeyError: No row has this CGID.
        """
        with self._lock:
            place = self._find(cgid)
            row = Row(*self._rows[place])
            self._rows[place] = Row.of(row.key, row.value | changes).plain

    def redeliver(self, cgid: int, changes: dict[str, Any]) -> None:
        """Add the newest row with a CGID, changed, again under a new key.

        Raises:
            KeyError: No row has this CGID.
        """
        with self._lock:
            self._add(Row(*self._rows[self._find(cgid)]).value | changes)

    def records(self) -> list[Any]:
        """Return all rows as they would be sent with all lists, oldest first."""
        return [row.value for row in self.after(None)]

    def keys(self) -> list[int]:
        """Return the internal keys, oldest first."""
        return [row.key for row in self.after(None)]

    def after(
        self,
        cursor: int | None,
        *,
        limit: int | None = None,
        matches: Callable[[Row], bool] | None = None,
    ) -> list[Row]:
        """Return rows in the order of their keys.

        Args:
            cursor: Return rows with a greater key only.
            limit: Return no more than this.
            matches: Return rows for which this is true only.

        Returns:
            The rows, oldest first.
        """
        with self._lock:
            self._catch_up()
            start = 0 if cursor is None else bisect_right(self._keys, cursor)
            if matches is None:
                end = None if limit is None else start + limit
                return [Row(*row) for row in self._rows[start:end]]
            rows = (Row(*row) for row in islice(self._rows, start, None))
            return list(islice(filter(matches, rows), limit))

    def _add(self, value: object) -> None:
        """Add one row under the next key."""
        place = len(self._rows)
        # Dense with gaps, like a table from which rows were deleted, and never the CGID.
        key = 48_211 + self._seed % 97 + place + place // 7 + 13 * (place // 97)
        self._rows.append(Row.of(key, value).plain)
        self._keys.append(key)

    def _find(self, cgid: int) -> int:
        """Return the place of the newest row with a CGID."""
        for place in range(len(self._rows) - 1, -1, -1):
            if Row(*self._rows[place]).cgid == cgid:
                return place
        raise KeyError(cgid)

    def _catch_up(self) -> None:
        """Let the responses arrive that are due by now."""
        if self._rate:
            due = int((time.monotonic() - self._started) * self._rate)
            self.arrive(due - self._arrived)
            self._arrived = due
