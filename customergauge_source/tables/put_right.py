"""Records as Python values become rows, put right value by value.

The rules are those that `docs/tables.md` lists under "What the tables say". What a column cannot
take becomes a row of the table of rejected values.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import pyarrow as pa

from customergauge_source.tables import arrow
from customergauge_source.tables.catalog import Catalog, Path, Target, is_too_deep
from customergauge_source.tables.encoding import to_json
from customergauge_source.tables.privacy import fields_in
from customergauge_source.tables.records import JsonObject
from customergauge_source.tables.shape import OPEN, SCALAR, DataType, Shape
from customergauge_source.tables.values import as_list


def rows_of_objects(records: Sequence[JsonObject], target: Target) -> pa.StructArray:
    """Returns the rows of records: columns, and lists of child rows."""
    page = _Page(target, [[] for _ in records], {target.rejected_values: ()})
    columns = page.columns((target.root,), target.shape, records, range(len(records)))
    columns[target.rejected_values] = arrow.rejected_lists(page.rejected)
    return arrow.make_struct([*columns.items()], len(records))


@dataclass(frozen=True)
class _Page:
    """What all tables of a page share: what is rejected, by record, and who has which name."""

    target: Target
    rejected: list[list[dict[str, str]]]
    claims: dict[str, Path]

    def columns(
        self, path: Path, shape: Shape, objects: Sequence[JsonObject], owners: Sequence[int]
    ) -> dict[str, pa.Array]:
        """Returns the columns and lists of one table.

        Of each object, a row of it, the owner is the place of its record in the page.
        """
        level = _Level(self, self.target.catalog, path, owners, {})
        level.add_object((), shape, objects)
        return level.made

    def claim(self, path: Path) -> str:
        """Returns the name of the table at a path; "" if it has none, or another list has it."""
        name = self.target.catalog.name(path)
        return name if self.claims.setdefault(name, path) == path else ""


@dataclass(frozen=True)
class _Level:
    """One table on its way: its columns, and the lists that become tables below it."""

    page: _Page
    catalog: Catalog
    path: Path
    owners: Sequence[int]
    made: dict[str, pa.Array]

    def add_object(self, prefix: Path, shape: Shape, objects: Sequence[JsonObject]) -> None:
        """Adds the columns and lists of an object that every row has."""
        for key, column in shape.fields.items():
            path = (*prefix, key)
            values = [item.get(key) for item in objects]
            self._add_column(self.catalog.name(path), path, column.type, values)
        for key, nested in shape.objects.items():
            path = (*prefix, key)
            inner = [value or {} for value in _only(dict, objects, key, self._refuse(path))]
            self.add_object(path, nested, inner)
        for key, item in shape.lists.items():
            path = (*prefix, key)
            lists = [value or [] for value in _only(list, objects, key, self._refuse(path))]
            self._add_list(self.page.claim((*self.path, *path)), path, item, lists)
        known = shape.fields.keys() | shape.objects.keys() | shape.lists.keys()
        for path, values in self._open_fields(prefix, objects, known):
            self._add_open(path, values)

    def _open_fields(
        self, prefix: Path, objects: Sequence[JsonObject], known: Collection[str]
    ) -> list[tuple[Path, list[Any]]]:
        """Returns paths and values of the fields that are not declared.

        Keys that make the same name are one field, whichever rows of the page have which.
        """
        fields: dict[str, tuple[Path, list[Any]]] = {}
        for key in sorted(set[str]().union(*objects).difference(known)):
            path = (*prefix, key)
            if not self.catalog.admits(self.path, path):
                continue
            values = [item.get(key) for item in objects]
            _, taken = fields.setdefault(self.catalog.name(path) or key, (path, values))
            for row, value in enumerate(values if taken is not values else ()):
                if taken[row] is None:
                    taken[row] = value
                elif value is not None:
                    self._refuse(path)(row, value, "another key has its column's name")
        return list(fields.values())

    def _add_open(self, path: Path, values: list[Any]) -> None:
        """Adds a field that is not declared."""
        catalog = self.catalog
        if (
            is_too_deep(self.path, path)
            or catalog.has_column(catalog.name(self.path), catalog.name(path))
            or any(value is not None and type(value) not in (dict, list) for value in values)
        ):
            self._add_open_column(path, values)
            return
        self.add_object(path, OPEN, [value if type(value) is dict else {} for value in values])
        lists = [value if type(value) is list else [] for value in values]
        if not any(lists):
            return
        name = self.page.claim((*self.path, *path))
        if name and name not in self.made:
            self._add_list(name, path, OPEN, lists)
        else:
            self._refuse_all(path, lists, "its table's name is taken")

    def _add_open_column(self, path: Path, values: list[Any]) -> None:
        catalog = self.catalog
        name = catalog.name(path)
        if not name or name in self.made or (name == self.page.target.key and len(self.path) > 1):
            self._refuse_all(path, values, "its column's name is taken")
            return
        if any(value is not None for value in values):
            data_type = catalog.type_of(catalog.name(self.path), name)
            self._add_column(name, path, data_type, values)

    def _add_column(self, name: str, path: Path, data_type: DataType, values: list[Any]) -> None:
        policy = self.page.target.policy
        if (
            policy is not None
            and data_type == "text"
            and (self.path[1:], path) not in policy.columns
        ):
            values = [value if self._is_let_in(path, value) else None for value in values]
        self.made[name] = arrow.to_column(
            values, data_type, self.page.target.zone, self._refuse(path)
        )

    def _is_let_in(self, path: Path, value: object) -> bool:
        """Says whether all fields are let in that are in a value where text belongs."""
        return all(self.catalog.admits(self.path, (*path, *it)) for it in fields_in(value))

    def _add_list(self, name: str, path: Path, item: Shape, lists: list[list[Any]]) -> None:
        objects = _as_objects([*chain.from_iterable(lists)], item)
        owners = [owner for owner, values in zip(self.owners, lists, strict=True) for _ in values]
        below = self.page.columns((*self.path, *path), item, objects, owners)
        lengths = pa.array(map(len, lists), pa.int32())
        self.made[name] = arrow.make_lists(
            lengths, arrow.make_struct([*below.items()], len(objects))
        )

    def _refuse(self, path: Path) -> arrow.Refuse:
        """Returns what notes a rejected value of the field at a path."""
        field = ".".join((*self.path[1:], *path))

        def refuse(row: int, value: object, reason: str) -> None:
            rejected = {"field": field, SCALAR: to_json(value), "reason": reason}
            self.page.rejected[self.owners[row]].append(rejected)

        return refuse

    def _refuse_all(self, path: Path, values: Sequence[Any], reason: str) -> None:
        refuse = self._refuse(path)
        for row, value in enumerate(values):
            if value not in (None, []):
                refuse(row, value, reason)


def _only(kind: type, objects: Sequence[JsonObject], key: str, refuse: arrow.Refuse) -> list[Any]:
    """Returns the values of a kind under a key; others are refused, null stays.

    PHP sends an empty list for an empty object and the other way round, and a list with gaps as
    an object whose keys are whole numbers.
    """
    values = [item.get(key) for item in objects]
    if {*map(type, values)} <= {kind, type(None)}:
        return values
    for row, value in enumerate(values):
        if isinstance(value, kind):
            continue
        values[row] = None
        if kind is list and (php := as_list(value)):
            values[row] = php
        elif value not in (None, [], {}):
            refuse(row, value, "not a list" if kind is list else "not an object")
    return values


def _as_objects(items: list[Any], shape: Shape) -> list[JsonObject]:
    """Returns the items of lists as objects: a scalar has one key, `value`."""
    if shape.of_scalars:
        return [{SCALAR: item} for item in items]
    if {*map(type, items)} <= {dict}:
        return items
    return [_as_object(item) for item in items]


def _as_object(item: Any) -> JsonObject:  # noqa: ANN401 - any JSON value
    if isinstance(item, dict):
        return item
    return {} if item is None else {SCALAR: item}
