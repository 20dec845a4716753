"""DuckDB gets little memory, and more where that does not hold what is loaded at once.

How much that is, it alone knows: a few blocks of 256 KB for each column of a table that it writes,
and two thousand long texts at a time. The rest it spills.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from threading import Lock
from typing import Any, Final

from dlt.common.schema import Schema
from dlt.destinations.exceptions import DatabaseException

MEMORY: Final = {"memory_limit": "48MB", "threads": 1}
"""What a command sets, as DuckDB would take most of the machine's memory for a file that grows.

Of a load package, two threads have no more to do than one, and take a third more processor time.
"""
_PER_COLUMN: Final = 1.5
"""MiB for each column of the widest table. With less than 1.2 DuckDB 1.5.5 may not be able to write
it into its file, and is then of no use until it is opened anew.
"""
_MOST: Final = 2048
"""MiB from which on they are not doubled any more."""
_AT_ONCE: Final = "SET GLOBAL checkpoint_threshold = '1MB'"
"""Has DuckDB write what is loaded into its file as it is committed.

dlt lets its log grow to 1 GB first. What is in the log alone stays in memory.
"""
_FULL: Final = re.compile(
    r"(?:allocate|pin) (?:data|block) of size [^(]*\([\d.]+ \w+/([\d.]+ \w+) used\)"
)
"""How DuckDB says, of a statement or of a commit, that "(45.6 MiB/45.7 MiB used)" is too little."""
_UNITS: Final = {"KiB": 1 / 1024, "MiB": 1, "GiB": 1024}
_growing: Final = Lock()
"""dlt runs several jobs at once."""


def full_memory(error: BaseException) -> str | None:
    """Returns how much memory DuckDB has, as text, if an error says that it is too little."""
    found = _FULL.search(str(error))
    return found[1] if found else None


def with_enough_memory(client: Any, schema: Schema, run: Callable[[], None]) -> None:  # noqa: ANN401 - dlt's client
    """Runs a transaction, and again with twice the memory as long as that is too little.

    Where somebody else set how much there is, it stays that.

    Raises:
        DatabaseException: What it raised, or DuckDB said of its settings.
    """
    client.execute_sql(_AT_ONCE)
    is_ours = client.credentials.global_config == MEMORY
    if is_ours:
        _give(client, _PER_COLUMN * max(len(table["columns"]) for table in schema.tables.values()))
    while True:
        try:
            run()
        except DatabaseException as error:  # noqa: PERF203 - each time with more
            memory = full_memory(error)
            is_dead = "FATAL" in str(error)  # it takes nothing any more
            if not is_ours or is_dead or memory is None or _in_mib(memory) >= _MOST:
                raise
            _give(client, min(2 * _in_mib(memory), _MOST))
        else:
            return


def _give(client: Any, memory: float) -> None:  # noqa: ANN401 - as above
    """Has DuckDB use as many MiB, if it has less."""
    with _growing:
        [(has,)] = client.execute_sql("SELECT current_setting('memory_limit')")
        if memory > _in_mib(has):
            client.execute_sql(f"SET GLOBAL memory_limit = '{memory} MiB'")


def _in_mib(memory: str) -> float:
    amount, unit = memory.split()
    return float(amount) * _UNITS[unit]
