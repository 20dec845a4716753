"""What becomes of personal data: which fields of a record are hashed, and which are dropped.

A policy acts on the rows of a resource (`private_rows`), and on what is told of an entry that is no
record. Where it cannot be known what a value is, it is left out.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timezone
from functools import cached_property
from typing import Any, Final, Literal, NamedTuple
from unicodedata import category, normalize

from customergauge_source.tables.encoding import decode, to_json
from customergauge_source.tables.shape import SCALAR, Field, Shape
from customergauge_source.tables.values import UnfitError, as_list, converter

Treatment = Literal["hash", "drop"]
_NUMBERS: Final = ("bigint", "double", "decimal")


class Place(NamedTuple):
    """A field, by its path in a record; or of a list of named items the values of one name."""

    path: str
    name: str = ""

    def __str__(self) -> str:
        """Returns it as it is set, which is how messages and the state spell it."""
        items, _, _ = self.path.rpartition(".")
        name = json.dumps(self.name, ensure_ascii=False)
        return f"{items}[{name}]" if self.name else self.path


class Leaf(NamedTuple):
    """A field of a shape: the keys that lead to its table, to its column in that, and what it is.

    Attributes:
        table: Keys of the lists that it is in, and of the objects that those are in.
        column: Its own key, behind those of objects; of a list's items that are scalars `value`.
    """

    table: tuple[str, ...]
    column: tuple[str, ...]
    field: Field
    shape: Shape

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that lead to it in a record; of a list of scalars those of the list."""
        of_scalars = self.shape.of_scalars and self.column == (SCALAR,) and self.table
        return self.table if of_scalars else (*self.table, *self.column)

    @property
    def path(self) -> str:
        """The same as a path."""
        return ".".join(self.keys)


def leaves_of(
    shape: Shape, table: tuple[str, ...] = (), prefix: tuple[str, ...] = ()
) -> Iterator[Leaf]:
    """Yields the fields of a shape, and of all objects and lists in it."""
    for key, it in shape.fields.items():
        yield Leaf(table, (*prefix, key), it, shape)
    for key, nested in shape.objects.items():
        yield from leaves_of(nested, table, (*prefix, key))
    for key, item in shape.lists.items():
        yield from leaves_of(item, (*table, *prefix, key))


def folded(name: str) -> str:
    """Returns a name of an item as names are compared; "" for what is none.

    Case does not count, nor how much white space there is, nor how Unicode puts a letter together:
    a policy that misses a question is worse than one that takes two for the same.
    """
    if name[:1] in ("[", "{"):  # maybe a list or an object, as text
        with suppress(ValueError, RecursionError):
            decode(name.encode())
            return ""
    visible = "".join(it for it in normalize("NFKC", name) if category(it) != "Cf")
    return " ".join(visible.split()).casefold()


