"""The log and the summary may go nowhere: the load stands, and the exit code says so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from customergauge_source.sandbox import Sandbox
from tests.support import LOAD, at_length, environment, start_load
from tests.truth import differences

pytestmark = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")


def in_shell(folder: Path, sandbox: Sandbox, redirection: str, *options: str) -> tuple[int, str]:
    """Runs the command with redirected streams; returns its code and its errors."""
    line = f'"$0" "$@" {redirection}'
    ended = subprocess.run(
        ["sh", "-c", line, sys.executable, str(LOAD), *options],
        cwd=folder,
        env=environment(folder, sandbox),
        capture_output=True,
        text=True,
        check=False,
    )
    return ended.returncode, ended.stderr


@pytest.mark.parametrize(
    "redirection",
    at_length(
        [">/dev/full", ">&-", "2>/dev/full", "2>&-", ">&- 2>&-"],
        short=[">/dev/full", ">&- 2>&-"],
    ),
)
def test_a_stream_that_is_closed_or_full_does_not_undo_a_load(
    tmp_path: Path, redirection: str
) -> None:
    with Sandbox(responses=40) as sandbox:
        code, errors = in_shell(tmp_path, sandbox, redirection, "--json")

        assert code == 0, errors
        assert differences(tmp_path / "customergauge.duckdb", sandbox.records) == []
    assert "Traceback" not in errors
    if redirection == ">/dev/full":
        assert "Warning: Nobody reads standard output, or it is full. What was loaded stands." in (
            errors
        )


def test_an_error_has_its_code_where_nobody_reads_it(tmp_path: Path) -> None:
    with Sandbox(responses=40) as sandbox:
        code, _ = in_shell(tmp_path, sandbox, ">&- 2>/dev/full", "--per-page", "0")
        assert code == 2
        code, _ = in_shell(tmp_path, sandbox, "2>/dev/full", "--resources", "mars")
        assert code == 2


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_reader_that_ends_does_not_end_the_load(tmp_path: Path, stream: str) -> None:
    """It ends after the first checkpoint was told; more are told to nobody."""
    options = ("--per-page", "20", "--checkpoint-pages", "1", "--json")
    with Sandbox(responses=100, latency=0.05) as sandbox:
        with start_load(tmp_path, *options, env=environment(tmp_path, sandbox)) as process:
            assert process.stderr is not None
            assert process.stdout is not None
            assert "checkpoint 1 committed" in process.stderr.readline()
            getattr(process, stream).close()
            told = (process.stderr if stream == "stdout" else process.stdout).read()

        assert process.returncode == 0, told
        assert differences(tmp_path / "customergauge.duckdb", sandbox.records) == []
    if stream == "stdout":
        assert "What was loaded stands." in told
    else:
        assert json.loads(told)["caught_up"]


def test_a_file_of_data_does_not_take_the_place_of_a_closed_stream(tmp_path: Path) -> None:
    with Sandbox(responses=5) as sandbox:
        script = (
            "import os; from customergauge_source.cli import load; load.main(['--json']);"
            "links = [os.readlink(f'/proc/self/fd/{number}') for number in (1, 2)];"
            "open('streams', 'w').write(' '.join(links))"
        )
        subprocess.run(
            ["sh", "-c", '"$0" -c "$1" >&- 2>&-', sys.executable, script],
            cwd=tmp_path,
            env=environment(tmp_path, sandbox, PYTHONPATH=str(LOAD.parents[1])),
            check=True,
        )
    assert (tmp_path / "streams").read_text() == f"{os.devnull} {os.devnull}"
