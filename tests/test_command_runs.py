"""Runs that are interrupted, and runs that meet another run."""

from __future__ import annotations

import signal

from customergauge_source.sandbox import Sandbox
from tests.command import Command, until
from tests.support import asked_cursors
from tests.truth import differences, loaded


def test_an_interrupted_run_says_what_was_committed_and_the_next_completes_it(
    command: Command,
) -> None:
    with Sandbox(responses=400, latency=0.1) as sandbox:
        running = command.start(sandbox, "--per-page", "10", "--checkpoint-pages", "3")
        until(lambda: "checkpoint 2 committed" in running.errors())
        running.signal(signal.SIGINT)
        ended = running.finish()

        assert ended.code == 130, ended.err
        told = ended.err.splitlines()[-2:]
        there = loaded(command.file)
        assert 60 <= len(there) < 400
        cursor = sandbox.keys[len(there) - 1]
        assert told[0] == (
            f"Error: Interrupted. Committed: {len(there)} responses up to cursor {cursor}."
        )
        assert "next run goes on there" in told[1]
        assert "Traceback" not in ended.err
        assert differences(command.file, sandbox.records[: len(there)]) == []

        assert command(sandbox).code == 0
        assert asked_cursors(sandbox)[0] == str(cursor)
        assert differences(command.file, sandbox.records) == []


def test_a_run_that_is_ended_at_its_start_says_that_nothing_was_committed(
    command: Command,
) -> None:
    with Sandbox(responses=40, latency=1) as sandbox:
        running = command.start(sandbox)
        until(lambda: sandbox.data_requests)
        running.signal(signal.SIGTERM)
        ended = running.finish()

    assert ended.code == 130
    assert "Nothing was committed in this run." in ended.err
    assert loaded(command.file) == []
