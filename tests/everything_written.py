"""Finds texts in everything that a run wrote, also where they are packed."""

from __future__ import annotations

import base64
import gzip
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus

import duckdb
import pyarrow.parquet as pq

from tests.support import every_table


def found(folder: Path, secrets: Iterable[str]) -> list[str]:
    """Returns which files of a folder hold one of the texts, and which text.

    Files are searched as they are and unpacked: gzip, parquet, DuckDB, dlt's packed state. Texts
    are searched as they are and as a form, a URL, JSON or base64 would spell them.
    """
    spellings = {spelled for secret in secrets for spelled in _spellings(secret)}
    return sorted(
        f"{name}: {spelled.decode()}"
        for path in folder.rglob("*")
        if path.is_file()
        for name, content in _contents(path)
        for spelled in spellings
        if spelled in content
    )


def _spellings(secret: str) -> Iterator[bytes]:
    plain = secret.encode()
    yield from (plain, quote(secret, safe="").encode(), quote_plus(secret).encode())
    yield secret.replace("/", "\\/").encode()
    yield base64.b64encode(plain).rstrip(b"=")


def _contents(path: Path) -> Iterator[tuple[str, bytes]]:
    content = path.read_bytes()
    yield str(path), content
    if content[:2] == b"\x1f\x8b":
        yield f"{path} unpacked", gzip.decompress(content)
    elif content[:4] == b"PAR1" == content[-4:]:
        yield f"{path} unpacked", str(pq.read_table(path).to_pylist()).encode()
    elif path.suffix == ".duckdb":
        yield from _tables(path)


def _tables(file: Path) -> Iterator[tuple[str, bytes]]:
    with duckdb.connect(str(file), read_only=True) as connection:
        for _, table, rows in every_table(connection):
            yield f"{file} {table}", str(rows).encode()
            if table == "_dlt_pipeline_state":
                states = [zlib.decompress(base64.b64decode(row[3])) for row in rows]
                yield f"{file} {table} unpacked", b"".join(states)
