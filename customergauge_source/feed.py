"""Reading ahead: the next pages come in while earlier ones are built, normalized and loaded.

The API is sequential, and a page's cursor is known only when the page is there; so the waits
cannot be shared, only hidden. What is committed does not change by it: a page counts when its
load package does, and a feed goes on only where the stored cursor stands.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from dlt.common.runtime import signals

from customergauge_source.client import Page
from customergauge_source.exceptions import ApiUnavailableError
from customergauge_source.settings import RETRY_TOTAL

BUFFER_BYTES: Final = 16 * 1024 * 1024
"""Bytes of page bodies that are held ahead; decoded they take about seven times as much."""

PAGE_TOTAL: Final = RETRY_TOTAL + 300.0
"""Seconds that a page is waited for: an answer may drip without end, and no time-out sees it."""


class Feed:
    """Pages of one query, read ahead by a thread.

    Args:
        read: Returns the pages after a cursor; this is what the thread does.
        abandon: Ends what `read` is waiting for.
        max_pages: Pages to read ahead in all, or None for no bound.
        buffer_bytes: Bytes of page bodies to hold; one page always fits.

    Attributes:
        position: The cursor that the next page to be taken was asked with.
    """

    def __init__(
        self,
        read: Callable[[int | None], Iterator[Page]],
        abandon: Callable[[], None],
        *,
        max_pages: int | None = None,
        buffer_bytes: int = BUFFER_BYTES,
    ) -> None:
        self._read = read
        self._abandon = abandon
        self._max_pages = max_pages
        self._buffer_bytes = buffer_bytes
        self._changed = threading.Condition()
        self._pages: deque[Page] = deque()
        self._held = 0
        self._ended = False
        self._is_complete = False
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None
        self.position: int | None = None

    @property
    def is_at_end(self) -> bool:
        """Whether an empty page was reached, and everything before it was taken."""
        return self._is_complete and not self._pages

    def pages(self, after: int | None, at_once: Callable[[], int]) -> Iterator[Page]:
        """Yields the pages after a cursor; goes on in the buffer if that is where it stands.

        Args:
            after: The stored cursor.
            at_once: Says, each time, how many pages may be joined to one if they are there.

        Raises:
            CustomerGaugeError: What reading raised, once the pages before it are taken.
        """
        if self._thread is None:
            self.position = after
            self._thread = threading.Thread(
                target=self._run, args=(after,), name="customergauge-feed", daemon=True
            )
            self._thread.start()
        elif self.position != after:
            raise RuntimeError(f"The feed stands at {self.position}, the state at {after}.")
        while taken := self._take(at_once()):
            page = Page.join(taken)
            if page is None:
                page, *rest = taken
                self.put_back(*rest)
            self.position = page.cursor
            yield page

    def put_back(self, *pages: Page) -> None:
        """Puts back the pages that were taken last; they come again, next."""
        with self._changed:
            self._pages.extendleft(reversed(pages))
            self._held += sum(page.size for page in pages)
            self.position = pages[0].after

    def close(self) -> None:
        """Ends the thread, promptly; what is buffered is dropped."""
        with self._changed:
            self._ended = True
            self._pages.clear()
            self._changed.notify_all()
        self._abandon()

    def _take(self, at_once: int) -> list[Page]:
        """Returns the next page, and those in Arrow behind it; nothing at the end of the feed."""
        with self._changed:
            since = time.monotonic()
            while not self._changed.wait_for(lambda: self._pages or self._ended, timeout=0.2):
                signals.raise_if_signalled()  # dlt only notes a signal, for us to act on it
                if time.monotonic() - since > PAGE_TOTAL:
                    raise ApiUnavailableError(
                        f"No page has come for {PAGE_TOTAL / 60:.0f} minutes, retries included."
                    )
            if not self._pages:
                if self._error is not None:
                    raise self._error
                return []
            taken = [self._pages.popleft()]
            count = taken[0].count
            while taken[0].is_arrow and self._pages and self._pages[0].is_arrow:
                count += self._pages[0].count
                if count > at_once:
                    break
                taken.append(self._pages.popleft())
            self._held -= sum(page.size for page in taken)
            self._changed.notify_all()
            return taken

    def _run(self, after: int | None) -> None:
        error: BaseException | None = None
        try:
            for number, page in enumerate(self._read(after), start=1):
                if not self._put(page) or number == self._max_pages:
                    break
            else:
                self._is_complete = True
        except BaseException as raised:  # noqa: BLE001 - it is raised again by _take
            error = raised
        with self._changed:
            self._error = error
            self._ended = True
            self._changed.notify_all()

    def _put(self, page: Page) -> bool:
        with self._changed:
            self._changed.wait_for(
                lambda: (
                    self._ended or not self._pages or self._held + page.size <= self._buffer_bytes
                )
            )
            if self._ended:
                return False
            self._pages.append(page)
            self._held += page.size
            self._changed.notify_all()
            return True


class _Packages:
    """How the load packages are cut that are made one after the other."""

    def __init__(self, package_pages: int, max_pages: int | None) -> None:
        self.package_pages = package_pages
        self.max_pages = max_pages
        self.feeds: dict[object, Feed] = {}


_PACKAGES: ContextVar[_Packages | None] = ContextVar("customergauge_packages", default=None)


@contextmanager
def reading_across_packages(package_pages: int, max_pages: int | None = None) -> Iterator[None]:
    """Lets feeds read on between the load packages that are made inside this context.

    Args:
        package_pages: Pages that go into one package.
        max_pages: Pages that are read in all.
    """
    packages = _Packages(package_pages, max_pages)
    token = _PACKAGES.set(packages)
    try:
        yield
    finally:
        _PACKAGES.reset(token)
        for feed in packages.feeds.values():
            feed.close()


def package_pages() -> int | None:
    """Returns how many pages go into the package that is being extracted; None for all."""
    packages = _PACKAGES.get()
    return packages.package_pages if packages else None


@contextmanager
def open_feed(owner: object, make: Callable[[int | None], Feed]) -> Iterator[Feed]:
    """Opens a feed for one extraction, or takes up the one that its owner has open.

    Args:
        owner: Whose feed it is.
        make: Returns a feed of that many pages, or without a bound.
    """
    packages = _PACKAGES.get()
    if packages is None:
        feed = make(None)
        try:
            yield feed
        finally:
            feed.close()
    else:
        if owner not in packages.feeds:
            packages.feeds[owner] = make(packages.max_pages)
        yield packages.feeds[owner]
