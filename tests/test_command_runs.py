"""Runs that are interrupted, and runs that meet another run."""

from __future__ import annotations

import json
import signal

from customergauge_source.sandbox import Sandbox
from tests.command import Command, until
from tests.support import environment, run_load
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
        asked = len(sandbox.data_requests)

        assert command(sandbox).code == 0
        assert dict(sandbox.data_requests[asked].query)["cursor"] == str(cursor)
        assert differences(command.file, sandbox.records) == []


def test_a_run_that_is_ended_at_its_start_says_that_nothing_was_committed(
    command: Command,
) -> None:
    with Sandbox(responses=40, latency=5) as sandbox:
        running = command.start(sandbox)
        until(lambda: sandbox.data_requests)
        running.signal(signal.SIGTERM)
        ended = running.finish()

    assert ended.code == 130
    assert "Nothing was committed in this run." in ended.err
    assert loaded(command.file) == []


def test_a_second_run_at_the_same_time_ends_with_6_and_harms_nothing(command: Command) -> None:
    with Sandbox(responses=60, latency=0.5) as sandbox:
        running = command.start(sandbox, "--per-page", "5")
        until(lambda: sandbox.data_requests)
        second = run_load(command.folder, env=environment(command.folder, sandbox))
        first = running.finish()

        assert second.code == 6, second.err
        what, remedy = second.err.splitlines()
        assert "Another run holds the pipeline customergauge" in what
        assert "Wait" in remedy
        assert first.code == 0, first.err
        assert differences(command.file, sandbox.records) == []


def test_a_lock_file_that_a_killed_run_left_does_not_block(command: Command) -> None:
    with Sandbox(responses=60, latency=0.2) as sandbox:
        running = command.start(sandbox, "--per-page", "20")
        until(lambda: sandbox.data_requests)
        running.signal(signal.SIGKILL)
        assert running.finish().code == -signal.SIGKILL

    lock = command.folder / "dlt" / "pipelines" / "customergauge.lock"
    assert lock.exists()
    with Sandbox(responses=60) as sandbox:
        ended = command(sandbox, "--json")
        assert ended.code == 0, ended.err
        assert json.loads(ended.out)["tables"]["responses"] == 60
        assert differences(command.file, sandbox.records) == []
