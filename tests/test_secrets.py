"""Secret, tokens and passwords: in nothing that is written, at any level, in any failure."""

from __future__ import annotations

import html
import json
import pickle
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from urllib.parse import quote_plus

import pytest

from customergauge_source.exceptions import ApiContractError, CustomerGaugeError
from customergauge_source.query import Query
from customergauge_source.sandbox import Fault, Sandbox
from customergauge_source.sandbox.faults import KINDS
from tests.command import Command
from tests.conftest import OpenClient
from tests.everything_written import found
from tests.scripted import Reply, scripted

LOUD = {"RUNTIME__LOG_LEVEL": "DEBUG", "RUNTIME__REQUEST_TIMEOUT": "0.2"}
PASSWORD = "warehouse-pass/word+91c7e2"
SPELLED = "warehouse-pass%2Fword%2B91c7e2"
AWKWARD = "s3cr3t/with+every=kind&of'sign\""


def test_the_search_finds_what_it_has_to(command: Command) -> None:
    with Sandbox(responses=40) as sandbox:
        assert command(sandbox, "--per-page", "20", **LOUD).code == 0
        (command.folder / "log").write_text(f"x{sandbox.tokens[0]}x", "utf-8")
        email = sandbox.records[0]["email"]
        state = '"cursors"'

        assert found(command.folder, sandbox.tokens)
        places = " ".join(found(command.folder, [email, state]))
        assert ".parquet unpacked" in places
        assert "responses: " in places
        assert "_dlt_pipeline_state unpacked: " in places


@pytest.mark.parametrize("endpoint", ["data", "token"])
def test_no_failure_writes_a_secret_anywhere(command: Command, endpoint: str) -> None:
    """Plays every fault to one working directory and one file, each to a page with news."""
    kinds = [kind for kind in KINDS if kind.startswith("token-") == (endpoint == "token")]
    codes = {}
    secrets: set[str] = set()
    for number, kind in enumerate(["", *kinds]):
        times = 1 if kind.endswith("trickle") else 5
        faults = [Fault(kind, times=times, retry_after=0)] if kind else []
        with Sandbox(responses=20 + 10 * number, faults=faults) as sandbox:
            ended = command(sandbox, "--per-page", "10", "--debug", **LOUD)
            secrets |= {sandbox.client_secret, *sandbox.tokens}
        (command.folder / "stderr").rename(command.folder / f"{kind}.stderr")
        codes[kind] = ended.code
        assert ended.code in {0, 3, 4}, ended.err

    healthy = {kind for kind, code in codes.items() if code == 0}
    assert (
        healthy == {"", "trickle", "cursor-string"} if endpoint == "data" else {"", "token-trickle"}
    )
    assert len(secrets) >= (len(kinds) if endpoint == "data" else 3)
    assert found(command.folder, secrets) == []


@pytest.mark.parametrize("options", [("--debug",), ("--debug", "--check")], ids=" ".join)
def test_the_password_of_a_destination_that_cannot_be_reached_is_not_written(
    command: Command, options: tuple[str, ...]
) -> None:
    address = f"postgresql://loader:{SPELLED}@127.0.0.1:1/warehouse?connect_timeout=2"
    credentials = {"DESTINATION__POSTGRES__CREDENTIALS": address, **LOUD}
    with Sandbox(responses=40) as sandbox:
        ended = command(sandbox, "--destination", "postgres", *options, **credentials)

        assert "Connection refused" in ended.err.splitlines()[-2]
        assert found(command.folder, [PASSWORD, sandbox.client_secret, *sandbox.tokens]) == []
        assert ended.code == 5, ended.err


@pytest.mark.parametrize(
    "address",
    [
        f"postgresql://loader:{PASSWORD}@127.0.0.1:1/warehouse",
        f"postgresql://loader:{SPELLED}@127.0.0.1:port/warehouse",
        f"postgresql//loader:{SPELLED}@127.0.0.1:1/warehouse",
        f"host=127.0.0.1 user=loader password={PASSWORD}",
    ],
    ids=["unescaped", "bad port", "no colon", "another form"],
)
def test_a_password_in_a_mistyped_address_is_not_written(command: Command, address: str) -> None:
    credentials = {"DESTINATION__POSTGRES__CREDENTIALS": address, **LOUD}
    with Sandbox(responses=40) as sandbox:
        ended = command(sandbox, "--destination", "postgres", "--debug", **credentials)

    assert ended.code in {2, 5}, ended.err
    assert found(command.folder, [PASSWORD]) == []


def test_a_wrong_client_secret_is_not_written(command: Command) -> None:
    wrong = {"SOURCES__CUSTOMERGAUGE__CREDENTIALS__CLIENT_SECRET": "mistyped-secret-77a0", **LOUD}
    with Sandbox() as sandbox:
        ended = command(sandbox, "--debug", **wrong)

    assert ended.code == 3
    assert found(command.folder, ["mistyped-secret-77a0"]) == []


def in_form(secret: str) -> str:
    """Spells a secret as a form does."""
    return f"client_secret={quote_plus(secret)}&grant_type=client_credentials"


