"""Marked values, searched for in whatever a run writes, however they are spelled there.

A marked value has a mark in it and a number, in one of three scripts: Latin letters, digits, and
ideographs, which almost every encoding spells in another way. What is searched is decoded in each
way that an encoding knows, so that ten thousand values take no longer than one.

As a program it runs the command, and keeps a link to every file that is about to be removed,
renamed or written anew: `Watch` finds what was in it.
"""

from __future__ import annotations

import binascii
import gzip
import os
import re
import runpy
import shutil
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from hashlib import blake2b
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import ipc

from tests.support import LOAD, every_table

if TYPE_CHECKING:
    from typing_extensions import Self

LETTERS = "zqxjvk"
DIGITS = ("4915173", "731")
IDEOGRAPHS = "龘靐"
CUT_OFF = -1
"""The number of a value of which only the mark is there."""
KEPT = "TESTS_KEPT"
"""Environment variable of a run: the folder that takes links to files."""

_ALPHABET = "bcdfghlmnp"  # ten letters that no mark begins with
_NUMERALS = "零壹贰叁肆伍陆柒捌玖"
_WIDTH = 5
_FROM_LETTERS = bytes.maketrans(_ALPHABET.encode(), b"0123456789")
_FROM_NUMERALS = str.maketrans(_NUMERALS, "0123456789")

_LATIN = re.compile(f"{LETTERS}([{_ALPHABET}]{{{_WIDTH}}})?".encode(), re.IGNORECASE)
_NUMBER = re.compile(rf"{DIGITS[0]}([0-9]{{{_WIDTH}}}){DIGITS[1]}".encode())
_GZIP = b"\x1f\x8b"
_GROUPED = re.compile(rb"491[,_.' ]517[,_.' ]3([0-9]{2})[,_.' ]([0-9]{3})[,_.' ]731")
_IDEOGRAPH = {
    encoding: re.compile(
        re.escape(IDEOGRAPHS.encode(encoding))
        + b"((?:"
        + b"|".join(re.escape(it.encode(encoding)) for it in _NUMERALS)
        + f"){{{_WIDTH}}})?".encode()
    )
    for encoding in ("utf-8", "utf-16-le", "utf-16-be", "gb18030")
}
_ESCAPED = re.compile(
    r"\\+u\{?([0-9a-f]{4})\}?|(?:\\+x|[%=])([0-9a-f]{2})|&#x0*([0-9a-f]{2,5});|&#0*(\d{2,6});",
    re.IGNORECASE,
)
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{12,}")
_HEX = re.compile(rb"[0-9a-fA-F]{16,}")
_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_EMPTY = re.compile(rb"\0{8,}")
_COPIED = 5e6
"""Bytes of a file that grows that are copied in a second."""
_REMOVALS = {"os.remove", "os.rename", "os.rmdir", "os.truncate", "shutil.rmtree", "shutil.move"}


def latin(number: int) -> str:
    """Returns the mark of a number in Latin letters."""
    return LETTERS + f"{number:0{_WIDTH}}".translate(str.maketrans("0123456789", _ALPHABET))


def digits(number: int) -> int:
    """Returns a whole number, as a phone's, that has the mark in it."""
    return int(f"{DIGITS[0]}{number:0{_WIDTH}}{DIGITS[1]}")


def ideographs(number: int) -> str:
    """Returns the mark of a number in ideographs."""
    return IDEOGRAPHS + f"{number:0{_WIDTH}}".translate(
        {ord("0") + n: it for n, it in enumerate(_NUMERALS)}
    )


def numbers_in(content: bytes) -> set[int]:
    """Returns the numbers of the marked values in something, in whichever spelling."""
    found = _escaped_or_not(content)
    for inner in _inner(content):
        found |= _escaped_or_not(inner)
    return found


