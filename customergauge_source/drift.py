"""What becomes of fields that the API sends and the schema does not declare.

A new field becomes a column or a child table, typed by what came. When its type clashes later,
the column is widened to text: see `widening`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Protocol, cast, get_args

from dlt.common import logger
from dlt.common.normalizers.naming import NamingConvention

from customergauge_source.exceptions import UnknownFieldError
from customergauge_source.schema import DataType
from customergauge_source.values import common_type


class Naming(Protocol):
    """The part of dlt's naming convention that is needed here."""

    def normalize_identifier(self, identifier: str) -> str:
        """Returns a key of the API as an identifier of the destination."""

    def shorten_fragments(self, *normalized_idents: str) -> str:
        """Returns identifiers joined to the name of a column or table."""


class TypeClashError(Exception):
    """A column that this load package already carries would have to change its type."""


_LONGEST_NAME: Final = 150
"""Characters of a name: dlt makes file names of those of tables, which the system limits to 255."""
_RESERVED: Final = "_dlt"
"""dlt's own columns begin like this."""


class Drift:
    """Names, admits and types the fields that are not declared.

    Args:
        naming: The naming convention of the dlt schema.
        known: Types of the columns that are there already, by table and column.
        mode: "evolve", "ignore" or "fail".
        widen: Makes a column of the destination text; says whether it could.
    """

    def __init__(
        self,
        naming: Naming,
        known: Mapping[str, Mapping[str, str]],
        *,
        mode: str = "evolve",
        widen: Callable[[str, str], bool] = lambda _table, _column: False,
    ) -> None:
        self._naming = naming
        self._known = {table: dict(columns) for table, columns in known.items()}
        self._mode = mode
        self._widen = widen
        self._written: set[str] = set()
        self._warned: set[str] = set()

    def name(self, path: Sequence[str]) -> str:
        """Returns the name of the column or table at a path; "" if it cannot have one."""
        try:
            fragments = [self._naming.normalize_identifier(key) for key in path]
        except ValueError:
            return ""
        name = self._naming.shorten_fragments(*fragments)
        if len(name) > _LONGEST_NAME:
            name = NamingConvention.shorten_identifier(name, name, _LONGEST_NAME)
        return "" if name.startswith(_RESERVED) else name

    def admits(self, table: str, table_path: Sequence[str], path: Sequence[str]) -> bool:
        """Says whether an unknown field is loaded.

        Args:
            table: The table that its object belongs to.
            table_path: Path of the table.
            path: Path of the field below it.

        Raises:
            UnknownFieldError: The setting is to fail on unknown fields.
        """
        if self._mode == "evolve" or self._is_known(table, table_path, path):
            return True
        field = ".".join((*table_path[1:], *path))
        if self._mode == "fail":
            raise UnknownFieldError(f"CustomerGauge sent a field that is not declared: {field}")
        if field not in self._warned:
            self._warned.add(field)
            logger.warning("Field %s is not declared and was left out (unknown_fields).", field)
        return False

    def _is_known(self, table: str, table_path: Sequence[str], path: Sequence[str]) -> bool:
        """Says whether a column or a table, or columns of an object, are there for a field."""
        name = self.name(path)
        return bool(name) and (
            self.has_column(table, name)
            or self.name((*table_path, *path)) in self._known
            or any(column.startswith(f"{name}__") for column in self._known.get(table, ()))
        )

    def has_column(self, table: str, column: str) -> bool:
        """Says whether the destination's table has this column, or will have it."""
        return column in self._known.get(table, {})

    def note_written(self, tables: Iterable[str]) -> None:
        """Notes the tables that the load package carries from now on, with all their columns."""
        self._written.update(tables)

    def settle(self, table: str, column: str, values: list[Any]) -> DataType:
        """Returns the type under which these values go to the column.

        Raises:
            TypeClashError: The column would have to be widened, but this package carries its table;
                dlt fills in a column that a page does not have, under the type that it had.
        """
        columns = self._known.setdefault(table, {})
        coming = common_type(values)
        known = columns.get(column)
        if known is None:
            columns[column] = known = coming
        elif not _takes(known, coming, values):
            if table in self._written:
                raise TypeClashError(f"{table}.{column}")
            if self._widen(table, column):
                columns[column] = known = "text"
        return cast("DataType", known) if known in get_args(DataType) else "text"


def _takes(known: str, coming: DataType, values: Sequence[Any]) -> bool:
    """Says whether a column of a known type takes these values, whose own type is `coming`."""
    if known == "double" and coming == "bigint":
        return common_type([*values, 0.5]) == "double"
    return known == coming or known not in {"bigint", "double", "bool", "timestamp"}
