"""Reading ahead: bounded, without effect on what is committed, and over as soon as the run is."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from customergauge_source import LoadSummary, load_in_checkpoints
from customergauge_source.api import packaged_feed
from customergauge_source.api.read_ahead import Feed
from customergauge_source.exceptions import UnknownFieldError
from customergauge_source.sandbox import Fault, Sandbox
from tests.command import Command, until
from tests.support import asked_cursors, at_length, make_pipeline, make_source
from tests.truth import as_after_a_crash, differences, stored_cursor

ALIKE = {"number_customergauge": 100, "nps": 9, "email": "x" * 300}
HANGS = {"RUNTIME__REQUEST_TIMEOUT": "60"}


@pytest.fixture
def threads() -> Iterator[None]:
    """Waits for the feeds' threads of a test to end; fails if they do not."""
    yield
    until(lambda: not [t for t in threading.enumerate() if t.name == "customergauge-feed"], 3)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize(("buffer_pages", "held"), [(0, 1), (1, 1), (3.5, 3)])
def test_the_buffer_holds_at_most_its_bytes_or_one_page(
    workdir: Path, monkeypatch: pytest.MonkeyPatch, buffer_pages: float, held: int
) -> None:
    ahead: list[int] = []

    def look(summary: LoadSummary) -> None:
        time.sleep(0.1)
        ahead.append(sandbox.pages_served - summary.resources["responses"].pages)

    size = len(json.dumps(ALIKE, separators=(",", ":"))) * 10 + 50
    monkeypatch.setattr(packaged_feed, "Feed", partial(Feed, buffer_bytes=int(buffer_pages * size)))
    with Sandbox(records=[ALIKE | {"number_customergauge": n} for n in range(100, 220)]) as sandbox:
        load_in_checkpoints(
            make_pipeline(workdir),
            make_source(sandbox, per_page=10),
            checkpoint_pages=1,
            max_pages=9,
            on_checkpoint=look,
        )

    # Beside those in the buffer one waits for room, one is extracted, and one is asked for.
    assert ahead[:3] == [held + 3] * 3


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


@pytest.mark.long
@pytest.mark.usefixtures("threads")
def test_how_far_is_read_ahead_does_not_change_what_is_committed(
    workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox(responses=100, latency=0.01) as sandbox:
        usual = commits(workdir, sandbox, "usual")
        monkeypatch.setattr(packaged_feed, "Feed", partial(Feed, buffer_bytes=1))
        tiny = commits(workdir, sandbox, "tiny")

    assert usual == tiny
    assert len(usual) == 3


def test_a_commit_is_told_while_the_next_page_is_waited_for(
    workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class ToldError(Exception):
        pass

    def tell(summary: LoadSummary) -> None:
        assert summary.resources["responses"].pages == sandbox.pages_served == 2
        raise ToldError  # nobody has to wait for as long as the third page does

    monkeypatch.setenv("RUNTIME__REQUEST_MAX_RETRY_DELAY", "100")
    with Sandbox(responses=100, faults=[Fault("429", page=3, retry_after=60)]) as sandbox:
        source = make_source(sandbox, per_page=20)
        with pytest.raises(ToldError):
            load_in_checkpoints(
                make_pipeline(workdir), source, checkpoint_pages=2, on_checkpoint=tell
            )


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
        time.sleep(0.5)

        assert len(sandbox.data_requests) == 3


@pytest.mark.usefixtures("threads")
def test_a_page_that_is_refused_ends_the_retries_of_the_next_one_at_once(
    workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNTIME__REQUEST_MAX_RETRY_DELAY", "300")
    records = [ALIKE | {"number_customergauge": n} for n in range(100, 103)]
    faults = [Fault("429", page=3, times=None, retry_after=200)]
    with Sandbox(records=[records[0], records[1] | {"mood": 1}, records[2]], faults=faults) as it:
        source = make_source(it, per_page=1, unknown_fields="fail")
        started = time.monotonic()
        with pytest.raises(UnknownFieldError, match="mood"):
            load_in_checkpoints(make_pipeline(workdir), source)

    assert time.monotonic() - started < 100


PHASES: dict[str, tuple[Fault, Callable[[Sandbox], bool]]] = {
    "token": (Fault("token-hang", times=None), lambda box: len(box.token_requests) == 1),
    "first page": (Fault("hang", times=None), lambda box: len(box.data_requests) == 1),
    "later page": (Fault("hang", page=4, times=None), lambda box: len(box.data_requests) == 4),
    "wait": (
        Fault("503", page=4, times=None, retry_after=100),
        lambda box: len(box.data_requests) == 4,
    ),
}


@pytest.mark.sampled
@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize(
    "number", at_length([signal.SIGINT, signal.SIGTERM], short=[signal.SIGTERM])
)
def test_an_interrupt_ends_the_run_promptly_and_says_what_was_committed(
    command: Command, number: signal.Signals, phase: str
) -> None:
    fault, is_reached = PHASES[phase]
    options = ("--per-page", "20", "--checkpoint-pages", "3", "--json")
    with Sandbox(responses=100, faults=[fault]) as sandbox:
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
            f"Committed: 60 responses (cursor {sandbox.keys[59]})."
            if fault.page > 1
            else "Nothing was committed in this run."
        )
        assert ended.err.splitlines()[-2:] == [
            f"Error: Interrupted. {committed}",
            "What to do: Run again: nothing is lost, and nothing comes twice.",
        ]
    if phase == "later page":
        with Sandbox(responses=100) as healthy:
            assert command(healthy, *options).code == 0
            assert asked_cursors(healthy)[0] == str(healthy.keys[59])
            assert differences(command.file, healthy.records) == []


def test_an_interrupt_ends_a_check_promptly(command: Command) -> None:
    with Sandbox(faults=[Fault("token-hang", times=None)]) as sandbox:
        running = command.start(sandbox, "--check", **HANGS)
        until(lambda: sandbox.token_requests)
        started = time.monotonic()
        running.signal(signal.SIGTERM)

        assert running.finish().code == 130
        assert time.monotonic() - started < 20
