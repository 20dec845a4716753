"""Make the report of what was loaded: `python pipelines/report.py --help`."""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timezone
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from customergauge_source.cli import outcome, process
from customergauge_source.cli.options import Parser, day
from customergauge_source.cli.place import Place, make_pipeline, name_of

if TYPE_CHECKING:
    from dlt import Pipeline

PROG = "python pipelines/report.py"
_OUTPUT = "customergauge_report.html"
_ANOTHER_FILE = "Name another file with --output, or make room for it."
_DESTINATIONS = "duckdb, postgres, bigquery, snowflake"


@dataclass(frozen=True)
class Options:
    """What the command line says."""

    sandbox: bool
    destination: str | None
    dataset: str | None
    pipeline: str | None
    output: Path
    start_date: date | None
    end_date: date | None
    quiet: bool
    debug: bool


def main(arguments: Sequence[str] | None = None, prog: str = PROG) -> int:
    """Runs the command, which is called as `prog`, and returns its exit code."""
    options = _parse(arguments, prog)
    process.settle()
    return outcome.run(lambda: _made(options), quiet=options.quiet)


def make_parser(prog: str = PROG) -> argparse.ArgumentParser:
    """Returns the parser; the docs list its options."""
    parser = Parser(
        prog=prog,
        description="Make one HTML file of what was loaded. It holds comments of customers.",
        epilog="exit codes: those of pipelines/load.py",
    )
    add = parser.add_argument
    text = f"the file to write ({_OUTPUT})"
    add("--output", type=Path, default=Path(_OUTPUT), metavar="FILE", help=text)
    add("--sandbox", action="store_true", help="of what `load.py --sandbox` loaded")
    add("--destination", metavar="NAME", help=f"one of {_DESTINATIONS} (duckdb)")
    add("--dataset", metavar="NAME", help="dataset, or schema, to read (customergauge_data)")
    add("--pipeline", metavar="NAME", help="the pipeline that loaded it (customergauge)")
    add("--start-date", type=day, metavar="YYYY-MM-DD", help="answers since this day")
    add("--end-date", type=day, metavar="YYYY-MM-DD", help="answers up to this day")
    add("--quiet", action="store_true", help="tell nothing if it succeeds")
    add("--debug", action="store_true", help="show tracebacks")
    return parser


def _parse(arguments: Sequence[str] | None, prog: str) -> Options:
    parser = make_parser(prog)
    options = Options(**vars(parser.parse_args(arguments)))
    if options.start_date and options.end_date and options.start_date > options.end_date:
        parser.error(f"--start-date {options.start_date} is later than --end-date.")
    return options


def _made(options: Options) -> int:
    """Makes the report, tells how it ended, and returns the exit code."""
    try:
        process.show_logs(debug=options.debug)
        _run(options)
    except KeyboardInterrupt:  # maybe in the midst of an import
        process.ignore_signals()
        return _interrupted()
    except BaseException as error:  # noqa: BLE001 - however it ends, it is told in two lines
        process.ignore_signals()
        return process.told(error, debug=options.debug, of="report") or _interrupted()
    return 0


def _run(options: Options) -> None:
    from dlt.common.runtime.collector import NULL_COLLECTOR

    from customergauge_source.report.data import in_words
    from customergauge_source.report.page import render

    _check_installed()
    _check_output(options.output)
    with tempfile.TemporaryDirectory() as folder:
        pipeline = make_pipeline(
            Place(
                options.destination,
                options.dataset,
                options.sandbox,
                pipeline=options.pipeline,
                reads_only=True,
            ),
            folder,
            NULL_COLLECTOR,
        )
        process.settled()
        data = _collect(pipeline, options)
    _write(options.output, render(data))
    outcome.reported(options.output, in_words(data))


def _collect(pipeline: Pipeline, options: Options) -> dict[str, Any]:
    from customergauge_source.dlt_bridge.dataset import opened
    from customergauge_source.report.data import collect
    from customergauge_source.report.queries import Span

    span = Span(options.start_date, options.end_date)
    source = name_of(is_sandbox=options.sandbox)
    with opened(pipeline, source) as dataset:
        about = {
            "made_at": f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC",
            "destination": pipeline.destination.destination_name,
            "dataset": dataset.name,
            "timezone": dataset.timezone,
            "span": {name: bound and f"{bound}" for name, bound in span._asdict().items()},
        }
        return about | collect(dataset.ask, source, dataset.tables, span, dataset.hidden)


def _check_installed() -> None:
    """Checks that what draws the charts is installed, which loading does not need."""
    if find_spec("vl_convert") is None:
        from customergauge_source.exceptions import ConfigurationError

        raise ConfigurationError(
            "The report needs vl-convert-python, which draws its charts.",
            "Install it: pip install 'vl-convert-python>=1.9,<2', or the package with its extra"
            " `report`.",
        )


def _check_output(output: Path) -> None:
    """Checks that the file can be written, before the destination is asked anything."""
    from customergauge_source.exceptions import ConfigurationError

    try:
        what = _hindrance(output.expanduser().resolve())
    except OSError as error:
        what = f"cannot be written: {error.strerror}"
    except RuntimeError as error:  # no such home
        what = f"cannot be written: {error}"
    if what:
        raise ConfigurationError(f"--output {output} {what}.", _ANOTHER_FILE)


def _hindrance(file: Path) -> str | None:
    """Returns what is in the way of writing a file, or of replacing it."""
    if file.is_dir():
        return "is a folder"
    if not file.parent.is_dir():
        return f"cannot be written: there is no folder {file.parent}"
    if file.exists() and not file.is_file():
        return "is no file that could be replaced"
    if not os.access(file.parent, os.W_OK) or (file.exists() and not os.access(file, os.W_OK)):
        return "cannot be written: permission denied"
    return None


def _write(output: Path, text: str) -> None:
    """Writes the file whole, or leaves it as it was; who may read it stays as it was."""
    file = output.expanduser().resolve()
    beside = file.with_name(f".{_OUTPUT}.{os.getpid()}")
    try:
        beside.touch(0o600 if file.exists() else 0o666)
        beside.write_text(text, encoding="utf-8")
        if file.exists():
            beside.chmod(file.stat().st_mode)
        beside.replace(file)
    except OSError as error:
        from customergauge_source.exceptions import ConfigurationError

        raise ConfigurationError(
            f"--output {output} cannot be written: {error.strerror}.", _ANOTHER_FILE
        ) from error
    finally:
        beside.unlink(missing_ok=True)


def _interrupted() -> int:
    outcome.failed("Interrupted. No report was written.", "Run again.", of="report")
    return 130
