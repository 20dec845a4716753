"""Connections to DuckDB that are made quickly; run as a program, it is the command with them."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import duckdb

from tests.support import LOAD

PROGRAM = Path(__file__)
_CONNECT: Any = duckdb.connect


def connect(*arguments: Any, config: Any = None, **more: Any) -> Any:
    """Connect to a DuckDB that takes an extension as it is, and does one thing at a time.

    dlt makes a database for each of its connections to DuckLake, twenty in a first load. Each
    spends 0.15 s on the signature of the extension, and has threads that wait for each other.
    """
    quick = {"allow_unsigned_extensions": "true", "threads": 1} | (config or {})
    return _CONNECT(*arguments, config=quick, **more)


if __name__ == "__main__":
    duckdb.connect = connect
    runpy.run_path(str(LOAD), run_name="__main__")
