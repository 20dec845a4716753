"""What an API may do at worst: answer without measure, go round in circles, or be cut off."""

from __future__ import annotations

import gzip
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from customergauge_source.api.paginator import REPEATED_PAGES
from customergauge_source.exceptions import ApiContractError, ApiUnavailableError
from tests.command import Command
from tests.scripted import TOKEN, Reply, scripted
from tests.support import LOAD, environment, read
from tests.truth import loaded

PACKED = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
MIB = 1024 * 1024
MEASURE = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
"""Runs a command: its code, and its memory at most. A process is told to have what its parent had
when it was forked, so the parent has to be small."""


def expands_to(mebibytes: int) -> bytes:
    """Returns gzip of an answer that is this large, unpacked."""
    packed = gzip.compress(b" " * (16 * MIB), mtime=0)  # members may follow one another
    return gzip.compress(b'{"data": []', mtime=0) + packed * (mebibytes // 16)


def page(*keys: int, following: int) -> bytes:
    """Returns a page of records."""
    records = [{"number_customergauge": key} for key in keys]
    return json.dumps({"data": records, "cursor": {"next": following}}).encode()


def cursor(path: str) -> int:
    """Returns the cursor of a request."""
    return int(parse_qs(urlsplit(path).query).get("cursor", ["0"])[0])


def feed(answer: Callable[[int], bytes]) -> Callable[[str, str, str], Reply]:
    """Returns what answers a cursor."""
    return lambda path, *_: TOKEN if "oauth2" in path else Reply(answer(cursor(path)))


@pytest.mark.parametrize("what", ["page", "token", "error"])
def test_an_answer_that_expands_without_measure_is_given_up(what: str) -> None:
    bomb = Reply(expands_to(512), 500 if what == "error" else 200, "Whatever", PACKED)
    with scripted(
        lambda path, *_: TOKEN if "oauth2" in path and what != "token" else bomb
    ) as server:
        with pytest.raises(ApiContractError, match="more than 8,388,608 bytes"):
            read(server, max_answer_bytes=8 * MIB)

        assert len(server.paths) == (1 if what == "token" else 2)


def test_an_answer_that_is_given_up_takes_no_memory(tmp_path: Path) -> None:
    bomb = Reply(expands_to(1024), headers=PACKED)
    with scripted(lambda path, *_: TOKEN if "oauth2" in path else bomb) as server:
        limit = {"SOURCES__CUSTOMERGAUGE__MAX_ANSWER_BYTES": str(8 * MIB)}
        ended = subprocess.run(
            [sys.executable, "-c", MEASURE, sys.executable, str(LOAD)],
            cwd=tmp_path,
            env=environment(tmp_path, server, **limit),
            capture_output=True,
            text=True,
            check=True,
        )

    code, peak = map(int, ended.stdout.split())
    assert code == 4
    assert peak < 500 * 1024


def test_the_size_of_an_answer_is_a_setting_and_a_larger_one_ends_with_4(command: Command) -> None:
    setting = {"SOURCES__CUSTOMERGAUGE__MAX_ANSWER_BYTES": str(8 * MIB)}
    bomb = Reply(expands_to(16), headers=PACKED)
    with scripted(lambda path, *_: TOKEN if "oauth2" in path else bomb) as server:
        ended = command(server, **setting)

    assert ended.code == 4, ended.err
    what, remedy = ended.err.splitlines()[-2:]
    assert what.endswith(" answered with more than 8,388,608 bytes.")
    assert "Set a smaller per_page; or max_answer_bytes" in remedy


def test_an_answer_as_large_as_allowed_is_taken() -> None:
    def answer(at: int) -> bytes:
        return page(*([1] if at == 0 else []), following=5)

    with scripted(feed(answer)) as server:
        size = len(answer(0))
        assert len(read(server, max_answer_bytes=max(size, len(TOKEN.body)))) == 1
        with pytest.raises(ApiContractError, match="more than 20 bytes"):
            read(server, max_answer_bytes=20)


def test_the_usual_limit_is_a_quarter_of_a_gibibyte() -> None:
    bomb = Reply(expands_to(272), headers=PACKED)
    server = scripted(lambda path, *_: TOKEN if "oauth2" in path else bomb)
    with server as running, pytest.raises(ApiContractError, match="more than 268,435,456 bytes"):
        read(running)


@pytest.mark.long
def test_a_feed_that_goes_round_ends_with_4_and_what_it_brought_is_loaded(
    command: Command,
) -> None:
    """The same thousand records, on pages of a hundred, under a cursor that grows for ever."""

    def answer(at: int) -> bytes:
        first = at % 1000
        return page(*range(first + 1, first + 101), following=at + 100)

    with scripted(feed(answer)) as server:
        ended = command(server, "--per-page", "100")

        ahead = 1  # page was asked for when the last one was looked at
        assert len(server.paths) == 1 + 10 + REPEATED_PAGES + ahead
    assert ended.code == 4, ended.err
    assert f"expected a new record on one of the last {REPEATED_PAGES} pages" in ended.err
    assert loaded(command.file) == [*range(1, 1001)]


@pytest.mark.long
def test_a_feed_that_repeats_itself_between_news_is_read_to_its_end() -> None:
    """Ninety-nine times the same, then a record that is new, three times over."""

    def answer(at: int) -> bytes:
        if at == 3 * REPEATED_PAGES:
            return page(following=at)
        return page(1 + at // REPEATED_PAGES, following=at + 1)

    with scripted(feed(answer)) as server:
        assert {it["number_customergauge"] for it in read(server)} == {1, 2, 3}


def test_entries_that_are_no_records_are_news_as_long_as_they_differ() -> None:
    def answer(at: int) -> bytes:
        entry = at if at < REPEATED_PAGES + 5 else 0
        return json.dumps({"data": [str(entry)], "cursor": {"next": at + 1}}).encode()

    with scripted(feed(answer)) as server:
        with pytest.raises(ApiContractError, match="expected a new record"):
            read(server)
        assert len(server.paths) > 2 * REPEATED_PAGES


@pytest.mark.parametrize("what", ["page", "token"])
@pytest.mark.parametrize(
    ("headers", "length"), [({}, 0), ({}, 1), ({}, -1), (PACKED, 0), (PACKED, 12), (PACKED, -20)]
)
def test_a_body_that_ends_with_its_connection_too_early_is_asked_for_again(
    what: str, headers: dict[str, str], length: int
) -> None:
    whole = page(1, following=5)
    if what == "token":
        whole = TOKEN.body
    sent = gzip.compress(whole, mtime=0) if headers else whole
    again = [Reply(sent[:length], headers=headers)]

    def answer(path: str, *_: str) -> Reply:
        is_token = "oauth2" in path
        if is_token == (what == "token") and again:
            return again.pop()
        return TOKEN if is_token else Reply(page(*([] if cursor(path) else [1]), following=5))

    with scripted(answer) as server:
        assert [it["number_customergauge"] for it in read(server)] == [1]
        assert len(server.paths) == 4


@pytest.mark.parametrize("between", [[], [Reply(b"", 503, "Busy")]])
def test_a_body_that_is_cut_off_twice_breaks_the_contract(between: list[Reply]) -> None:
    cut = Reply(page(1, following=5)[:-3], headers={"Content-Type": "application/json"})
    answers = iter([TOKEN, cut, *between, cut])
    with scripted(lambda *_: next(answers)) as server:
        with pytest.raises(ApiContractError, match="twice: the answer was cut off, after 59 bytes"):
            read(server)
        assert len(server.paths) == 3 + len(between)


def test_a_body_that_is_cut_off_at_the_only_try_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNTIME__REQUEST_MAX_ATTEMPTS", "1")
    cut = Reply(page(1, following=5)[:-3], headers={"Content-Type": "application/json"})
    server = scripted(lambda path, *_: TOKEN if "oauth2" in path else cut)
    message = "after 1 try; last error: the answer was cut off, after 59 bytes"
    with server as running, pytest.raises(ApiUnavailableError, match=message):
        read(running)


def test_a_whole_body_that_ends_with_its_connection_is_taken() -> None:
    def answer(path: str, *_: str) -> Reply:
        if "oauth2" in path:
            return TOKEN._replace(headers={})
        return Reply(page(*([] if cursor(path) else [1]), following=5), headers={})

    with scripted(answer) as server:
        assert len(read(server)) == 1


def test_a_large_answer_does_not_keep_a_run_from_being_interrupted(command: Command) -> None:
    bomb = Reply(expands_to(4096), headers=PACKED)
    with scripted(lambda path, *_: TOKEN if "oauth2" in path else bomb) as server:
        running = command.start(server, SOURCES__CUSTOMERGAUGE__MAX_ANSWER_BYTES=str(8192 * MIB))
        while len(server.paths) < 2:
            time.sleep(0.01)
        time.sleep(0.3)
        running.signal(signal.SIGINT)
        started = time.monotonic()
        ended = running.finish()

    assert ended.code == 130, ended.err
    assert time.monotonic() - started < 3