@dataclass(frozen=True)
class Policy:
    """What becomes of the personal data in the records of one resource.

    Attributes:
        shape: Shape of a record.
        hashed: What is hashed, with HMAC-SHA256.
        dropped: What is NULL.
        named: Keys that lead to all that is named, in whichever resource.
        key: The key of the hashes.
    """

    shape: Shape
    hashed: frozenset[Place]
    dropped: frozenset[Place]
    named: frozenset[tuple[str, ...]]
    key: bytes = field(repr=False)

    def treatment(self, path: str, name: str | None = None) -> Treatment | None:
        """Returns what becomes of a field; of a named item's value, what becomes of that."""
        for place in (Place(path), Place(path, folded(name or ""))):
            if place in self.dropped:
                return "drop"
            if place in self.hashed:
                return "hash"
        if name is not None and not folded(name) and path in self.paths_of_items:
            return "drop"  # it may be one that is meant
        return None

    @cached_property
    def paths_of_items(self) -> frozenset[str]:
        """The fields of which the values of some names are hashed or dropped."""
        return frozenset(it.path for it in self.hashed | self.dropped if it.name)

    @cached_property
    def leaves(self) -> Sequence[Leaf]:
        """The fields that are, or of which some values are, hashed or dropped."""
        paths = {it.path for it in self.hashed | self.dropped}
        return [it for it in leaves_of(self.shape) if it.path in paths]

    @cached_property
    def numbers(self) -> Sequence[str]:
        """The paths of number fields that are not dropped."""
        numbers = (it.path for it in leaves_of(self.shape) if it.field.type in _NUMBERS)
        return [path for path in numbers if self.treatment(path) is None]

    @cached_property
    def columns(self) -> frozenset[tuple[tuple[str, ...], tuple[str, ...]]]:
        """The same as the keys of tables and columns."""
        return frozenset((it.table, it.column) for it in self.leaves)

    def as_state(self) -> dict[str, Any]:
        """Returns what tells policies apart, without the key: what it hashes and drops here.

        And what it names in all resources, under which nothing undeclared was let in.
        """
        lists = {"hash": sorted(map(str, self.hashed)), "drop": sorted(map(str, self.dropped))}
        key = self.key if self.hashed else b""
        digest = hmac.digest(key, to_json(lists).encode(), "sha256").hex()
        return {**lists, "digest": digest, "named": sorted(map(".".join, self.named))}

    def added_to(self, before: Mapping[str, Any]) -> list[str]:
        """Returns what it hashes or drops and an earlier policy, as its state has it, did not."""
        known = {*before.get("hash", ()), *before.get("drop", ())}
        places = sorted(self.hashed | self.dropped)
        return [str(it) for it in places if not {str(it), it.path} & known]

    def blanked(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        """Returns what may be told of an entry that is no record.

        That is what the tables would say if it were one: declared fields that are neither hashed
        nor dropped, with values that their columns take.
        """
        return self._blanked(entry, self.shape, ())

    def _blanked(
        self, item: Mapping[str, Any], shape: Shape, path: tuple[str, ...]
    ) -> dict[str, Any]:
        told: dict[str, Any] = {}
        name = None
        for key, it in shape.fields.items():
            if shape.named is not None and key == shape.named[1]:
                name = _text(item.get(shape.named[0]))
            if key in item:
                is_told = self.treatment(".".join((*path, key)), name) is None
                told[key] = item[key] if is_told and _is_fit(item[key], it) else None
        for key, nested in shape.objects.items():
            if key in item:
                inner = item[key]
                is_object = isinstance(inner, dict)
                told[key] = self._blanked(inner, nested, (*path, key)) if is_object else None
        for key, below in shape.lists.items():
            if key in item:
                told[key] = [
                    self._blanked_item(it, below, (*path, key)) for it in as_list(item[key]) or ()
                ]
        return told

    def _blanked_item(self, item: object, shape: Shape, path: tuple[str, ...]) -> object:
        if shape.of_scalars:
            is_told = self.treatment(".".join(path)) is None
            return item if is_told and _is_fit(item, shape.fields[SCALAR]) else None
        return self._blanked(item, shape, path) if isinstance(item, dict) else None


def fields_in(value: object) -> Iterator[tuple[str, ...]]:
    """Yields the paths of the fields in a value, in those of objects and of lists."""
    left: list[tuple[tuple[str, ...], object]] = [((), value)]
    while left:  # and not by recursion: it may be nested as deeply as JSON can be
        path, inner = left.pop()
        if isinstance(inner, dict):
            yield from ((*path, key) for key in inner)
            left += [((*path, key), it) for key, it in inner.items()]
        elif isinstance(inner, list):
            left += [(path, it) for it in inner]


def _text(value: object) -> str:
    return "" if value is None else value if isinstance(value, str) else to_json(value)


def _is_fit(value: object, column: Field) -> bool:
    if column.type == "text" and any(fields_in(value)):
        return False
    try:
        converter(column.type, timezone.utc)(value)
    except UnfitError:
        return value is None
    return True
