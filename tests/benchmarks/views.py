"""Times the report and the views over a DuckDB file.

    python -m tests.benchmarks.views [--responses 1000000] [--rounds 3] [--database FILE]

It loads a made-up account first, or takes a file that `load.py --sandbox` has made of as many
responses. The report is a process of its own, timed from its start to its end; each view is read
whole in this one. It prints Markdown.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import duckdb

from customergauge_source.views import VIEWS
from tests.support import DATASET, LOAD, environment

from .process import measure

_REPORT = LOAD.with_name("report.py")
_FILE = "customergauge_sandbox.duckdb"


def _seconds_of_views(file: Path, rounds: int) -> dict[str, float]:
    """Returns how long each view takes that is there, read to its end."""
    found: dict[str, float] = {}
    with duckdb.connect(str(file), read_only=True) as connection:
        connection.execute(f"USE {DATASET}")
        made = connection.execute("SELECT view_name FROM duckdb_views()").fetchall()
        for name in (it for it in VIEWS if (it,) in made):
            times = []
            for _ in range(rounds):
                started = time.perf_counter()
                connection.execute(f"SELECT count(*), max(hash(v)) FROM {name} AS v").fetchall()
                times.append(time.perf_counter() - started)
            found[f"view `{name}`"] = median(times)
    return found


def main(arguments: list[str] | None = None) -> int:
    """Prints the table and returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.views")
    parser.add_argument("--responses", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--database", type=Path)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        env = environment(folder)
        if options.database:
            shutil.copyfile(options.database, folder / _FILE)
        account = ["--sandbox", "--sandbox-responses", str(options.responses)]
        load = [sys.executable, str(LOAD), *account, "--views"]
        measure(load, folder, env)
        report = [sys.executable, str(_REPORT), "--sandbox"]
        reports = [measure(report, folder, env) for _ in range(options.rounds)]
        size = (folder / "customergauge_report.html").stat().st_size / 1e6
        views = _seconds_of_views(folder / _FILE, options.rounds)
    seconds, peak = (median(it) for it in zip(*((r.seconds, r.peak) for r in reports), strict=True))
    lines = [f"| {options.responses:,} responses | time | |", "|---|---:|---|"]
    lines.append(f"| the report | {seconds:.1f} s | {peak / 1e6:.0f} MB, a file of {size:.1f} MB |")
    lines += [f"| {view} | {took:.2f} s | |" for view, took in views.items()]
    sys.stdout.write("\n".join([*lines, ""]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
