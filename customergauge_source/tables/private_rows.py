"""A privacy policy, applied to rows: column by column, before anything is written.

A hash is the HMAC-SHA256 of a value's text in UTF-8, as 64 lower-case hex digits.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from customergauge_source.tables.arrow import lengths_of, make_lists, make_struct
from customergauge_source.tables.catalog import Target
from customergauge_source.tables.privacy import Leaf, Policy
from customergauge_source.tables.shape import SCALAR

_NUMBER: Final = r"^-?[0-9][0-9.eE+-]*$"


class PrivateRows:
    """Applies a policy to the rows of one resource."""

    def __init__(self, policy: Policy, target: Target) -> None:
        self._policy, self._target = policy, target
        name = target.catalog.name
        self._leaves: dict[str, dict[str, Leaf]] = {}
        for leaf in policy.leaves:
            of_table = self._leaves.setdefault(name((target.root, *leaf.table)), {})
            of_table[name(leaf.column)] = leaf

    def of(self, rows: pa.StructArray) -> pa.StructArray:
        """Returns rows in which the policy's fields are hashed or null.

        Raises:
            RuntimeError: One of them is not where it should be.
        """
        left = {(table, column) for table, columns in self._leaves.items() for column in columns}
        private = self._table(self._target.root, rows, left)
        if left:
            raise RuntimeError(f"privacy finds no column for {sorted(left)}: nothing was loaded.")
        return private

    def _table(
        self, table: str, rows: pa.StructArray, left: set[tuple[str, str]]
    ) -> pa.StructArray:
        """Returns the rows of a table; what is done is taken out of what is left to do."""
        fields = dict(zip(rows.type.names, rows.flatten(), strict=True))
        if table == self._target.rejected_values:
            return _rejected_values(fields, len(rows), self._policy)
        leaves, columns = self._leaves.get(table, {}), []
        for name, values in fields.items():
            if name in leaves:
                columns.append((name, self._column(values, leaves[name], fields)))
                left.discard((table, name))
            elif pa.types.is_list(values.type):
                items = self._table(name, pc.list_flatten(values), left)
                columns.append((name, make_lists(lengths_of(values), items)))
            else:
                columns.append((name, values))
        return make_struct(columns, len(rows))

    def _column(self, values: pa.Array, leaf: Leaf, fields: Mapping[str, pa.Array]) -> pa.Array:
        policy, nulls = self._policy, _nulls(values)
        if leaf.path not in policy.paths_of_items or leaf.shape.named is None:
            is_hashed = policy.treatment(leaf.path) == "hash"
            return _hashed(values, policy.key) if is_hashed else nulls
        names = fields[self._target.catalog.name((*leaf.column[:-1], leaf.shape.named[0]))]
        names = names.fill_null("").dictionary_encode()
        treatments = [policy.treatment(leaf.path, it) for it in names.dictionary.to_pylist()]
        treatment = pa.array(treatments, pa.string()).take(names.indices).fill_null("")
        is_hashed, is_dropped = pc.equal(treatment, "hash"), pc.equal(treatment, "drop")
        hashes = _hashed(pc.if_else(is_hashed, values, nulls), policy.key)
        return pc.if_else(is_dropped, nulls, pc.if_else(is_hashed, hashes, values))


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


def _rejected_values(fields: dict[str, pa.Array], length: int, policy: Policy) -> pa.StructArray:
    """Returns rejected values of which only numbers are told, and those of number fields alone.

    A text, a list or an object that stands where it does not belong could be anything.
    """
    values = fields[SCALAR]
    of_numbers = pc.is_in(fields["field"], pa.array(policy.numbers, pa.string()))
    is_told = pc.and_(of_numbers, pc.match_substring_regex(values, _NUMBER))
    fields[SCALAR] = pc.if_else(is_told, values, _nulls(values))
    return make_struct([*fields.items()], length)
