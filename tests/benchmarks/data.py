"""The responses that are served: generated once, kept on disk, mapped into the server.

They are the sandbox's, in its order, as documented or changed as one of `SHAPES` says. The cursor
after a response is its number, from 1.
"""

from __future__ import annotations

import hashlib
import mmap
import multiprocessing
import os
import shutil
from array import array
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path

import orjson

from customergauge_source import sandbox
from customergauge_source.sandbox.surveys import response

from .shapes import SHAPES, TABLES, row_counts

_CHUNK = 1000
_SANDBOX = sorted(Path(sandbox.__file__).parent.glob("*.py"))
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


def prepare(cache: Path, count: int, shape: str = "") -> Path:
    """Returns a folder with at least so many responses; generates them if they are not there.

    Args:
        cache: Folder to keep them in. What other versions of the sandbox generated is removed.
        count: Responses that are needed.
        shape: One of `SHAPES`; "" for responses as documented.
    """
    version = _version()
    folder = cache / f"responses-{version}-{shape or 'documented'}"
    index = folder / "index"
    if index.exists() and index.stat().st_size >= count * _COLUMNS * 8:
        return folder
    for stale in cache.glob("responses-*"):
        if stale == folder or not stale.name.startswith(f"responses-{version}-"):
            shutil.rmtree(stale)
    unfinished = cache / f"{folder.name}-{os.getpid()}"
    unfinished.mkdir(parents=True)
    _write(unfinished, count, shape)
    return unfinished.rename(folder)


def _version() -> str:
    """Returns what changes with the sandbox, with the shapes, or with this file."""
    here = Path(__file__)
    digest = hashlib.sha256()
    for path in (here, here.with_name("shapes.py"), *_SANDBOX):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _write(folder: Path, count: int, shape: str) -> None:
    """Generates responses into the files `records` and `index`."""
    totals = [0] * _COLUMNS
    firsts = range(0, count, _CHUNK)
    lasts = (min(first + _CHUNK, count) for first in firsts)
    with (
        (folder / "records").open("wb") as records,
        (folder / "index").open("wb") as index,
        ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as processes,
    ):
        for text, sizes in processes.map(_generate, firsts, lasts, repeat(shape)):
            records.write(text)
            for size in sizes:
                totals = [total + more for total, more in zip(totals, size, strict=True)]
                array("Q", totals).tofile(index)


def _generate(first: int, last: int, shape: str) -> tuple[bytes, list[list[int]]]:
    """Returns responses as JSON, a comma after each, and their sizes."""
    records = [response(index) for index in range(first, last)]
    if shape:
        records = list(map(SHAPES[shape].change, records, range(first, last)))
    lines = [orjson.dumps(record) + b"," for record in records]
    sizes = [[len(line), *row_counts(record)] for line, record in zip(lines, records, strict=True)]
    return b"".join(lines), sizes


def _mapped(path: Path, size: int) -> mmap.mmap:
    """Returns the beginning of a file, read into memory already."""
    flags = mmap.MAP_SHARED | mmap.MAP_POPULATE
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), size, flags=flags, prot=mmap.PROT_READ)