def _escaped_or_not(content: bytes) -> set[int]:
    found = _plain(content)
    if b"\0" in content:
        found |= _plain(content.replace(b"\0", b""))
    text = content.decode("utf-8", "replace")
    if _ESCAPED.search(text):
        unescaped = _ESCAPED.sub(_unescaped, text)
        found |= _plain(unescaped.encode("utf-8", "surrogatepass"))
        found |= _plain(unescaped.encode("latin-1", "ignore"))
    elif not content.isascii():
        found |= _plain(text.encode("latin-1", "ignore"))  # UTF-8 that was read as Latin-1
    return found


def _plain(content: bytes) -> set[int]:
    found = {
        int(match[1].lower().translate(_FROM_LETTERS)) if match[1] else CUT_OFF
        for match in _LATIN.finditer(content)
    }
    found |= {int(match[1]) for match in _NUMBER.finditer(content)}
    found |= {int(match[1] + match[2]) for match in _GROUPED.finditer(content)}
    for encoding, pattern in _IDEOGRAPH.items():
        found |= {
            int(match[1].decode(encoding).translate(_FROM_NUMERALS)) if match[1] else CUT_OFF
            for match in pattern.finditer(content)
        }
    return found


def _unescaped(match: re.Match[str]) -> str:
    hexadecimal = match[1] or match[2] or match[3]
    code = int(hexadecimal, 16) if hexadecimal else int(match[4])
    return chr(code) if code < sys.maxunicode else ""


def _inner(content: bytes) -> Iterator[bytes]:
    """Yields what is encoded in something, decoded."""
    packed: list[bytes] = []
    for pattern, decode in ((_BASE64, _from_base64), (_HEX, _from_hexadecimal)):
        decoded = [decode(run) for run in {*pattern.findall(content)}]
        packed += [it for pair in decoded for it in pair if it[:1] == b"x" or it[:2] == _GZIP]
        yield b"\n".join(it for pair in decoded for it in pair)
    for it in packed:
        with suppress(zlib.error):
            yield zlib.decompressobj(wbits=47).decompress(it)


