"""A server that answers as a test tells it to: for answers that no sandbox would give."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

_SECRET = "scripted-secret-5fd1c0"


class Reply(NamedTuple):
    """An answer."""

    body: bytes
    status: int = 200
    reason: str = "OK"


@dataclass(frozen=True)
class Scripted:
    """A running server, which the helpers of the tests take for a sandbox."""

    url: str
    client_id: str
    client_secret: str
    paths: list[str]


@contextmanager
def scripted(
    answer: Callable[[str, str, str], Reply], *, client_secret: str = _SECRET
) -> Iterator[Scripted]:
    """Serves on a loopback port.

    Args:
        answer: Is told path, Authorization header and body of a request.
        client_secret: What `Scripted` says the client secret is.
    """
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _respond(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
            paths.append(self.path)
            reply = answer(self.path, self.headers.get("Authorization", ""), body)
            self.send_response(reply.status, reply.reason)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        do_GET = do_POST = _respond  # noqa: N815 - http.server's names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - inherited
            del format, args

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        yield Scripted(url, "scripted-client", client_secret, paths)
        server.shutdown()
