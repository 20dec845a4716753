"""How long a failing API is waited for, and that a token never goes elsewhere."""

from __future__ import annotations

import socket
import time
from datetime import datetime, timedelta, timezone

import pytest
from dlt.common.configuration.specs import RuntimeConfiguration

from customergauge_source.api import transport
from customergauge_source.exceptions import ApiUnavailableError
from customergauge_source.sandbox import TOKEN_PATH, Fault, Sandbox
from tests.command import Command
from tests.scripted import TOKEN, Reply, scripted
from tests.support import read


def seconds_to_read(sandbox: Sandbox) -> float:
    """Returns how long reading all took."""
    started = time.monotonic()
    assert read(sandbox) == sandbox.records
    return time.monotonic() - started


@pytest.mark.parametrize("kind", ["429", "token-503"])
def test_retry_after_in_seconds_is_waited_for(kind: str) -> None:
    with Sandbox(responses=60, faults=[Fault(kind, retry_after=1)]) as sandbox:
        assert 1.0 <= seconds_to_read(sandbox) < 20.0


def test_retry_after_as_a_date_is_waited_for() -> None:
    moment = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(seconds=2)
    with Sandbox(responses=60, faults=[Fault("503", retry_after=moment)]) as sandbox:
        seconds_to_read(sandbox)

        assert moment <= datetime.now(timezone.utc) < moment + timedelta(seconds=20)


@pytest.mark.parametrize("name", ["Content-Encoding", "Content-Length"])
def test_a_failure_that_cannot_be_read_is_tried_again(name: str) -> None:
    bodies = [b'{"data": [{"number_customergauge": 1}], "cursor": {"next": 1}}', b'{"data": []}']
    replies = [Reply(b"no", 503, headers={name: "1, 2"}), *map(Reply, bodies)]
    with scripted(lambda path, *_: TOKEN if TOKEN_PATH in path else replies.pop(0)) as server:
        assert [record["number_customergauge"] for record in read(server)] == [1]


@pytest.mark.parametrize("retry_after", ["soon", "", "-5", "Fri, 02 Jan 2015 03:04:05 GMT"])
def test_a_retry_after_that_says_nothing_is_no_obstacle(retry_after: str) -> None:
    with Sandbox(responses=60, faults=[Fault("429", retry_after=retry_after)]) as sandbox:
        assert seconds_to_read(sandbox) < 20.0


@pytest.mark.parametrize("retry_after", [60, "Fri, 31 Dec 9999 23:59:59 GMT"])
@pytest.mark.parametrize("kind", ["429", "token-503"])
def test_a_longer_retry_after_than_allowed_ends_with_4_at_once(
    command: Command, kind: str, retry_after: float | str
) -> None:
    faults = [Fault(kind, times=None, retry_after=retry_after)]
    with Sandbox(responses=60, faults=faults) as sandbox:
        started = time.monotonic()
        ended = command(sandbox)

        assert ended.code == 4
        assert time.monotonic() - started < 20
        assert "failed after 1 try;" in ended.err
        assert len(sandbox.requests) == (1 if kind.startswith("token-") else 2)


def test_the_tries_of_a_request_are_bounded_in_time_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "RETRY_TOTAL", 1.6)
    faults = [Fault("503", times=None, retry_after=1)]
    with Sandbox(faults=faults) as box, pytest.raises(ApiUnavailableError, match="after 2 tries"):
        read(box)


def test_waits_grow_with_jitter_up_to_the_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(transport.RetryingSession, "_sleep", lambda _, wait: waits.append(wait))
    runtime = RuntimeConfiguration()
    runtime.request_max_attempts, runtime.request_backoff_factor = 200, 0.5
    runtime.request_max_retry_delay = 4
    session = transport.RetryingSession(runtime, 1000)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with pytest.raises(ApiUnavailableError):
            session.get(f"http://127.0.0.1:{closed.getsockname()[1]}/")

    assert max(waits[:1]) <= 0.5
    assert max(waits[:3]) <= 2.0
    assert 3.5 < max(waits) <= 4.0
    assert len(set(waits)) > 190


@pytest.mark.parametrize("kind", ["redirect", "token-redirect"])
def test_a_redirect_is_refused_and_nothing_arrives_elsewhere(command: Command, kind: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        elsewhere.settimeout(0.1)
        location = f"http://127.0.0.1:{elsewhere.getsockname()[1]}/v7/rest/sync/responses"
        with Sandbox(responses=60, faults=[Fault(kind, location=location)]) as sandbox:
            ended = command(sandbox)

            assert ended.code == 4
            assert "a redirect; the token is not sent to another address" in ended.err
            assert len(sandbox.requests) == (1 if kind.startswith("token-") else 2)
        with pytest.raises(TimeoutError):
            elsewhere.accept()
