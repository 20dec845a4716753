"""When faults come: those that were asked for, and chance mixtures of them."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable

from .chance import Chance
from .faults import RETRYABLE, TOKEN, Endpoint, Fault

# A client that tries three times or more gets through any chance mixture.
_MOST_IN_A_ROW = 2
# An endpoint, and a feed of it; None for tokens, and for the pages of all feeds together.
_Target = tuple[Endpoint, "str | None"]


class FaultPlan:
    """Decides which requests fail, and counts those that do not."""

    def __init__(self, faults: Iterable[Fault] = (), *, rate: float = 0.0, seed: int = 0) -> None:
        """Make a plan.

        Args:
            faults: Faults to play, the first of those that are due before the others.
            rate: Share of the other requests, 0 to 1, that meet a retryable fault by chance; no
                more than two in a row at the same feed, or at the token endpoint.
            seed: Seed of that chance.

        Raises:
            ValueError: ``rate`` is not from 0 to 1.
        """
        if not 0 <= rate <= 1:
            raise ValueError(f"the rate of faults must be from 0 to 1, not {rate}")
        self._lock = threading.Lock()
        self._waiting: list[tuple[Fault, int | None]] = [(fault, fault.times) for fault in faults]
        self._rate = rate
        self._chance = Chance(seed)
        self._in_a_row: Counter[_Target] = Counter()
        self._served: Counter[_Target] = Counter()

    def inject(self, fault: Fault) -> None:
        """Add a fault."""
        with self._lock:
            self._waiting.append((fault, fault.times))

    def take(self, endpoint: Endpoint, feed: str | None = None) -> Fault | None:
        """Decide on a good request.

        Args:
            endpoint: The endpoint that it asks.
            feed: The feed that it asks; None for a token.

        Returns:
            The fault that befalls it, or None: then it counts as served.
        """
        with self._lock:
            fault = self._due(endpoint, feed) or self._by_chance(endpoint, feed)
            if fault is None:
                self._served.update({(endpoint, None), (endpoint, feed)})
            return fault

    def pages_served(self) -> int:
        """Return how many pages were served in good health, of all feeds together."""
        with self._lock:
            return self._served["data", None]

    def _due(self, endpoint: Endpoint, feed: str | None) -> Fault | None:
        """Return the first fault whose page has come."""
        for place, (fault, left) in enumerate(self._waiting):
            if fault.endpoint != endpoint or fault.feed not in {None, feed}:
                continue
            if self._served[endpoint, fault.feed] + 1 >= fault.page:
                if left is not None:
                    rest = [(fault, left - 1)] if left > 1 else []
                    self._waiting[place : place + 1] = rest
                return fault
        return None

    def _by_chance(self, endpoint: Endpoint, feed: str | None) -> Fault | None:
        """Return a retryable fault now and then."""
        unlucky = self._rate and self._chance.likely(self._rate)
        if not unlucky or self._in_a_row[endpoint, feed] >= _MOST_IN_A_ROW:
            self._in_a_row[endpoint, feed] = 0
            return None
        self._in_a_row[endpoint, feed] += 1
        prefix = TOKEN if endpoint == "token" else ""
        # Waiting is rehearsed by an explicit 429; a mixture should be quick.
        return Fault(prefix + self._chance.pick(RETRYABLE), retry_after=0)
