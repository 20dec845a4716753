"""The sandbox's faults over its real socket: each kind, when it comes, and when it is over."""

from __future__ import annotations

import contextlib
import threading
import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import pytest
import requests

from customergauge_source.sandbox import (
    DATA_PATH,
    SYNC_PATH,
    TOKEN_PATH,
    Fault,
    Sandbox,
    parse_fault,
)
from customergauge_source.sandbox.faults import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator

STATUSES = ["429", "500", "502", "503", "504", "400", "401", "403", "404", "422"]
BROKEN_BODIES = ["truncate", "truncate-chunked"]
NO_ANSWER = ["reset", "close"]
SLOW = ["hang", "trickle", "drip", "drip-head"]


class Client:
    """Asks one sandbox for tokens and pages."""

    def __init__(self, sandbox: Sandbox) -> None:
        """Start without a token."""
        self.sandbox = sandbox
        self.session = requests.Session()

    def token(self) -> requests.Response:
        """Ask for a token."""
        form = {
            "grant_type": "client_credentials",
            "client_id": self.sandbox.client_id,
            "client_secret": self.sandbox.client_secret,
        }
        url = self.sandbox.url + TOKEN_PATH
        return self.session.post(url, data=form, timeout=5, allow_redirects=False)

    def page(
        self, cursor: int | None = None, timeout: float = 5, feed: str = "responses"
    ) -> requests.Response:
        """Ask for a page of ten."""
        query = {"per_page": 10} | ({} if cursor is None else {"cursor": cursor})
        url = self.sandbox.url + SYNC_PATH + feed
        return self.session.get(url, params=query, timeout=timeout, allow_redirects=False)

    def ask(self, kind: str) -> requests.Response:
        """Ask the endpoint that a fault befalls."""
        return self.token() if kind.startswith("token-") else self.page()


@pytest.fixture
def client() -> Iterator[Client]:
    with Sandbox(responses=45) as sandbox:
        client = Client(sandbox)
        token = client.token().json()["access_token"]
        client.session.headers["Authorization"] = f"Bearer {token}"
        yield client


def both(kinds: list[str]) -> list[str]:
    """Return the kinds of both endpoints."""
    return kinds + [f"token-{kind}" for kind in kinds]


# Each kind


@pytest.mark.parametrize("kind", both(STATUSES))
def test_an_error_status_comes_once_and_is_gone(client: Client, kind: str) -> None:
    client.sandbox.inject(Fault(kind))
    answer = client.ask(kind)
    assert answer.status_code == int(kind.removeprefix("token-"))
    assert "json" not in answer.headers["Content-Type"] or "message" in answer.json()
    assert client.ask(kind).status_code == 200


@pytest.mark.parametrize(
    ("kind", "retry_after", "header"),
    [
        ("429", None, "1"),
        ("429", 7, "7"),
        (
            "429",
            datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc),
            "Fri, 02 Jan 2026 03:04:05 GMT",
        ),
        ("429", "soon", "soon"),
        ("429", "", None),
        ("503", None, None),
        ("503", 2, "2"),
        ("token-429", 3, "3"),
        ("500", 3, None),
    ],
)
def test_retry_after_is_sent_as_chosen(
    client: Client, kind: str, retry_after: float | datetime | str | None, header: str | None
) -> None:
    client.sandbox.inject(Fault(kind, retry_after=retry_after))
    assert client.ask(kind).headers.get("Retry-After") == header


@pytest.mark.parametrize("kind", both(NO_ANSWER))
def test_a_connection_ends_without_an_answer(client: Client, kind: str) -> None:
    client.sandbox.inject(Fault(kind))
    with pytest.raises(requests.ConnectionError) as failed:
        client.ask(kind)
    assert ("ConnectionResetError" in repr(failed.value)) == kind.endswith("reset")
    assert client.sandbox.requests[-1].status is None
    assert client.ask(kind).status_code == 200


@pytest.mark.parametrize("kind", both(BROKEN_BODIES))
def test_a_body_is_cut_off(client: Client, kind: str) -> None:
    client.sandbox.inject(Fault(kind))
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        client.ask(kind)
    assert client.ask(kind).status_code == 200


def test_a_hanging_request_gets_no_answer_and_holds_up_nobody(client: Client) -> None:
    client.sandbox.inject(Fault("hang", times=None))
    with pytest.raises(requests.ReadTimeout):
        client.page(timeout=0.3)
    assert client.token().status_code == 200


def test_closing_does_not_wait_for_a_hanging_or_a_slow_request(client: Client) -> None:
    client.sandbox.inject(Fault("hang"))
    with contextlib.suppress(requests.ReadTimeout):
        client.page(timeout=0.1)
    start = time.monotonic()
    client.sandbox.close()
    assert time.monotonic() - start < 3


def test_a_trickling_body_is_whole_but_slow(client: Client) -> None:
    client.sandbox.inject(Fault("trickle"))
    start = time.monotonic()
    assert client.page().json() == client.page().json()
    assert time.monotonic() - start > 0.5


