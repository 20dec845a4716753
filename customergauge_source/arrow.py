"""Arrow: the declared types in its terms, and pages that need nothing but Arrow.

Only this module and those that build tables import pyarrow: an idle run, which is what an hourly
job mostly is, does without.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow.json import ParseOptions, ReadOptions, read_json

from customergauge_source.decoding import NUL
from customergauge_source.schema import KEY, RESPONSE, SCALAR, Shape

ARROW_TYPES: Final[Mapping[str, pa.DataType]] = {
    "text": pa.string(),
    "bigint": pa.int64(),
    "double": pa.float64(),
    "bool": pa.bool_(),
    "timestamp": pa.timestamp("us", tz="UTC"),
}


def _struct(shape: Shape) -> pa.StructType:
    """Returns the Arrow type of a shape as the API sends it: timestamps are text in JSON."""
    fields = [
        (key, pa.string() if column.type == "timestamp" else ARROW_TYPES[column.type])
        for key, column in shape.fields.items()
    ]
    fields += [(key, _struct(nested)) for key, nested in shape.objects.items()]
    for key, item in shape.lists.items():
        of_scalars = item.fields.keys() == {SCALAR}
        fields.append((key, pa.list_(pa.string() if of_scalars else _struct(item))))
    return pa.struct(fields)


ANSWER: Final = pa.schema(
    [
        ("data", pa.list_(_struct(RESPONSE))),
        ("cursor", pa.struct([("next", pa.int64())])),
    ]
)
"""The Arrow schema of a documented answer."""


def decode_as_documented(body: bytes) -> tuple[pa.StructArray, int | None] | None:
    """Returns the records of a page and its cursor, if they are just as documented.

    Arrow's reader is told the documented types and refuses everything else: another type, an
    unknown field, a key that comes twice. It is as fast as it is strict.

    Args:
        body: An answer's body.

    Returns:
        The records with distinct CGIDs, and `cursor.next`; or None if anything at all is not as
        documented, so that the body has to be decoded and put right value by value.
    """
    if NUL in body:
        return None
    try:
        body.decode()  # which Arrow does not check
        answer = read_json(
            pa.BufferReader(body),
            read_options=ReadOptions(use_threads=False, block_size=len(body) + 1),
            parse_options=ParseOptions(explicit_schema=ANSWER, unexpected_field_behavior="error"),
        )
    except (pa.ArrowInvalid, UnicodeDecodeError):
        return None
    if answer.num_rows != 1 or not answer["data"][0].is_valid:
        return None
    records = answer["data"][0].values
    cgids = pc.struct_field(records, KEY)
    if cgids.null_count or len(pc.unique(cgids)) != len(cgids):
        return None
    return records, answer["cursor"][0].as_py()["next"] if answer["cursor"][0].is_valid else None


def join(pages: Sequence[pa.StructArray]) -> pa.StructArray | None:
    """Returns the records of pages as one array; None if two of them share a CGID."""
    joined = pa.concat_arrays(pages)
    distinct = pc.unique(pc.struct_field(joined, KEY))
    return joined if len(distinct) == len(joined) else None
