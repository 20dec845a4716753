"""``python -m customergauge_source.sandbox``: serve the sandbox until Ctrl-C or SIGTERM."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from .company import FEED_NAMES
from .faults import GRAMMAR, KINDS, Fault, parse_fault
from .feed import EMPTY_CURSORS
from .service import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PROG = "python -m customergauge_source.sandbox"
Number = TypeVar("Number", int, float)
_KINDS_HELP = f"""\
faults:
  {GRAMMAR}; PAGE is counted from 1 since the start (default 1), TIMES is a
  number (default 1) or "forever". 503@3x2 fails twice before the third page of all that
  are asked for. With a FEED ({", ".join(FEED_NAMES)}) it befalls that one
  alone and counts its pages: close-loop:403xforever. The token endpoint's faults begin
  with "token-", and count tokens.

"""


_CONTROL_HELP = """
control:
  POST /_control/edit, remove, empty_day, arrive or become_response changes the data while it
  is read; the body is a JSON object: {"cgid": 1000003, "nps": 3}, {"cgid": 1000003},
  {"day": "2026-10-31"}, {"count": 30}. Edits and removals of another feed name it:
  {"cgid": 1000003, "feed": "close-loop", "note": "Called back."}.
"""


def _fault(text: str) -> Fault:
    """Read ``--fault``."""
    try:
        fault = parse_fault(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if fault.feed not in {None, *FEED_NAMES}:
        known = ", ".join(FEED_NAMES)
        raise argparse.ArgumentTypeError(f"unknown feed {fault.feed!r}; known: {known}")
    return fault


def _within(kind: Callable[[str], Number], least: Number, most: Number) -> Callable[[str], Number]:
    """Return a reader of numbers that refuses all but those from ``least`` to ``most``."""

    def read(text: str) -> Number:
        with contextlib.suppress(ValueError):
            number = kind(text)
            if least <= number <= most:
                return number
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from {least} to {most}")

    return read


_port = _within(int, 0, 65_535)
_count = _within(int, 0, sys.maxsize)
_amount = _within(float, 0.0, threading.TIMEOUT_MAX)
_share = _within(float, 0.0, 1.0)


def _parser(prog: str) -> argparse.ArgumentParser:
    """Declare the options."""
    kinds = "".join(f"  {kind:<18}{text}\n" for kind, text in KINDS.items() if _listed(kind))
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Serve a local CustomerGauge with made-up surveys and cases.",
        epilog=_KINDS_HELP + kinds + _CONTROL_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--port", type=_port, default=0, help="port to listen on; 0 (default): any that is free")
    add("--responses", type=_count, default=2500, metavar="N", help="responses to begin with")
    add("--non-responses", type=_count, metavar="N", help="by default half as many as responses")
    add("--seed", type=int, default=0, help="another seed, another company")
    add("--latency", type=_amount, default=0.0, metavar="SECONDS", help="wait before each page")
    add("--arrivals-per-second", type=_amount, default=0.0, metavar="N", help="new responses")
    add("--token-life", type=_amount, default=3600.0, metavar="SECONDS", help="life of a token")
    add("--empty-cursor", choices=EMPTY_CURSORS, default="same", help="cursor on an empty page")
    add("--fault", type=_fault, action="append", default=[], metavar=GRAMMAR, help="see below")
    add("--retry-after", metavar="VALUE", help="Retry-After of 429 and 503 (--fault)")
    add("--redirect-to", metavar="URL", help="where the fault redirect leads")
    add("--fault-rate", type=_share, default=0.0, metavar="P", help="retryable faults by chance")
    add("--fault-seed", type=int, default=0, metavar="SEED", help="seed of that chance")
    return parser


def _listed(kind: str) -> bool:
    """Tell whether a kind needs a line of its own in the help."""
    return kind.removeprefix("token-") == kind or kind.removeprefix("token-") not in KINDS


def _announce(sandbox: Sandbox) -> None:
    """Write how to reach the sandbox, as lines that a shell can evaluate."""
    prefix = "export SOURCES__CUSTOMERGAUGE__"
    lines = (
        f"# url: {sandbox.url}",
        f"# client_id: {sandbox.client_id}",
        f"# client_secret: {sandbox.client_secret}",
        f"{prefix}API_URL={sandbox.url}",
        f"{prefix}AUTH_URL={sandbox.url}",
        f"{prefix}CREDENTIALS__CLIENT_ID={sandbox.client_id}",
        f"{prefix}CREDENTIALS__CLIENT_SECRET={sandbox.client_secret}",
    )
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None, prog: str = PROG) -> int:
    """Serve until told to stop.

    Args:
        arguments: The arguments of the command line; by default those of the process.
        prog: How the command is called.

    Returns:
        The exit code, 0. Bad arguments, and a port that is taken, exit with 2.
    """
    parser = _parser(prog)
    options = parser.parse_args(arguments)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    more = {"retry_after": options.retry_after, "location": options.redirect_to}
    try:
        sandbox = Sandbox(
            responses=options.responses,
            non_responses=options.non_responses,
            seed=options.seed,
            latency=options.latency,
            token_life=options.token_life,
            empty_cursor=options.empty_cursor,
            port=options.port,
            arrivals_per_second=options.arrivals_per_second,
            faults=[replace(fault, **more) for fault in options.fault],
            fault_rate=options.fault_rate,
            fault_seed=options.fault_seed,
        )
    except OSError as error:
        parser.error(f"port {options.port}: {error.strerror}")
    with sandbox:
        _announce(sandbox)
        # A wait without end would not notice a signal on every system.
        while not stop.wait(0.2):
            pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
