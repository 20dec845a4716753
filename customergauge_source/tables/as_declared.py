"""Records that Arrow has read become rows as they are; those in which something is odd do not.

Undeclared fields are welcome, as long as they are unambiguous: what Arrow's inference may have
changed, or what has to be refused, is left to `put_right`, which sees the values as they came.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from customergauge_source.tables import arrow
from customergauge_source.tables.catalog import Path, Target, is_too_deep
from customergauge_source.tables.encoding import to_json
from customergauge_source.tables.shape import OPEN, SCALAR, DataType, Shape

_Column = tuple[str, pa.Array]
_EXACT: Final = 2.0**53
"""Up to here a double has every whole number."""


class NotAsDeclaredError(Exception):
    """Something in the records has to be put right."""


@dataclass(frozen=True)
class _Page:
    """What all tables of a page share.

    Attributes:
        target: The tables.
        writes_whole: Says whether whole numbers were written without a fraction, 1 and not 1.0.
        odd: Places of records in which something has to be put right, as far as it was noticed.
    """

    target: Target
    writes_whole: Callable[[], bool]
    odd: set[int] = field(default_factory=set)

    def note_odd(self, rows: Collection[int], table: Path) -> None:
        """Notes rows of a table in which something has to be put right.

        Raises:
            NotAsDeclaredError: It is not the root table, whose rows are those of records.
        """
        if rows and table != (self.target.root,):
            raise NotAsDeclaredError
        self.odd.update(rows)


def rows_of_arrow(
    records: pa.StructArray, target: Target, writes_whole: Callable[[], bool]
) -> tuple[pa.StructArray, list[int]]:
    """Returns rows, whose fields are the columns and the lists of child rows.

    With them come, in order, the places of records that have no row, as something has to be put
    right in them.

    Raises:
        NotAsDeclaredError: Something has to be put right that is not to be told by its record.
    """
    keys = _field(records, target.key)
    if keys.null_count:  # what is rejected has no say in what columns there are
        has_key = pc.is_valid(keys)
        places = _rows_where(has_key)
        rows, odd = rows_of_arrow(records.filter(has_key), target, writes_whole)
        return rows, sorted({*_rows_where(pc.is_null(keys)), *(places[row] for row in odd)})
    if len(pc.unique(keys)) != len(keys):
        raise NotAsDeclaredError
    page = _Page(target, writes_whole)
    columns = [
        *_object(records, target.shape, (target.root,), (), page),
        (target.rejected_values, arrow.rejected_lists([()] * len(records))),
    ]
    rows = arrow.make_struct(columns, len(records))
    check_names(rows.type)
    if page.odd:
        is_odd = pc.is_in(pa.array(range(len(rows))), pa.array(page.odd))
        rows = rows.filter(pc.invert(is_odd))
    return rows, sorted(page.odd)


def check_names(rows: pa.StructType) -> None:
    """Checks that there is one column, and one table, of each name.

    Raises:
        NotAsDeclaredError: There is not.
    """
    tables = [*_tables(rows)]
    if len(set(tables)) < len(tables):
        raise NotAsDeclaredError


def _object(
    objects: pa.StructArray, shape: Shape, table: Path, prefix: Path, page: _Page
) -> Iterator[_Column]:
    """Yields the columns and lists of an object that every row has."""
    for key, column in shape.fields.items():
        values = _declared(_field(objects, key), column.type, table, page)
        yield page.target.catalog.name((*prefix, key)), values
    for key, nested in shape.objects.items():
        yield from _object(_field(objects, key), nested, table, (*prefix, key), page)
    for key, item in shape.lists.items():
        yield _list(_field(objects, key), item, (*table, *prefix, key), page)
    declared = shape.fields.keys() | shape.objects.keys() | shape.lists.keys()
    undeclared = {field.name for field in objects.type} - declared
    for key in undeclared & shape.older:
        page.note_odd(_rows_where(pc.is_valid(_field(objects, key))), table)
    for key in sorted(undeclared - shape.older):
        values = _field(objects, key)
        if values.null_count < len(values) and page.target.catalog.admits(table, (*prefix, key)):
            yield from _undeclared(values, table, (*prefix, key), page)


def _declared(values: pa.Array, data_type: DataType, table: Path, page: _Page) -> pa.Array:
    if data_type == "timestamp":
        if not pa.types.is_string(values.type):  # Arrow makes moments of numbers
            page.note_odd(_rows_where(pc.is_valid(values)), table)
            return pa.nulls(len(values), arrow.ARROW_TYPES[data_type])
        odd: set[int] = set()
        moments = arrow.timestamps(values, page.target.zone, lambda row, *_: odd.add(row))
        page.note_odd(odd, table)
        return moments
    if values.type == arrow.ARROW_TYPES[data_type]:
        return values
    return _typed(values, data_type, page)


def _rows_where(mask: pa.BooleanArray) -> list[int]:
    rows: list[int] = pc.indices_nonzero(mask).to_pylist()
    return rows


def _list(lists: pa.ListArray, shape: Shape, path: Path, page: _Page) -> _Column:
    items = pc.list_flatten(lists)
    if not pa.types.is_struct(items.type):
        items = arrow.make_struct([(SCALAR, items)], len(items))
    columns = [*_object(items, shape, path, (), page)]
    return page.target.catalog.name(path), arrow.make_lists(
        arrow.lengths_of(lists), arrow.make_struct(columns, len(items))
    )


def _undeclared(values: pa.Array, table: Path, path: Path, page: _Page) -> Iterator[_Column]:
    catalog, kind = page.target.catalog, values.type
    name, home = catalog.name(path), catalog.name(table)
    if not name:
        raise NotAsDeclaredError
    if not (pa.types.is_struct(kind) or pa.types.is_list(kind)):
        if name == page.target.key:
            raise NotAsDeclaredError
        yield name, _typed(values, catalog.type_of(home, name), page)
        return
    items = pc.list_flatten(values) if pa.types.is_list(kind) else values
    if catalog.has_column(home, name):
        raise NotAsDeclaredError
    if not len(items) or items.type == pa.struct([]) == kind:
        return
    is_odd = pa.types.is_list(items.type) or pa.types.is_null(items.type)
    if is_too_deep(table, path) or is_odd:
        raise NotAsDeclaredError
    if pa.types.is_struct(kind):
        yield from _object(values, OPEN, table, path, page)
    else:
        yield _list(values, OPEN, (*table, *path), page)


def _typed(values: pa.Array, data_type: DataType, page: _Page) -> pa.Array:
    """Returns a scalar as text in its JSON spelling, or in the type of its column."""
    kind = values.type
    if pa.types.is_nested(kind):
        raise NotAsDeclaredError
    if data_type != "text":
        if kind != arrow.ARROW_TYPES[data_type]:
            raise NotAsDeclaredError
        return values
    if not pa.types.is_floating(kind):
        return values.cast(pa.string())  # booleans and whole numbers as JSON spells them
    whole = pc.equal(values, pc.floor(values))
    if not pc.all(pc.less(pc.abs(values), _EXACT)).as_py():
        raise NotAsDeclaredError  # digits are lost, or it is no number
    if pc.any(whole).as_py() and not page.writes_whole():
        raise NotAsDeclaredError  # it was written as 1 or as 1.0, which is not to be seen any more
    numbers = zip(values.to_pylist(), whole.to_pylist(), strict=True)
    spelled = [
        it if it is None else to_json(int(it) if is_whole else it) for it, is_whole in numbers
    ]
    return pa.array(spelled, pa.string())


def _field(objects: pa.StructArray, key: str) -> pa.Array:
    """Returns the values under a key, null where the object is; a name could be read as a path."""
    if key not in objects.type.names:
        return pa.nulls(len(objects))
    return pc.struct_field(objects, [objects.type.get_field_index(key)])


def _tables(rows: pa.StructType) -> Iterator[str]:
    """Yields the names of the tables below some rows; refuses two columns of the same name."""
    if len(set(rows.names)) < len(rows.names):
        raise NotAsDeclaredError
    for column in rows:
        if pa.types.is_list(column.type):
            yield column.name
            yield from _tables(column.type.value_type)
