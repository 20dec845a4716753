"""Rows of one level of a page, column by column: two ways to hold them, one way to ask.

A page whose records are all as documented stays in Arrow from the first byte on. Any other page
is held as Python objects, so that what is not as documented can be put right value by value.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from itertools import chain
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from customergauge_source.records import JsonObject
from customergauge_source.schema import SCALAR

Refuse = Callable[[int, Any, str], None]
"""Is told the row, the value and the reason of a value that cannot be taken."""


class Rows(Protocol):
    """Objects with the same keys, one a row."""

    def __len__(self) -> int:
        """Returns how many there are."""

    def scalars(self, key: str) -> Any:  # noqa: ANN401 - a list or an Arrow array
        """Returns the values under a key."""

    def objects(self, key: str, refuse: Refuse) -> Rows:
        """Returns the objects under a key, one for each row."""

    def lists(self, key: str, refuse: Refuse, *, scalars: bool) -> tuple[pa.Array, Rows]:
        """Returns how long the list under a key is in each row, and all their items.

        Args:
            key: The key.
            refuse: Is told of what is no list.
            scalars: Whether the items are scalars; they become objects with one key, `value`.
        """

    def unknown(self, known: Collection[str]) -> list[str]:
        """Returns the keys that are not known, sorted."""


class StructRows:
    """Rows in an Arrow array of structs."""

    def __init__(self, array: pa.StructArray) -> None:
        self._array = array

    def __len__(self) -> int:
        """Returns how many there are."""
        return len(self._array)

    def scalars(self, key: str) -> pa.Array:
        """Returns the values under a key."""
        return pc.struct_field(self._array, key)

    def objects(self, key: str, refuse: Refuse) -> StructRows:  # noqa: ARG002 - all are objects
        """Returns the objects under a key, one for each row."""
        return StructRows(pc.struct_field(self._array, key))

    def lists(
        self,
        key: str,
        refuse: Refuse,  # noqa: ARG002 - all are lists
        *,
        scalars: bool,
    ) -> tuple[pa.Array, StructRows]:
        """Returns how long the list under a key is in each row, and all their items."""
        lists = pc.struct_field(self._array, key)
        items = pc.list_flatten(lists)
        if scalars:
            items = pa.StructArray.from_arrays([items], [SCALAR])
        return pc.fill_null(pc.list_value_length(lists), 0), StructRows(items)

    def unknown(self, known: Collection[str]) -> list[str]:  # noqa: ARG002
        """Returns nothing: a page with unknown keys is not held in Arrow."""
        return []


class ObjectRows:
    """Rows in a list of Python objects, as they came out of JSON."""

    def __init__(self, rows: Sequence[JsonObject]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        """Returns how many there are."""
        return len(self._rows)

    def scalars(self, key: str) -> list[Any]:
        """Returns the values under a key."""
        return [row.get(key) for row in self._rows]

    def objects(self, key: str, refuse: Refuse) -> ObjectRows:
        """Returns the objects under a key, one for each row."""
        return ObjectRows([value or {} for value in self._only(dict, key, refuse)])

    def lists(self, key: str, refuse: Refuse, *, scalars: bool) -> tuple[pa.Array, ObjectRows]:
        """Returns how long the list under a key is in each row, and all their items."""
        return explode([value or [] for value in self._only(list, key, refuse)], scalars=scalars)

    def unknown(self, known: Collection[str]) -> list[str]:
        """Returns the keys that are not known, sorted."""
        return sorted(set[str]().union(*self._rows).difference(known))

    def _only(self, kind: type, key: str, refuse: Refuse) -> list[Any]:
        """Returns the values of a kind; others are refused, null stays.

        An empty list is an empty object, too, and the other way round, as PHP sends them.
        """
        values = self.scalars(key)
        if {*map(type, values)} <= {kind, type(None)}:
            return values
        for row, value in enumerate(values):
            if not isinstance(value, kind):
                values[row] = None
                if value not in (None, [], {}):
                    refuse(row, value, "not a list" if kind is list else "not an object")
        return values


def explode(lists: Sequence[Sequence[Any]], *, scalars: bool) -> tuple[pa.Array, ObjectRows]:
    """Returns how long each list is, and all their items as objects."""
    items = [
        item
        if isinstance(item, dict) and not scalars
        else {SCALAR: item}
        if scalars or item is not None
        else {}
        for item in chain.from_iterable(lists)
    ]
    return pa.array(map(len, lists), pa.int32()), ObjectRows(items)
