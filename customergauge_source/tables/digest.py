"""A number for all that a row says, lists included: equal rows have equal digests.

So a record that is read again can be told from what is in the tables without reading them.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from customergauge_source.tables.arrow import lengths_of, make_lists, make_struct
from customergauge_source.tables.shape import DIGEST

NONE: Final = 0
"""What no row has as its digest."""


def with_digest(rows: pa.StructArray) -> pa.StructArray:
    """Returns rows with their digest as one more field.

    What is null or an empty list does not count, nor does the order of the fields: a field that
    other records of a page have, and this one lacks, changes nothing.
    """
    columns = [*zip(rows.type.names, rows.flatten(), strict=True)]
    digests = [_number(it) for it in _texts(rows).cast(pa.binary()).to_pylist()]
    return make_struct([*columns, (DIGEST, pa.array(digests, pa.int64()))], len(rows))


def _number(text: bytes) -> int:
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big", signed=True) or 1


def _texts(rows: pa.StructArray) -> pa.StringArray:
    """Returns each row as one text, in which every value stands behind its name and its length."""
    parts = [pa.repeat(pa.scalar(""), len(rows))]
    for name, values in sorted(zip(rows.type.names, rows.flatten(), strict=True)):
        texts = _joined(values) if pa.types.is_list(values.type) else _text_of(values)
        length = pc.binary_length(texts).cast(pa.string())
        parts.append(pc.fill_null(pc.binary_join_element_wise(name, length, texts, ":"), ""))
    return pc.binary_join_element_wise(*parts, "")


def _joined(lists: pa.ListArray) -> pa.StringArray:
    lengths = lengths_of(lists)
    joined = pc.binary_join(make_lists(lengths, _texts(pc.list_flatten(lists))), ";")
    return pc.if_else(pc.equal(lengths, 0), pa.scalar(None, pa.string()), joined)


def _text_of(values: pa.Array) -> pa.StringArray:
    if pa.types.is_timestamp(values.type):
        values = values.cast(pa.int64())
    return values.cast(pa.string())
