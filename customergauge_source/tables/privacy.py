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
    """A field of a shape: its path in a record, its column, and the shape that it stands in."""

    path: str
    table: str
    column: str
    field: Field
    shape: Shape


def leaves(
    shape: Shape, table: str, prefix: str = "", path: tuple[str, ...] = ()
) -> Iterator[Leaf]:
    """Yields the fields of a shape, and of all objects and lists in it."""
    for key, it in shape.fields.items():
        yield Leaf(".".join((*path, key)), table, prefix + key, it, shape)
    for key, nested in shape.objects.items():
        yield from leaves(nested, table, f"{prefix}{key}__", (*path, key))
    for key, item in shape.lists.items():
        below, place = f"{table}__{prefix}{key}", (*path, key)
        if item.of_scalars:  # the path is that of the list
            yield Leaf(".".join(place), below, SCALAR, item.fields[SCALAR], item)
        else:
            yield from leaves(item, below, "", place)


def folded(name: str) -> str:
    """Returns a name of an item as names are compared; "" for what is none.

    Neither case nor white space counts: a policy that misses a question is worse than one that
    takes two for the same.
    """
    if name[:1] in ("[", "{"):  # maybe a list or an object, as text
        with suppress(ValueError, RecursionError):
            decode(name.encode())
            return ""
    return " ".join(name.split()).casefold()


@dataclass(frozen=True)
class Policy:
    """What becomes of the personal data in the records of one resource.

    Attributes:
        root: Name of the resource's root table.
        shape: Shape of a record.
        hashed: What is hashed, with HMAC-SHA256.
        dropped: What is NULL.
        names: What is named of all resources, paths joined as in the names of columns.
        key: The key of the hashes.
    """

    root: str
    shape: Shape
    hashed: frozenset[Place]
    dropped: frozenset[Place]
    names: frozenset[str]
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

    def bars(self, name: str, parent: str) -> bool:
        """Says whether an undeclared field may not be loaded, whatever else is said.

        Those may not that have the name of something that the policy names in any resource, or
        hold it, or stand beside it in an object or a list. The names are those of columns.
        """
        return any(
            it == name or it.startswith(f"{name}__") or (parent and it.startswith(f"{parent}__"))
            for it in self.names
        )

    @cached_property
    def columns(self) -> Mapping[str, Mapping[str, Leaf]]:
        """The fields that are, or of which some values are, hashed or dropped: by table, column."""
        paths = {it.path for it in self.hashed | self.dropped}
        found: dict[str, dict[str, Leaf]] = {}
        for leaf in leaves(self.shape, self.root):
            if leaf.path in paths:
                found.setdefault(leaf.table, {})[leaf.column] = leaf
        return found

    @cached_property
    def numbers(self) -> Sequence[str]:
        """The paths of number fields that are not dropped."""
        fields = leaves(self.shape, self.root)
        numbers = (it.path for it in fields if it.field.type in _NUMBERS)
        return [path for path in numbers if self.treatment(path) is None]

    def as_state(self) -> dict[str, Any] | None:
        """Returns what tells policies apart, without the key; None if it names nothing here."""
        if not self.hashed and not self.dropped:
            return None
        lists = {"hash": sorted(map(str, self.hashed)), "drop": sorted(map(str, self.dropped))}
        key = self.key if self.hashed else b""
        digest = hmac.digest(key, to_json(lists).encode(), "sha256").hex()
        return {**lists, "digest": digest}

    def added_to(self, before: Mapping[str, Any] | None) -> list[str]:
        """Returns what it hashes or drops and an earlier policy, as its state has it, did not."""
        known = {*before["hash"], *before["drop"]} if before else set()
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
            return item if self.treatment(".".join(path)) is None else None
        return self._blanked(item, shape, path) if isinstance(item, dict) else None


def _text(value: object) -> str:
    return "" if value is None else value if isinstance(value, str) else to_json(value)


def _is_fit(value: object, column: Field) -> bool:
    try:
        converter(column.type, timezone.utc)(value)
    except UnfitError:
        return value is None
    return True
