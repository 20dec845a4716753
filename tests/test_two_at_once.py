"""Two runs at once: the second stops, harms nothing, and a dead one blocks nobody."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from customergauge_source import load_in_checkpoints
from customergauge_source.exceptions import PipelineLockedError
from customergauge_source.sandbox import Fault, Sandbox
from tests.command import Command, held_open, until
from tests.support import environment, make_pipeline, make_source, start_load
from tests.truth import differences, loaded

OPTIONS = ("--per-page", "20", "--checkpoint-pages", "2")


def test_a_second_run_stops_at_once_with_6_and_harms_nothing(command: Command) -> None:
    with Sandbox(responses=120, faults=[Fault("hang", page=5)]) as sandbox:
        patient = environment(command.folder, sandbox, RUNTIME__REQUEST_TIMEOUT="6")
        with start_load(command.folder, *OPTIONS, env=patient) as first:
            until(lambda: sandbox.data_requests and sandbox.data_requests[-1].status is None)
            for more in ((), ("--full-refresh",)):
                started = time.monotonic()
                ended = command(sandbox, *OPTIONS, *more)

                assert ended.code == 6, ended.err
                assert time.monotonic() - started < 20
                what, remedy = ended.err.splitlines()[-2:]
                assert what.startswith("Error: Another run holds the pipeline customergauge (")
                assert remedy.startswith("What to do: Wait for the other run to end")
            assert len(sandbox.token_requests) == 1
            _, err = first.communicate()
        assert first.returncode == 0, err
        assert differences(command.file, sandbox.records) == []


@pytest.mark.long
def test_of_two_runs_that_start_together_one_works_and_none_harms(command: Command) -> None:
    with Sandbox(responses=200, latency=0.05) as sandbox:
        env = environment(command.folder, sandbox)
        pair = [start_load(command.folder, *OPTIONS, env=env) for _ in range(2)]
        ended = [(process.communicate()[1], process.returncode) for process in pair]

        assert sorted(code for _, code in ended) in ([0, 6], [0, 0]), ended
        assert command(sandbox, *OPTIONS).code == 0
        assert differences(command.file, sandbox.records) == []


def test_a_script_of_ones_own_is_kept_out_too(workdir: Path, sandbox: Sandbox) -> None:
    pipeline = make_pipeline(workdir)
    program = (
        "import sys, filelock; held = filelock.FileLock(sys.argv[1]); held.acquire(); print();"
        " input()"
    )
    lock = Path(pipeline.pipelines_dir) / "customergauge.lock"
    with subprocess.Popen(
        [sys.executable, "-c", program, str(lock)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(PipelineLockedError, match="customergauge"):
            load_in_checkpoints(pipeline, make_source(sandbox))
        assert sandbox.requests == []
        load_in_checkpoints(make_pipeline(workdir, "another"), make_source(sandbox))


def test_a_duckdb_file_held_open_ends_with_5_names_it_and_can_be_repeated(
    command: Command,
) -> None:
    with Sandbox(responses=120) as sandbox:
        assert command(sandbox, *OPTIONS, "--max-pages", "2").code == 0
        with held_open(command.file) as holder:
            for options, file in ((OPTIONS, "customergauge.duckdb"), (["--check"], command.file)):
                moved = {"DESTINATION__DUCKDB__CREDENTIALS": str(file)}
                ended = command(sandbox, *options, **moved)
                assert ended.code == 5, ended.err
                what, remedy = ended.err.splitlines()[-2:]
                assert f"The DuckDB file {command.file} is held open" in what
                assert str(holder) in what
                assert remedy.endswith("run again; nothing is lost.")
        assert len(loaded(command.file)) == 40

        assert command(sandbox, *OPTIONS).code == 0
        assert differences(command.file, sandbox.records) == []


@pytest.mark.long
def test_a_duckdb_file_taken_in_mid_run_cannot_stop_or_spoil_it(command: Command) -> None:
    with Sandbox(responses=120, latency=0.1) as sandbox:
        running = command.start(sandbox, *OPTIONS)
        until(lambda: "checkpoint 1 committed" in running.errors())
        with held_open(command.file):
            ended = running.finish()
        assert ended.code in {0, 5}, ended.err
        assert ended.code == 0 or str(command.file) in ended.err

        assert command(sandbox, *OPTIONS).code == 0
        assert differences(command.file, sandbox.records) == []
