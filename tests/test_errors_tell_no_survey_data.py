"""An error says what an answer is, never what it holds: it may become an annotation, or a summary.

With `--debug` the beginning of an unexpected answer is logged, as the option says.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from dlt.destinations.exceptions import DatabaseTerminalException

from customergauge_source import explain
from customergauge_source.sandbox import Sandbox
from tests.command import Command
from tests.scripted import TOKEN, Reply, Scripted, scripted
from tests.support import at_length

NAME = "Wilhelmina Zwanenburg-Ö"
PEOPLE: list[Any] = [
    {"number_customergauge": 1, "email": f"{NAME}@example.com", "contact": {"first_name": NAME}}
]
PAGE = json.dumps({"data": PEOPLE, "cursor": {"next": 5.0}}, ensure_ascii=False)
CHUNKS = {"Transfer-Encoding": "chunked", "Content-Type": "application/json"}
ANSWERS = {
    "a cursor that is a fraction": Reply(PAGE.encode()),
    "a cursor that is a name": Reply(PAGE.replace("5.0", f'"{NAME}"').encode()),
    "a body that is cut off": Reply(PAGE.encode()[:-30]),
    "a body without length that is cut off": Reply(PAGE.encode()[:-30], headers={}),
    "Latin-1": Reply(PAGE.encode("latin-1")),
    "another envelope": Reply(json.dumps({"responses": PEOPLE}).encode()),
    "a list": Reply(json.dumps(PEOPLE).encode()),
    "a name for a key": Reply(json.dumps({f"{NAME}@example.com": 1}).encode()),
    "a name for a page": Reply(json.dumps(NAME).encode()),
    "a server error": Reply(PAGE.encode(), 500, "Server Error"),
    "a refusal": Reply(PAGE.encode(), 403, "Forbidden"),
    "a refused token": Reply(PAGE.encode(), 401, "Unauthorized"),
    "no chunks": Reply(PAGE.encode(), headers=CHUNKS),
    "half a chunk": Reply(b"fff\r\n" + PAGE.encode(), headers=CHUNKS),
    "a length that is too short": Reply(PAGE.encode(), headers={"Content-Length": "4"}),
    "no gzip": Reply(PAGE.encode(), headers={"Content-Encoding": "gzip"}),
    "another encoding": Reply(PAGE.encode(), headers={"Content-Encoding": NAME.encode().hex()}),
}
# A cursor, a shape and a text that are wrong, each kind of status, a body that ends too early, and
# what HTTP itself cannot read.
SHORT = (
    *("a cursor that is a name", "a name for a key", "Latin-1", "a server error", "a refusal"),
    *("a refused token", "a body that is cut off", "half a chunk", "another encoding"),
)


def run(command: Command, server: Scripted, *options: str) -> tuple[int, str]:
    """Runs the command as a job of GitHub Actions; returns its code and all that it told."""
    summary = command.folder / "summary.md"
    github = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
    ended = command(server, *options, RUNTIME__REQUEST_MAX_ATTEMPTS="2", **github)
    return ended.code, ended.out + ended.err + summary.read_text("utf-8")


@pytest.mark.parametrize("what", at_length(ANSWERS, short=SHORT))
def test_no_value_of_a_survey_is_told(command: Command, what: str) -> None:
    with scripted(lambda path, *_: TOKEN if "oauth2" in path else ANSWERS[what]) as server:
        code, told = run(command, server)

    assert code in {3, 4}, told
    assert "Error: responses: " in told
    assert "What to do: " in told
    for piece in ("Wilhelmina", "Zwanenburg", NAME.encode().hex()[:12]):
        assert piece not in told


def test_size_type_and_keys_are_told_and_debug_shows_more(command: Command) -> None:
    reply = ANSWERS["a cursor that is a fraction"]
    with scripted(lambda path, *_: TOKEN if "oauth2" in path else reply) as server:
        code, told = run(command, server, "--debug")

    assert code == 4
    size = f"{len(reply.body):,} bytes of application/json with the keys data, cursor."
    assert f"expected cursor.next to be a whole number, not a fraction; it has {size}" in told
    assert f'"first_name": "{NAME}"' in told


def test_what_the_api_says_of_a_refusal_is_told(command: Command) -> None:
    words = {"message": "The selected filter is invalid.", "errors": {"filter": [NAME]}}
    reply = Reply(json.dumps(words).encode(), 422, "Unprocessable")
    with scripted(lambda path, *_: TOKEN if "oauth2" in path else reply) as server:
        _, told = run(command, server)

    assert "422 Unprocessable: The selected filter is invalid.\n" in told
    assert NAME not in told


def test_a_token_answer_is_told_by_its_keys(command: Command, tmp_path: Path) -> None:
    with Sandbox() as sandbox, scripted(lambda *_: Reply(b'{"token": "s3cr3t-9"}')) as server:
        auth = {"SOURCES__CUSTOMERGAUGE__AUTH_URL": server.url}
        ended = command(sandbox, "--debug", **auth)

    assert ended.code == 4, tmp_path
    assert "not 21 bytes of application/json with the keys token." in ended.err
    assert "s3cr3t-9" not in ended.err


@pytest.mark.parametrize(
    "said",
    [
        f"Could not convert string '{NAME} {'of ACME, ' * 60}' to INT64",
        f'invalid input syntax for type bigint: "{NAME}"',
        f'value "{NAME}" is out of range for type integer',
        f"syntax error at LINE 1: INSERT INTO responses VALUES ({NAME})",
        f"cannot cast E'{NAME}'",
    ],
)
def test_what_a_database_quotes_is_not_told_however_long_it_is(said: str) -> None:
    told = str(explain(DatabaseTerminalException(ValueError(said))))

    assert said[:5] in told
    assert NAME not in told
