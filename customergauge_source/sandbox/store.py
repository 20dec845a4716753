"""The rows of one feed, in the order of their internal key, ready to be sent."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple

from .rows import Plain, Row


class Entry(NamedTuple):
    """A JSON value that becomes a row, and when it was updated (UTC) if that matters."""

    value: object
    updated: datetime | None = None


def _nothing() -> Iterable[Entry]:
    """Return what is due in a feed to which nothing comes of itself."""
    return ()


class Store:
    """Rows that may be added, changed and removed while they are read.

    Attributes:
        lists: The members of a record that are sent only if ``with[]`` asks for them.
    """

    def __init__(
        self,
        entries: Iterable[Entry] = (),
        *,
        lists: Iterable[str] = (),
        first_key: int,
        lock: AbstractContextManager[bool],
        due: Callable[[], Iterable[Entry]] = _nothing,
    ) -> None:
        """Fill the store.

        Args:
            entries: The rows to begin with.
            lists: What ``with[]`` offers.
            first_key: The key of the first row.
            lock: What guards the rows, re-entrant; stores that change together share one.
            due: Returns what has come of itself since it was called last; asked before the rows
                are read or touched.
        """
        self.lists = tuple(lists)
        self._first_key = first_key
        self._lock = lock
        self._due = due
        # Kept as plain tuples, which the garbage collector forgets: a client in the same process
        # would be slowed down if it had to walk through 100,000 objects.
        self._rows: list[Plain] = []
        self._keys: list[int] = []
        self._added = 0
        self._take(entries)

    def catch_up(self) -> None:
        """Add what is due by now."""
        with self._lock:
            self._take(self._due())

    def add(self, entries: Iterable[Entry]) -> None:
        """Add rows at the end of the key order."""
        with self._lock:
            self.catch_up()
            self._take(entries)

    def edit(self, cgid: int, changes: dict[str, Any], updated: datetime | None = None) -> None:
        """Change the newest row with a CGID, which keeps its key.

        Args:
            cgid: Its ``number_customergauge``.
            changes: Members of the record to set.
            updated: When it is updated; by default it stays as it was.

        Raises:
            KeyError: No row has this CGID.
        """
        with self._lock:
            place = self._find(cgid)
            row = Row(*self._rows[place])
            value, moment = row.value | changes, updated or row.updated
            self._rows[place] = Row.of(row.key, value, self.lists, moment).plain

    def remove(self, cgid: int) -> None:
        """Remove the newest row with a CGID; nothing ever gets its key.

        Raises:
            KeyError: No row has this CGID.
        """
        with self._lock:
            place = self._find(cgid)
            del self._rows[place], self._keys[place]

    def get(self, cgid: int) -> Any:  # noqa: ANN401  # a record
        """Return the newest record with a CGID, with all lists.

        Raises:
            KeyError: No row has this CGID.
        """
        with self._lock:
            return Row(*self._rows[self._find(cgid)]).value

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
            self.catch_up()
            start = 0 if cursor is None else bisect_right(self._keys, cursor)
            if matches is None:
                end = None if limit is None else start + limit
                return [Row(*row) for row in self._rows[start:end]]
            rows = (Row(*row) for row in islice(self._rows, start, None))
            return list(islice(filter(matches, rows), limit))

    def _take(self, entries: Iterable[Entry]) -> None:
        """Add rows under the next keys."""
        for value, updated in entries:
            place = self._added
            # Dense with gaps, like a table from which rows were deleted, and never the CGID.
            key = self._first_key + place + place // 7 + 13 * (place // 97)
            self._rows.append(Row.of(key, value, self.lists, updated).plain)
            self._keys.append(key)
            self._added += 1

    def _find(self, cgid: int) -> int:
        """Return the place of the newest row with a CGID."""
        self.catch_up()
        for place in range(len(self._rows) - 1, -1, -1):
            if Row(*self._rows[place]).cgid == cgid:
                return place
        raise KeyError(cgid)
