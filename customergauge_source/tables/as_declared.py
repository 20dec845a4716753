"""Records that Arrow has read become rows as they are, if nothing in them has to be put right.

Undeclared fields are welcome, as long as they are unambiguous: what Arrow's inference may have
changed, or what has to be refused, is left to `put_right`, which sees the values as they came.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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


class OddRecordsError(NotAsDeclaredError):
    """Something has to be put right in some of the records.

    Attributes:
        rows: Their places, in order.
    """

    def __init__(self, rows: Sequence[int]) -> None:
        super().__init__()
        self.rows = rows


def rows_of_arrow(records: pa.StructArray, target: Target) -> pa.StructArray:
    """Returns rows, whose fields are the columns and the lists of child rows.

    Raises:
        OddRecordsError: Something has to be put right in some of them.
        NotAsDeclaredError: Something has to be put right.
    """
    keys = _field(records, target.key)
    _refuse(_rows_where(pc.is_null(keys)), (target.root,), target)
    if len(pc.unique(keys)) != len(keys):
        raise NotAsDeclaredError
    columns = [
        *_object(records, target.shape, (target.root,), (), target),
        (target.rejected_values, arrow.rejected_lists([()] * len(records))),
    ]
    rows = arrow.make_struct(columns, len(records))
    check_names(rows.type)
    return rows


def check_names(rows: pa.StructType) -> None:
    """Checks that there is one column, and one table, of each name.

    Raises:
        NotAsDeclaredError: There is not.
    """
    tables = [*_tables(rows)]
    if len(set(tables)) < len(tables):
        raise NotAsDeclaredError


def _object(
    objects: pa.StructArray, shape: Shape, table: Path, prefix: Path, target: Target
) -> Iterator[_Column]:
    """Yields the columns and lists of an object that every row has."""
    for key, column in shape.fields.items():
        values = _declared(_field(objects, key), column.type, table, target)
        yield target.catalog.name((*prefix, key)), values
    for key, nested in shape.objects.items():
        yield from _object(_field(objects, key), nested, table, (*prefix, key), target)
    for key, item in shape.lists.items():
        yield _list(_field(objects, key), item, (*table, *prefix, key), target)
    declared = shape.fields.keys() | shape.objects.keys() | shape.lists.keys()
    undeclared = {field.name for field in objects.type} - declared
    for key in undeclared & shape.older:
        _refuse(_rows_where(pc.is_valid(_field(objects, key))), table, target)
    for key in sorted(undeclared):
        values = _field(objects, key)
        if values.null_count < len(values) and target.catalog.admits(table, (*prefix, key)):
            yield from _undeclared(values, table, (*prefix, key), target)


def _declared(values: pa.Array, data_type: DataType, table: Path, target: Target) -> pa.Array:
    if data_type == "timestamp":
        if not pa.types.is_string(values.type):  # Arrow makes moments of numbers
            _refuse(_rows_where(pc.is_valid(values)), table, target)
        odd: set[int] = set()
        moments = arrow.timestamps(values, target.zone, lambda row, *_: odd.add(row))
        _refuse(sorted(odd), table, target)
        return moments
    if values.type == arrow.ARROW_TYPES[data_type]:
        return values
    return _typed(values, data_type, target)


def _refuse(rows: Sequence[int], table: Path, target: Target) -> None:
    """Refuses what has rows to be put right; only those of the root table are those of records."""
    if rows:
        raise OddRecordsError(rows) if table == (target.root,) else NotAsDeclaredError


def _rows_where(mask: pa.BooleanArray) -> list[int]:
    rows: list[int] = pc.indices_nonzero(mask).to_pylist()
    return rows


def _list(lists: pa.ListArray, shape: Shape, path: Path, target: Target) -> _Column:
    items = pc.list_flatten(lists)
    if not pa.types.is_struct(items.type):
        items = arrow.make_struct([(SCALAR, items)], len(items))
    columns = [*_object(items, shape, path, (), target)]
    return target.catalog.name(path), arrow.make_lists(
        arrow.lengths_of(lists), arrow.make_struct(columns, len(items))
    )


def _undeclared(values: pa.Array, table: Path, path: Path, target: Target) -> Iterator[_Column]:
    catalog, kind = target.catalog, values.type
    name, home = catalog.name(path), catalog.name(table)
    if not name:
        raise NotAsDeclaredError
    if not (pa.types.is_struct(kind) or pa.types.is_list(kind)):
        if name == target.key:
            raise NotAsDeclaredError
        yield name, _typed(values, catalog.type_of(home, name), target)
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
        yield from _object(values, OPEN, table, path, target)
    else:
        yield _list(values, OPEN, (*table, *path), target)


def _typed(values: pa.Array, data_type: DataType, target: Target) -> pa.Array:
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
    if pc.any(whole).as_py() and not target.writes_whole():
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
    for field in rows:
        if pa.types.is_list(field.type):
            yield field.name
            yield from _tables(field.type.value_type)
