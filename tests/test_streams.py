"""The log and the summary may go nowhere: the load stands, and the exit code says so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from customergauge_source.sandbox import Fault, Sandbox
from tests.command import Command
from tests.support import LOAD, ROOT, at_length, environment, start_load
from tests.truth import differences

FULL = Path("/dev/full")
pytestmark = pytest.mark.skipif(not FULL.exists(), reason="needs a device that is always full")
REDIRECTED = """
import os, runpy
{}
runpy.run_path({!r}, run_name="__main__")
"""
AT_FULL = "os.dup2(os.open('/dev/full', os.O_WRONLY), {})"


@pytest.mark.parametrize("streams", at_length([(1,), (2,), (1, 2)], short=[(1,)]), ids=str)
def test_a_stream_that_is_full_does_not_undo_a_load(
    command: Command, streams: tuple[int, ...]
) -> None:
    command.program = command.folder / "program.py"
    full = "; ".join(AT_FULL.format(number) for number in streams)
    command.program.write_text(REDIRECTED.format(full, str(LOAD)), "utf-8")
    with Sandbox(responses=40) as sandbox:
        ended = command(sandbox, "--json")

        assert ended.code == 0, ended.err
        assert differences(command.file, sandbox.records) == []
        told = "Warning: Nobody reads standard output, or it is full. What was loaded stands.\n"
        assert ended.err.endswith(told) is (streams == (1,))

        assert command(sandbox, "--timezone", "Mars/Olympus").code == 2


def test_a_summary_in_an_encoding_that_lacks_its_characters_is_written_all_the_same(
    command: Command,
) -> None:
    command.program = command.folder / "program.py"
    ascii_alone = "import sys; sys.stdout.reconfigure(encoding='ascii', errors='strict')"
    command.program.write_text(REDIRECTED.format(ascii_alone, str(LOAD)), "utf-8")
    with Sandbox(responses=5) as sandbox:
        sandbox.append("no record")
        ended = command(sandbox)

    assert ended.code == 0, ended.err
    assert "0 values (tables \\u2026__rejected_values)" in ended.out


def test_streams_that_are_closed_are_not_mistaken_for_files_of_data(tmp_path: Path) -> None:
    """The next file that is opened would get the number of a stream, and what is written to it."""
    script = (
        "import os; from customergauge_source.cli import load; assert load.main([]) == 0;"
        "links = [os.readlink(f'/proc/self/fd/{number}') for number in (1, 2)];"
        "open('streams', 'w').write(' '.join(links))"
    )
    with Sandbox(responses=40) as sandbox:
        subprocess.run(
            ["sh", "-c", '"$0" -c "$1" >&- 2>&-', sys.executable, script],
            cwd=tmp_path,
            env=environment(tmp_path, sandbox, PYTHONPATH=str(ROOT)),
            check=True,
        )
        assert differences(tmp_path / "customergauge.duckdb", sandbox.records) == []
    assert (tmp_path / "streams").read_text("utf-8") == f"{os.devnull} {os.devnull}"


@pytest.mark.sampled
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_reader_that_ends_does_not_end_the_load(tmp_path: Path, stream: str) -> None:
    """It ends after the first checkpoint was told; more are told to nobody."""
    options = ("--per-page", "20", "--checkpoint-pages", "1", "--json")
    with Sandbox(responses=60, latency=0.05) as sandbox:
        with start_load(tmp_path, *options, env=environment(tmp_path, sandbox)) as process:
            assert process.stderr is not None
            assert process.stdout is not None
            # A machine with more to do brings lines in between.
            assert any("checkpoint 1 committed" in line for line in process.stderr)
            getattr(process, stream).close()
            told = (process.stderr if stream == "stdout" else process.stdout).read()

        assert process.returncode == 0, told
        assert differences(tmp_path / "customergauge.duckdb", sandbox.records) == []
    if stream == "stdout":
        assert "What was loaded stands." in told
    else:
        assert json.loads(told)["caught_up"]


def test_an_interrupt_ends_with_130_though_standard_input_is_closed(tmp_path: Path) -> None:
    options = ("--per-page", "20", "--checkpoint-pages", "1")
    with Sandbox(responses=60, faults=[Fault("hang", page=3, times=None)]) as sandbox:
        process = subprocess.Popen(
            ["sh", "-c", 'exec "$0" "$@" <&-', sys.executable, str(LOAD), *options],
            cwd=tmp_path,
            env=environment(tmp_path, sandbox, RUNTIME__REQUEST_TIMEOUT="60"),
            stderr=subprocess.PIPE,
            text=True,
        )
        with process:
            assert process.stderr is not None
            assert any("checkpoint 1 committed" in line for line in process.stderr)
            process.terminate()
            told = process.stderr.read()

    assert process.returncode == 130, told
