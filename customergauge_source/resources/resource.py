"""What a resource is: a declaration."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from customergauge_source.resources.positions import Position
from customergauge_source.resources.query import BOUNDS, PARAMETERS, Query, mistake, not_allowed
from customergauge_source.tables.shape import Shape

_IDENTIFIER: Final = re.compile(r"(?!deleted_)[a-z][a-z0-9]*(_[a-z0-9]+)*")
KEY: Final = "number_customergauge"
"""CGID: the id of a survey record, and the key of all that the sync API hands out."""


@dataclass(frozen=True, eq=False)
class Resource:
    """An endpoint of the sync API, and the tables that its records become.

    Attributes:
        name: Name of the resource and of its root table.
        path: Path of the endpoint.
        record: Shape of a record.
        key: The whole number that tells records apart.
        include: Lists that `with[]` can add to a record.
        takes: Parameters of the endpoint beside `per_page`, `cursor` and `with[]`, as arguments
            of the source.
        position: How the place is kept where the next run goes on.
        partition: The timestamp that BigQuery partitions the root table by.
        put_right: Brings a record of an older shape into the declared one.
    """

    name: str
    path: str
    record: Shape
    key: str = KEY
    include: tuple[str, ...] = ()
    takes: frozenset[str] = frozenset()
    position: type[Position] = Position
    partition: str | None = None
    put_right: Callable[[dict[str, Any]], dict[str, Any]] = lambda record: record

    def __post_init__(self) -> None:
        """Checks that name and key can be those of a table and a column."""
        for value in (self.name, self.key):
            if not _IDENTIFIER.fullmatch(value):
                allowed = "lower snake_case, not beginning with deleted_"
                raise not_allowed("A resource's name or key", value, allowed)
        if self.key not in self.record.fields or self.record.fields[self.key].type != "bigint":
            raise not_allowed("A resource's key", self.key, "a field of the record, a bigint")

        for _, table, shape in self.record.tables(self.name):
            of_text = {key for key, column in shape.fields.items() if column.type == "text"}
            if not of_text.issuperset(shape.named or ()):
                raise not_allowed(f"named of {table}", shape.named, "two of its text fields")

    def part_of(self, query: Query) -> Query:
        """Returns the part of a query that the endpoint takes.

        Raises:
            ConfigurationError: The query is bounded by what the endpoint does not take.
        """
        for name in BOUNDS:
            if getattr(query, name) is not None and name not in self.takes:
                raise mistake(
                    f"{self.name} does not take {name}: the API has no such parameter there.",
                    f"Leave {self.name} out of this run, with --resources (resources).",
                )
        asked = self.include if query.include is None else query.include
        lists = tuple(name for name in asked if name in self.include)
        foreign: dict[str, Any] = dict.fromkeys(PARAMETERS.keys() - self.takes)
        return replace(query, include=lists, **foreign)
