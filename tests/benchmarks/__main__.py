"""``python -m tests.benchmarks``: measures, and prints the tables of docs/speed.md."""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from .cases import IMPORT, Case
from .data import prepare
from .plot import check_available, draw, plot_cases
from .report import report
from .rows import ROW_NAMES, Row, Sizes, rows
from .runner import Runner
from .shapes import PER_PAGE

_USUAL = Sizes()
_QUICK = Sizes(usual=5_000, large=20_000, small=500, latency=0.1)
_LATER_RUNS = 5
_START_RUNS = 10


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures.

    Args:
        arguments: The arguments of the command line; by default those of the process.

    Returns:
        The exit code: 1 if a `must` fails, else 0. Bad arguments exit with 2.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    sizes = _sizes(options)
    if not 10 <= sizes.small <= sizes.usual < sizes.large:
        parser.error("--responses must be less than --large, and at least 10")
    if options.plot:
        try:
            check_available()
        except ModuleNotFoundError:
            parser.error("--plot needs vl-convert: pip install -e '.[report]'")
    chosen = [row for row in rows(sizes) if not options.only or row.name in options.only]
    runner = _measure(options, sizes, chosen)
    judged = sizes == _USUAL
    text = report(chosen, runner.results, judged=judged)
    sys.stdout.write(text)
    if options.output:
        options.output.write_text(text, encoding="utf-8")
    if options.plot:
        draw(runner.results, sizes, options.plot)
    return int(judged and not all(row.holds(runner.results) for row in chosen))


def _parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description="Measure time and memory against dlt's rest_api and against the limit.",
        epilog="TMPDIR says where data and databases are kept; about 4 GB are needed.",
    )
    add = parser.add_argument
    add("--responses", type=int, metavar="N", help=f"default: {_USUAL.usual:,}")
    add("--large", type=int, metavar="N", help=f"default: {_USUAL.large:,}")
    add("--runs", type=int, metavar="N", help="runs of each case, default 3; of short ones more")
    add("--large-runs", type=int, metavar="N", help="runs of more than --responses, default 1")
    add(
        "--quick",
        action="store_true",
        help="small numbers, by default one run: to see that it works",
    )
    add("--only", nargs="+", choices=ROW_NAMES, metavar="ROW", help=", ".join(ROW_NAMES))
    add("--checkpoint-pages", type=int, metavar="N", help="pages of a checkpoint of ours")
    add("--plot", type=Path, metavar="FILE.svg", help="draw time and memory; measures more sizes")
    add("--output", type=Path, metavar="FILE.md", help="write the table to a file, too")
    return parser


def _sizes(options: argparse.Namespace) -> Sizes:
    """Returns the numbers of responses that the options ask for."""
    base = _QUICK if options.quick else _USUAL
    usual = options.responses or base.usual
    return Sizes(usual, options.large or base.large, min(base.small, usual), base.latency)


def _measure(options: argparse.Namespace, sizes: Sizes, chosen: Sequence[Row]) -> Runner:
    """Measures what the rows, and the plot, need."""
    cases = [case for row in chosen for case in row.cases]
    if options.plot:
        cases += plot_cases(sizes)
    cache = Path(tempfile.gettempdir()) / "customergauge-benchmark"
    counts = {"": PER_PAGE}
    for case in cases:
        counts[case.shape] = max(case.served, counts.get(case.shape, 0))
    data = {shape: prepare(cache, count, shape) for shape, count in counts.items()}
    with tempfile.TemporaryDirectory(prefix="customergauge-benchmark-") as work:
        runner = Runner(data, Path(work), options.checkpoint_pages, cases)
        runner.warm_up(cases)
        for group, times in _groups(options, sizes, cases):
            runner.run(group, times)
    return runner


def _groups(
    options: argparse.Namespace, sizes: Sizes, cases: Sequence[Case]
) -> list[tuple[list[Case], int]]:
    """Returns the cases that run in turns, and how often: what is compared is together."""
    runs = options.runs or (1 if options.quick else 3)
    start = [case for case in cases if case.is_start or case.subject == IMPORT]
    later = [case for case in cases if case.since is not None]
    loads = [case for case in cases if case not in (*start, *later)]
    return [
        ([case for case in loads if case.responses <= sizes.usual], runs),
        ([case for case in loads if case.responses > sizes.usual], options.large_runs or 1),
        (later, runs if options.quick else max(runs, _LATER_RUNS)),
        (start, runs if options.quick else max(runs, _START_RUNS)),
    ]


if __name__ == "__main__":
    sys.exit(main())