@pytest.mark.parametrize("kind", ["drip", "drip-head"])
def test_a_drip_keeps_a_client_that_only_waits_between_two_pieces(
    client: Client, kind: str
) -> None:
    def wait() -> None:
        with contextlib.suppress(requests.RequestException):
            client.page(timeout=1)

    client.sandbox.inject(Fault(kind))
    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    waiting.join(1.5)
    assert waiting.is_alive()


@pytest.mark.parametrize("kind", both(["truncate-close"]))
def test_a_body_without_a_length_ends_with_its_connection(client: Client, kind: str) -> None:
    client.sandbox.inject(Fault(kind))
    half = client.ask(kind)
    assert half.status_code == 200
    assert {"Content-Length", "Transfer-Encoding"}.isdisjoint(half.headers)
    assert not half.text.endswith("}")
    assert client.ask(kind).text.endswith("}")


@pytest.mark.parametrize("kind", both(["html"]))
def test_a_login_page_comes_with_status_200(client: Client, kind: str) -> None:
    client.sandbox.inject(Fault(kind))
    answer = client.ask(kind)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "<html>" in answer.text


@pytest.mark.parametrize("kind", both(["invalid-json"]))
def test_half_a_document_comes_with_status_200(client: Client, kind: str) -> None:
    client.sandbox.inject(Fault(kind))
    answer = client.ask(kind)
    assert answer.status_code == 200
    with pytest.raises(requests.exceptions.JSONDecodeError):
        answer.json()


@pytest.mark.parametrize(
    ("kind", "data"),
    [("no-data", "absent"), ("null-data", None), ("object-data", {})],
)
def test_data_are_not_a_list(client: Client, kind: str, data: object) -> None:
    first = client.page().json()["data"][0]
    client.sandbox.inject(Fault(kind))
    body = client.page().json()
    given = body.get("data", "absent")
    assert given == ({"0": first} if data == {} else data)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("cursor-text", "abc"),
        ("cursor-still", "sent"),
        ("cursor-back", "less"),
        ("cursor-null", None),
        ("cursor-string", "text"),
        ("cursor-float", "fraction"),
        ("cursor-bool", True),
    ],
)
def test_the_cursor_breaks_its_contract_while_data_come(
    client: Client, kind: str, expected: object
) -> None:
    cursor = client.page().json()["cursor"]["next"]
    good = client.page(cursor).json()
    client.sandbox.inject(Fault(kind))
    body = client.page(cursor).json()
    last = good["cursor"]["next"]
    meant = {"sent": cursor, "less": cursor - 1, "text": str(last), "fraction": last + 0.5}
    wanted = meant.get(expected, expected) if isinstance(expected, str) else expected
    assert body["data"] == good["data"] != []
    assert body["cursor"] == {"next": wanted}
    assert type(body["cursor"]["next"]) is type(wanted)


def test_the_cursor_is_absent_while_data_come(client: Client) -> None:
    client.sandbox.inject(Fault("cursor-absent"))
    assert set(client.page().json()) == {"data"}


def test_a_first_page_without_a_cursor_stands_still_at_0(client: Client) -> None:
    client.sandbox.inject(Fault("cursor-still"))
    assert client.page().json()["cursor"] == {"next": 0}


@pytest.mark.parametrize(("kind", "status"), [("redirect", 302), ("token-redirect", 307)])
def test_a_redirect_leads_to_another_host(client: Client, kind: str, status: int) -> None:
    client.sandbox.inject(Fault(kind))
    client.sandbox.inject(Fault(kind, location="http://127.0.0.3:1/there"))
    answers = client.ask(kind), client.ask(kind)
    path = TOKEN_PATH if kind.startswith("token-") else f"{DATA_PATH}?per_page=10"
    assert [answer.status_code for answer in answers] == [status, status]
    assert [answer.headers["Location"] for answer in answers] == [
        f"http://127.0.0.2:9{path}",
        "http://127.0.0.3:1/there",
    ]


@pytest.mark.parametrize(("kind", "status"), [("leak", 500), ("leak-html", 200), ("leak-403", 403)])
def test_a_leak_repeats_the_secrets_of_the_request(client: Client, kind: str, status: int) -> None:
    client.sandbox.inject(Fault(kind))
    client.sandbox.inject(Fault(f"token-{kind}"))
    page, token = client.page(), client.token()
    assert (page.status_code, token.status_code) == (status, status)
    assert client.sandbox.tokens[0] in page.text
    assert client.sandbox.client_secret in token.text


def test_a_token_answer_lacks_the_token(client: Client) -> None:
    client.sandbox.inject(Fault("token-missing"))
    answer = client.token()
    assert (answer.status_code, "access_token" in answer.json()) == (200, False)


