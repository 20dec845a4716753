"""`customergauge`: the commands under one name."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from customergauge_source.cli import outcome
from customergauge_source.settings import RELEASE

_COMMANDS = {
    "load": "load an account into a warehouse",
    "report": "make one HTML file of what was loaded",
    "sandbox": "serve a local CustomerGauge",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command that is named first, with the arguments behind it; returns its exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    name, rest = "".join(given[:1]), given[1:]
    if [*given[-1:]] == ["--version"] and {*given[:-1]} <= _COMMANDS.keys():
        print(RELEASE)  # noqa: T201 - what was asked for
        return 0
    prog = f"customergauge {name}"
    if name == "load":
        from customergauge_source.cli.load import main as load

        return load(rest, prog)
    if name == "report":
        from customergauge_source.cli.report import main as report

        return report(rest, prog)
    if name == "sandbox":
        from customergauge_source.sandbox.__main__ import main as sandbox

        return sandbox(rest, prog)
    return _without(name)


def _without(name: str) -> int:
    if name in {"-h", "--help"}:
        print("usage: customergauge COMMAND [OPTION ...]\n")  # noqa: T201
        for command, text in _COMMANDS.items():
            print(f"  {command:<9}{text}")  # noqa: T201
        return 0
    what = f"There is no command {name!r}." if name else "No command is named."
    outcome.failed(what, f"Name one of: {', '.join(_COMMANDS)}.", of="customergauge")
    return 2
