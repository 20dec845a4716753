"""A server that answers as a test tells it to: for answers that no sandbox would give."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

_SECRET = "scripted-secret-5fd1c0"


class Reply(NamedTuple):
    """An answer; one with headers of its own has no others, and the connection ends with it."""

    body: bytes
    status: int = 200
    reason: str = "OK"
    headers: Mapping[str, str] | None = None


TOKEN = Reply(b'{"access_token": "scripted-token-91ab", "expires_in": 3600}')


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
        disable_nagle_algorithm = True  # a body waits for nothing behind its headers

        def _respond(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
            paths.append(self.path)
            reply = answer(self.path, self.headers.get("Authorization", ""), body)
            self.send_response(reply.status, reply.reason)
            usual = {"Content-Type": "application/json", "Content-Length": str(len(reply.body))}
            for name, value in (usual if reply.headers is None else reply.headers).items():
                self.send_header(name, value)
            self.close_connection = reply.headers is not None
            self.end_headers()
            with suppress(ConnectionError):  # nobody need read it to its end
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
