"""What undeclared fields are called and typed, and whether they are let in.

An undeclared scalar is a text column, from its first day; so no type ever changes. A column that
has another type at the destination, by a user's hint or from an older load, keeps it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from functools import cache
from typing import Final, cast, get_args

from customergauge_source.tables.privacy import Policy
from customergauge_source.tables.shape import DataType, Shape, rejected_values_table

DEEPEST: Final = 8
"""Undeclared objects and lists nested deeper than this are kept as JSON text."""
Path = tuple[str, ...]


class Catalog:
    """The tables and columns that are there, and the names of those that come.

    Args:
        name: Returns the name of the column or table at a path of keys; "" if it has none.
        known: Types of the columns that are there already, by table and column.
        admit: Is asked whether an undeclared field, by its path, is loaded; may raise.
        is_strict: Whether it is asked of those, too, of which there is a column already.
    """

    def __init__(
        self,
        name: Callable[[Path], str],
        known: Mapping[str, Mapping[str, str]],
        admit: Callable[[Path], bool] = lambda _path: True,
        *,
        is_strict: bool = False,
    ) -> None:
        self.name = cache(name)
        self._known = {table: dict(columns) for table, columns in known.items()}
        self._admit = admit
        self._is_strict = is_strict

    def admits(self, table_path: Path, path: Path) -> bool:
        """Says whether an undeclared field is loaded; one that is known is, unless it is strict."""
        is_known = not self._is_strict and self._is_known(table_path, path)
        return is_known or self._admit((*table_path[1:], *path))

    def _is_known(self, table_path: Path, path: Path) -> bool:
        """Says whether a column or a table, or columns of an object, are there for a field."""
        name, columns = self.name(path), self._known.get(self.name(table_path), {})
        return bool(name) and (
            name in columns
            or self.name((*table_path, *path)) in self._known
            or any(column.startswith(f"{name}__") for column in columns)
        )

    def has_column(self, table: str, column: str) -> bool:
        """Says whether the destination's table has this column, or will have it."""
        return column in self._known.get(table, {})

    def type_of(self, table: str, column: str) -> DataType:
        """Returns the type under which an undeclared scalar goes to its column, and notes it."""
        known = self._known.setdefault(table, {}).setdefault(column, "text")
        return cast("DataType", known) if known in get_args(DataType) else "text"


@dataclass(frozen=True)
class Target:
    """The tables that records are for.

    Attributes:
        root: Name of the root table.
        zone: Where the clock stands that timestamps without an offset were read from.
        policy: What becomes of personal data.
    """

    root: str
    key: str
    shape: Shape
    catalog: Catalog
    zone: tzinfo
    policy: Policy | None = None

    @property
    def rejected_values(self) -> str:
        """Name of the table of values that their columns could not take."""
        return rejected_values_table(self.root)


def is_too_deep(table_path: Sequence[str], path: Sequence[str]) -> bool:
    """Says whether an undeclared object or list is nested too deep to be taken apart."""
    return len(table_path) - 1 + len(path) > DEEPEST
