"""A number for all that a row says, lists included: equal rows have equal digests.

So a record that is read again can be told from what is in the tables without reading them.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from itertools import pairwise
from operator import itemgetter
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from customergauge_source.tables.arrow import lengths_of, make_lists, make_struct
from customergauge_source.tables.shape import DIGEST

_END: Final = b"\xfd"
"""Parts names and values."""
_NEXT: Final = b"\xfe"
"""Parts the values of a list, and its name from those of its fields."""
_NULL: Final = b"\xff"
"""Stands in a list for null. None of the three is in any UTF-8."""


def with_digest(rows: pa.StructArray) -> pa.StructArray:
    """Returns rows with their digest, 64 bits, as one more field.

    What is null or an empty list does not count, nor does the order of the fields: a field that
    other records of a page have, and this one lacks, changes nothing.
    """
    texts = _texts(rows)
    _, ends, data = texts.buffers()
    text, bounds = memoryview(data), pairwise(memoryview(ends).cast("i")[: len(rows) + 1])
    digests = b"".join(blake2b(text[start:end], digest_size=8).digest() for start, end in bounds)
    numbers = pa.Array.from_buffers(pa.int64(), len(rows), [None, pa.py_buffer(digests)])
    columns = [*zip(rows.type.names, rows.flatten(), strict=True)]
    return make_struct([*columns, (DIGEST, numbers)], len(rows))


def _texts(rows: pa.StructArray) -> pa.BinaryArray:
    """Returns each row as one text, in which every value stands behind its name."""
    parts = []
    for name, values in sorted(_columns(rows), key=itemgetter(0)):
        if not values.null_count:
            parts += [name, values]
        elif values.null_count < len(values):
            parts.append(pc.binary_join_element_wise(name, values, _END))
    return pc.binary_join_element_wise(*parts, _END, null_handling="skip")


def _columns(rows: pa.StructArray) -> Iterator[tuple[bytes, pa.BinaryArray]]:
    """Yields the name and the values of each column; of a list its length and each of its own.

    A list's values are one text in each row. It is null if they all are.
    """
    for field, values in zip(rows.type.names, rows.flatten(), strict=True):
        name = field.encode()
        if not pa.types.is_list(values.type):
            yield name, _text_of(values)
            continue
        yield name, _length_of(values)
        for inner, texts, nulls in _columns_of(values):
            yield name + _NEXT + inner, _unless(texts, nulls)


def _columns_of(values: pa.ListArray) -> Iterator[tuple[bytes, pa.BinaryArray, pa.BinaryArray]]:
    """Yields each column of a list, and what its texts are where all values are null.

    Of a list in a list the lengths are there, too, by which its values belong to the one or other.
    """
    lengths, items = lengths_of(values), pc.list_flatten(values)
    nulls = _joined(lengths, pa.repeat(_NULL, len(items)))
    for field, column in zip(items.type.names, items.flatten(), strict=True):
        name, is_list = field.encode(), pa.types.is_list(column.type)
        texts = _length_of(column) if is_list else _text_of(column)
        yield name, _joined(lengths, pc.fill_null(texts, _NULL)), nulls
        for inner, below, nulls_below in _columns_of(column) if is_list else ():
            yield name + _NEXT + inner, _joined(lengths, below), _joined(lengths, nulls_below)


def _joined(lengths: pa.Array, texts: pa.BinaryArray) -> pa.BinaryArray:
    return pc.binary_join(make_lists(lengths, texts), _NEXT)


def _unless(texts: pa.BinaryArray, nulls: pa.BinaryArray) -> pa.BinaryArray:
    """Returns texts, without a copy of them, with null where they are what stands for it."""
    _, is_other = pc.not_equal(texts, nulls).buffers()
    return pa.Array.from_buffers(texts.type, len(texts), [is_other, *texts.buffers()[1:]])


def _length_of(values: pa.ListArray) -> pa.BinaryArray:
    """Returns the lengths of lists, and null for an empty one."""
    lengths = lengths_of(values)
    return _text_of(pc.if_else(pc.greater(lengths, 0), lengths, None))


def _text_of(values: pa.Array) -> pa.BinaryArray:
    if pa.types.is_timestamp(values.type):
        values = values.cast(pa.int64())
    return values.cast(pa.string()).cast(pa.binary())
