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

_END: Final = "\0"
"""Ends each name and value; it is in none, as NUL characters are replaced before."""


def with_digest(rows: pa.StructArray) -> pa.StructArray:
    """Returns rows with their digest, 64 bits, as one more field.

    What is null or an empty list does not count, nor does the order of the fields: a field that
    other records of a page have, and this one lacks, changes nothing.
    """
    texts = _texts(rows).cast(pa.binary()).to_pylist()
    digests = b"".join(blake2b(text, digest_size=8).digest() for text in texts)
    numbers = pa.Array.from_buffers(pa.int64(), len(rows), [None, pa.py_buffer(digests)])
    columns = [*zip(rows.type.names, rows.flatten(), strict=True)]
    return make_struct([*columns, (DIGEST, numbers)], len(rows))


def _texts(rows: pa.StructArray) -> pa.StringArray:
    """Returns each row as one text, in which every value stands behind its name."""
    parts = [pa.repeat(pa.scalar("{"), len(rows))]
    for name, values in sorted(zip(rows.type.names, rows.flatten(), strict=True)):
        if pa.types.is_list(values.type):
            start, texts = f"[{name}", _joined(values)
        else:
            start, texts = f"={name}", _text_of(values)
        if not texts.null_count:
            parts += [start + _END, texts, _END]
        elif texts.null_count < len(texts):
            parts.append(pc.binary_join_element_wise(start, texts, "", _END))
    return pc.binary_join_element_wise(*parts, "", null_handling="skip")


def _joined(lists: pa.ListArray) -> pa.StringArray:
    lengths = lengths_of(lists)
    joined = pc.binary_join(make_lists(lengths, _texts(pc.list_flatten(lists))), "")
    return pc.if_else(pc.equal(lengths, 0), pa.scalar(None, pa.string()), joined)


def _text_of(values: pa.Array) -> pa.StringArray:
    if pa.types.is_timestamp(values.type):
        values = values.cast(pa.int64())
    return values.cast(pa.string())
