"""What a table says against what is read again: what is new, what changed, what did not come."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from customergauge_source.tables.shape import DIGEST

if TYPE_CHECKING:  # a run in which no record comes does without Arrow
    import pyarrow as pa

Stored = tuple[int, int | None, bool, bool, bool]
"""Of a record in a table its key, its digest, and what it is: see `Comparison`."""

_OURS: Final = 1
_HELD: Final = 2
_READ: Final = 4
_SEVERAL: Final = 8
_EXPECTED: Final = _OURS | _HELD


class Comparison:
    """The keys and digests of a table's records, compared with records as they come.

    It has 25 bytes for each record in the table, and the keys of those that were added.

    Args:
        key: The column that tells records apart.
        stored: The records in the table, in the order of their keys. *Ours* is what was loaded with
            what is read with now, and *held* what is among that which is read; of some the table
            has *several* versions. A record without a digest has to be loaded again.
        is_dry: Whether differences are noted alone, and not handed on to be loaded.
        comes_once: Whether what comes is of each record the latest version alone.

    Attributes:
        read: Records that have come.
        expected: Records in the table that have to come.
        witness: A record that has come; None if there is none.
        renewed: Records that are loaded again though nothing is known to differ.
    """

    def __init__(
        self,
        key: str,
        stored: Iterable[Stored] = (),
        *,
        is_dry: bool = False,
        comes_once: bool = False,
    ) -> None:
        self._key = key
        self._is_dry = is_dry
        self._keys, self._digests, self._marks = array("q"), array("q"), bytearray()
        for number, digest, is_ours, is_held, has_several in stored:
            if self._keys and self._keys[-1] == number:
                self._digests[-1] = 0  # twice in the table: loaded again, it is there once
                continue
            self._keys.append(number)
            self._digests.append(digest or 0)
            several = has_several and not comes_once
            self._marks.append(_OURS * is_ours | _HELD * is_held | _SEVERAL * several)
        self._before = self._digests[:]
        self._added: set[int] = set()
        self._kept_back: dict[int, pa.StructArray] = {}
        self.read = self.renewed = 0
        self.expected = self._count(_EXPECTED)
        self.witness: int | None = None

    def note_read(self, keys: Iterable[object]) -> None:
        """Notes the keys of a page, whatever becomes of its records behind it."""
        for key in keys:
            if isinstance(key, int):  # else an entry that is no record
                self.read += 1
                self.witness = key
                if (place := self._place_of(key)) is not None:
                    self._marks[place] |= _READ

    def disown(self, key: int) -> None:
        """Has a record loaded again, as it is not one of what is read."""
        if (place := self._place_of(key)) is not None:
            self._marks[place] &= ~_OURS

    def differing(self, rows: pa.StructArray) -> pa.StructArray:
        """Returns those rows that are not in the table, or say something else there.

        Those of which the table has several versions are kept back: earlier ones may come, too.
        """
        import pyarrow as pa  # noqa: PLC0415 - see above

        keys, digests = (rows.field(it).to_pylist() for it in (self._key, DIGEST))
        differ = [self._take(*it) for it in zip(keys, digests, strict=True)]
        if self._is_dry:
            return rows[:0]
        for row in [row for row, it in enumerate(differ) if it]:
            key = keys[row]
            place = self._place_of(key)
            if place is not None and self._marks[place] & _SEVERAL:
                differ[row] = False
                if key in self._kept_back and digests[row] == self._before[place]:
                    del self._kept_back[key]  # it is as it was
                    self.renewed -= 1
                else:
                    self._kept_back[key] = rows.take(pa.array([row]))
        return rows.filter(pa.array(differ, pa.bool_()))

    @property
    def keeps_back(self) -> bool:
        """Whether rows are kept back."""
        return bool(self._kept_back)

    def kept_back(self) -> list[pa.StructArray]:
        """Returns the rows that were kept back, of each record the last, once all have come."""
        rows, self._kept_back = [*self._kept_back.values()], {}
        return rows

    def added(self) -> list[int]:
        """Returns the keys that were not in the table."""
        return sorted(self._added)

    def changed(self) -> list[int]:
        """Returns the keys whose records said something else in the table."""
        pairs = zip(self._keys, self._before, self._digests, strict=True)
        return [key for key, before, now in pairs if before not in (0, now)]

    def missing(self) -> list[int]:
        """Returns the keys that had to come, and have not."""
        marks = zip(self._keys, self._marks, strict=True)
        return [key for key, mark in marks if mark & ~_SEVERAL == _EXPECTED]

    def left_alone(self) -> int:
        """Returns how many records have not come that are not ours, and may be gone or not."""
        return self._count(_HELD)

    def _count(self, mark: int) -> int:
        return self._marks.count(mark) + self._marks.count(mark | _SEVERAL)

    def _take(self, key: int, digest: int) -> bool:
        """Takes a row into the table; says whether that changes it."""
        if (place := self._place_of(key)) is None:
            self._added.add(key)
            return True
        is_same = self._digests[place] == digest and bool(self._marks[place] & _OURS)
        if not is_same and self._before[place] in (0, digest):
            self.renewed += 1
        self._digests[place] = digest  # of two versions in a feed the later one stays
        self._marks[place] |= _OURS
        return not is_same

    def _place_of(self, key: int) -> int | None:
        place = bisect_left(self._keys, key)
        return place if place < len(self._keys) and self._keys[place] == key else None
