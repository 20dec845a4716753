"""Answers with status 200 that are not what the API documents: each is an error, none an end."""

from __future__ import annotations

import re

import pytest

from customergauge_source.exceptions import ApiContractError
from customergauge_source.sandbox import Fault, Sandbox
from tests.command import Command
from tests.scripted import TOKEN, Reply, scripted
from tests.support import at_length, make_source
from tests.truth import differences

BODIES = {
    "html": r"expected JSON in UTF-8; it has [\d,]+ bytes of text/html; charset=UTF-8\.",
    "invalid-json": r"expected JSON in UTF-8; it has [\d,]+ bytes of application/json\.",
    "no-data": r"expected an object with data and cursor; it has .* with the keys message\.",
    "null-data": r"expected data to be a list; it has .* with the keys data, cursor\.",
    "object-data": r"expected data to be a list; it has .* with the keys data, cursor\.",
}
CURSORS = {
    "cursor-text": "expected cursor.next to be a whole number, not a text; it has ",
    "cursor-still": r"expected cursor.next to be greater than \d+, not \d+; it has ",
    "cursor-back": r"expected cursor.next to be greater than \d+, not \d+; it has ",
    "cursor-null": "expected cursor.next to be a whole number, not null; it has ",
    "cursor-absent": "expected cursor.next to be a whole number, not null; it has ",
    "cursor-float": r"expected cursor.next to be a whole number, not a fraction; it has ",
    "cursor-bool": "expected cursor.next to be a whole number, not true; it has ",
}
SAYS = BODIES | CURSORS
STRANGER = [
    b"",
    b"[]",
    b"0",
    b"null",
    b" null\n",
    b"\xef\xbb\xbfnull",
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
    b'{"data": [{"number_customergauge": 1}], "cursor": {"next": "%s"}}' % (b"x" * 9999),
    b'{"data": [], "cursor": {"next": 5}}{"data": []}',
    b'{"data": [NaN], "cursor": {"next": 5}}',
    b"[" * 100_000,
    b"\xff\xfe{}",
]


@pytest.mark.parametrize("kind", SAYS)
@pytest.mark.parametrize("page", [1, 2, 3])
def test_no_broken_answer_ends_the_feed_quietly_or_is_asked_for_again(kind: str, page: int) -> None:
    if page == 1 and kind in {"cursor-still", "cursor-back"}:
        page = 4  # no cursor is sent with the first page
    with Sandbox(responses=100, faults=[Fault(kind, page=page, times=None)]) as sandbox:
        with pytest.raises(ApiContractError) as raised:
            list(make_source(sandbox, per_page=20).responses)

        assert len(sandbox.data_requests) == page
        assert re.search(SAYS[kind], str(raised.value))


@pytest.mark.sampled
@pytest.mark.parametrize("kind", at_length(SAYS, short=["html", "cursor-null"]))
def test_the_pages_before_a_broken_answer_stay_and_the_next_run_completes(
    command: Command, kind: str
) -> None:
    with Sandbox(responses=100, faults=[Fault(kind, page=3)]) as sandbox:
        ended = command(sandbox, "--per-page", "20")

        assert ended.code == 4
        what, remedy = ended.err.splitlines()[-2:]
        assert re.search(SAYS[kind], what)
        assert remedy.startswith("What to do: Nothing of this page was loaded.")
        assert differences(command.file, sandbox.records[:40]) == []

        assert command(sandbox, "--per-page", "20").code == 0
        assert differences(command.file, sandbox.records) == []


@pytest.mark.parametrize(
    "reply",
    [*map(Reply, STRANGER), *(Reply(b"", code, "Whatever") for code in (201, 204, 206))],
    ids=lambda reply: f"{reply.status} {reply.body[:70].decode('ascii', 'replace')}",
)
def test_a_stranger_answer_is_an_error_as_well_and_not_shown_whole(reply: Reply) -> None:
    with scripted(lambda path, *_: TOKEN if "oauth2" in path else reply) as server:
        with pytest.raises(ApiContractError) as raised:
            list(make_source(server).responses)

        assert len(server.paths) == 2
        assert len(str(raised.value)) < 600


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b"null", b"<html>", b'{"access_token": []}', b'{"access_token": ""}'],
)
def test_a_token_answer_without_a_token_is_an_error(body: bytes) -> None:
    with scripted(lambda *_: Reply(body)) as server:
        with pytest.raises(ApiContractError, match="answered without an access_token; expected"):
            list(make_source(server).responses)

        assert len(server.paths) == 1


def test_a_cursor_that_is_a_whole_number_in_a_string_is_accepted(command: Command) -> None:
    with Sandbox(responses=100, faults=[Fault("cursor-string", times=None)]) as sandbox:
        ended = command(sandbox, "--per-page", "20")

        assert ended.code == 0
        assert f"cursor of responses: {sandbox.keys[-1]}" in ended.out
        assert differences(command.file, sandbox.records) == []
