"""A privacy policy, applied to rows: column by column, before anything is written.

A hash is the HMAC-SHA256 of a value's text in UTF-8, as 64 lower-case hex digits.
"""

from __future__ import annotations

import hmac
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from customergauge_source.tables.arrow import lengths_of, make_lists, make_struct
from customergauge_source.tables.privacy import Leaf, Policy
from customergauge_source.tables.shape import SCALAR, rejected_values_table

_NUMBER: Final = r"^-?[0-9][0-9.eE+-]*$"


def private(rows: pa.StructArray, policy: Policy) -> pa.StructArray:
    """Returns rows in which the policy's fields are hashed or null."""
    return _table(policy.root, rows, policy)


def _table(table: str, rows: pa.StructArray, policy: Policy) -> pa.StructArray:
    if table == rejected_values_table(policy.root):
        return _rejected_values(rows, policy)
    fields = dict(zip(rows.type.names, rows.flatten(), strict=True))
    leaves = policy.columns.get(table, {})
    columns = []
    for name, values in fields.items():
        if pa.types.is_list(values.type):
            items = _table(name, pc.list_flatten(values), policy)
            columns.append((name, make_lists(lengths_of(values), items)))
        elif name in leaves:
            columns.append((name, _column(values, leaves[name], fields, policy)))
        else:
            columns.append((name, values))
    return make_struct(columns, len(rows))


def _column(values: pa.Array, leaf: Leaf, fields: dict[str, pa.Array], policy: Policy) -> pa.Array:
    if leaf.path not in policy.paths_of_items or leaf.shape.named is None:
        treatment = policy.treatment(leaf.path)
        return _hashed(values, policy.key) if treatment == "hash" else _nulls(values)
    names = fields[leaf.shape.named[0]].fill_null("").dictionary_encode()
    treatments = [policy.treatment(leaf.path, it) for it in names.dictionary.to_pylist()]
    treatment = pa.array(treatments, pa.string()).take(names.indices).fill_null("")
    is_hashed, is_dropped = pc.equal(treatment, "hash"), pc.equal(treatment, "drop")
    hashes = _hashed(pc.if_else(is_hashed, values, _nulls(values)), policy.key)
    return pc.if_else(is_dropped, _nulls(values), pc.if_else(is_hashed, hashes, values))


def _hashed(values: pa.StringArray, key: bytes) -> pa.StringArray:
    """Returns the hashes of texts; null stays. Each text is hashed once, however often it comes."""
    encoded = values.dictionary_encode()
    keyed, hashes = hmac.new(key, digestmod="sha256"), []
    for text in encoded.dictionary.cast(pa.binary()).to_pylist():
        each = keyed.copy()
        each.update(text)
        hashes.append(each.hexdigest())
    return pa.array(hashes, pa.string()).take(encoded.indices)


def _nulls(values: pa.Array) -> pa.Array:
    return pa.nulls(len(values), values.type)


def _rejected_values(rows: pa.StructArray, policy: Policy) -> pa.StructArray:
    """Returns rejected values of which only numbers are told, and those of number fields alone.

    A text, a list or an object that stands where it does not belong could be anything.
    """
    fields = dict(zip(rows.type.names, rows.flatten(), strict=True))
    values = fields[SCALAR]
    of_numbers = pc.is_in(fields["field"], pa.array(policy.numbers, pa.string()))
    is_told = pc.and_(of_numbers, pc.match_substring_regex(values, _NUMBER))
    fields[SCALAR] = pc.if_else(is_told, values, _nulls(values))
    return make_struct([*fields.items()], len(rows))
