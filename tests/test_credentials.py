"""OAuth: one token for its life, renewed once, and secrets where they belong."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs

import pytest

from customergauge_source.sandbox import Fault, Sandbox
from customergauge_source.settings import __version__
from tests.command import Command
from tests.support import make_pipeline, make_source
from tests.truth import differences, loaded


def cursors(sandbox: Sandbox) -> list[str | None]:
    """Returns the cursors that the API was asked with, page by page."""
    return [dict(request.query).get("cursor") for request in sandbox.data_requests]


def test_the_token_is_asked_for_with_a_form_used_for_every_page_and_in_no_url(
    workdir: Path, sandbox: Sandbox
) -> None:
    make_pipeline(workdir).run(make_source(sandbox, per_page=50))

    (token,) = sandbox.token_requests
    assert token.method == "POST"
    assert token.header("Content-Type") == "application/x-www-form-urlencoded"
    assert parse_qs(token.body) == {
        "grant_type": ["client_credentials"],
        "client_id": [sandbox.client_id],
        "client_secret": [sandbox.client_secret],
    }
    assert len(sandbox.data_requests) == 7
    for request in sandbox.data_requests:
        assert request.method == "GET"
        assert request.header("Authorization") == f"Bearer {sandbox.tokens[0]}"
    for request in sandbox.requests:
        assert request.header("User-Agent") == f"customergauge-source/{__version__}"
        url = f"{request.path} {request.query}"
        for secret in (sandbox.client_id, sandbox.client_secret, *sandbox.tokens):
            assert secret not in url


def test_a_401_in_mid_run_renews_the_token_and_asks_for_the_same_page_again(
    workdir: Path,
) -> None:
    with Sandbox(responses=60, faults=[Fault("401", page=3)]) as sandbox:
        make_pipeline(workdir).run(make_source(sandbox, per_page=20))

        assert differences(workdir / "customergauge.duckdb", sandbox.records) == []
        first, second, third = (str(sandbox.keys[place]) for place in (19, 39, 59))
        assert cursors(sandbox) == [None, first, second, second, third]
        assert [request.status for request in sandbox.data_requests] == [200, 200, 401, 200, 200]
        old, new = sandbox.tokens
        used = [request.header("Authorization") for request in sandbox.data_requests]
        assert used == [f"Bearer {token}" for token in (old, old, old, new, new)]


def test_a_token_is_renewed_before_it_expires_when_its_life_is_known(workdir: Path) -> None:
    with Sandbox(responses=20, latency=0.3, token_life=0.7) as sandbox:
        make_pipeline(workdir).run(make_source(sandbox, per_page=5))

        assert differences(workdir / "customergauge.duckdb", sandbox.records) == []
        assert 2 <= len(sandbox.tokens) <= 5


@pytest.mark.parametrize("wrong", ["ID", "SECRET"])
def test_wrong_credentials_end_the_command_with_3_at_the_first_refusal(
    command: Command, sandbox: Sandbox, wrong: str
) -> None:
    env = {f"SOURCES__CUSTOMERGAUGE__CREDENTIALS__CLIENT_{wrong}": "not-the-right-one"}

    ended = command(sandbox, **env)

    assert ended.code == 3
    assert [request.status for request in sandbox.requests] == [401]
    what, remedy = ended.err.splitlines()
    assert "refused the credentials" in what
    assert "client_id and client_secret" in remedy
    assert "not-the-right-one" not in ended.err + ended.out


@pytest.mark.long
def test_a_second_401_ends_the_command_with_3_and_keeps_what_was_committed(
    command: Command,
) -> None:
    with Sandbox(responses=80, faults=[Fault("401", page=4, times=2)]) as sandbox:
        ended = command(sandbox, "--per-page", "20", "--checkpoint-pages", "2")

        assert ended.code == 3
        assert [request.status for request in sandbox.data_requests[3:]] == [401, 401]
        assert len(sandbox.token_requests) == 2
        assert len(loaded(command.file)) == 60
        assert command(sandbox).code == 0
        assert differences(command.file, sandbox.records) == []


def test_every_request_has_a_time_out(command: Command) -> None:
    patience = {"RUNTIME__REQUEST_TIMEOUT": "0.2", "RUNTIME__REQUEST_MAX_ATTEMPTS": "2"}
    for kind in ("token-hang", "hang"):
        with Sandbox(responses=20, faults=[Fault(kind, times=None)]) as sandbox:
            ended = command(sandbox, **patience)

        assert ended.code == 4
        assert "Timeout" in ended.err
        assert "2 tries" in ended.err
