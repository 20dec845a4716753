"""A page's body through Arrow's JSON reader, which is as fast as it is strict.

It refuses another type than the declared one, and infers the undeclared ones.
"""

from __future__ import annotations

from array import array

import pyarrow as pa
from pyarrow.json import ParseOptions, ReadOptions, read_json

from customergauge_source.tables.as_declared import NotAsDeclaredError
from customergauge_source.tables.read import Reader
from customergauge_source.tables.values import UnfitError


def read_page(body: bytes, reader: Reader) -> tuple[pa.StructArray, int | None] | None:
    """Returns the rows of a page and its `cursor.next`, from a body that is a JSON object.

    None if it has to be decoded, and its records put right value by value.
    """
    try:
        _check_utf8(body)
        answer = _parse(body, reader)
        if reader.learn(answer["data"].type.value_type):
            answer = _parse(body, reader)
        data, cursor = answer["data"][0], answer["cursor"][0]
        if answer.num_rows != 1 or not data.is_valid:
            return None
        following = cursor["next"].as_py() if cursor.is_valid else None
        return reader.rows_of_arrow(data.values, body), following
    except (pa.ArrowInvalid, RecursionError, UnfitError, NotAsDeclaredError):
        return None


def _parse(body: bytes, reader: Reader) -> pa.Table:
    cursor = pa.struct([("next", pa.int64())])
    schema = pa.schema([("data", pa.list_(reader.json_type)), ("cursor", cursor)])
    return read_json(
        pa.BufferReader(body),
        read_options=ReadOptions(use_threads=False, block_size=len(body) + 1),
        parse_options=ParseOptions(explicit_schema=schema, unexpected_field_behavior="infer"),
    )


def _check_utf8(body: bytes) -> None:
    """Checks what Arrow's JSON reader does not; without a copy of the body."""
    ends = pa.py_buffer(array("i", [0, len(body)]))
    pa.StringArray.from_buffers(1, ends, pa.py_buffer(body)).validate(full=True)
