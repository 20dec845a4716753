"""Faults on demand: which one, of which feed, on which page, and how often."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
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
    "truncate-close": "a body without a length ends too early, with its connection",
    "trickle": "a good answer, but its body drips for a second",
    "drip": "a body that drips, and does not end",
    "drip-head": "header fields that drip, and do not end",
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
TOKEN = "token-"  # noqa: S105  # a prefix, not a password
KINDS = {**SHARED, **DATA_ONLY, **{TOKEN + kind: text for kind, text in SHARED.items()}}
KINDS |= TOKEN_ONLY

GRAMMAR = "[FEED:]KIND[@PAGE][xTIMES]"
_SPELLING = re.compile(
    r"((?P<feed>[^:]+):)?"
    r"(?P<kind>[a-z0-9-]+?)(@(?P<page>[0-9]+))?(x(?P<times>[0-9]+|forever))?"
)


@dataclass(frozen=True)
class Fault:
    """A fault to be played.

    Attributes:
        kind: One of ``KINDS``.
        page: The page that it befalls, counted from 1 since the sandbox started: the first
            request after ``page`` - 1 pages were served in good health. The pages of all feeds
            are counted, or those of ``feed`` alone; for a kind that begins with ``token-``,
            tokens.
        times: How many requests it befalls; None for all from then on.
        retry_after: ``Retry-After`` of a 429 or 503: seconds, a moment (sent as HTTP date) or
            any text; "" for none. By default 1 second with a 429, none with a 503.
        location: Where a redirect leads, in place of the same path on another loopback host.
        feed: The name of the one feed that it befalls; None for whichever is asked.
    """

    kind: str
    page: int = 1
    times: int | None = 1
    retry_after: float | datetime | str | None = None
    location: str | None = None
    feed: str | None = None

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ValueError: The kind is unknown, a number is less than 1, or a fault of the token
                endpoint names a feed.
        """
        if self.kind not in KINDS:
            raise ValueError(f"unknown fault {self.kind!r}; known: {', '.join(KINDS)}")
        if self.page < 1 or (self.times is not None and self.times < 1):
            raise ValueError(f"fault {self.kind!r}: page and times start at 1")
        if self.feed is not None and self.endpoint == "token":
            raise ValueError(f"fault {self.kind!r} befalls tokens, and not the feed {self.feed!r}")

    @property
    def endpoint(self) -> Endpoint:
        """The endpoint that it befalls."""
        return "token" if self.kind.startswith(TOKEN) else "data"

    @property
    def effect(self) -> str:
        """The kind without its prefix."""
        return self.kind.removeprefix(TOKEN)


def parse_fault(text: str) -> Fault:
    """Read a fault as the command line spells it: ``[FEED:]KIND[@PAGE][xTIMES]``.

    Args:
        text: For instance ``503@3x2`` (twice on the third page), ``close-loop:403xforever`` or
            ``token-500xforever``.

    Returns:
        The fault.

    Raises:
        ValueError: The text is not of this form, the kind is unknown, or a fault of the token
            endpoint names a feed.
    """
    match = _SPELLING.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is not of the form {GRAMMAR}")
    times = match["times"] or "1"
    return Fault(
        match["kind"],
        page=int(match["page"] or 1),
        times=None if times == "forever" else int(times),
        feed=match["feed"],
    )
