"""The options of `load.py`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta, timezone
from typing import Any, NoReturn

from customergauge_source.cli import outcome
from customergauge_source.resources import DEFAULT, RESOURCES
from customergauge_source.settings import (
    CHECKPOINT_PAGES,
    PERIOD_FIELDS,
    REGIONS,
    RELEASE,
    UNKNOWN_FIELDS,
)

_DESCRIPTION = """\
Load a CustomerGauge account into a warehouse, from where the last run ended.

Credentials and settings come from .dlt/secrets.toml, .dlt/config.toml and environment
variables; the options below override them. No account? Try --sandbox.
"""
_EXIT_CODES = """\
exit codes:
  0 done   1 unforeseen error   2 arguments or configuration   3 credentials refused
  4 the API failed or broke its contract   5 the destination failed
  6 another run holds the pipeline   130 interrupted
"""
MOST_DAYS = 36_500
PROG = "python pipelines/load.py"
_NAMES = ", ".join(resource.name for resource in RESOURCES)
_LISTS = ", ".join(dict.fromkeys(name for resource in RESOURCES for name in resource.include))


@dataclass(frozen=True)
class Options:
    """What the command line says; `source` has the arguments of `customergauge_source`."""

    sandbox: bool
    sandbox_responses: int
    destination: str | None
    dataset: str | None
    source: dict[str, Any]
    check: bool
    full_refresh: bool
    reconcile: bool
    dry_run: bool
    max_deletes: int | None
    views: bool
    checkpoint_pages: int
    max_pages: int | None
    json: bool
    quiet: bool
    debug: bool


def parse(arguments: Sequence[str] | None, prog: str = PROG) -> Options:
    """Returns the options of a command line; ends the process with code 2 if it has a mistake."""
    parser = make_parser(prog)
    given = vars(parser.parse_args(arguments))
    own = given.keys() & {field.name for field in fields(Options)}
    source = {name: value for name, value in given.items() if name not in {*own, "days"}}
    for several in source.keys() & {"resources", "include"}:
        source[several] = [name for text in source[several] for name in text.split(",") if name]
    modes = [name for name in ("check", "full_refresh", "reconcile") if given[name]]
    if len(modes) > 1:
        first, second = (f"--{name.replace('_', '-')}" for name in modes[:2])
        parser.error(f"{first} and {second} are two different runs. Give one or the other.")
    if given["reconcile"] and given["max_pages"]:
        parser.error("--reconcile has to read to the end, and --max-pages would stop it before.")
    for name in ("days", "dry_run", "max_deletes"):
        if given[name] is not None and given[name] is not False and not given["reconcile"]:
            parser.error(f"--{name.replace('_', '-')} belongs to --reconcile.")
    if days := given["days"]:
        if source.keys() & {"period_field", "start_date", "end_date"}:
            parser.error("--days is a period, and another one is given. Give one or the other.")
        source |= _last(days)
    return Options(source=source, **{name: given[name] for name in own})


def _last(days: int) -> dict[str, str]:
    """Returns the period of the last days, today included, as arguments of the source."""
    today = datetime.now(timezone.utc).date()
    start = today - timedelta(days=days)
    period = {"start_date": start.isoformat(), "end_date": today.isoformat()}
    return {"period_field": "date_survey_response", **period}


class Parser(argparse.ArgumentParser):
    """Tells a mistake as every error is told: what happened, what to do."""

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 - those of argparse
        super().__init__(**arguments)
        self.add_argument("--version", action="version", version=RELEASE)

    def error(self, message: str) -> NoReturn:
        """Ends the process with code 2."""
        hint = f"{self.prog} --help shows the options; nothing was requested or written."
        outcome.failed(message, hint, of="report" if "report" in self.prog else "load")
        raise SystemExit(2)


def make_parser(prog: str = PROG) -> argparse.ArgumentParser:
    """Returns the parser; the README lists its options."""
    parser = Parser(
        prog=prog,
        description=_DESCRIPTION,
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    number = _whole_number(1)
    add = parser.add_argument
    add("--sandbox", action="store_true", help="load from a built-in API; no account needed")
    text = "responses that the built-in API has (2500)"
    add("--sandbox-responses", type=_whole_number(0), default=2500, metavar="N", help=text)
    add("--destination", metavar="NAME", help="any SQL destination of dlt, or filesystem (duckdb)")
    add("--dataset", metavar="NAME", help="dataset, or schema, to load into (customergauge_data)")

    group = parser.add_argument_group("what to read", argument_default=argparse.SUPPRESS)
    add = group.add_argument
    text = f"any of: {_NAMES} ({' '.join(DEFAULT)})"
    add("--resources", nargs="+", metavar="NAME", help=text)
    add("--region", metavar="REGION", help=f"where the account is: {', '.join(REGIONS)}")
    text = f"lists to load with each record: {_LISTS} (all)"
    add("--include", nargs="*", metavar="LIST", help=text)
    text = "records per page, 1 to 1000 (1000)"
    add("--per-page", type=_whole_number(1, 1000), metavar="N", help=text)
    add("--outbound-filter", metavar="REFERENCE", help="outbound filter; has its own cursor")
    text = "read this one response again"
    add("--number-customergauge", type=number, metavar="CGID", help=text)
    add("--period-field", metavar="FIELD", help=f"read a period of: {', '.join(PERIOD_FIELDS)}")
    add("--start-date", metavar="YYYY-MM-DD", help="first day of the period")
    add("--end-date", metavar="YYYY-MM-DD", help="last day of the period")
    add("--timezone", metavar="ZONE", help="IANA zone of the API's timestamps (UTC)")
    text = f"fields that are not declared: {', '.join(UNKNOWN_FIELDS)} (evolve)"
    add("--unknown-fields", metavar="MODE", help=text)

    add = parser.add_argument_group("how to run").add_argument
    add("--check", action="store_true", help="say what works and what does not; load nothing")
    add("--full-refresh", action="store_true", help="drop what was loaded and start over")
    text = "read again, the period if one is given; merge what changed, remove what is gone"
    add("--reconcile", action="store_true", help=text)
    text = "with --reconcile: the last N days, by date_survey_response"
    add("--days", type=_whole_number(1, MOST_DAYS), metavar="N", help=text)
    add("--dry-run", action="store_true", help="with --reconcile: tell, change nothing")
    text = "with --reconcile: remove nothing if more is gone (100, or 1%% if that is more)"
    add("--max-deletes", type=_whole_number(0), metavar="N", help=text)
    add("--views", action="store_true", help="create or renew the views after the load")
    text = f"commit data and cursor every N pages ({CHECKPOINT_PAGES})"
    add("--checkpoint-pages", type=number, default=CHECKPOINT_PAGES, metavar="N", help=text)
    add("--max-pages", type=number, metavar="N", help="stop after N pages of each resource")
    add("--json", action="store_true", help="the summary as one JSON object on stdout")
    text = "tell nothing if it succeeds; with --json the summary alone"
    add("--quiet", action="store_true", help=text)
    text = "show tracebacks, and the beginnings of broken answers, which may hold personal data"
    add("--debug", action="store_true", help=text)
    return parser


def day(text: str) -> date:
    """Reads a day."""
    try:
        return datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007 - a day has no zone
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}; allowed: a day, yyyy-mm-dd") from None


def _whole_number(least: int, most: int | None = None) -> Callable[[str], int]:
    def read(text: str) -> int:
        number = int(text) if text.isdecimal() else least - 1
        if number < least or (most is not None and number > most):
            bounds = f", {least} or more" if most is None else f" from {least} to {most}"
            allowed = f"allowed: a whole number{bounds}"
            raise argparse.ArgumentTypeError(f"{text!r}; {allowed}")
        return number

    return read
