"""Secret, tokens and passwords: in nothing that is written, at any level, in any failure."""

from __future__ import annotations

import html
import json
import pickle
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote_plus

import pytest
import requests

from customergauge_source import customergauge_source, explain
from customergauge_source.api.auth import CustomerGaugeCredentials
from customergauge_source.exceptions import ApiContractError, CustomerGaugeError
from customergauge_source.sandbox import TOKEN_PATH, Fault, Sandbox
from customergauge_source.sandbox.faults import KINDS, TOKEN
from customergauge_source.secrecy import remember
from tests.command import Command
from tests.everything_written import found
from tests.scripted import Reply, scripted
from tests.support import at_length, environment, make_pipeline, read

LOUD = {"RUNTIME__LOG_LEVEL": "DEBUG", "RUNTIME__REQUEST_TIMEOUT": "0.2"}
PASSWORD = "warehouse-pass/word+91c7e2"
SPELLED = "warehouse-pass%2Fword%2B91c7e2"
FAULTS = {
    "data": [kind for kind in KINDS if not kind.startswith("token-")],
    "token": [kind for kind in KINDS if kind.startswith("token-")],
    "leaks": [kind for kind in KINDS if "leak" in kind or kind in {"401", "reset", "redirect"}],
}
PASSING = ("trickle", "drip", "drip-head", "truncate-close")
AWKWARD = "s3cr3t/with+every=kind&of'sign\""


def test_the_search_finds_what_it_has_to(command: Command) -> None:
    with Sandbox(responses=40) as sandbox:
        assert command(sandbox, "--per-page", "20", **LOUD).code == 0
        (command.folder / "log").write_text(f"x{sandbox.tokens[0]}x", "utf-8")

        assert found(command.folder, sandbox.tokens)
        places = " ".join(found(command.folder, [sandbox.records[0]["email"], '"cursors"']))
        assert "responses: " in places
        assert "_dlt_pipeline_state unpacked: " in places


@pytest.mark.parametrize("which", at_length(FAULTS, short=["leaks"]))
def test_no_failure_writes_a_secret_anywhere(command: Command, which: str) -> None:
    """Plays faults to one working directory and one file, each to a page with news."""
    healthy, secrets = set(), set()
    for number, kind in enumerate(["", *FAULTS[which]]):
        times = 1 if kind.removeprefix(TOKEN) in PASSING else 5
        faults = [Fault(kind, times=times, retry_after=0)] if kind else []
        with Sandbox(responses=20 + 10 * number, faults=faults) as sandbox:
            ended = command(sandbox, "--per-page", "10", "--debug", **LOUD)
            secrets |= {sandbox.client_secret, *sandbox.tokens}
        (command.folder / "stderr").rename(command.folder / f"{kind}.stderr")
        assert ended.code in {0, 3, 4}, ended.err
        healthy |= {kind} if ended.code == 0 else set()

    passing = {prefix + kind for kind in PASSING for prefix in ("", TOKEN)}
    assert healthy == {"", "cursor-string", *passing} & {"", *FAULTS[which]}
    assert len(secrets) > 2
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


SPELLINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "JSON": json.dumps,
    "JSON in JSON": lambda it: json.dumps(json.dumps({"client_secret": it})),
    "PHP's JSON": lambda it: json.dumps(it).replace("/", "\\/"),
    "Go's JSON": lambda it: "".join(c if c.isalnum() else f"\\u{ord(c):04x}" for c in it),
    "form": lambda it: f"client_secret={quote_plus(it)}&grant_type=client_credentials",
    "lower-case URL": lambda it: "".join(c if c.isalnum() else f"%{ord(c):02x}" for c in it),
    "page": lambda it: f"<p>client_secret = {html.escape(it)}</p>",
    "entities": lambda it: html.escape(it).replace("&#x27;", "&#039;").replace("&quot;", "&#34;"),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("status", [401, 404, 500])
def test_a_secret_is_hidden_however_an_answer_spells_it(spelling: str, status: int) -> None:
    reply = Reply(SPELLINGS[spelling](AWKWARD).encode(), status, "Whatever")
    server = scripted(lambda *_: reply, client_secret=AWKWARD)
    with server as running, pytest.raises(CustomerGaugeError) as raised:
        read(running)

    assert "s3cr3t" not in str(raised.value)


@pytest.mark.parametrize("place", ["reason", "cursor", "spaces"])
def test_a_token_is_hidden_wherever_an_answer_repeats_it(place: str) -> None:
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
        read(server)

    assert "scripted-token" not in str(raised.value)


@pytest.mark.parametrize("token", ["a\\nb", "caf\\u00e9", "a b"])
def test_a_token_that_no_header_takes_is_an_error_that_does_not_show_it(token: str) -> None:
    body = f'{{"access_token": "scripted-{token}"}}'.encode()
    server = scripted(lambda *_: Reply(body))
    with server as running, pytest.raises(ApiContractError) as raised:
        read(running)

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


def test_a_secret_that_is_given_is_known_before_the_first_request() -> None:
    secret = "given-secret-5d10"
    customergauge_source({"client_id": "an-id", "client_secret": secret}, region="eu")

    assert str(explain(ValueError(f"it repeats {secret}"))) == "ValueError: it repeats ***"


def test_credentials_show_nothing_when_printed() -> None:
    with Sandbox() as sandbox:
        auth = CustomerGaugeCredentials()
        auth.client_id, auth.client_secret = sandbox.client_id, sandbox.client_secret
        auth.access_token_url = f"{sandbox.url}{TOKEN_PATH}"
        auth.session = requests.Session()
        auth.obtain_token()

        for shown in (str(auth), repr(auth), f"{auth}", str([auth])):
            assert sandbox.client_secret not in shown
            assert sandbox.tokens[0] not in shown


def test_a_trace_holds_no_secret_when_unpickled(
    workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox(responses=20) as sandbox:
        for name, value in environment(workdir, sandbox, **LOUD).items():
            monkeypatch.setenv(name, value)
        pipeline = make_pipeline(workdir)
        pipeline.run(customergauge_source())
        trace = Path(pipeline.working_dir, "trace.pickle")
        shown = pickle.loads(trace.read_bytes()).asstr(verbosity=2)  # noqa: S301 - our own

        assert "client_id" in shown
        assert sandbox.client_secret not in shown


def test_a_secret_that_an_error_is_cut_in_is_not_shown() -> None:
    secret = "eyJ" + "0123456789" * 35
    remember(secret)

    told = str(explain(OSError(f"{'no ' * 30}{secret}")))

    assert "no no" in told
    assert secret[:20] not in told


def test_an_object_of_the_configuration_that_is_none_is_not_shown(command: Command) -> None:
    broken = '{"memory_limit": "1GB", "s3_secret_access_key": "wJalrXUtnFEMI"'
    ended = command(None, DESTINATION__DUCKDB__CREDENTIALS__GLOBAL_CONFIG=broken)

    assert ended.code == 2, ended.err
    assert "global_config" in ended.err
    assert "wJalr" not in ended.err
