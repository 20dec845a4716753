"""Answers on the wire, whole or broken: resets, cut-off bodies, silence."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading

    from .exchange import Answer

_DRIPS = 20
_SECONDS_PER_DRIP = 0.05
_ENDLESS = 1_000_000_000
_SECONDS_PER_LOOK = 0.05


def send(handler: BaseHTTPRequestHandler, answer: Answer) -> None:
    """Send an answer whole, and keep the connection."""
    _head(handler, answer, {"Content-Length": str(len(answer.body))})
    handler.wfile.write(answer.body)


def _head(handler: BaseHTTPRequestHandler, answer: Answer, headers: dict[str, str]) -> None:
    """Send the status line and the header fields."""
    handler.send_response(answer.status)
    handler.send_header("Content-Type", answer.content_type)
    for name, value in {**answer.headers, **headers}.items():
        handler.send_header(name, value)
    handler.end_headers()


def _reset(handler: BaseHTTPRequestHandler, _answer: Answer, _closing: threading.Event) -> None:
    """Reset the connection: closing without lingering sends RST in place of FIN."""
    linger = struct.pack("ii", 1, 0)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    # The file holds the socket open, and the server would say goodbye before it closes.
    handler.rfile.close()
    handler.connection.close()


def _close(_handler: BaseHTTPRequestHandler, _answer: Answer, _closing: threading.Event) -> None:
    """Send nothing; the connection is closed afterwards."""


def _hang(handler: BaseHTTPRequestHandler, _answer: Answer, closing: threading.Event) -> None:
    """Send nothing until the client is gone or the sandbox closes."""
    while not closing.is_set():
        readable, _, _ = select.select([handler.connection], [], [], _SECONDS_PER_LOOK)
        if readable and not handler.connection.recv(1, socket.MSG_PEEK):
            return
        if readable:
            closing.wait(_SECONDS_PER_LOOK)


def _truncate(handler: BaseHTTPRequestHandler, answer: Answer, _closing: threading.Event) -> None:
    """Promise the whole body and send half."""
    _head(handler, answer, {"Content-Length": str(len(answer.body)), "Connection": "close"})
    handler.wfile.write(answer.body[: len(answer.body) // 2])


def _truncate_chunked(
    handler: BaseHTTPRequestHandler, answer: Answer, _closing: threading.Event
) -> None:
    """Send half the body as a chunk, and no last chunk."""
    _head(handler, answer, {"Transfer-Encoding": "chunked", "Connection": "close"})
    half = answer.body[: len(answer.body) // 2]
    handler.wfile.write(b"%x\r\n%b\r\n" % (len(half), half))


def _truncate_close(
    handler: BaseHTTPRequestHandler, answer: Answer, _closing: threading.Event
) -> None:
    """Send half the body, without a word on how long it is."""
    _head(handler, answer, {"Connection": "close"})
    handler.wfile.write(answer.body[: len(answer.body) // 2])


def _trickle(handler: BaseHTTPRequestHandler, answer: Answer, closing: threading.Event) -> None:
    """Send the whole body in small pieces, over a second."""
    _head(handler, answer, {"Content-Length": str(len(answer.body)), "Connection": "close"})
    size = len(answer.body) // _DRIPS + 1
    for start in range(0, len(answer.body), size):
        handler.wfile.write(answer.body[start : start + size])
        handler.wfile.flush()
        closing.wait(_SECONDS_PER_DRIP)


def _drip(handler: BaseHTTPRequestHandler, answer: Answer, closing: threading.Event) -> None:
    """Promise a body and send spaces, one by one, until the client gives up."""
    _head(handler, answer, {"Content-Length": str(_ENDLESS), "Connection": "close"})
    while not closing.wait(_SECONDS_PER_DRIP):
        handler.wfile.write(b" ")


def _drip_head(handler: BaseHTTPRequestHandler, answer: Answer, closing: threading.Event) -> None:
    """Begin a header field, and go on with it until the client gives up."""
    handler.send_response(answer.status)
    handler.flush_headers()
    handler.wfile.write(b"X-Drip: ")
    while not closing.wait(_SECONDS_PER_DRIP):
        handler.wfile.write(b".")


_Player = Callable[[BaseHTTPRequestHandler, "Answer", "threading.Event"], None]
WIRE_FAULTS: dict[str, _Player] = {
    "reset": _reset,
    "close": _close,
    "hang": _hang,
    "truncate": _truncate,
    "truncate-chunked": _truncate_chunked,
    "truncate-close": _truncate_close,
    "trickle": _trickle,
    "drip": _drip,
    "drip-head": _drip_head,
}
# Of these the client sees no status.
SILENT = frozenset({"reset", "close", "hang", "drip-head"})


def play(
    effect: str, handler: BaseHTTPRequestHandler, answer: Answer, closing: threading.Event
) -> None:
    """Send an answer in the way of a fault of the wire, then give the connection up.

    Args:
        effect: A key of ``WIRE_FAULTS``.
        handler: The connection.
        answer: The answer that is spoilt.
        closing: Set when the sandbox closes.
    """
    handler.close_connection = True
    # A client may leave before the last byte.
    with contextlib.suppress(OSError):
        WIRE_FAULTS[effect](handler, answer, closing)
