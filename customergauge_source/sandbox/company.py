"""The data of one made-up company: its feeds, and how one leads to another."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from .author import Author
from .cases import changed, opened
from .clock import now, utc
from .feed import Feed
from .filters import by_cgid, by_outbound_filter, by_period, by_update
from .store import Entry, Store
from .surveys import LISTS

# The feeds that every company has.
FEED_NAMES = RESPONSES, NON_RESPONSES, CLOSE_LOOP = "responses", "non-responses", "close-loop"


class Company:
    """Responses, non-responses, cases and whatever feeds are added.

    Non-responses and cases are made up when they are first asked for: who wants responses alone
    does not wait for them.
    """

    def __init__(
        self,
        *,
        responses: int,
        non_responses: int | None,
        seed: int,
        records: Iterable[object] | None,
        arrivals_per_second: float,
    ) -> None:
        """Make up the data.

        Args:
            responses: Generated responses to begin with; none if ``records`` are given.
            non_responses: Generated non-responses to begin with; None for half as many as
                generated responses.
            seed: Seed of all that is generated, and of the gaps between the keys.
            records: JSON values to hold in place of generated responses.
            arrivals_per_second: Generated responses that arrive per second from now on.
        """
        responses = responses if records is None else 0
        asked = responses // 2 if non_responses is None else non_responses
        self._author = author = Author(seed, non_responses=asked)
        self._lock = lock = threading.RLock()
        self._arrived = 0
        self._responses = Store(
            author.responses(responses) if records is None else map(Entry, records),
            lists=LISTS,
            first_key=48_211 + seed % 97,
            lock=lock,
            due=self._due_responses,
        )
        self._non_responses = Store(
            lists=["properties"],
            first_key=30_011 + seed % 97,
            lock=lock,
            due=author.non_responses,
        )
        self._cases = Store(first_key=1_013 + seed % 97, lock=lock, due=self._due_cases)
        known = (by_cgid, by_outbound_filter, by_period)
        feeds = (
            Feed(RESPONSES, self._responses, known),
            Feed(NON_RESPONSES, self._non_responses),
            Feed(CLOSE_LOOP, self._cases, (by_update,)),
        )
        self._feeds = {feed.name: feed for feed in feeds}
        self._rate = arrivals_per_second
        self._started = time.monotonic()

    @property
    def records(self) -> list[Any]:
        """All responses as they would be sent with all four lists, oldest first."""
        return self._responses.records()

    @property
    def keys(self) -> list[int]:
        """The internal keys of ``records``, which the cursor counts in."""
        return self._responses.keys()

    def records_of(self, feed: str) -> list[Any]:
        """Return all rows of a feed as they would be sent with all its lists, oldest first.

        Raises:
            KeyError: There is no such feed.
        """
        return self._feeds[feed].store.records()

    def add_feed(self, name: str, records: Iterable[object], *, lists: Iterable[str] = ()) -> None:
        """Serve any JSON values as one feed more, ``GET /v7/rest/sync/<name>``.

        Args:
            name: The last part of its path.
            records: Its rows, oldest first.
            lists: What its ``with[]`` offers; a feed that offers nothing refuses ``with[]``.

        Raises:
            ValueError: There is a feed with this name.
        """
        if name in self._feeds:
            raise ValueError(f"there is a feed {name!r} already")
        store = Store(map(Entry, records), lists=lists, first_key=2_027, lock=self._lock)
        self._feeds[name] = Feed(name, store)

    def arrive(self, count: int) -> None:
        """Let further generated responses appear at the end of the key order.

        Some of the detractors among them bring a case, which is open since now.
        """
        with self._lock:
            self._responses.add(self._author.responses(count, now()))

    def append(self, *values: object, feed: str = RESPONSES) -> None:
        """Add any JSON values as rows, updated now, at the end of the key order of a feed.

        Raises:
            KeyError: There is no such feed.
        """
        moment = now()
        self._feeds[feed].store.add(Entry(value, moment) for value in values)

    def edit(self, cgid: int, feed: str = RESPONSES, **changes: object) -> None:
        """Change the newest row with a CGID in place: same key, same update, no second delivery.

        Raises:
            KeyError: There is no such feed, or no row in it has this CGID.
        """
        self._feeds[feed].store.edit(cgid, changes)

    def remove(self, cgid: int, feed: str = RESPONSES) -> None:
        """Remove the newest row with a CGID; nothing tells of it, and nothing gets its key.

        Raises:
            KeyError: There is no such feed, or no row in it has this CGID.
        """
        self._feeds[feed].store.remove(cgid)

    def empty_day(self, day: str, field: str = "date_survey_response") -> int:
        """Remove all responses of one day.

        Args:
            day: The day, ``YYYY-MM-DD``.
            field: The date that has to be on that day.

        Returns:
            How many they were.
        """
        with self._lock:
            records = [record for record in self.records if isinstance(record, dict)]
            dated = [it for it in records if str(it.get(field))[:10] == day]
            for record in dated:
                self._responses.remove(record["number_customergauge"])
            return len(dated)

    def redeliver(self, cgid: int, **changes: object) -> None:
        """Put the newest response with a CGID, changed, at the end again; the old row stays.

        Raises:
            KeyError: No response has this CGID.
        """
        with self._lock:
            self._responses.add([Entry(self._responses.get(cgid) | changes)])

    def become_response(self, cgid: int, *, vanishes: bool = True) -> None:
        """Let a non-response be answered: a response with its CGID arrives.

        Args:
            cgid: The CGID of the non-response.
            vanishes: Whether it leaves the feed of non-responses; the API's pages do not say.

        Raises:
            KeyError: No non-response has this CGID.
        """
        with self._lock:
            sent = self._non_responses.get(cgid)
            self._responses.add([self._author.answer_to(sent, now())])
            if vanishes:
                self._non_responses.remove(cgid)

    def open_case(self, cgid: int, *, updated_at: datetime | None = None, **fields: object) -> None:
        """Open a case; a second one of the same response is a row of its own.

        Args:
            cgid: The CGID of its response.
            updated_at: When it is opened (UTC unless it says otherwise); by default now.
            fields: Members of the record to set.

        Raises:
            KeyError: No response has this CGID.
        """
        moment = utc(updated_at)
        with self._lock:
            self._responses.get(cgid)
            self._cases.add([Entry(opened(cgid, moment) | fields, moment)])

    def change_case(
        self, cgid: int, status: str, *, updated_at: datetime | None = None, **fields: object
    ) -> None:
        """Change the status of a case, which keeps its key, and the times that go with it.

        Args:
            cgid: The CGID of its response.
            status: ``"progress"`` sets the time to follow up, ``"closed"`` both times, ``"open"``
                clears both; another status leaves them.
            updated_at: When it changes (UTC unless it says otherwise); by default now.
            fields: Members of the record to set besides.

        Raises:
            KeyError: There is no such case, or no response has this CGID.
        """
        moment = utc(updated_at)
        with self._lock:
            since = self._responses.get(cgid).get("date_survey_response")
            record = changed(self._cases.get(cgid), status, moment, since=since)
            self._cases.edit(cgid, record | fields, moment)

    def _due_responses(self) -> Iterable[Entry]:
        """Return the responses that have arrived by now."""
        if not self._rate:
            return ()
        count = int((time.monotonic() - self._started) * self._rate) - self._arrived
        self._arrived += count
        return self._author.responses(count, now())

    def _due_cases(self) -> Iterable[Entry]:
        """Return the cases of the responses that there are by now."""
        self._responses.catch_up()
        return self._author.cases()
