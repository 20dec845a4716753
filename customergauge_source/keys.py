"""What ties rows together: the `_dlt_*` keys of a table, column by column."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc

from customergauge_source.schema import KEY


@lru_cache(maxsize=1)
def _numbers(power: int) -> pa.Array:
    return pa.array(range(2**power), pa.int32())


def _count_to(end: int) -> pa.Array:
    """Returns the numbers from 0 to before `end`; making them anew each time would be slow."""
    return _numbers(max(16, end.bit_length())).slice(0, end)


@dataclass(frozen=True)
class Keys:
    """What ties the rows of one table to their response and to their parent row.

    Each is an Arrow array with a value for each row; the last two are None on the root.
    """

    cgid: pa.Array
    root: pa.Array
    row: pa.Array
    parent: pa.Array | None = None
    index: pa.Array | None = None

    def columns(self) -> Iterator[tuple[str, pa.Array]]:
        """Yields the key columns of the table."""
        if self.parent is not None:
            yield KEY, self.cgid
            yield "_dlt_root_id", self.root
            yield "_dlt_parent_id", self.parent
            yield "_dlt_list_idx", self.index
        yield "_dlt_id", self.row

    def none(self) -> Keys:
        """Returns the keys of no rows."""
        return Keys(cgid=self.cgid[:0], root=self.root[:0], row=self.row[:0])

    def below(self, name: str, lengths: pa.Array) -> Keys:
        """Returns the keys of the items of lists with these lengths, one list a row.

        Args:
            name: Tells the lists of a row apart in the ids of their items.
            lengths: How long the list is in each row.
        """
        ends = pc.cumulative_sum(lengths)
        starts = pc.subtract(ends, lengths)
        positions = _count_to(ends[-1].as_py() if len(ends) else 0)
        offsets = pa.concat_arrays([starts, pa.array([len(positions)], pa.int32())])
        owners = pc.list_parent_indices(pa.ListArray.from_arrays(offsets, positions))
        index = pc.subtract(positions, pc.take(starts, owners)).cast(pa.int64())
        parent = pc.take(self.row, owners)
        return Keys(
            cgid=pc.take(self.cgid, owners),
            root=parent if self.parent is None else pc.take(self.root, owners),
            row=pc.binary_join_element_wise(parent, index.cast(pa.string()), name),
            parent=parent,
            index=index,
        )
