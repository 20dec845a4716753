"""The network fails: what is tried again, what is not, and what is told."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from customergauge_source.api import bounds
from customergauge_source.exceptions import (
    ApiContractError,
    ApiError,
    ApiUnavailableError,
    CredentialsRefusedError,
)
from customergauge_source.sandbox import Fault, Sandbox
from tests.command import Command, until
from tests.support import at_length, read
from tests.truth import differences, loaded

TRIES = 5
IMPATIENT = {"RUNTIME__REQUEST_TIMEOUT": "0.2"}
LAST_ERRORS = {
    "429": "429 Too Many Requests: Too Many Attempts.",
    "500": "500 Internal Server Error",
    "502": "502 Bad Gateway",
    "503": "503 Service Unavailable",
    "504": "504 Gateway Timeout",
    "reset": "ConnectionError: ('Connection aborted.', ConnectionResetError",
    "close": "ConnectionError: ('Connection aborted.', RemoteDisconnected",
    "hang": "ReadTimeout: ",
    "truncate": "ChunkedEncodingError: ('Connection broken: IncompleteRead",
    "truncate-chunked": "ChunkedEncodingError: ",
}
REFUSALS = {
    "400": "Bad Request",
    "403": "This action is unauthorized.",
    "404": "Not Found.",
    "422": "The selected filter is invalid.",
    "token-404": "Not Found.",
    "token-422": "The selected filter is invalid.",
}
RETRIED = [*LAST_ERRORS, *(f"token-{kind}" for kind in LAST_ERRORS)]


@pytest.fixture(autouse=True)
def _no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits for an answer for a fraction of a second."""
    for name, value in IMPATIENT.items():
        monkeypatch.setenv(name, value)


def fault(kind: str, times: int | None) -> Fault:
    """Returns a fault of the third page, or of the first token; with 429 there is no wait."""
    is_token = kind.startswith("token-")
    return Fault(kind, page=1 if is_token else 3, times=times, retry_after=0)


def requests_of(kind: str, sandbox: Sandbox) -> int:
    """Returns how often the page or token that a fault befalls was asked for."""
    if kind.startswith("token-"):
        return len(sandbox.token_requests)
    asked = ("cursor", str(sandbox.keys[39]))
    return sum(asked in request.query for request in sandbox.data_requests)


@pytest.mark.parametrize("kind", RETRIED)
def test_a_failure_that_passes_is_tried_again(kind: str) -> None:
    with Sandbox(responses=60, faults=[fault(kind, TRIES - 1)]) as sandbox:
        assert read(sandbox) == sandbox.records
        assert requests_of(kind, sandbox) == TRIES


def assert_tells(lines: list[str], what: str, kind: str, sandbox: Sandbox) -> None:
    """Fails if not each retry, and the error in the end, tells of page, error and tries."""
    assert requests_of(kind, sandbox) == TRIES
    is_token = kind.startswith("token-")
    request = "POST .*/oauth2/token" if is_token else f"GET .*cursor={sandbox.keys[39]}"
    last_error = re.escape(LAST_ERRORS[kind.removeprefix("token-")])
    assert len(lines) == TRIES - 1
    for line in lines:
        assert re.match(rf"retrying in \d+\.\d s: {request} {last_error}", line)
    assert re.search(rf"{request} failed after {TRIES} tries; .* {last_error}", what)


@pytest.mark.parametrize("kind", RETRIED)
def test_a_failure_that_lasts_tells_page_error_and_tries(
    told: Callable[[], list[str]], kind: str
) -> None:
    with Sandbox(responses=60, faults=[fault(kind, None)]) as sandbox:
        with pytest.raises(ApiUnavailableError) as raised:
            read(sandbox)

        assert_tells(told(), str(raised.value), kind, sandbox)


@pytest.mark.parametrize("kind", at_length(["503", "truncate", "token-reset"], short=["503"]))
def test_a_failure_that_lasts_ends_with_4_and_the_next_run_reads_on_and_completes(
    command: Command, kind: str
) -> None:
    options = ("--per-page", "20", "--checkpoint-pages", "1")
    committed = 0 if kind.startswith("token-") else 40
    with Sandbox(responses=60, faults=[fault(kind, None)]) as sandbox:
        ended = command(sandbox, *options)

        assert ended.code == 4
        *before, what, remedy = ended.err.splitlines()
        retries = [line for line in before if line.startswith("retrying in ")]
        assert_tells(retries, what, kind, sandbox)
        begins = "Check the network, " if kind == "token-reset" else "Nothing is lost"
        assert remedy.startswith(f"What to do: {begins}")
        assert "Nothing is lost" in remedy
        assert len(loaded(command.file)) == committed
    with Sandbox(responses=60) as healthy:
        assert command(healthy, *options).code == 0
        assert len(healthy.data_requests) == (2 if committed else 4)
        assert differences(command.file, healthy.records) == []


def test_every_failure_that_passes_in_one_run_leaves_no_trace_in_the_tables(
    command: Command,
) -> None:
    faults = [
        Fault(prefix + kind, page=page, times=2, retry_after=0)
        for page, kind in enumerate(LAST_ERRORS, start=1)
        for prefix in ("", "token-")
    ]
    faults += [Fault("401", page=page) for page in range(2, 2 + len(LAST_ERRORS))]
    with Sandbox(responses=240, faults=faults) as sandbox:
        ended = command(sandbox, "--per-page", "20", "--checkpoint-pages", "5", **IMPATIENT)

        assert ended.code == 0, ended.err
        assert differences(command.file, sandbox.records) == []
        assert ended.err.count("retrying in") == 4 * len(LAST_ERRORS)
        assert len(sandbox.token_requests) == 1 + 3 * len(LAST_ERRORS)


