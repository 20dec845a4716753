"""The options of `load.py`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import load_report as report
from customergauge_source.settings import (
    CHECKPOINT_PAGES,
    INCLUDES,
    PERIOD_FIELDS,
    REGIONS,
    UNKNOWN_FIELDS,
)

_DESCRIPTION = """\
Load CustomerGauge survey responses into a warehouse, from where the last run ended.

Credentials and settings come from .dlt/secrets.toml, .dlt/config.toml and environment
variables; the options below go before them. No account? Try --sandbox.
"""
_EXIT_CODES = """\
exit codes:
  0 done   1 unforeseen error   2 arguments or configuration   3 credentials refused
  4 the API failed or broke its contract   5 the destination failed
  6 another run holds the pipeline   130 interrupted
"""
_SOURCE_ARGUMENTS = (
    "region",
    "include",
    "per_page",
    "outbound_filter",
    "number_customergauge",
    "period_field",
    "start_date",
    "end_date",
    "timezone",
    "unknown_fields",
)


@dataclass(frozen=True)
class Options:
    """What the command line says: the options, by name.

    Attributes:
        source: Arguments of `customergauge_source` that were given.
    """

    sandbox: bool
    sandbox_responses: int
    destination: str | None
    dataset: str | None
    source: dict[str, Any]
    check: bool
    full_refresh: bool
    abort_pending: bool
    checkpoint_pages: int
    max_pages: int | None
    json: bool
    debug: bool


def parse(arguments: Sequence[str] | None = None) -> Options:
    """Returns the options of a command line; ends the process with code 2 if it has a mistake."""
    parser = make_parser()
    given = vars(parser.parse_args(arguments))
    source = {name: given.pop(name) for name in _SOURCE_ARGUMENTS}
    if source["include"] is not None:
        source["include"] = [name for text in source["include"] for name in text.split(",") if name]
    source = {name: value for name, value in source.items() if value is not None}
    bounded = source.keys() & {"number_customergauge", "period_field", "start_date", "end_date"}
    if given["full_refresh"] and bounded:
        parser.error(
            "--full-refresh drops all responses; with a period or a single response only that"
            " would be loaded again. Give one or the other."
        )
    return Options(source=source, **given)


class _Parser(argparse.ArgumentParser):
    """Tells a mistake as every error is told: what happened, what to do."""

    def error(self, message: str) -> NoReturn:
        """Ends the process with code 2."""
        hint = f"{self.prog} --help shows the options; nothing was requested or loaded."
        report.failed(message, hint)
        raise SystemExit(2)


def make_parser() -> argparse.ArgumentParser:
    """Returns the parser; the README lists its options."""
    parser = _Parser(
        prog="python pipelines/load.py",
        description=_DESCRIPTION,
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--sandbox", action="store_true", help="load from a built-in API; no account needed")
    add(
        "--sandbox-responses",
        type=_whole_number(0),
        default=2500,
        metavar="N",
        help="responses that the built-in API has (2500)",
    )
    add("--destination", metavar="NAME", help="any SQL destination of dlt (duckdb)")
    add("--dataset", metavar="NAME", help="dataset, or schema, to load into (customergauge_data)")
    _add_source_options(parser)
    _add_run_options(parser)
    return parser


def _add_source_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what to read")
    add = group.add_argument
    add("--region", metavar="REGION", help=f"where the account is: {', '.join(REGIONS)}")
    add(
        "--include",
        nargs="*",
        metavar="LIST",
        help=f"lists to load with each response: {', '.join(INCLUDES)} (all)",
    )
    add(
        "--per-page",
        type=_whole_number(1, 1000),
        metavar="N",
        help="responses per page, 1 to 1000 (1000)",
    )
    add("--outbound-filter", metavar="REFERENCE", help="outbound filter; has its own cursor")
    add(
        "--number-customergauge",
        type=_whole_number(1),
        metavar="CGID",
        help="read this one response again",
    )
    add("--period-field", metavar="FIELD", help=f"read a period of: {', '.join(PERIOD_FIELDS)}")
    add("--start-date", metavar="YYYY-MM-DD", help="first day of the period")
    add("--end-date", metavar="YYYY-MM-DD", help="last day of the period")
    add("--timezone", metavar="ZONE", help="IANA zone of the API's timestamps (UTC)")
    add(
        "--unknown-fields",
        metavar="MODE",
        help=f"fields that are not declared: {', '.join(UNKNOWN_FIELDS)} (evolve)",
    )


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how to run")
    add = group.add_argument
    add("--check", action="store_true", help="try credentials and destination; load nothing")
    add("--full-refresh", action="store_true", help="drop what was loaded and start over")
    add(
        "--abort-pending",
        action="store_true",
        help="drop load packages that can never load; their responses are read again",
    )
    add(
        "--checkpoint-pages",
        type=_whole_number(1),
        default=CHECKPOINT_PAGES,
        metavar="N",
        help=f"commit data and cursor every N pages ({CHECKPOINT_PAGES})",
    )
    add("--max-pages", type=_whole_number(1), metavar="N", help="stop after N pages")
    add("--json", action="store_true", help="the summary as one JSON object on stdout")
    add("--debug", action="store_true", help="show the traceback of an error")


def _whole_number(least: int, most: int | None = None) -> Callable[[str], int]:
    def read(text: str) -> int:
        number = int(text) if text.isdecimal() else least - 1
        if number < least or (most is not None and number > most):
            end = "on" if most is None else f"to {most}"
            allowed = f"allowed is a whole number from {least} {end}"
            raise argparse.ArgumentTypeError(f"{text!r}; {allowed}")
        return number

    return read
