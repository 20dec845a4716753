"""Reading ahead: bounded, without effect on what is committed, and over as soon as the run is."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from customergauge_source import feed as feeds
from customergauge_source import load_in_checkpoints, source
from customergauge_source.client import Page
from customergauge_source.exceptions import ApiUnavailableError
from customergauge_source.feed import Feed
from customergauge_source.query import Query
from customergauge_source.sandbox import Fault, Sandbox
from tests.command import Command, until
from tests.conftest import OpenClient
from tests.support import at_length, make_pipeline, make_source
from tests.truth import as_after_a_crash, differences, stored_cursor

HANGS = {"RUNTIME__REQUEST_TIMEOUT": "60"}


@pytest.fixture
def threads() -> Iterator[None]:
    """Waits for the feeds' threads of a test to end; fails if they do not."""
    yield
    until(lambda: not [t for t in threading.enumerate() if t.name == "customergauge-feed"], 3)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize(("buffer_pages", "held"), [(0, 1), (1, 1), (3.5, 3)])
def test_the_buffer_holds_at_most_its_bytes_or_one_page(
    open_client: OpenClient, buffer_pages: float, held: int
) -> None:
    with Sandbox(responses=200) as sandbox:
        client = open_client(sandbox)
        sizes = [page.size for page in client.pages(Query(per_page=10))]
        before = sandbox.pages_served
        room = int(buffer_pages * max(sizes))
        feed = Feed(partial(client.pages, Query(per_page=10)), client.abandon, buffer_bytes=room)
        pages = feed.pages(None, lambda: 1)
        for taken in range(1, 6):
            next(pages)
            time.sleep(0.1)
            # Beside those in the buffer one more has arrived and waits for room.
            ahead = sandbox.pages_served - before - taken
            assert held <= ahead <= max(room // min(sizes), 1) + 1
        feed.close()


def commits(workdir: Path, sandbox: Sandbox, name: str) -> list[tuple[Any, ...]]:
    """Returns what each checkpoint of a load committed."""
    seen: list[tuple[Any, ...]] = []
    load_in_checkpoints(
        make_pipeline(workdir, name),
        make_source(sandbox, per_page=20),
        checkpoint_pages=2,
        on_checkpoint=lambda summary: seen.append(
            (
                summary.resources["responses"].records,
                summary.resources["responses"].cursor,
                stored_cursor(as_after_a_crash(workdir / f"{name}.duckdb")),
            )
        ),
    )
    assert differences(workdir / f"{name}.duckdb", sandbox.records) == []
    return seen


@pytest.mark.usefixtures("threads")
def test_how_far_is_read_ahead_does_not_change_what_is_committed(
    workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox(responses=100, latency=0.01) as sandbox:
        usual = commits(workdir, sandbox, "usual")
        monkeypatch.setattr(source, "Feed", partial(Feed, buffer_bytes=1))
        tiny = commits(workdir, sandbox, "tiny")

    assert usual == tiny
    assert len(usual) == 3


@pytest.mark.usefixtures("threads")
def test_what_was_read_before_an_error_is_handed_on_first(open_client: OpenClient) -> None:
    with Sandbox(responses=100, faults=[Fault("503", page=4, times=None)]) as sandbox:
        client = open_client(sandbox)
        feed = Feed(partial(client.pages, Query(per_page=20)), client.abandon)
        pages = feed.pages(None, lambda: 1)
        taken: list[Page] = [next(pages) for _ in range(3)]

        assert [page.cursor for page in taken] == [sandbox.keys[n] for n in (19, 39, 59)]
        with pytest.raises(ApiUnavailableError):
            next(pages)
        assert not feed.is_at_end
        feed.close()


def test_an_answer_that_never_ends_is_not_waited_for_without_end(
    open_client: OpenClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "PAGE_TOTAL", 0.5)
    with Sandbox(responses=40, faults=[Fault("hang", page=2)]) as sandbox:
        client = open_client(sandbox, RUNTIME__REQUEST_TIMEOUT="60")
        feed = Feed(partial(client.pages, Query(per_page=20)), client.abandon)
        pages = feed.pages(None, lambda: 1)
        next(pages)

        with pytest.raises(ApiUnavailableError, match="No page has come"):
            next(pages)
        feed.close()


@pytest.mark.usefixtures("threads")
def test_a_failure_elsewhere_ends_the_retries_of_the_reader_at_once(
    workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNTIME__REQUEST_BACKOFF_FACTOR", "60")
    monkeypatch.setenv("RUNTIME__REQUEST_MAX_RETRY_DELAY", "300")

    def fail(_summary: object) -> None:
        until(lambda: len(sandbox.data_requests) == 3)
        raise RuntimeError("elsewhere")

    faults = [Fault("429", page=3, times=None, retry_after=200)]
    with Sandbox(responses=100, faults=faults) as sandbox:
        source = make_source(sandbox, per_page=20)
        with pytest.raises(RuntimeError, match="elsewhere"):
            load_in_checkpoints(
                make_pipeline(workdir), source, checkpoint_pages=2, on_checkpoint=fail
            )


PHASES: dict[str, tuple[Fault, Callable[[Sandbox], bool]]] = {
    "token": (Fault("token-hang", times=None), lambda box: len(box.token_requests) == 1),
    "first page": (Fault("hang", times=None), lambda box: len(box.data_requests) == 1),
    "later page": (Fault("hang", page=4, times=None), lambda box: len(box.data_requests) == 4),
    "wait": (
        Fault("503", page=4, times=None, retry_after=100),
        lambda box: len(box.data_requests) == 4,
    ),
}


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize(
    "number", at_length([signal.SIGINT, signal.SIGTERM], short=[signal.SIGTERM])
)
def test_an_interrupt_ends_the_run_promptly_while_the_server_hangs(
    command: Command, number: signal.Signals, phase: str
) -> None:
    fault, is_reached = PHASES[phase]
    with Sandbox(responses=100, faults=[fault]) as sandbox:
        options = ("--per-page", "20", "--checkpoint-pages", "3", "--json")
        patient = {"RUNTIME__REQUEST_MAX_RETRY_DELAY": "300", **HANGS}
        running = command.start(sandbox, *options, **patient)
        until(lambda: is_reached(sandbox))
        if fault.page > 1:
            until(lambda: "checkpoint 1 committed" in running.errors())
        time.sleep(0.3)
        started = time.monotonic()
        running.signal(number)
        ended = running.finish()

        assert time.monotonic() - started < 20
        assert ended.code == 130
        assert ended.out == ""
        committed = (
            f"Committed: 60 responses up to cursor {sandbox.keys[59]}."
            if fault.page > 1
            else "Nothing was committed in this run."
        )
        assert ended.err.splitlines()[-2:] == [
            f"Error: Interrupted. {committed}",
            "What to do: Run again: the next run goes on there.",
        ]
    if phase == "later page" and number == signal.SIGTERM:
        with Sandbox(responses=100) as healthy:
            assert command(healthy, *options).code == 0
            assert differences(command.file, healthy.records) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda it: it.name)
def test_an_interrupt_ends_a_check_promptly(command: Command, number: signal.Signals) -> None:
    with Sandbox(faults=[Fault("token-hang", times=None)]) as sandbox:
        running = command.start(sandbox, "--check", **HANGS)
        until(lambda: sandbox.token_requests)
        started = time.monotonic()
        running.signal(number)

        assert running.finish().code == 130
        assert time.monotonic() - started < 20
