"""Runs `load.py` and kills it at a moment: `python -m tests.killed_at MOMENT [option …]`.

A moment is a regular expression over what the run does to files and to DuckDB, such as
`os.rename /folder/file` or `sql< INSERT …` (about to be sent) and `sql> INSERT …` (answered).
"""

from __future__ import annotations

import os
import re
import runpy
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dlt.destinations.impl.duckdb.sql_client import DuckDbSqlClient

from tests.support import LOAD

_FILE_EVENTS = {"open", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree"}


def kill_at(moment: re.Pattern[str]) -> None:
    """Kills this process as soon as it does something that matches."""

    def look(event: str, what: object) -> None:
        if moment.search(f"{event} {what}"):
            os.kill(os.getpid(), signal.SIGKILL)

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _FILE_EVENTS and arguments:
            look(event, arguments[0])

    execute = DuckDbSqlClient.execute_query

    @contextmanager
    def watched(self: Any, query: Any, *args: Any, **kwargs: Any) -> Iterator[Any]:
        look("sql<", query)
        with execute(self, query, *args, **kwargs) as cursor:
            yield cursor
        look("sql>", query)

    DuckDbSqlClient.execute_query = watched  # type: ignore[method-assign]
    sys.addaudithook(audit)


if __name__ == "__main__":
    _, moment, *options = sys.argv
    sys.argv = [str(LOAD), *options]
    kill_at(re.compile(moment))
    runpy.run_path(str(LOAD), run_name="__main__")
