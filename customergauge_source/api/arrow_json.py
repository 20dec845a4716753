"""A page's body through Arrow's JSON reader, which is as fast as it is strict.

It refuses another type than the declared one, and infers the undeclared ones. Of a page that it
refuses, the few records at fault are set aside, if it can be told which they are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa
from pyarrow.json import ParseOptions, ReadOptions, read_json

from customergauge_source.tables.arrow import in_place
from customergauge_source.tables.as_declared import NotAsDeclaredError
from customergauge_source.tables.encoding import decode
from customergauge_source.tables.read import Reader

_MOST_ODD: Final = 5
"""Records of a page that are set aside: with more of them the page is faster as objects.

As many may be set aside before it is parsed, by as many signs.
"""
_BEGINNING: Final = re.compile(rb'\s*(\{\s*"data"\s*:\s*\[\s*)(\{\s*"[^"\\]*"\s*:)')
_END: Final = b"}]}"
_AT_FAULT: Final = re.compile(r"Column\(/data/\[\](.*)\) (.*) in row (\d+)")
_NO_TEXT: Final = ("changed from string to number", "changed from string to boolean")


@dataclass(frozen=True)
class Answer:
    """What a page holds.

    Attributes:
        rows: The rows of its records.
        odd: The entries that have no row yet, each with its place in the page.
    """

    rows: pa.StructArray
    odd: list[tuple[int, Any]]


def read_page(body: bytes, reader: Reader) -> Answer | None:
    """Returns what a page holds, from a body that is a JSON object.

    None if it has to be decoded, and its records put right value by value.
    """
    try:
        in_place(body).cast(pa.string())  # is it UTF-8? Arrow's JSON reader does not look
    except pa.ArrowInvalid:
        return None
    answer = None if reader.expects_odd else _read(_whole(body), reader)
    if answer is None:
        answer = _read(_cut(body), reader)
        reader.expects_odd = answer is not None and bool(answer.odd)
    return answer


def _read(page: _Page, reader: Reader) -> Answer | None:
    try:
        return page.read(reader)
    except (ValueError, RecursionError, NotAsDeclaredError):  # Arrow's own is a ValueError
        return None


def _cut(body: bytes) -> _Page:
    """Returns a page cut into lines of one record each, which Arrow's reader can tell apart.

    Where a record ends is guessed, by how the first one begins. If all of them are JSON in which
    `data` is a list, and nothing else is there ahead of the last one, the guess was right.
    """
    beginning = _BEGINNING.match(body)
    if beginning is None:
        return _whole(body)
    opening, first = beginning.groups()
    seam = re.search(rb"\}[ \t\r\n]*,[ \t\r\n]*" + re.escape(first), body)
    if seam is None:
        return _whole(body)
    record, *others = body.split(seam[0])
    return _Page(opening + first, dict(enumerate([record[beginning.end() :], *others])))


def _whole(body: bytes) -> _Page:
    return _Page(b"", {0: body})


@dataclass
class _Page:
    """A page as the beginning of each line, and what follows it there.

    Attributes:
        beginning: How each line begins.
        records: What follows in each, without the end that all lines but the last one have.
        odd: Of lines that are set aside the same. Both are known by their number in the page.
        alike: How many of them only look like those that were at fault on pages before.
    """

    beginning: bytes
    records: dict[int, bytes]
    odd: dict[int, bytes] = field(default_factory=dict)
    alike: int = 0

    def read(self, reader: Reader) -> Answer:
        """Returns what it holds.

        Raises:
            NotAsDeclaredError: It has to be decoded whole.
        """
        is_cut = len(self.records) > 1
        if is_cut:
            self._set_aside_alike(reader.odd_signs)
        answer, text = self._parse(reader)
        # Arrow's reader miscounts what is in a list behind null, if it had to infer the type. Not
        # before its types were looked at, which ends with those that are nested too deep for this.
        answer.validate()
        data = answer["data"].chunk(0)
        ahead = answer.drop_columns("data").slice(0, len(data) - 1)
        if len(data) != len(self.records) or any(it.null_count < len(it) for it in ahead.columns):
            raise NotAsDeclaredError
        records = data.values
        if data.null_count or (is_cut and len(records) != len(data)):
            raise NotAsDeclaredError
        rows, odd = reader.rows_of_arrow(records, text)
        self._set_aside(odd)
        return Answer(rows, self._entries_set_aside())

    def _parse(self, reader: Reader) -> tuple[pa.Table, bytes]:
        """Returns what Arrow's reader reads, and from which text."""
        first, *rest = self.records.values()
        text = (_END + b"\n" + self.beginning).join([self.beginning + first, *rest])
        try:
            answer = _parse(text, reader)
        except pa.ArrowInvalid as refused:
            fault = _AT_FAULT.search(str(refused))
            path = fault[1].split("/")[1:] if fault else []
            if fault is None or not reader.declares(path):
                raise
            if fault[2] not in _NO_TEXT or not reader.leave_open(path):
                [record] = self._set_aside([int(fault[3])])
                _note_sign(reader.odd_signs, path, record)
            return self._parse(reader)
        is_new = reader.learn(answer["data"].type.value_type)
        return self._parse(reader) if is_new else (answer, text)

    def _set_aside_alike(self, signs: set[bytes]) -> None:
        """Sets aside what has a sign; signs that too many records have are none."""
        records = [*self.records.values()]
        alike = {row for sign in signs for row, it in enumerate(records) if sign in it}
        if len(alike) > _MOST_ODD:
            signs.clear()
            return
        self._set_aside(sorted(alike - {len(records) - 1}))
        self.alike = len(self.odd)

    def _set_aside(self, rows: Sequence[int]) -> list[bytes]:
        """Sets rows aside, and returns what they hold.

        Raises:
            NotAsDeclaredError: They are too many, or cannot be told from what is around them.
        """
        if not rows:
            return []
        numbers = [*self.records]
        if len(self.odd) - self.alike + len(rows) > _MOST_ODD or rows[-1] >= len(numbers) - 1:
            raise NotAsDeclaredError
        records = [self.records.pop(numbers[row]) for row in rows]
        self.odd |= zip((numbers[row] for row in rows), records, strict=True)
        return records

    def _entries_set_aside(self) -> list[tuple[int, Any]]:
        found: list[tuple[int, Any]] = []
        for line, number in enumerate(sorted(self.odd)):
            before = len(found) - line  # of other lines each has one
            page = self.beginning + self.odd[number] + _END
            entries = decode(page[page.index(b"[") : -1])  # which is no list if there is more
            found += enumerate(entries, number + before)
        return found


def _note_sign(signs: set[bytes], path: Sequence[str], record: bytes) -> None:
    """Notes the key of the value at fault, with the first character behind it.

    The key is the last one of its path; it may be that of something else, at another depth.
    """
    keys = [it.encode() for it in path if it != "[]"]
    found = re.search(rb'"%b"\s*:\s*\S' % re.escape(keys[-1]), record) if keys else None
    if found and len(signs) < _MOST_ODD:
        signs.add(found[0])


def _parse(lines: bytes, reader: Reader) -> pa.Table:
    schema = pa.schema([("data", pa.list_(reader.json_type))])
    return read_json(
        pa.BufferReader(lines),
        read_options=ReadOptions(use_threads=False, block_size=len(lines) + 1),
        parse_options=ParseOptions(explicit_schema=schema, unexpected_field_behavior="infer"),
    )
