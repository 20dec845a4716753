"""One row of a feed, kept as the JSON that it is sent as."""

from __future__ import annotations

import json
from collections.abc import Container
from datetime import datetime
from typing import Any, NamedTuple

from .encoding import to_json

# A row as a plain tuple, in the order of its attributes.
Plain = tuple[int, "int | None", "datetime | None", tuple[str, ...], tuple[bytes, ...]]


class Row(NamedTuple):
    """One row of a feed.

    Attributes:
        key: The internal primary key, which the cursor counts in.
        cgid: Its ``number_customergauge``, or None if it has no usable one.
        updated: When it was made or changed last (UTC), if its feed can be asked for that.
        lists: The lists that its feed's ``with[]`` offers.
        parts: JSON of the record without the lists and without its braces, then of each list,
            name and value, in the order of ``lists``; empty where the record has none. One part
            alone is the whole value.
    """

    key: int
    cgid: int | None
    updated: datetime | None
    lists: tuple[str, ...]
    parts: tuple[bytes, ...]

    @classmethod
    def of(cls, key: int, value: object, lists: tuple[str, ...], updated: datetime | None) -> Row:
        """Serialise a JSON value as the row with a key."""
        number = value.get("number_customergauge") if isinstance(value, dict) else None
        cgid = number if isinstance(number, int) else None
        if not isinstance(value, dict) or not lists:
            return cls(key, cgid, updated, lists, (to_json(value),))
        base = to_json({name: part for name, part in value.items() if name not in lists})
        parts = (to_json({name: value[name]})[1:-1] if name in value else b"" for name in lists)
        return cls(key, cgid, updated, lists, (base[1:-1], *parts))

    def render(self, wanted: Container[str]) -> bytes:
        """Return the row as JSON with the lists that are wanted."""
        base, *parts = self.parts
        if not parts:
            return base
        chosen = (part for name, part in zip(self.lists, parts, strict=True) if name in wanted)
        return b"{" + b",".join(filter(None, (base, *chosen))) + b"}"

    def member(self, name: str) -> object:
        """Return a member of the record that is no list; None if it has none, or is no record."""
        base, *lists = self.parts
        record = json.loads(b"{%s}" % base if lists else base)
        return record.get(name) if isinstance(record, dict) else None

    @property
    def plain(self) -> Plain:
        """The row as a plain tuple."""
        return self.key, self.cgid, self.updated, self.lists, self.parts

    @property
    def value(self) -> Any:  # noqa: ANN401  # a row may be any JSON value
        """The row as it would be sent with all lists."""
        return json.loads(self.render(self.lists))
