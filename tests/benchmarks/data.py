"""The responses that are served: generated once, kept on disk, mapped into the server.

They are the sandbox's, in its order; of some feeds each has a field more, which is not declared.
The cursor after a response is its number, from 1.
"""

from __future__ import annotations

import hashlib
import mmap
import multiprocessing
import os
import shutil
from array import array
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path
from typing import Any, Final

import orjson

from customergauge_source import sandbox
from customergauge_source.sandbox.surveys import response

TABLES = (
    "responses",
    "responses__tags",
    "responses__questions",
    "responses__properties",
    "responses__selected_drivers",
    "responses__selected_drivers__secondary",
)


def _revenue(index: int) -> int | float:
    """Returns an amount; JSON has no decimals in it where they are zero, as in 120 and 99.5."""
    whole = index % 9_973
    return whole if index % 3 else (100 * whole + 50 + index % 50) / 100


def _campaign(index: int) -> str:
    """Returns a text that is nothing but a text."""
    return f"Autumn renewals, wave {index % 97}"


UNDECLARED: Final[Mapping[str, Callable[[int], object]]] = {
    "revenue": _revenue,
    "campaign": _campaign,
}
"""Fields that no page of the API names, and their values by the response's place in the feed."""

_CHUNK = 1000
_COLUMNS = 1 + len(TABLES)  # bytes, and rows of each table


class Responses:
    """The first so many responses of a folder that `prepare` made.

    Attributes:
        count: How many there are.
    """

    def __init__(self, folder: Path, count: int) -> None:
        """Maps the files.

        Args:
            folder: What `prepare` returned.
            count: Responses to offer, from the first on.
        """
        self.count = count
        self._index = memoryview(_mapped(folder / "index", count * _COLUMNS * 8)).cast("Q")
        self._json = memoryview(_mapped(folder / "records", self._until(count)))

    def after(self, cursor: int, per_page: int) -> tuple[memoryview, int]:
        """Returns JSON records, parted by commas, and the cursor after them; empty at the end."""
        first, last = min(cursor, self.count), min(cursor + per_page, self.count)
        return self._json[self._until(first) : max(self._until(last) - 1, 0)], last

    @property
    def rows(self) -> dict[str, int]:
        """The number of rows that each table must have."""
        totals = self._index[(self.count - 1) * _COLUMNS + 1 : self.count * _COLUMNS]
        return dict(zip(TABLES, totals, strict=True))

    def _until(self, number: int) -> int:
        """Returns the bytes of so many records, each with the comma after it."""
        return int(self._index[(number - 1) * _COLUMNS]) if number else 0


def prepare(cache: Path, count: int, field: str = "") -> Path:
    """Returns a folder with at least so many responses; generates them if they are not there.

    Args:
        cache: Folder to keep them in. What other versions of the sandbox generated is removed.
        count: Responses that are needed.
        field: An undeclared field that each of them has, one of `UNDECLARED`; "" for none.
    """
    version = _version()
    folder = cache / f"responses-{version}-{field or 'documented'}"
    index = folder / "index"
    if index.exists() and index.stat().st_size >= count * _COLUMNS * 8:
        return folder
    for stale in cache.glob("responses-*"):
        if stale == folder or not stale.name.startswith(f"responses-{version}-"):
            shutil.rmtree(stale)
    unfinished = cache / f"{folder.name}-{os.getpid()}"
    unfinished.mkdir(parents=True)
    _write(unfinished, count, field)
    return unfinished.rename(folder)


def _version() -> str:
    """Returns what changes with the sandbox, or with this file."""
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for path in sorted(Path(sandbox.__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _write(folder: Path, count: int, field: str) -> None:
    """Generates responses into the files `records` and `index`."""
    totals = [0] * _COLUMNS
    firsts = range(0, count, _CHUNK)
    lasts = (min(first + _CHUNK, count) for first in firsts)
    with (
        (folder / "records").open("wb") as records,
        (folder / "index").open("wb") as index,
        ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as processes,
    ):
        for text, sizes in processes.map(_generate, firsts, lasts, repeat(field)):
            records.write(text)
            for size in sizes:
                totals = [total + more for total, more in zip(totals, size, strict=True)]
                array("Q", totals).tofile(index)


def _generate(first: int, last: int, field: str) -> tuple[bytes, list[list[int]]]:
    """Returns responses as JSON, a comma after each, and their sizes."""
    records = [response(index) for index in range(first, last)]
    if field:
        values = map(UNDECLARED[field], range(first, last))
        records = [{**record, field: value} for record, value in zip(records, values, strict=True)]
    lines = [orjson.dumps(record) + b"," for record in records]
    sizes = [[len(line), *_rows(record)] for line, record in zip(lines, records, strict=True)]
    return b"".join(lines), sizes


def _rows(record: dict[str, Any]) -> Iterator[int]:
    """Yields the rows that a record makes in each of `TABLES`."""
    yield 1
    for name in ("tags", "questions", "properties", "selected_drivers"):
        yield len(record[name])
    yield sum(len(driver["secondary"]) for driver in record["selected_drivers"])


def _mapped(path: Path, size: int) -> mmap.mmap:
    """Returns the beginning of a file, read into memory already."""
    flags = mmap.MAP_SHARED | mmap.MAP_POPULATE
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), size, flags=flags, prot=mmap.PROT_READ)
