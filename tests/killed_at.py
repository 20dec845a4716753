"""Kills a run of the command at a moment.

A moment is a regular expression over what the run does to files and to DuckDB, such as
`os.rename /folder/file` or `sql< INSERT …` (about to be sent) and `sql> INSERT …` (answered); or
`event 17`, the seventeenth of these.
"""

from __future__ import annotations

import itertools
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from dlt.destinations.impl.duckdb.sql_client import DuckDbSqlClient

KILL_AT = "TESTS_KILL_AT"
"""Environment variable of a run of the command: the moment."""
_FILE_EVENTS = {"open", "os.link", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree"}
_NO_EVENTS = re.compile("/lib/python|/run/secrets/")
"""Imports, and dlt's looks for settings where there are none."""


def kill_at(moment: str) -> None:
    """Kills this process as soon as it does something that matches."""
    number = moment.removeprefix("event ")
    is_it = _is_last_of(int(number)) if number.isdecimal() else re.compile(moment).search

    def look(event: str, what: object) -> None:
        if not _NO_EVENTS.search(str(what)) and is_it(f"{event} {what}"):
            os.kill(os.getpid(), signal.SIGKILL)

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _FILE_EVENTS and arguments:
            look(event, arguments[0])

    DuckDbSqlClient.execute_query = watching(look)  # type: ignore[method-assign]
    sys.addaudithook(audit)


def watching(look: Callable[[str, str], None]) -> Any:
    """Returns what tells of each query, and takes the place of `DuckDbSqlClient.execute_query`."""
    execute = DuckDbSqlClient.execute_query

    @contextmanager
    def watched(self: Any, query: Any, *args: Any, **kwargs: Any) -> Iterator[Any]:
        look("sql<", query)
        with execute(self, query, *args, **kwargs) as cursor:
            yield cursor
        look("sql>", query)

    return watched


def _is_last_of(number: int) -> Callable[[str], bool]:
    count = itertools.count(1)
    return lambda _event: next(count) == number
