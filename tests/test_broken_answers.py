"""Answers with status 200 that are not what the API documents: each is an error, none an end."""

from __future__ import annotations

import re

import pytest

from customergauge_source.exceptions import ApiContractError
from customergauge_source.query import Query
from customergauge_source.sandbox import Fault, Sandbox
from tests.command import Command
from tests.conftest import OpenClient
from tests.scripted import Reply, scripted
from tests.support import at_length
from tests.truth import differences, loaded

OPTIONS = ("--per-page", "20", "--checkpoint-pages", "1")
SHOWN = 200
BODIES = {
    "html": "expected JSON; it begins: <!DOCTYPE html>",
    "invalid-json": 'expected JSON; it begins: {"data":[{',
    "no-data": 'expected an object with data and cursor; it begins: {"message":"ok"}',
    "null-data": 'expected data to be a list; it begins: {"data":null,"cursor":{"next":',
    "object-data": 'expected data to be a list; it begins: {"data":{"0":{',
}
CURSORS = {
    "cursor-text": "expected cursor.next to be a whole number, not 'abc'; it begins: ",
    "cursor-still": "expected cursor.next to be greater than ",
    "cursor-back": "expected cursor.next to be greater than ",
    "cursor-null": "expected cursor.next to be a whole number, not None; it begins: ",
    "cursor-absent": "expected cursor.next to be a whole number, not None; it begins: ",
    "cursor-float": ".5; it begins: ",
    "cursor-bool": "expected cursor.next to be a whole number, not True; it begins: ",
}
SAYS = BODIES | CURSORS
TOKEN = Reply(b'{"access_token": "scripted-token-91ab", "expires_in": 3600}')


def assert_says_what_was_expected(what: str, kind: str) -> None:
    assert SAYS[kind] in what
    assert 0 < len(re.sub(r".*; it begins: ", "", what)) <= SHOWN + 1


@pytest.mark.parametrize("kind", at_length(SAYS, short=["html", "null-data", "cursor-null"]))
def test_an_answer_that_breaks_the_contract_ends_with_4_and_says_what_was_expected(
    command: Command, kind: str
) -> None:
    with Sandbox(responses=100, faults=[Fault(kind, page=3, times=None)]) as sandbox:
        ended = command(sandbox, "--per-page", "20")

        assert ended.code == 4
        assert len(sandbox.data_requests) == 3
        what, remedy = ended.err.splitlines()[-2:]
        assert_says_what_was_expected(what, kind)
        assert remedy.startswith("What to do: Nothing of this page was loaded.")
        assert differences(command.file, sandbox.records[:40]) == []  # the pages before


@pytest.mark.parametrize("kind", SAYS)
@pytest.mark.parametrize("page", [1, 2, 3])
def test_no_broken_answer_ends_the_feed_quietly_or_is_asked_for_again(
    open_client: OpenClient, kind: str, page: int
) -> None:
    if page == 1 and kind in {"cursor-still", "cursor-back"}:
        page = 4  # no cursor is sent with the first page
    with Sandbox(responses=100, faults=[Fault(kind, page=page, times=None)]) as sandbox:
        pages = open_client(sandbox).pages(Query(per_page=20))

        with pytest.raises(ApiContractError) as raised:
            list(pages)
        assert len(sandbox.data_requests) == page
    assert_says_what_was_expected(str(raised.value), kind)


@pytest.mark.parametrize(
    "kind",
    at_length(["html", "null-data", "cursor-still", "cursor-null"], short=["html", "cursor-still"]),
)
def test_checkpoints_before_a_broken_answer_stay_and_the_next_run_completes(
    command: Command, kind: str
) -> None:
    with Sandbox(responses=100, faults=[Fault(kind, page=3)]) as sandbox:
        assert command(sandbox, *OPTIONS).code == 4
        assert len(loaded(command.file)) == 40

        assert command(sandbox, "--per-page", "20").code == 0
        assert differences(command.file, sandbox.records) == []


@pytest.mark.parametrize("kind", CURSORS)
def test_an_answer_with_a_broken_cursor_is_shown_too(open_client: OpenClient, kind: str) -> None:
    with Sandbox(responses=100, faults=[Fault(kind, page=3)]) as sandbox:
        with pytest.raises(ApiContractError) as raised:
            list(open_client(sandbox).pages(Query(per_page=20)))

        first = sandbox.records[40]["number_customergauge"]
        assert '{"data":[{"status":"response",' in str(raised.value)
        assert str(first) in str(raised.value)


