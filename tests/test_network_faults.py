"""The network fails: what is tried again, what is not, and what is told."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from customergauge_source.exceptions import ApiError, ApiUnavailableError
from customergauge_source.query import Query
from customergauge_source.sandbox import Fault, Sandbox
from tests.command import Command, until
from tests.conftest import OpenClient
from tests.support import at_length
from tests.truth import differences, loaded

TRIES = 5
IMPATIENT = {"RUNTIME__REQUEST_TIMEOUT": "0.2"}
LAST_ERRORS = {
    "429": '429 Too Many Requests: {"message":"Too Many Attempts."}',
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
    "html": "expected JSON",
    "invalid-json": "expected JSON",
}
RETRIED = [*LAST_ERRORS, *(f"token-{kind}" for kind in LAST_ERRORS)]


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
def test_a_failure_that_passes_is_tried_again(open_client: OpenClient, kind: str) -> None:
    with Sandbox(responses=60, faults=[fault(kind, TRIES - 1)]) as sandbox:
        pages = open_client(sandbox, as_objects=True, **IMPATIENT).pages(Query(per_page=20))

        assert [record for page in pages for record in page.data] == sandbox.records
        assert requests_of(kind, sandbox) == TRIES


def assert_tells(lines: list[str], what: str, kind: str, sandbox: Sandbox) -> None:
    """Fails if not each retry, and the error in the end, tells of page, error and tries."""
    assert requests_of(kind, sandbox) == TRIES
    page = "/oauth2/token" if kind.startswith("token-") else f"cursor={sandbox.keys[39]}"
    last_error = LAST_ERRORS[kind.removeprefix("token-")]
    retries = [line for line in lines if "next try in" in line]
    assert len(retries) == TRIES - 1
    for number, line in enumerate(retries, start=1):
        assert f"Try {number} of " in line
        assert page in line
        assert last_error in line
    assert f"failed after {TRIES} tries; the last error was" in what
    assert page in what
    assert last_error in what


@pytest.mark.parametrize("kind", RETRIED)
def test_a_failure_that_lasts_tells_page_error_and_tries(
    open_client: OpenClient, told: Callable[[], list[str]], kind: str
) -> None:
    with Sandbox(responses=60, faults=[fault(kind, None)]) as sandbox:
        with pytest.raises(ApiUnavailableError) as raised:
            list(open_client(sandbox, **IMPATIENT).pages(Query(per_page=20)))

        assert_tells(told(), str(raised.value), kind, sandbox)


@pytest.mark.parametrize(
    "kind", at_length(RETRIED, short=["503", "hang", "truncate", "token-reset"])
)
def test_a_failure_that_lasts_ends_with_4(command: Command, kind: str) -> None:
    with Sandbox(responses=60, faults=[fault(kind, None)]) as sandbox:
        ended = command(sandbox, "--per-page", "20", **IMPATIENT)

        assert ended.code == 4
        *before, what, remedy = ended.err.splitlines()
        assert_tells(before, what, kind, sandbox)
        assert remedy.startswith("What to do: Nothing is lost")


@pytest.mark.parametrize("kind", at_length(["503", "truncate", "token-reset"], short=["truncate"]))
def test_the_run_after_a_lasting_failure_reads_on_and_completes(
    command: Command, kind: str
) -> None:
    options = ("--per-page", "20", "--checkpoint-pages", "1")
    committed = 0 if kind.startswith("token-") else 40
    with Sandbox(responses=60, faults=[fault(kind, None)]) as sandbox:
        assert command(sandbox, *options).code == 4
        assert len(loaded(command.file)) == committed
    with Sandbox(responses=60) as healthy:
        assert command(healthy, *options).code == 0
        assert len(healthy.data_requests) == (2 if committed else 4)
        assert differences(command.file, healthy.records) == []


def test_every_failure_that_passes_in_one_run_leaves_no_trace_in_the_tables(
    command: Command,
) -> None:
    faults = [
        Fault(kind, page=page, times=2, retry_after=0)
        for page, kind in enumerate(LAST_ERRORS, start=1)
    ]
    faults += [Fault("401", page=page) for page in range(2, 2 + len(LAST_ERRORS))]
    faults += [
        Fault(f"token-{kind}", page=page, times=2, retry_after=0)
        for page, kind in enumerate(LAST_ERRORS, start=1)
    ]
    with Sandbox(responses=240, faults=faults) as sandbox:
        ended = command(sandbox, "--per-page", "20", "--checkpoint-pages", "5", **IMPATIENT)

        assert ended.code == 0, ended.err
        assert differences(command.file, sandbox.records) == []
        assert ended.err.count("next try in") == 4 * len(LAST_ERRORS)
        assert len(sandbox.token_requests) == 1 + 3 * len(LAST_ERRORS)


@pytest.mark.parametrize("kind", REFUSALS)
def test_a_refusal_is_not_tried_again_and_its_message_is_shown(
    open_client: OpenClient, told: Callable[[], list[str]], kind: str
) -> None:
    with Sandbox(responses=60, faults=[fault(kind, 1)]) as sandbox:
        with pytest.raises(ApiError) as raised:
            list(open_client(sandbox).pages(Query(per_page=20)))

        assert requests_of(kind, sandbox) == 1
        assert REFUSALS[kind] in str(raised.value)
        assert told() == []


@pytest.mark.parametrize("kind", at_length(REFUSALS, short=["403", "token-404"]))
def test_a_refusal_ends_with_4(command: Command, kind: str) -> None:
    with Sandbox(responses=60, faults=[fault(kind, 1)]) as sandbox:
        ended = command(sandbox, "--per-page", "20")

        assert ended.code == 4
        assert requests_of(kind, sandbox) == 1
        assert REFUSALS[kind] in ended.err.splitlines()[-2]
        assert "next try" not in ended.err


@pytest.mark.parametrize("kind", ["token-refused", "token-400", "token-401", "token-403"])
def test_refused_credentials_end_with_3_at_once(command: Command, kind: str) -> None:
    with Sandbox(responses=60, faults=[Fault(kind)]) as sandbox:
        ended = command(sandbox)

        assert ended.code == 3
        assert len(sandbox.requests) == 1
        assert "refused the credentials" in ended.err
        assert "Check client_id and client_secret" in ended.err.splitlines()[-1]


def test_a_token_that_is_refused_again_when_just_issued_ends_with_3(command: Command) -> None:
    with Sandbox(responses=60, faults=[Fault("401", page=2, times=2)]) as sandbox:
        ended = command(sandbox, "--per-page", "20")

        assert ended.code == 3
        assert len(sandbox.token_requests) == 2
        assert len(sandbox.data_requests) == 3


@pytest.mark.parametrize("kind", ["503", "reset", "truncate", "truncate-chunked", "hang"])
def test_a_page_fails_again_right_after_its_token_was_renewed(
    open_client: OpenClient, kind: str
) -> None:
    faults = [Fault("401", page=3), Fault(kind, page=3, times=2)]
    with Sandbox(responses=60, faults=faults) as sandbox:
        pages = open_client(sandbox, as_objects=True, **IMPATIENT).pages(Query(per_page=20))

        assert [record for page in pages for record in page.data] == sandbox.records
        assert len(sandbox.token_requests) == 2


def test_a_token_endpoint_that_fails_in_mid_run_is_asked_five_times(command: Command) -> None:
    faults = [Fault("401", page=2), Fault("token-503", page=2, times=None)]
    with Sandbox(responses=60, faults=faults) as sandbox:
        ended = command(sandbox, "--per-page", "20")

        assert ended.code == 4
        assert len(sandbox.token_requests) == 1 + TRIES


@pytest.mark.parametrize("kind", ["trickle", "token-trickle"])
def test_a_slow_body_that_keeps_coming_is_waited_for(open_client: OpenClient, kind: str) -> None:
    with Sandbox(responses=60, faults=[fault(kind, 1)]) as sandbox:
        client = open_client(sandbox, RUNTIME__REQUEST_TIMEOUT="0.5")

        assert len(list(client.pages(Query(per_page=20)))) == 3
        assert len(sandbox.requests) == 5


def test_a_server_that_comes_up_late_is_waited_for(command: Command) -> None:
    with Sandbox(responses=60) as sandbox:
        port = int(sandbox.url.rsplit(":", 1)[1])
    running = command.start(sandbox, RUNTIME__REQUEST_BACKOFF_FACTOR="0.5")
    until(lambda: "Try 2 of" in running.errors())
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
    assert ended.err.count("next try in") == TRIES - 1
    what = ended.err.splitlines()[-2]
    assert gone.url in what
    assert "Connection refused" in what
