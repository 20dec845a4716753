"""The HTTP side of the sandbox: a real server on a loopback port."""

from __future__ import annotations

import contextlib
import logging
import socket
import socketserver
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from .breakage import broken
from .control import CONTROL_PATH, Control
from .exchange import Answer, Request, message
from .faults import Fault
from .feed import DataEndpoint
from .plan import FaultPlan
from .tokens import TOKEN_PATH, Tokens
from .wire import SILENT, WIRE_FAULTS, play, send

HOST = "127.0.0.1"
_log = logging.getLogger(__name__)


class SandboxServer(ThreadingHTTPServer):
    """Listens, routes requests to the endpoints, and remembers them."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(  # noqa: PLR0913  # keyword-only, and each is a part of its own
        self,
        port: int,
        *,
        tokens: Tokens,
        data: DataEndpoint,
        control: Control,
        plan: FaultPlan,
        latency: float,
    ) -> None:
        """Bind a port of the loopback interface.

        Args:
            port: The port; 0 for any that is free.
            tokens: The token endpoint.
            data: The endpoint of the feeds.
            control: What takes orders to change the data.
            plan: The faults to play.
            latency: Seconds to wait before each answer of a feed.

        Raises:
            OSError: The port is taken.
        """
        self.tokens = tokens
        self.data = data
        self.control = control
        self.plan = plan
        self.latency = latency
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self._requests: list[Request] = []
        self._connections: set[socket.socket] = set()
        super().__init__((HOST, port), _Handler)

    def server_bind(self) -> None:
        """Bind without the look-up of the host's name, which may take seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, int(self.server_address[1])

    @property
    def requests(self) -> list[Request]:
        """Every request so far."""
        with self._lock:
            return list(self._requests)

    def answer(self, request: Request) -> tuple[Answer, Fault | None]:
        """Find the answer to a request, and the fault that befalls it.

        Faults befall good requests only: an expired token is refused whatever is planned.

        Args:
            request: The request.

        Returns:
            The answer, already broken if the fault concerns it, and the fault if there is one.
        """
        if request.path == TOKEN_PATH:
            good = self.tokens.answer(request)
            fault = self.plan.take("token") if good.ok else None
        elif feed := self.data.feed_at(request.path):
            self.closing.wait(self.latency)
            good = self.data.answer(feed, request)
            fault = self.plan.take("data", feed.name) if good.ok else None
        elif request.path.startswith(CONTROL_PATH):
            return self.control.answer(request), None
        else:
            return message(404, f"The route {request.path} could not be found."), None
        return (broken(fault, good, request) if fault else good), fault

    def remember(self, request: Request) -> None:
        """Keep a request for those who ask what was asked."""
        with self._lock:
            self._requests.append(request)

    def process_request_thread(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        """Serve one connection, and know of it as long as it lasts."""
        connection = request[1] if isinstance(request, tuple) else request
        with self._lock:
            self._connections.add(connection)
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._connections.discard(connection)

    def handle_error(self, request: object, client_address: object) -> None:
        """Take note of a client that went away; tracebacks help nobody here."""
        _log.debug("connection %s of %s ended early", request, client_address, exc_info=True)

    def hang_up(self) -> None:
        """End every connection that is still open."""
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    """Reads the requests of one connection and answers them."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server_version = "CustomerGaugeSandbox"
    sys_version = ""
    server: SandboxServer

    def _respond(self) -> None:
        """Answer one request."""
        request = self._read()
        answer, fault = self.server.answer(request)
        effect = fault.effect if fault else ""
        # Remembered first: whoever has the answer may look at once.
        status = None if effect in SILENT else answer.status
        self.server.remember(replace(request, status=status))
        if effect in WIRE_FAULTS:
            play(effect, self, answer, self.server.closing)
        else:
            send(self, answer)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _respond  # noqa: N815  # http.server's names

    def _read(self) -> Request:
        """Read a request with its body."""
        parts = urlsplit(self.path)
        length = self.headers.get("Content-Length", "0")
        body = self.rfile.read(int(length)) if length.isdecimal() else b""
        return Request(
            method=self.command,
            path=parts.path,
            query=parse_qsl(parts.query, keep_blank_values=True),
            headers=dict(self.headers.items()),
            body=body.decode("utf-8", "replace"),
        )

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # inherited name
        """Log quietly, through logging."""
        _log.debug(format, *args)
