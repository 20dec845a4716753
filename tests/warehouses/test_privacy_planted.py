"""What goes to a warehouse is recorded on the way: no value is in it that a privacy policy names.

The counter-test, without a policy, finds them in the same requests.
"""

from __future__ import annotations

import gzip
import http.client
import json
import re
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from urllib.parse import parse_qs, urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.command import Command
from tests.planted import FEEDS, LATER, POLICY, Account, account
from tests.scripted import scripted
from tests.searched import numbers_in
from tests.support import at_length
from tests.warehouses.target import Target

pytestmark = pytest.mark.timeout(900)

RESPONSES = ("responses",)
ALL = tuple(FEEDS.values())
LEFT = {"undeclared", "undeclared, as a key", LATER}
"""What is not loaded if undeclared fields are left out, as they are here, policy or not."""
_WAREHOUSES = ["bigquery", "snowflake"]
_HOP_BY_HOP = {"transfer-encoding", "connection", "content-length", "content-encoding"}


@contextmanager
def recorded(port: int) -> Iterator[tuple[int, list[bytes]]]:
    """Stands in front of a server; yields a port, and what is sent there, request by request."""
    requests: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            body = self._body()
            requests.append(f"{self.command} {self.path}\n{self.headers}".encode() + body)
            ahead = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
            headers = {
                name: value
                for name, value in self.headers.items()
                if name.lower() not in {"transfer-encoding", "content-length", "accept-encoding"}
            }
            ahead.request(self.command, self.path, body, headers)
            answer = ahead.getresponse()
            content = answer.read()
            self.send_response(answer.status, answer.reason)
            for name, value in answer.getheaders():
                if name.lower() not in _HOP_BY_HOP:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)
            ahead.close()

        def _body(self) -> bytes:
            if "chunked" not in self.headers.get("Transfer-Encoding", ""):
                return self.rfile.read(int(self.headers.get("Content-Length", "0")))
            parts: list[bytes] = []
            while size := int(self.rfile.readline().partition(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _pass_on  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - inherited
            del format, args

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server.server_port, requests
        server.shutdown()


def through(target: Target) -> tuple[str, int]:
    """Returns the setting of a warehouse that names its port, and the port."""
    if target.destination == "bigquery":
        name = "BIGQUERY_EMULATOR_HOST"
        return name, urlsplit(target.env[name]).port or 0
    name = "DESTINATION__SNOWFLAKE__CREDENTIALS"
    return name, int(parse_qs(urlsplit(target.env[name]).query)["port"][0])


def unpacked(content: bytes) -> Iterator[bytes]:
    """Yields a request, and what is packed in it: gzip, Parquet, also as a part of a body."""
    yield content
    start = content.find(b"\x1f\x8b\x08")
    while start >= 0:
        with suppress(zlib.error):
            yield from unpacked(zlib.decompressobj(wbits=47).decompress(content[start:]))
        start = content.find(b"\x1f\x8b\x08", start + 3)
    start, end = content.find(b"PAR1"), content.rfind(b"PAR1")
    if 0 <= start < end:
        with suppress(pa.ArrowInvalid):
            yield str(pq.read_table(BytesIO(content[start : end + 4])).to_pylist()).encode()


def test_what_is_packed_is_unpacked() -> None:
    file = BytesIO()
    pq.write_table(pa.table({"a": ["a value", None]}), file, compression="zstd")
    inner = gzip.compress(file.getvalue())
    assert any(b"a value" in it for it in unpacked(b"--x\r\n\r\n" + inner + b"\r\n--x--"))
    assert any(b"a value" in it for it in unpacked(b"--x\r\n\r\n" + file.getvalue() + b"\r\n--"))


@pytest.fixture(scope="module")
def planted() -> Account:
    """An account with all that is planted."""
    return account()


@dataclass(frozen=True)
class Recording:
    """A warehouse, with an ear at its door.

    Attributes:
        options: What has the command load into a dataset of its own there.
        env: The settings that it needs.
        requests: What was sent to the warehouse until now.
    """

    options: tuple[str, ...]
    env: dict[str, str]
    requests: list[bytes]


@pytest.fixture
def recording(warehouse: Target, dataset_name: str) -> Iterator[Recording]:
    """The warehouse of a test, behind what records."""
    options = ("--destination", warehouse.destination, "--dataset", dataset_name)
    setting, port = through(warehouse)
    with recorded(port) as (own, requests):
        address = warehouse.env[setting].replace(str(port), str(own))
        yield Recording(options, {**warehouse.env, setting: address}, requests)


def sent(command: Command, recording: Recording, planted: Account, **env: str) -> list[bytes]:
    """Loads all that is planted; returns what was sent, unpacked, and what was told."""
    env = {**recording.env, "SOURCES__CUSTOMERGAUGE__UNKNOWN_FIELDS": "ignore", **env}
    with scripted(planted.answer) as server:
        ended = command(server, *recording.options, "--debug", **env)
        assert ended.code == 0, ended.err
    everything = [what for content in recording.requests for what in unpacked(content)]
    loaded = {name for what in everything for name in re.findall(rb"Acme \d+", what)}
    assert len(loaded) > 300  # names of companies, which no policy names: it does see the rows
    assert any(b"rejected_values" in it.lower() for it in everything)
    return [*everything, f"{ended.out}{ended.err}".encode()]


@pytest.mark.parametrize("resources", at_length([RESPONSES, ALL], short=[RESPONSES]), ids=len)
@pytest.mark.parametrize("running_warehouse", _WAREHOUSES, indirect=True)
def test_no_request_to_a_warehouse_has_what_a_policy_names(
    command: Command, recording: Recording, planted: Account, resources: tuple[str, ...]
) -> None:
    chosen = {"SOURCES__CUSTOMERGAUGE__RESOURCES": json.dumps(resources)}

    everything = sent(command, recording, planted, **POLICY, **chosen)

    found = {(number, what[:60]) for what in everything for number in numbers_in(what)}
    assert [(planted.places[number], what) for number, what in found] == []


@pytest.mark.parametrize(
    "running_warehouse", at_length(_WAREHOUSES, short=["snowflake"]), indirect=True
)
def test_without_a_policy_the_same_search_finds_it(
    command: Command, recording: Recording, planted: Account
) -> None:
    everything = sent(command, recording, planted)

    found = {number for what in everything for number in numbers_in(what)}
    kinds = {kind for kind in planted.places if kind.startswith("responses: ")}
    missing = kinds - {planted.places[number] for number in found}
    assert {kind.split(": ")[1] for kind in missing} <= LEFT
    assert len(found) > 3_000
