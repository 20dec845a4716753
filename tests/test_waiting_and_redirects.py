"""How long a failing API is waited for, and that a token never goes elsewhere."""

from __future__ import annotations

import socket
import time
from datetime import datetime, timedelta, timezone

import pytest

from customergauge_source import transport
from customergauge_source.client import CustomerGaugeClient
from customergauge_source.exceptions import ApiUnavailableError
from customergauge_source.query import Query
from customergauge_source.sandbox import Fault, Sandbox
from tests.command import Command
from tests.conftest import OpenClient


def seconds_for_a_page(client: CustomerGaugeClient) -> float:
    """Returns how long a page took."""
    started = time.monotonic()
    assert next(client.pages(Query())).cursor
    return time.monotonic() - started


@pytest.mark.parametrize("kind", ["429", "503", "token-429", "token-503"])
def test_retry_after_in_seconds_is_waited_for(open_client: OpenClient, kind: str) -> None:
    with Sandbox(responses=60, faults=[Fault(kind, retry_after=1)]) as sandbox:
        assert 1.0 <= seconds_for_a_page(open_client(sandbox)) < 20.0


@pytest.mark.parametrize("kind", ["429", "token-503"])
def test_retry_after_as_a_date_is_waited_for(open_client: OpenClient, kind: str) -> None:
    moment = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(seconds=2)
    with Sandbox(responses=60, faults=[Fault(kind, retry_after=moment)]) as sandbox:
        seconds_for_a_page(open_client(sandbox))

        assert moment <= datetime.now(timezone.utc) < moment + timedelta(seconds=20)


@pytest.mark.parametrize("retry_after", ["soon", "", "-5", "Fri, 02 Jan 2015 03:04:05 GMT"])
def test_a_retry_after_that_says_nothing_is_no_obstacle(
    open_client: OpenClient, retry_after: str
) -> None:
    with Sandbox(responses=60, faults=[Fault("429", retry_after=retry_after)]) as sandbox:
        assert seconds_for_a_page(open_client(sandbox)) < 20.0


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


def test_the_tries_of_a_request_are_bounded_in_time_too(
    open_client: OpenClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "RETRY_TOTAL", 1.6)
    with Sandbox(faults=[Fault("503", times=None, retry_after=1)]) as sandbox:
        client = open_client(sandbox)
        with pytest.raises(ApiUnavailableError, match="after 2 tries"):
            seconds_for_a_page(client)


def test_waits_grow_with_jitter_up_to_the_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(transport, "sleep_using_event", lambda _event: waits.append)
    session = transport.RetryingSession(attempts=200, backoff=0.5, longest_wait=4.0)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with pytest.raises(ApiUnavailableError):
            session.get(f"http://127.0.0.1:{closed.getsockname()[1]}/")

    assert max(waits[:1]) <= 0.5
    assert max(waits[:3]) <= 2.0
    assert 3.5 < max(waits) <= 4.0
    assert len(set(waits)) > 190


# Redirects


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
