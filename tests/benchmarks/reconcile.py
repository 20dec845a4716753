"""Times a reconciliation against reading the same pages alone.

    python -m tests.benchmarks.reconcile [--responses 100000] [--days 30] [--rounds 5]

All are processes of their own, in turns, against one sandbox in another. *Reading alone* is the
source without a pipeline: the same pages, decoded and made tables of, and loaded nowhere. It
prints Markdown.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from statistics import median

from tests.support import LOAD, ROOT, environment

from .process import Measurement, measure

_READ = """
import sys
from customergauge_source import customergauge_source

period = dict(zip(("period_field", "start_date", "end_date"), sys.argv[1:]))
for _ in customergauge_source(**period).responses:
    pass
"""
_FIELD = "date_survey_response"
_MARGIN = timedelta(days=2)


@contextmanager
def _sandbox(responses: int) -> Iterator[dict[str, str]]:
    """Serves an account; yields the variables that point at it."""
    command = [sys.executable, "-m", "customergauge_source.sandbox", "--responses", str(responses)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline().strip() for _ in range(7)]
        exports = (it.removeprefix("export ").split("=", 1) for it in lines if "export " in it)
        try:
            yield dict(exports)
        finally:
            process.terminate()


def main(arguments: list[str] | None = None) -> int:
    """Prints the table and returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.reconcile")
    parser.add_argument("--responses", type=int, default=100_000)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(arguments)
    today = datetime.now(timezone.utc).date()
    start, end = today - timedelta(days=options.days) - _MARGIN, today + _MARGIN
    load, again = [sys.executable, str(LOAD)], ["--reconcile", "--days", str(options.days)]
    period = ["--period-field", _FIELD, "--start-date", str(start), "--end-date", str(end)]
    cases = {
        "reading those pages alone": [sys.executable, "-c", _READ, _FIELD, str(start), str(end)],
        "loading them again, as a one-off": [*load, *period],
        f"`--reconcile --days {options.days}`": [*load, *again],
        f"`--reconcile --days {options.days} --dry-run`": [*load, *again, "--dry-run"],
        "reading all alone": [sys.executable, "-c", _READ],
        "`--reconcile`": [*load, "--reconcile"],
    }
    runs: dict[str, list[Measurement]] = {case: [] for case in cases}
    with tempfile.TemporaryDirectory() as name, _sandbox(options.responses) as api:
        folder = Path(name)
        env = environment(folder) | api
        runs["the first load"] = [measure(load, folder, env)]
        for _ in range(options.rounds):
            for case, command in cases.items():
                runs[case].append(measure(command, folder, env))
    lines = [f"| {options.responses:,} responses | time | peak memory |", "|---|---:|---:|"]
    for case, measured in runs.items():
        seconds = median(it.seconds for it in measured)
        peak = median(it.peak for it in measured) / 1e6
        lines.append(f"| {case} | {seconds:.2f} s | {peak:.0f} MB |")
    sys.stdout.write("\n".join([*lines, ""]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