def test_an_absurd_cursor_is_not_shown_whole(open_client: OpenClient) -> None:
    page = Reply(
        b'{"data": [{"number_customergauge": 1}], "cursor": {"next": "%s"}}' % (b"x" * 9999)
    )
    with scripted(lambda path, *_: TOKEN if "oauth2" in path else page) as server:
        with pytest.raises(ApiContractError) as raised:
            list(open_client(server).pages(Query()))

        assert len(str(raised.value)) < 3 * SHOWN


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"0",
        b'"data"',
        b"{}",
        b'{"data": 1}',
        b'{"data": "x"}',
        b'{"data": {}}',
        b'{"data": false}',
        b'{"cursor": {"next": 5}}',
        b'{"data": [{"number_customergauge": 1}], "cursor": []}',
        b'{"data": [{"number_customergauge": 1}], "cursor": 5}',
        b'{"data": [{"number_customergauge": 1}], "cursor": {"next": -1.0}}',
        b'{"data": [{"number_customergauge": 1}], "cursor": {"next": []}}',
        b'{"data": [{"number_customergauge": 1}], "cursor": {"next": ""}}',
        b'{"data": [{"number_customergauge": 1}], "cursor": {"next": "5.0"}}',
        b'{"data": [{"number_customergauge": 1}], "cursor": {"next": "\xd9\xa5"}}',
        b'{"data": [], "cursor": {"next": 5}}{"data": []}',
        b'{"data": [NaN], "cursor": {"next": 5}}',
        b"[" * 100_000,
        b"\xff\xfe{}",
    ],
    ids=lambda body: body[:70].decode("ascii", "replace"),
)
def test_a_stranger_answer_is_an_error_as_well(open_client: OpenClient, body: bytes) -> None:
    with scripted(lambda path, *_: TOKEN if "oauth2" in path else Reply(body)) as server:
        with pytest.raises(ApiContractError):
            list(open_client(server).pages(Query()))

        assert len(server.paths) == 2


@pytest.mark.parametrize("body", [b"null", b" null\n", b"\xef\xbb\xbfnull"])
def test_an_answer_that_is_null_ends_with_4_and_not_with_a_crash(
    command: Command, body: bytes
) -> None:
    with scripted(lambda path, *_: TOKEN if "oauth2" in path else Reply(body)) as server:
        ended = command(server)

    assert ended.code == 4
    assert "expected" in ended.err


@pytest.mark.parametrize("code", [201, 204, 206])
def test_no_other_success_is_taken_for_a_page(open_client: OpenClient, code: int) -> None:
    def answer(path: str, *_: str) -> Reply:
        return TOKEN if "oauth2" in path else Reply(b"", code, "Whatever")

    with scripted(answer) as server, pytest.raises(ApiContractError):
        list(open_client(server).pages(Query()))


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b"null", b"<html>", b'{"access_token": []}', b'{"access_token": ""}'],
)
def test_a_token_answer_without_a_token_is_an_error(open_client: OpenClient, body: bytes) -> None:
    with scripted(lambda *_: Reply(body)) as server:
        with pytest.raises(ApiContractError, match="expected a JSON object"):
            list(open_client(server).pages(Query()))

        assert len(server.paths) == 1


@pytest.mark.parametrize(
    "kind", ["token-html", "token-invalid-json", "token-missing", "token-leak-html"]
)
def test_a_token_endpoint_that_breaks_its_contract_ends_with_4(command: Command, kind: str) -> None:
    with Sandbox(responses=20, faults=[Fault(kind)]) as sandbox:
        ended = command(sandbox)

        assert ended.code == 4
        assert "answered without an access_token" in ended.err
        assert len(sandbox.requests) == 1


def test_a_cursor_that_is_a_whole_number_in_a_string_is_accepted(command: Command) -> None:
    with Sandbox(responses=100, faults=[Fault("cursor-string", times=None)]) as sandbox:
        ended = command(sandbox, "--per-page", "20")

        assert ended.code == 0
        assert f"cursor of responses: {sandbox.keys[-1]}" in ended.out
        assert differences(command.file, sandbox.records) == []