def test_right_credentials_are_refused(client: Client) -> None:
    client.sandbox.inject(Fault("token-refused"))
    answer = client.token()
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - {*SLOW, *(f"token-{k}" for k in SLOW)}))
def test_every_kind_spoils_one_answer_and_no_other(client: Client, kind: str) -> None:
    def outcome() -> tuple[int, str] | None:
        try:
            answer = client.ask(kind)
        except requests.RequestException:
            return None
        text = answer.text
        for token in client.sandbox.tokens:
            text = text.replace(token, "TOKEN")
        return answer.status_code, text

    good = outcome()
    client.sandbox.inject(Fault(kind))
    assert [outcome() == good for _ in range(2)] == [False, True]


# When, and how often


def test_a_fault_waits_for_its_page_and_comes_as_often_as_it_should(client: Client) -> None:
    client.sandbox.inject(Fault("503", page=3, times=2))
    statuses = [client.page().status_code for _ in range(6)]
    assert statuses == [200, 200, 503, 503, 200, 200]
    assert client.sandbox.pages_served == 4


def test_a_page_under_a_fault_is_not_counted_as_served(client: Client) -> None:
    client.sandbox.inject(Fault("cursor-null", times=2))
    client.sandbox.inject(Fault("500", page=2))
    statuses = [client.page().status_code for _ in range(5)]
    assert statuses == [200, 200, 200, 500, 200]


def test_a_page_that_has_gone_by_means_the_next_request(client: Client) -> None:
    client.page()
    client.page()
    client.sandbox.inject(Fault("500"))
    assert [client.page().status_code for _ in range(2)] == [500, 200]


def test_a_fault_may_stay_forever(client: Client) -> None:
    client.sandbox.inject(Fault("404", times=None))
    assert {client.page().status_code for _ in range(20)} == {404}


def test_faults_befall_good_requests_only(client: Client) -> None:
    client.sandbox.inject(Fault("503"))
    bad = requests.get(client.sandbox.url + DATA_PATH, timeout=5)
    assert (bad.status_code, client.page().status_code) == (401, 503)


def test_token_faults_count_tokens(client: Client) -> None:
    client.sandbox.inject(Fault("token-500", page=3))
    assert client.page().status_code == 200
    assert [client.token().status_code for _ in range(3)] == [200, 500, 200]


def test_a_fault_of_a_feed_befalls_that_one_and_counts_its_pages(client: Client) -> None:
    client.sandbox.inject(Fault("503", page=2, feed="close-loop"))
    asked = ("responses", "responses", "close-loop", "responses", "close-loop", "close-loop")
    statuses = [client.page(feed=feed).status_code for feed in asked]
    assert statuses == [200, 200, 200, 200, 503, 200]


def test_a_fault_without_a_feed_counts_the_pages_of_all(client: Client) -> None:
    client.sandbox.inject(Fault("500", page=3))
    asked = ("responses", "close-loop", "non-responses", "responses")
    assert [client.page(feed=feed).status_code for feed in asked] == [200, 200, 500, 200]


def test_a_fault_of_tokens_has_no_feed() -> None:
    with pytest.raises(ValueError, match="close-loop"):
        Fault("token-500", feed="close-loop")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("503", Fault("503")),
        ("503@3x2", Fault("503", page=3, times=2)),
        ("html@2", Fault("html", page=2)),
        ("token-500xforever", Fault("token-500", times=None)),
        ("cursor-textx3", Fault("cursor-text", times=3)),
        ("leak-403@12", Fault("leak-403", page=12)),
        ("close-loop:403xforever", Fault("403", times=None, feed="close-loop")),
        ("non-responses:html@2x3", Fault("html", page=2, times=3, feed="non-responses")),
    ],
)
def test_a_fault_is_spelled_kind_page_times(text: str, fault: Fault) -> None:
    assert parse_fault(text) == fault


@pytest.mark.parametrize(
    "text",
    [
        *("", "503@", "503x0", "503@0", "503@1@2", "quake", "token-no-data"),
        *(":503", "responses:", "close-loop:token-500", "a:b:503"),
    ],
)
def test_a_misspelled_fault_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"fault|form"):
        parse_fault(text)


def test_a_mixture_by_chance_lets_every_third_try_through() -> None:
    def outcomes(seed: int) -> list[int | None]:
        with Sandbox(responses=5, fault_rate=0.6, fault_seed=seed) as sandbox:
            client = Client(sandbox)
            token: requests.Response | None = None
            while token is None or token.status_code != 200:
                with contextlib.suppress(requests.RequestException):
                    token = client.token()
            client.session.headers["Authorization"] = f"Bearer {token.json()['access_token']}"
            for _ in range(60):
                with contextlib.suppress(requests.RequestException):
                    client.page()
            return [request.status for request in sandbox.data_requests]

    statuses = outcomes(4)
    assert statuses == outcomes(4)
    assert statuses != outcomes(5)
    assert {None, 200, 429, 500, 502, 503, 504} == set(statuses)


def test_a_rate_of_faults_is_a_share() -> None:
    with pytest.raises(ValueError, match="0 to 1"):
        Sandbox(responses=0, fault_rate=1.5)