@pytest.mark.parametrize("kind", REFUSALS)
def test_a_refusal_is_not_tried_again_and_its_message_is_shown(
    told: Callable[[], list[str]], kind: str
) -> None:
    with Sandbox(responses=60, faults=[fault(kind, 1)]) as sandbox:
        with pytest.raises(ApiError, match=REFUSALS[kind]):
            read(sandbox)

        assert requests_of(kind, sandbox) == 1
        assert told() == []


@pytest.mark.parametrize("kind", ["token-refused", "token-400", "token-401", "token-403"])
def test_credentials_are_refused_once(kind: str) -> None:
    with Sandbox(responses=60, faults=[Fault(kind)]) as sandbox:
        with pytest.raises(CredentialsRefusedError):
            read(sandbox)

        assert len(sandbox.requests) == 1


@pytest.mark.parametrize("kind", ["503", "reset", "truncate", "truncate-chunked", "hang"])
def test_a_page_fails_again_right_after_its_token_was_renewed(
    kind: str,
) -> None:
    faults = [Fault("401", page=3), Fault(kind, page=3, times=2)]
    with Sandbox(responses=60, faults=faults) as sandbox:
        assert read(sandbox) == sandbox.records
        assert len(sandbox.token_requests) == 2


def test_a_token_endpoint_that_fails_in_mid_run_is_asked_five_times() -> None:
    faults = [Fault("401", page=2), Fault("token-503", page=2, times=None)]
    with Sandbox(responses=60, faults=faults) as sandbox:
        with pytest.raises(ApiUnavailableError):
            read(sandbox)

        assert len(sandbox.token_requests) == 1 + TRIES


@pytest.mark.parametrize("kind", ["trickle", "token-trickle"])
def test_a_slow_body_that_keeps_coming_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("RUNTIME__REQUEST_TIMEOUT", "0.5")
    with Sandbox(responses=60, faults=[fault(kind, 1)]) as sandbox:
        assert read(sandbox) == sandbox.records
        assert len(sandbox.requests) == 5


@pytest.mark.parametrize("kind", ["drip", "drip-head", "token-drip", "token-drip-head"])
def test_an_answer_that_drips_without_end_is_given_up_and_asked_for_again(
    monkeypatch: pytest.MonkeyPatch, told: Callable[[], list[str]], kind: str
) -> None:
    monkeypatch.setenv("RUNTIME__REQUEST_TIMEOUT", "1")
    monkeypatch.setattr(bounds, "ANSWER_TIMEOUTS", 1)
    with Sandbox(responses=60, faults=[fault(kind, 1)]) as sandbox:
        assert read(sandbox) == sandbox.records
        assert requests_of(kind, sandbox) == 2
    (line,) = told()
    assert line.endswith(" the answer was not whole after 1 s")


def test_an_answer_that_always_drips_ends_with_4(command: Command) -> None:
    env = {"RUNTIME__REQUEST_MAX_ATTEMPTS": "2", "RUNTIME__REQUEST_TIMEOUT": "0.4"}
    with Sandbox(responses=60, faults=[fault("drip", None)]) as sandbox:
        ended = command(sandbox, "--per-page", "20", **env)

        assert ended.code == 4, ended.err
        assert requests_of("drip", sandbox) == 2
        what, remedy = ended.err.splitlines()[-2:]
        assert "failed after 2 tries; last error: the answer was not whole after 2 s" in what
        assert remedy.startswith("What to do: Check the network")


@pytest.mark.parametrize("kind", ["truncate-close", "token-truncate-close"])
def test_a_body_that_ends_with_its_connection_is_asked_for_once_more(kind: str) -> None:
    with Sandbox(responses=60, faults=[fault(kind, 1)]) as sandbox:
        assert read(sandbox) == sandbox.records
        assert requests_of(kind, sandbox) == 2


@pytest.mark.parametrize("kind", ["truncate-close", "token-truncate-close"])
def test_a_body_that_ends_with_its_connection_twice_breaks_the_contract(kind: str) -> None:
    with Sandbox(responses=60, faults=[fault(kind, 2)]) as sandbox:
        with pytest.raises(ApiContractError, match="twice: the answer was cut off, after "):
            read(sandbox)
        assert requests_of(kind, sandbox) == 2


def test_a_server_that_comes_up_late_is_waited_for(command: Command) -> None:
    with Sandbox(responses=60) as sandbox:
        port = int(sandbox.url.rsplit(":", 1)[1])
    running = command.start(sandbox, RUNTIME__REQUEST_BACKOFF_FACTOR="0.5")
    until(lambda: running.errors().count("retrying in") > 1)
    with Sandbox(responses=60, port=port) as late:
        ended = running.finish()

        assert ended.code == 0, ended.err
        assert "Connection refused" in ended.err
        assert differences(command.file, late.records) == []


@pytest.mark.parametrize("endpoint", ["API_URL", "AUTH_URL"])
def test_a_refused_connection_ends_with_4(command: Command, endpoint: str) -> None:
    with Sandbox(responses=60) as gone:
        pass
    with Sandbox(responses=60) as sandbox:
        ended = command(sandbox, **{f"SOURCES__CUSTOMERGAUGE__{endpoint}": gone.url})

    assert ended.code == 4
    assert ended.err.count("retrying in") == TRIES - 1
    what = ended.err.splitlines()[-2]
    assert gone.url in what
    assert "Connection refused" in what
