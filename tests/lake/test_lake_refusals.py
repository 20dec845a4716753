"""A bucket that takes no lake: two lines, the right code, soon, and nothing is to be seen."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from customergauge_source.sandbox import Sandbox
from tests.command import Command
from tests.support import REPORT, Finished
from tests.test_bad_places import assert_told
from tests.warehouses.s3 import S3, s3

pytest.importorskip("s3fs")
pytest.importorskip("moto")

F = "DESTINATION__FILESYSTEM"
INTO = ("--destination", "filesystem")
SECONDS = 30
"""A run may take so long on a machine that does other things, too; by itself it takes 10."""
DENIED = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
ANSWERS = {
    "a page": (200, b"<html>Welcome</html>"),
    "no page": (404, b"<html>Nobody</html>"),
    "bytes": (200, b"\x00\xff\x00"),
    "denied": (403, DENIED),
    "broken": (500, b"<html>Oops</html>"),
    "busy": (503, b""),
}


@pytest.fixture(scope="module")
def server() -> Iterator[S3]:
    """An S3 server with an empty bucket."""
    with s3() as running:
        yield running


def settings(server: S3, place: str = "", **more: str) -> dict[str, str]:
    """Returns what lets a run into the bucket, or does not."""
    url = {f"{F}__BUCKET_URL": place or f"s3://{server.bucket}/lake"}
    return server.settings(F) | url | {f"{F}__CREDENTIALS__{key}": it for key, it in more.items()}


def keys(server: S3) -> list[str]:
    """Returns what is in the bucket."""
    found = server.client().list_objects_v2(Bucket=server.bucket)
    return [it["Key"] for it in found.get("Contents", ())]


@contextmanager
def answering(status: int, body: bytes) -> Iterator[str]:
    """Yields the address of a server that always says the same."""

    class Same(BaseHTTPRequestHandler):
        def say(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    for method in ("GET", "PUT", "POST", "HEAD", "DELETE"):
        setattr(Same, f"do_{method}", Same.say)
    with ThreadingHTTPServer(("127.0.0.1", 0), Same) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def refused(
    command: Command, sandbox: Sandbox, env: dict[str, str], code: int, *words: str
) -> list[Finished]:
    """Runs what writes and what looks, and checks how each ends."""
    ended = []
    for options in ((), ("--check",), ("--reconcile",)):
        started = time.monotonic()
        ended.append(command(sandbox, *INTO, *options, **env))
        assert time.monotonic() - started < SECONDS
        assert_told(ended[-1], code, *words)
        for name, value in env.items():
            if "SECRET" in name:
                assert value not in ended[-1].err + ended[-1].out
    return ended


def test_a_bucket_that_is_not_there_is_not_made(
    command: Command, small: Sandbox, server: S3
) -> None:
    env = settings(server, "s3://nowhere/lake")
    refused(command, small, env, 5, "There is no bucket nowhere", "bucket_url")

    assert [it["Name"] for it in server.client().list_buckets()["Buckets"]] == [server.bucket]
    assert len(small.data_requests) == 1  # the check's


@pytest.mark.parametrize(
    "wrong",
    [{"AWS_SECRET_ACCESS_KEY": "wr0ngs3cr3t"}, {"AWS_ACCESS_KEY_ID": "AKIANOBODY"}],
    ids=str,
)
def test_credentials_that_are_refused_end_with_5(
    command: Command, small: Sandbox, server: S3, wrong: dict[str, str]
) -> None:
    refused(command, small, settings(server, **wrong), 5, "credentials")
    assert len(small.data_requests) == 1


def test_no_credentials_end_with_2(command: Command, small: Sandbox, server: S3) -> None:
    env = {name: it for name, it in settings(server).items() if "AWS_" not in name}
    env |= {"AWS_EC2_METADATA_DISABLED": "true", "HOME": str(command.folder)}
    refused(command, small, env, 2, "credentials", "[destination.filesystem.credentials]")


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "no url"])
def test_an_endpoint_that_nobody_serves_ends_with_5(
    command: Command, small: Sandbox, server: S3, url: str
) -> None:
    refused(command, small, settings(server, ENDPOINT_URL=url), 5, "endpoint_url")


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_endpoint_that_is_no_s3_ends_with_5(
    command: Command, small: Sandbox, server: S3, answer: str
) -> None:
    with answering(*ANSWERS[answer]) as url:
        refused(command, small, settings(server, ENDPOINT_URL=url), 5, "endpoint_url")


def test_what_is_loaded_stays_as_it_is_when_credentials_expire(
    command: Command, small: Sandbox, server: S3
) -> None:
    env = settings(server, f"s3://{server.bucket}/stays")
    assert command(small, *INTO, **env).code == 0
    before = keys(server)
    small.arrive(3)
    wrong = env | {f"{F}__CREDENTIALS__AWS_SECRET_ACCESS_KEY": "exp1r3d"}
    refused(command, small, wrong, 5, "credentials")
    assert keys(server) == before

    ended = command(small, *INTO, "--json", **env)
    assert ended.summary["resources"]["responses"]["records"] == 3


def test_duckdb_that_cannot_get_its_extension_says_so(
    command: Command, small: Sandbox, server: S3, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    env = settings(server, f"s3://{server.bucket}/extension") | {"HOME": str(home)}
    env |= {"HTTP_PROXY": "http://127.0.0.1:1", "NO_PROXY": "127.0.0.1,localhost"}
    assert command(small, *INTO, **env).code == 0
    for options in (("--reconcile",), ("--views",)):
        assert_told(command(small, *INTO, *options, **env), 5, "httpfs", "extension")
    command.program = REPORT
    assert_told(command(None, *INTO, **env), 5, "httpfs", "extension")
