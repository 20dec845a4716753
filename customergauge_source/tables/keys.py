"""What ties rows together: the `_dlt_*` keys of a table, column by column."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from customergauge_source.tables.arrow import make_lists


@dataclass(frozen=True)
class Keys:
    """What ties the rows of one table to their record and to their parent row.

    Each is an Arrow array with a value for each row; the last two are None on the root.

    Attributes:
        record: The key of the record.
        root: The id of the root row.
        row: The row's own id.
        parent: The id of the parent row.
        index: The place in the parent's list, from 0.
    """

    record: pa.Array
    root: pa.Array
    row: pa.Array
    parent: pa.Array | None = None
    index: pa.Array | None = None

    def columns(self, key: str) -> Iterator[tuple[str, pa.Array]]:
        """Yields the key columns of the table; `key` is the record's, which children have, too."""
        if self.parent is not None:
            yield key, self.record
            yield "_dlt_root_id", self.root
            yield "_dlt_parent_id", self.parent
            yield "_dlt_list_idx", self.index
        yield "_dlt_id", self.row

    def below(self, lengths: pa.Array) -> Keys:
        """Returns the keys of the items of lists with these lengths, one list a row.

        An id is that of the parent row and the place in its list, as `100000001.0`: unlike any
        other in its table, which has one list of a row. Most are short enough for DuckDB to keep
        them without a pointer (12 characters).
        """
        count = pc.sum(lengths).as_py() or 0
        positions = pc.subtract(pc.cumulative_sum(pa.repeat(pa.scalar(1, pa.int32()), count)), 1)
        owners = pc.list_parent_indices(make_lists(lengths, positions))
        starts = pc.subtract(pc.cumulative_sum(lengths), lengths)
        index = pc.subtract(positions, pc.take(starts, owners)).cast(pa.int64())
        parent = pc.take(self.row, owners)
        return Keys(
            record=pc.take(self.record, owners),
            root=parent if self.parent is None else pc.take(self.root, owners),
            row=pc.binary_join_element_wise(parent, index.cast(pa.string()), "."),
            parent=parent,
            index=index,
        )
