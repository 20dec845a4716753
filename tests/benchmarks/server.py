"""A process that serves the responses: token endpoint and GET Responses, at no cost.

The pages are slices of a mapped file. It ends when its standard input does.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO
from urllib.parse import parse_qs, urlsplit

from .data import Responses

TOKEN = b"benchmark-token"


class PageServer(ThreadingHTTPServer):
    """Serves responses on a free port.

    Attributes:
        responses: What is served.
        latency: Seconds that each page takes to come.
        is_idle: Whether no request came yet.
    """

    daemon_threads = True

    def __init__(self, responses: Responses, latency: float) -> None:
        """Binds to a free port of the loopback interface."""
        super().__init__(("127.0.0.1", 0), Handler)
        self.responses = responses
        self.latency = latency
        self.is_idle = True


class Handler(BaseHTTPRequestHandler):
    """Answers `POST /oauth2/token`, and any GET with a page."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or the end of a page would wait for an acknowledgement
    server: PageServer

    def do_POST(self) -> None:
        """Answers with a token; of the first request, the moment is told on standard output."""
        if self.server.is_idle:
            self.server.is_idle = False
            _tell(str(time.monotonic()))
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(200, b'{"access_token":"%s","expires_in":3600}' % TOKEN)

    def do_GET(self) -> None:
        """Answers with a page."""
        if self.headers["Authorization"] != f"Bearer {TOKEN.decode()}":
            self._answer(401, b'{"message":"Unauthenticated."}')
            return
        query = parse_qs(urlsplit(self.path).query)
        cursor, per_page = (
            int(query.get(name, [default])[0])
            for name, default in (("cursor", "0"), ("per_page", "50"))
        )
        records, following = self.server.responses.after(cursor, per_page)
        time.sleep(self.server.latency)
        self._answer(200, b'{"data":[', records, b'],"cursor":{"next":%d}}' % following)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Keeps quiet."""

    def _answer(self, status: int, *parts: bytes | memoryview) -> None:
        body = b"".join(parts)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


@dataclass(frozen=True)
class Served:
    """A server that runs.

    Attributes:
        url: Its address.
    """

    url: str
    _said: IO[str]

    def first_request(self) -> float:
        """Returns the moment of the first request, by `time.monotonic`; waits for it."""
        return float(self._said.readline())


@contextmanager
def serving(folder: Path, count: int, latency: float) -> Iterator[Served]:
    """Serves from a process of its own, for as long as the context lasts.

    Args:
        folder: What `prepare` returned.
        count: Responses to serve.
        latency: Seconds that each page takes to come.

    Yields:
        The server.
    """
    command = [sys.executable, "-m", __name__, str(folder), str(count), str(latency)]
    root = Path(__file__).parents[__name__.count(".")]
    with subprocess.Popen(
        command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("The server has no pipes.")
        try:
            if not (url := process.stdout.readline().strip()):
                raise RuntimeError("The server did not start.")
            yield Served(url, process.stdout)
        finally:
            process.stdin.close()


def main() -> None:
    """Serves until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("count", type=int)
    parser.add_argument("latency", type=float)
    options = parser.parse_args()
    server = PageServer(Responses(options.folder, options.count), options.latency)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    _tell(f"http://127.0.0.1:{server.server_port}")
    sys.stdin.read()


if __name__ == "__main__":
    main()