def in_php(secret: str) -> str:
    """Spells a secret as PHP's JSON does, which is what the API is likely to be written in."""
    return json.dumps({"client_secret": secret}).replace("/", "\\/")


def in_html(secret: str) -> str:
    """Spells a secret as an error page does."""
    return f"<p>client_secret = {html.escape(secret)}</p>"


def in_go(secret: str) -> str:
    """Spells a secret as Go and .NET do in JSON."""
    return "".join(char if char.isalnum() else f"\\u{ord(char):04x}" for char in secret)


def in_lower_url(secret: str) -> str:
    """Spells a secret as a URL in lower case."""
    return "".join(char if char.isalnum() else f"%{ord(char):02x}" for char in secret)


def in_entities(secret: str) -> str:
    """Spells a secret as PHP and Jinja do in a page."""
    return html.escape(secret).replace("&#x27;", "&#039;").replace("&quot;", "&#34;")


def twice_in_json(secret: str) -> str:
    """Spells a secret as JSON in JSON does."""
    return json.dumps(json.dumps({"client_secret": secret}))


SPELLINGS = [str, json.dumps, in_form, in_php, in_html, in_go, in_lower_url, in_entities]


@pytest.mark.parametrize("spelled", [*SPELLINGS, twice_in_json])
@pytest.mark.parametrize("status", [401, 404, 500])
def test_a_secret_is_hidden_however_an_answer_spells_it(
    open_client: OpenClient, spelled: Callable[[str], str], status: int
) -> None:
    reply = Reply(spelled(AWKWARD).encode(), status, "Whatever")
    server = scripted(lambda *_: reply, client_secret=AWKWARD)
    with server as running, pytest.raises(CustomerGaugeError) as raised:
        list(open_client(running).pages(Query()))

    assert "s3cr3t" not in str(raised.value)


@pytest.mark.parametrize("place", ["reason", "cursor", "spaces"])
def test_a_token_is_hidden_wherever_an_answer_repeats_it(
    open_client: OpenClient, place: str
) -> None:
    def repeat(path: str, authorization: str, _body: str) -> Reply:
        if "oauth2" in path:
            return Reply(b'{"access_token": "scripted-token-91ab%s"}' % (b"c" * 400))
        if place == "reason":
            return Reply(b"{}", 403, f"No {authorization}")
        token = authorization.removeprefix("Bearer ").encode()
        if place == "spaces":
            return Reply(b" " * 9_990 + token, 403)
        return Reply(b'{"data": [{"number_customergauge": 1}], "cursor": {"next": "%s"}}' % token)

    with scripted(repeat) as server, pytest.raises(CustomerGaugeError) as raised:
        list(open_client(server).pages(Query()))

    assert "scripted-token" not in str(raised.value)


@pytest.mark.parametrize("token", ["a\\nb", "caf\\u00e9", "a b"])
def test_a_token_that_no_header_takes_is_an_error_that_does_not_show_it(
    open_client: OpenClient, token: str
) -> None:
    body = f'{{"access_token": "scripted-{token}"}}'.encode()
    server = scripted(lambda *_: Reply(body))
    with server as running, pytest.raises(ApiContractError) as raised:
        list(open_client(running).pages(Query()))

    assert "scripted" not in str(raised.value)


def test_a_proxy_does_not_get_to_see_what_stays_on_this_machine(command: Command) -> None:
    proxy = {"HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
    with Sandbox(responses=20) as sandbox:
        ended = command(sandbox, **proxy)

    assert ended.code == 0, ended.err


def test_a_secret_in_a_broken_status_line_is_not_written(command: Command) -> None:
    """It comes in an exception of the HTTP library, in the thread that reads."""
    with Sandbox() as sandbox, broken_server() as url:
        address = {"SOURCES__CUSTOMERGAUGE__AUTH_URL": url}
        ended = command(sandbox, "--debug", **address, **LOUD)

        assert ended.code == 4, ended.err
        assert "BadStatusLine" in ended.err
        assert found(command.folder, [sandbox.client_secret]) == []


@contextmanager
def broken_server() -> Iterator[str]:
    """Answers each request with its own body in place of a status line."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection:
                        connection.settimeout(5)
                        body = connection.recv(65536)
                        while b"client_secret" not in body:
                            body += connection.recv(65536)
                        connection.sendall(body.rpartition(b"\r\n")[2] + b"\r\n\r\n")

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)


def test_credentials_show_nothing_when_printed(open_client: OpenClient) -> None:
    with Sandbox(responses=20) as sandbox:
        client = open_client(sandbox)
        list(client.pages(Query()))
        auth = client.auth

        for shown in (str(auth), repr(auth), f"{auth}", str([auth]), str(vars(client))):
            assert sandbox.client_secret not in shown
            assert sandbox.tokens[0] not in shown


def test_a_trace_holds_no_secret_when_unpickled(command: Command) -> None:
    with Sandbox(responses=20) as sandbox:
        assert command(sandbox, **LOUD).code == 0
        trace = command.folder / "dlt" / "pipelines" / "customergauge" / "trace.pickle"
        shown = pickle.loads(trace.read_bytes()).asstr(verbosity=2)  # noqa: S301 - our own

        assert sandbox.client_secret not in shown
