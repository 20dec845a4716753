"""The shape of a record as plain data: what Arrow, dlt and the documentation are told."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

DataType = Literal["text", "bigint", "double", "bool", "timestamp", "date", "decimal"]

SCALAR: Final = "value"
"""The column of a child table whose list holds scalars; dlt's own name for it."""

OWN: Final = "_dlt_cg_"
"""How our own columns of a root table begin; as with dlt's, none of a record's does."""
DIGEST: Final = f"{OWN}digest"
SCOPE: Final = f"{OWN}scope"
DELETED: Final = f"{OWN}deleted"


@dataclass(frozen=True)
class Field:
    """A scalar of the API, and the column it becomes."""

    type: DataType
    description: str


@dataclass(frozen=True)
class Shape:
    """An object of the API: its scalars, the objects in it, and the lists under it.

    Attributes:
        fields: Scalars by their key; each is a column.
        objects: Nested objects by their key; each is flattened into columns `key__field`.
        lists: Lists by their key; each is a child table `parent__key`.
        description: What a row of the table means; of use where the shape is a table.
        older: Keys of older shapes, whose records have to be brought into this one.
        named: Of a list's items the key that holds their name, and the one that holds their value.
    """

    fields: Mapping[str, Field] = field(default_factory=dict)
    objects: Mapping[str, Shape] = field(default_factory=dict)
    lists: Mapping[str, Shape] = field(default_factory=dict)
    description: str = ""
    older: frozenset[str] = frozenset()
    named: tuple[str, str] | None = None

    @property
    def of_scalars(self) -> bool:
        """Whether it is that of a list's items which are scalars, not objects."""
        return self.fields.keys() == {SCALAR}

    def columns(self, prefix: str = "") -> Iterator[tuple[str, Field]]:
        """Yields the columns of this shape's table, nested objects flattened."""
        for key, column in self.fields.items():
            yield prefix + key, column
        for key, shape in self.objects.items():
            yield from shape.columns(f"{prefix}{key}__")

    def tables(self, name: str, parent: str = "") -> Iterator[tuple[str, str, Shape]]:
        """Yields name, parent and shape of this shape's table, and of those below it."""
        yield name, parent, self
        for key, shape in self.lists.items():
            yield from shape.tables(f"{name}__{key}", name)


def text(description: str) -> Field:
    """Returns a field of text."""
    return Field("text", description)


def timestamp(description: str) -> Field:
    """Returns a field of timestamps."""
    return Field("timestamp", description)


OPEN: Final = Shape()
"""The shape of what is not declared: everything in it is undeclared, too."""

REJECTED_VALUES: Final = Shape(
    description="Values of a record that their columns could not take.",
    fields={
        "field": text("Path of the value in the record as the API sent it."),
        SCALAR: text("The value as JSON."),
        "reason": text("Why its column could not take it."),
    },
)

REJECTED_RECORDS: Final = Shape(
    description="Entries of the feed that cannot be loaded as records.",
    fields={
        "record": text("The record as JSON."),
        "reason": text("Why it could not be loaded."),
        "resource": text("Resource that it was read for."),
        "cursor": Field("bigint", "Cursor that its page came back with."),
        "position": Field("bigint", "Its place in the page, from 0."),
    },
)


DELETED_RECORDS: Final = Shape(
    description="Records that were in the table, and are gone from the account.",
    fields={"noticed_at": timestamp("When a reconciliation found that it is gone.")},
)


def deleted_table(root: str) -> str:
    """Returns the name of the table of what was removed from a root table."""
    return f"deleted_{root}"


def root_tables(resources: Collection[str]) -> set[str]:
    """Returns the names of the root tables of resources."""
    return {*resources, *map(deleted_table, resources)}


def rejected_values_table(root: str) -> str:
    """Returns the name of the table of rejected values below a root table."""
    return f"{root}__rejected_values"