@lru_cache(maxsize=10_000)
def _from_base64(run: bytes) -> list[bytes]:
    """Returns what a text says wherever in it base64 begins."""
    run, decoded = run.translate(_URL_SAFE), []
    for start in range(4):
        part = run[start:]
        part = part[: len(part) // 4 * 4] if len(part) % 4 == 1 else part
        with suppress(binascii.Error):
            decoded.append(binascii.a2b_base64(part + b"=" * (-len(part) % 4)))
    return decoded


@lru_cache(maxsize=10_000)
def _from_hexadecimal(run: bytes) -> list[bytes]:
    return [binascii.unhexlify(it[: len(it) // 2 * 2]) for it in (run, run[1:])]


def contents(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yields a file's content, and what is packed in it, each with a name."""
    content = path.read_bytes()
    yield "file", _EMPTY.sub(b"\0" * 8, content)
    if content[:2] == _GZIP:
        with suppress(EOFError, gzip.BadGzipFile, zlib.error):
            yield "gzip", gzip.decompress(content)
    elif content[:4] == b"PAR1" == content[-4:]:
        with suppress(pa.ArrowInvalid):  # it was being written
            yield "parquet", str(pq.read_table(BytesIO(content)).to_pylist()).encode()
    elif content[:6] == b"ARROW1":
        with suppress(pa.ArrowInvalid):
            yield "arrow", str(ipc.open_file(BytesIO(content)).read_all().to_pylist()).encode()
    elif path.suffix == ".duckdb" and " " not in path.name:  # and no copy of it
        yield from _tables(path)


def _tables(file: Path) -> Iterator[tuple[str, bytes]]:
    with duckdb.connect(str(file), read_only=True) as connection:
        yield "catalog", str(connection.execute("FROM duckdb_columns()").fetchall()).encode()
        for schema, table, rows in every_table(connection):
            yield f"{schema}.{table}", _spelled(rows)


def _spelled(rows: list[tuple[Any, ...]]) -> bytes:
    texts = (str(value) for row in rows for value in row if value is not None)
    return "\n".join(texts).encode("utf-8", "surrogatepass")


def found_in(folder: Path, files: str = "*") -> dict[str, set[int]]:
    """Returns the numbers of the marked values in the files of a folder, by place.

    Of several contents that are the same one is looked at.
    """
    places: dict[str, set[int]] = {}
    seen: set[bytes] = set()
    for path in sorted(folder.rglob(files)):
        if path.is_file() and not path.is_symlink():
            for kind, content in contents(path):
                digest = blake2b(content).digest()
                if digest not in seen and (numbers := numbers_in(content)):
                    places[f"{path.relative_to(folder)} {kind}"] = numbers
                seen.add(digest)
            if numbers := numbers_in(path.name.encode("utf-8", "surrogateescape")):
                places[f"{path.relative_to(folder)} name"] = numbers
    return places


class Watch:
    """Keeps what is written into a folder while it is watched, also what is there for a moment.

    Every file gets a second link as soon as it is seen, so that it outlives its removal; one that
    is written in place is copied now and then; and so is what a process holds open that has no
    name any more. A run of this program tells of files ahead of their removal.

    Attributes:
        kept: The folder with all of it; on the same file system.
    """

    def __init__(self, folder: Path, kept: Path) -> None:
        self.kept = kept
        self.pid = 0
        self._folder = folder
        self._seen: dict[int, int] = {}
        self._next: dict[int, float] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        """Begins to watch."""
        self.kept.mkdir(parents=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Ends; what is there now is for the caller to look at."""
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(0.004):
            for entry in _files(self._folder):
                with suppress(OSError):
                    self._keep(entry)
            self._keep_nameless()

    def _keep(self, entry: os.DirEntry[str]) -> None:
        inode, size = entry.inode(), entry.stat(follow_symlinks=False).st_size
        if inode not in self._seen:
            os.link(entry.path, self.kept / f"{inode} {entry.name}")
            self._seen[inode] = size
        elif size != self._seen[inode] and time.monotonic() > self._next.get(inode, 0.0):
            shutil.copyfile(entry.path, self.kept / f"{inode} {size} {entry.name}")
            self._seen[inode] = size
            self._next[inode] = time.monotonic() + size / _COPIED

    def _keep_nameless(self) -> None:
        with suppress(OSError):
            for entry in os.scandir(f"/proc/{self.pid}/fd") if self.pid else ():
                with suppress(OSError):
                    status = entry.stat()
                    target = os.readlink(entry.path)  # noqa: PTH115 - of a number, not a path
                    is_file = target.startswith("/") and not target.startswith("/dev")
                    if is_file and not status.st_nlink and status.st_size:
                        shutil.copyfile(entry.path, self.kept / f"nameless {status.st_ino}")


def _files(folder: Path | str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    yield from _files(entry.path)
                elif entry.is_file(follow_symlinks=False):
                    yield entry
    except OSError:  # it is gone
        return


def keep_what_is_removed(kept: Path) -> None:
    """Keeps a link to each file that this process is about to remove, rename or write anew."""
    taken: set[str] = set()

    def keep(path: Path) -> None:
        if path.is_dir() and not path.is_symlink():
            for entry in _files(path):
                keep(Path(entry.path))
        else:
            with suppress(OSError):
                status = path.stat()
                name = f"{status.st_ino}-{status.st_mtime_ns} {path.name}"
                if name not in taken and path.is_file():
                    taken.add(name)
                    os.link(path, kept / f"removed {name}")

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _REMOVALS and isinstance(arguments[0], (str, bytes, os.PathLike)):
            keep(Path(os.fsdecode(arguments[0])))
        elif event == "open" and isinstance(arguments[0], str) and "w" in str(arguments[1]):
            with suppress(OSError):
                path = Path(arguments[0])
                if path.is_file() and (size := path.stat().st_size):
                    shutil.copyfile(path, kept / f"rewritten {len(taken)}-{size} {path.name}")

    sys.addaudithook(audit)


if __name__ == "__main__":
    keep_what_is_removed(Path(os.environ.pop(KEPT)))
    sys.argv[0] = str(LOAD)
    runpy.run_path(sys.argv[0], run_name="__main__")
