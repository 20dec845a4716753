"""A year of hours: runs of the command, each with 50 new responses, into one database.

    python -m tests.endurance.year [--hours 2000] [--postgres] [--output FILE.csv] [--plot FILE.svg]

In each hour five responses of the first load come again, edited, too. The last 20 runs take turns
with runs 11 to 30 of another year, as a machine may be half as fast an hour later. Times are those
of runs that are forked off a process which has imported everything: a user's take some tenths of a
second more, each. Prints Markdown; ends with 1 if a limit is not held.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count, islice
from pathlib import Path
from statistics import median
from typing import Final

from customergauge_source.sandbox import Sandbox
from tests.benchmarks.machine import machine, today, versions
from tests.benchmarks.plot import Hour, draw_year
from tests.command import Command, start_server
from tests.endurance.stores import BOOKKEEPING, DuckDbFile, PostgresDataset, Store
from tests.truth import differences
from tests.warehouses.postgres import postgres

_FIRST, _NEW, _AGAIN = 1000, 50, 5
_UNSETTLED, _COMPARED = 10, 20
_LAST: Final = slice(-_COMPARED, None)
_LARGEST, _SLOWEST = 1.5, 1.2


@contextmanager
def stores(folder: Path, *, in_postgres: bool) -> Iterator[list[Store]]:
    """Yields where the year, the beginning of another one, and a fresh load of the first go."""
    with ExitStack() as opened:
        server = opened.enter_context(start_server(folder))
        opened.callback(server.kill)
        commands = {name: Command(server, folder / name) for name in ("year", "other", "fresh")}
        if in_postgres:
            target = opened.enter_context(postgres())
            os.environ.update(target.env)
            yield [PostgresDataset(command, name) for name, command in commands.items()]
        else:
            yield [DuckDbFile(command) for command in commands.values()]


def live(store: Store, sandbox: Sandbox) -> Iterator[Hour]:
    """Yields what each hour took and left behind, without end."""
    known = [record["number_customergauge"] for record in sandbox.records]
    store.load(sandbox)
    for hour in count(1):
        sandbox.arrive(_NEW)
        for number in range(_AGAIN):
            sandbox.redeliver(known[(hour * _AGAIN + number) % len(known)], nps=hour % 11)
        started = time.perf_counter()
        store.load(sandbox)
        seconds = time.perf_counter() - started
        yield Hour(hour, seconds, store.size(), *store.bookkeeping())
        if hour % 100 == 0:
            sys.stderr.write(f"{hour} hours\n")


def judged(
    hours: Sequence[Hour], beginning: Sequence[Hour], fresh: int, wrong: Sequence[str]
) -> tuple[list[str], bool]:
    """Returns the lines of a table in Markdown, and whether all limits are held."""
    size = hours[-1].bytes / fresh
    ends, began = (median(it.seconds for it in part[_LAST]) for part in (hours, beginning))
    limits = {
        f"size after {len(hours):,} hours ÷ one load of the same rows": (size, _LARGEST),
        f"time of the last 20 runs ÷ of runs 11 to 30, in turns ({ends:.2f} s, {began:.2f} s)": (
            ends / began,
            _SLOWEST,
        ),
    }
    held = {name: found <= limit for name, (found, limit) in limits.items()}
    lines = ["| | limit | found | |", "|---|---:|---:|---|"]
    lines += [
        f"| {name} | ≤ {limit} | {found:.2f} | {'holds' if held[name] else '**fails**'} |"
        for name, (found, limit) in limits.items()
    ]
    same = "holds" if not wrong else "**fails**"
    lines.append(f"| differences from the API | 0 | {len(wrong)} | {same} |")
    return lines, all(held.values()) and not wrong


def told(hours: Sequence[Hour]) -> Iterator[str]:
    """Yields the lines of a table of how things grow."""
    yield f"| hour | time | size | {' | '.join(f'`{it}`' for it in BOOKKEEPING)} |"
    yield "|---:|---:|---:|---:|---:|---:|"
    for part in range(1, 6):
        end = len(hours) * part // 5
        it, seconds = hours[end - 1], median(it.seconds for it in hours[:end][_LAST])
        rows = " | ".join(f"{number:,}" for number in (it.loads, it.states, it.schemas))
        yield f"| {end:,} | {seconds:.2f} s | {it.bytes / 1e6:.1f} MB | {rows} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the figures and returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.endurance.year")
    parser.add_argument("--hours", type=int, default=2000, help="at least 50")
    parser.add_argument("--postgres", action="store_true", help="instead of DuckDB")
    parser.add_argument("--output", type=Path, metavar="FILE.csv", help="write each hour")
    parser.add_argument("--plot", type=Path, metavar="FILE.svg", help="draw time and size")
    options = parser.parse_args(arguments)
    if options.hours < _UNSETTLED + 2 * _COMPARED:
        parser.error(f"--hours has to be {_UNSETTLED + 2 * _COMPARED} at least")
    with (
        tempfile.TemporaryDirectory() as name,
        stores(Path(name), in_postgres=options.postgres) as (year, other, fresh),
        Sandbox(responses=_FIRST) as sandbox,
        Sandbox(responses=_FIRST) as another,
    ):
        going_on = live(year, sandbox)
        hours = [*islice(going_on, options.hours - _COMPARED)]
        beginning = live(other, another)
        settled = [*islice(beginning, _UNSETTLED)]
        for _ in range(_COMPARED):
            settled.append(next(beginning))
            hours.append(next(going_on))
        fresh.load(sandbox)
        size = fresh.size()
        wrong = differences(year.copy(), sandbox.records)
    lines, is_well = judged(hours, settled, size, wrong)
    where = "PostgreSQL" if options.postgres else "DuckDB"
    text = "\n".join([f"A year of hours in {where}:", "", *lines, "", *told(hours), "", *wrong[:5]])
    sys.stdout.write(f"{text}\n{today()}, {machine()}, {versions()}\n")
    if options.output:
        with options.output.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([Hour._fields, *hours])
    if options.plot:
        draw_year(hours, size, options.plot)
    return 0 if is_well else 1


if __name__ == "__main__":
    sys.exit(main())
