"""Faults on demand: which one, on which page, how often; and chance mixtures of them."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from .chance import Chance

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

Endpoint = Literal["data", "token"]

RETRYABLE = ("429", "500", "502", "503", "504", "reset", "close", "truncate", "truncate-chunked")
# What may befall both endpoints; the token endpoint's are written with "token-" before them.
SHARED = {
    "429": "too many requests, with Retry-After",
    "500": "server error",
    "502": "bad gateway, as HTML",
    "503": "service unavailable",
    "504": "gateway timeout, as HTML",
    "400": "bad request",
    "401": "unauthenticated, although the token is good",
    "403": "forbidden",
    "404": "not found",
    "422": "a parameter is refused",
    "reset": "the connection is reset",
    "close": "the connection is closed without an answer",
    "hang": "no answer, until the client gives up",
    "truncate": "the body ends before its Content-Length",
    "truncate-chunked": "a chunked body ends before its last chunk",
    "trickle": "a good answer, but its body drips for a second",
    "html": "status 200, and a login page",
    "invalid-json": "status 200, and half a JSON document",
    "redirect": "a redirect to another host",
    "leak": "a 500 that repeats the request's token or secret",
    "leak-html": "status 200, and a page that repeats the request's token or secret",
    "leak-403": "a 403 whose message repeats the request's token or secret",
}
DATA_ONLY = {
    "no-data": "status 200, without data",
    "null-data": "data is null",
    "object-data": "data is an object",
    "cursor-text": 'the cursor is "abc"',
    "cursor-still": "the cursor is the one that was sent",
    "cursor-back": "the cursor is smaller than the one that was sent",
    "cursor-null": "the cursor is null",
    "cursor-absent": "there is no cursor",
    "cursor-string": "the cursor is a whole number written as a string, which is legal",
    "cursor-float": "the cursor is a fraction",
    "cursor-bool": "the cursor is true",
}
TOKEN_ONLY = {
    "token-missing": "status 200, without access_token",
    "token-refused": "401, wrong credentials, although they are right",
}
_TOKEN = "token-"  # noqa: S105  # a prefix, not a password
KINDS = {**SHARED, **DATA_ONLY, **{_TOKEN + kind: text for kind, text in SHARED.items()}}
KINDS |= TOKEN_ONLY

GRAMMAR = "KIND[@PAGE][xTIMES]"
_SPELLING = re.compile(r"(?P<kind>[a-z0-9-]+?)(@(?P<page>[0-9]+))?(x(?P<times>[0-9]+|forever))?")
# A client that tries three times or more gets through any chance mixture.
_MOST_IN_A_ROW = 2


@dataclass(frozen=True)
class Fault:
    """A fault to be played.

    Attributes:
        kind: One of ``KINDS``.
        page: The page that it befalls, counted from 1 since the sandbox started: the first
            request after ``page`` - 1 pages were served in good health. For a kind that begins
            with ``token-`` tokens are counted.
        times: How many requests it befalls; None for all from then on.
        retry_after: ``Retry-After`` of a 429 or 503: seconds, a moment (sent as HTTP date) or
            any text; "" for none. By default 1 second with a 429, none with a 503.
        location: Where a redirect leads, in place of the same path on another loopback host.
    """

    kind: str
    page: int = 1
    times: int | None = 1
    retry_after: float | datetime | str | None = None
    location: str | None = None

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ValueError: The kind is unknown, or a number is less than 1.
        """
        if self.kind not in KINDS:
            raise ValueError(f"unknown fault {self.kind!r}; known are {', '.join(KINDS)}")
        if self.page < 1 or (self.times is not None and self.times < 1):
            raise ValueError(f"fault {self.kind!r}: page and times start at 1")

    @property
    def endpoint(self) -> Endpoint:
        """The endpoint that it befalls."""
        return "token" if self.kind.startswith(_TOKEN) else "data"

    @property
    def effect(self) -> str:
        """The kind without its prefix."""
        return self.kind.removeprefix(_TOKEN)


def parse_fault(text: str) -> Fault:
    """Read a fault as the command line spells it: ``KIND[@PAGE][xTIMES]``.

    Args:
        text: For instance ``503@3x2`` (twice on the third page) or ``token-500xforever``.

    Returns:
        The fault.

    Raises:
        ValueError: The text is not of this form, or the kind is unknown.
    """
    match = _SPELLING.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is not of the form {GRAMMAR}")
    times = match["times"] or "1"
    return Fault(
        match["kind"],
        page=int(match["page"] or 1),
        times=None if times == "forever" else int(times),
    )


class FaultPlan:
    """Decides which requests fail, and counts those that do not."""

    def __init__(self, faults: Iterable[Fault] = (), *, rate: float = 0.0, seed: int = 0) -> None:
        """Make a plan.

        Args:
            faults: Faults to play, the first of those that are due before the others.
            rate: Share of the other requests, 0 to 1, that meet a retryable fault by chance; no
                more than two in a row at an endpoint.
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
        self._in_a_row: dict[Endpoint, int] = {"data": 0, "token": 0}
        self.served: dict[Endpoint, int] = {"data": 0, "token": 0}

    def inject(self, fault: Fault) -> None:
        """Add a fault."""
        with self._lock:
            self._waiting.append((fault, fault.times))

    def take(self, endpoint: Endpoint) -> Fault | None:
        """Return the fault that befalls a good request, or None and count it as served."""
        with self._lock:
            fault = self._due(endpoint) or self._by_chance(endpoint)
            if fault is None:
                self.served[endpoint] += 1
            return fault

    def _due(self, endpoint: Endpoint) -> Fault | None:
        """Return the first fault whose page has come."""
        page = self.served[endpoint] + 1
        for place, (fault, left) in enumerate(self._waiting):
            if fault.endpoint == endpoint and page >= fault.page:
                if left is not None:
                    rest = [(fault, left - 1)] if left > 1 else []
                    self._waiting[place : place + 1] = rest
                return fault
        return None

    def _by_chance(self, endpoint: Endpoint) -> Fault | None:
        """Return a retryable fault now and then."""
        unlucky = self._rate and self._chance.likely(self._rate)
        if not unlucky or self._in_a_row[endpoint] >= _MOST_IN_A_ROW:
            self._in_a_row[endpoint] = 0
            return None
        self._in_a_row[endpoint] += 1
        prefix = _TOKEN if endpoint == "token" else ""
        # Waiting is rehearsed by an explicit 429; a mixture should be quick.
        return Fault(prefix + self._chance.pick(RETRYABLE), retry_after=0)
