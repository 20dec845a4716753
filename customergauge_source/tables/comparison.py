"""What a table says against what is read again: what is new, what changed, what did not come."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from customergauge_source.tables.shape import DIGEST

if TYPE_CHECKING:  # a run in which no record comes does without Arrow
    import pyarrow as pa

_EXPECTED: Final = 1
_READ: Final = 2


class Comparison:
    """The keys and digests of a table's records, compared with records as they come.

    It holds seventeen bytes a record, and what is new.

    Args:
        key: The column that tells records apart.
        stored: Key, digest and whether it is expected to come, of each record in the table, in
            the order of the keys. A digest of None is that of a record that has to be loaded again.
        is_dry: Whether differences are noted alone, and not handed on to be loaded.

    Attributes:
        read: Entries that have come.
        expected: Records in the table that are expected to come.
        witness: A record that has come; None if there is none.
    """

    def __init__(
        self,
        key: str,
        stored: Iterable[tuple[int, int | None, bool]] = (),
        *,
        is_dry: bool = False,
    ) -> None:
        self._key = key
        self._is_dry = is_dry
        self._keys, self._digests, self._marks = array("q"), array("q"), bytearray()
        for number, digest, is_expected in stored:
            self._keys.append(number)
            self._digests.append(digest or 0)
            self._marks.append(_EXPECTED if is_expected else 0)
        self._before = self._digests[:]
        self._added: set[int] = set()
        self.read = 0
        self.expected = self._marks.count(_EXPECTED)
        self.witness: int | None = None

    def note_read(self, keys: Iterable[object]) -> None:
        """Notes the keys of a page, whatever becomes of its records behind it."""
        for key in keys:
            if isinstance(key, int):  # else an entry that is no record
                self.read += 1
                self.witness = key
                if (place := self._place_of(key)) is not None:
                    self._marks[place] |= _READ

    def differing(self, rows: pa.StructArray) -> pa.StructArray:
        """Returns those rows that are not in the table, or say something else there."""
        import pyarrow as pa  # noqa: PLC0415 - see above

        keys, digests = (rows.field(it).to_pylist() for it in (self._key, DIGEST))
        differ = [self._take(*it) for it in zip(keys, digests, strict=True)]
        return rows[:0] if self._is_dry else rows.filter(pa.array(differ, pa.bool_()))

    def added(self) -> list[int]:
        """Returns the keys that were not in the table."""
        return sorted(self._added)

    def changed(self) -> list[int]:
        """Returns the keys whose records said something else in the table."""
        pairs = zip(self._keys, self._before, self._digests, strict=True)
        return [key for key, before, now in pairs if before != now]

    def missing(self) -> list[int]:
        """Returns the keys that were expected, and have not come."""
        return [key for key, mark in zip(self._keys, self._marks, strict=True) if mark == _EXPECTED]

    def _take(self, key: int, digest: int) -> bool:
        """Takes a row into the table; says whether that changes it."""
        if (place := self._place_of(key)) is None:
            self._added.add(key)
            return True
        is_other = self._digests[place] != digest
        self._digests[place] = digest  # of two versions in a feed the later one stays
        return is_other

    def _place_of(self, key: int) -> int | None:
        place = bisect_left(self._keys, key)
        return place if place < len(self._keys) and self._keys[place] == key else None
