"""A page of a feed, and the body that it is sent in."""

from __future__ import annotations

from dataclasses import dataclass

from .encoding import to_json


@dataclass(frozen=True)
class Page:
    """One page of rows.

    Attributes:
        rows: The rows as JSON.
        sent: The cursor that came with the request.
        last: The key of the last row, or None if there are no rows.
    """

    rows: list[bytes]
    sent: int | None
    last: int | None

    @property
    def data(self) -> bytes:
        """The rows as a JSON list."""
        return b"[" + b",".join(self.rows) + b"]"


def envelope(data: bytes, **members: object) -> bytes:
    """Return the body of a page: ``data``, and what comes beside it."""
    others = b"".join(b"," + to_json({name: value})[1:-1] for name, value in members.items())
    return b'{"data":' + data + others + b"}"
