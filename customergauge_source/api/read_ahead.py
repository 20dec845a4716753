"""Reading ahead: the next pages come in while earlier ones are built, normalized and loaded.

The API is sequential, and a page's cursor is known only when the page is there; so the waits
cannot be shared, only hidden. What is committed does not change by it: a page counts when its
load package does, and a feed goes on only where the stored cursor stands.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, wait
from typing import Final, TypeVar

from dlt.common.runtime import signals

from customergauge_source.api.page import Page
from customergauge_source.exceptions import CustomerGaugeError

_T = TypeVar("_T")

BUFFER_BYTES: Final = 10 * 1024 * 1024
"""Bytes of page bodies that are held ahead; decoded they take about seven times as much."""
PATIENCE: Final = 0.3
"""Seconds that a page waits for others to go with."""


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
        max_pages: int | None = None,
        *,
        buffer_bytes: int = BUFFER_BYTES,
    ) -> None:
        self._read = read
        self._abandon = abandon
        self._max_pages = max_pages
        self._buffer_bytes = buffer_bytes
        self._changed = threading.Condition()
        self._pages: deque[Page] = deque()
        self._held = 0
        self._is_full = False
        self._ended = False
        self._is_complete = False
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None
        self.position: int | None = None

    @property
    def is_at_end(self) -> bool:
        """Whether an empty page was reached, and everything before it was taken."""
        return self._is_complete and not self._pages

    def pages(self, after: int | None, at_once: int, limit: int | None) -> Iterator[list[Page]]:
        """Yields the pages after a cursor, in lists that are the caller's.

        It goes on in the buffer if that is where it stands.

        Args:
            after: The stored cursor.
            at_once: How many pages may come together if they are there.
            limit: How many come in all, for a load package; None for all.

        Raises:
            CustomerGaugeError: What reading raised. With a limit, the pages before it are a
                package, and the next call raises it.
        """
        if self._thread is None:
            self.position = after
            self._thread = threading.Thread(
                target=self._run, args=(after,), name="customergauge-feed", daemon=True
            )
            self._thread.start()
        elif self.position != after:
            raise RuntimeError(f"The feed stands at {self.position}, the state at {after}.")
        count = 0
        while count != limit:
            try:
                pages = self._take(at_once if limit is None else min(at_once, limit - count))
            except CustomerGaugeError:
                if count and limit is not None:
                    return
                raise
            if not pages:
                return
            count += len(pages)
            self.position = pages[-1].cursor
            yield pages

    def close(self) -> None:
        """Ends the thread, promptly; what is buffered is dropped."""
        with self._changed:
            is_under_way, self._ended = not self._ended, True
            self._is_complete = self.is_at_end
            self._pages.clear()
            self._changed.notify_all()
        if is_under_way:
            self._abandon()

    def _take(self, at_once: int) -> list[Page]:
        """Returns the next pages; none at the end of the feed."""
        with self._changed:
            while not self._changed.wait_for(lambda: self._pages or self._ended, timeout=0.2):
                signals.raise_if_signalled()  # dlt only notes a signal, for us to act on it
            if not self._pages:
                if self._error is not None:
                    raise self._error
                return []
            self._changed.wait_for(
                lambda: len(self._pages) >= at_once or self._is_full or self._ended, PATIENCE
            )
            taken = [self._pages.popleft() for _ in range(min(at_once, len(self._pages)))]
            self._held -= sum(page.size for page in taken)
            self._changed.notify_all()
            return taken

    def _run(self, after: int | None) -> None:
        error: BaseException | None = None
        try:
            for number, page in enumerate(self._read(after), start=1):
                if not self._put(page) or number == self._max_pages:
                    break  # of as many as are asked for, the last one need not be the feed's
            else:
                self._is_complete = True
        except BaseException as raised:  # noqa: BLE001 - it is raised again by _take
            error = raised
        with self._changed:
            self._error = error
            self._ended = True
            self._changed.notify_all()

    def _put(self, page: Page) -> bool:
        def fits() -> bool:
            return not self._pages or self._held + page.size <= self._buffer_bytes

        with self._changed:
            self._is_full = not fits()
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._ended or fits())
            self._is_full = False
            if self._ended:
                return False
            self._pages.append(page)
            self._held += page.size
            self._changed.notify_all()
            return True


def in_advance(items: Iterator[_T]) -> Generator[_T, None, None]:
    """Yields items; while one is worked on, a thread gets the next one, which closing waits for."""
    coming = _getting(items)
    try:
        while (item := coming.result()) is not None:
            coming = _getting(items)
            yield item
    finally:
        wait([coming])


def _getting(items: Iterator[_T]) -> Future[_T | None]:
    """Returns the next item, on its way; None behind the last one."""
    item: Future[_T | None] = Future()

    def get() -> None:
        try:
            item.set_result(next(items, None))
        except BaseException as error:  # noqa: BLE001 - it is raised again by `in_advance`
            item.set_exception(error)

    threading.Thread(target=get, name="customergauge-next", daemon=True).start()
    return item
