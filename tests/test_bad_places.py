"""Places that a command cannot work in: two lines, the right code, and nothing lost."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from customergauge_source.sandbox import Sandbox
from tests.command import Command
from tests.support import LOAD, ROOT, Finished, environment
from tests.truth import differences

REPORT = ROOT / "pipelines" / "report.py"
# Nobody may write there, not even root.
READ_ONLY = Path("/proc")
BROKEN = {
    "no TOML": b"[sources.customergauge\n",
    "no UTF-8": b"\xff\xfe",
    "a key twice": b"[runtime]\nlog_level = 'INFO'\nlog_level = 'INFO'\n",
}
# What Python runs before anything else: nobody knows this user, and there is no HOME.
HOMELESS = """\
import os, pwd
def nobody(_): raise KeyError("uid not found")
pwd.getpwuid, os.geteuid = nobody, lambda: 12345
os.environ.pop("HOME", None)
"""


def assert_told(ended: Finished, code: int, *words: str) -> None:
    """Fails if a run did not end with this code, and two lines that have these words."""
    assert ended.code == code, ended.err
    what, remedy = ended.err.splitlines()[-2:]
    assert what.startswith("Error: ")
    assert remedy.startswith("What to do: ")
    assert all(word in what + remedy for word in words), (words, what, remedy)
    assert "Traceback" not in ended.err


@pytest.mark.sampled
@pytest.mark.parametrize("program", [LOAD, REPORT], ids=lambda it: it.stem)
@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("name", ["config.toml", "secrets.toml"])
def test_a_configuration_that_cannot_be_read_is_named(
    command: Command, sandbox: Sandbox, program: Path, kind: str, name: str
) -> None:
    (command.folder / ".dlt").mkdir()
    (command.folder / ".dlt" / name).write_bytes(BROKEN[kind])
    command.program = program

    assert_told(command(sandbox), 2, name)
    assert sandbox.requests == []


def test_a_folder_that_cannot_be_written_ends_with_5_and_dlts_with_2(
    command: Command, sandbox: Sandbox
) -> None:
    place = {"DESTINATION__DUCKDB__CREDENTIALS": str(READ_ONLY / "customergauge.duckdb")}
    assert_told(command(sandbox, **place), 5, str(READ_ONLY), "Correct the destination")
    assert sandbox.data_requests == []

    for options in ((), ("--check",)):
        ended = command(sandbox, *options, DLT_DATA_DIR=str(READ_ONLY / "dlt"))
        assert_told(ended, 2, str(READ_ONLY), "DLT_DATA_DIR")
    assert command(sandbox).code == 0
    assert differences(command.file, sandbox.records) == []


def test_a_report_into_a_folder_that_cannot_be_written_ends_with_2(
    command: Command, sandbox: Sandbox
) -> None:
    assert command(sandbox).code == 0
    command.program = REPORT

    assert_told(command(None, f"--output={READ_ONLY}/report.html"), 2, "--output", str(READ_ONLY))


def test_a_disk_that_fills_up_under_the_database_ends_with_5_and_nothing_is_lost(
    command: Command,
) -> None:
    with Sandbox(responses=6000) as sandbox:
        assert command(sandbox, "--per-page", "100", "--max-pages", "1").code == 0
        room = command.file.stat().st_size + 100_000
        assert_told(run(command.folder, sandbox, room), 5, str(command.file))

        assert command(sandbox).code == 0
        assert differences(command.file, sandbox.records) == []


def test_a_disk_that_has_room_for_the_log_alone_keeps_what_is_loaded(command: Command) -> None:
    with Sandbox(responses=500) as sandbox:
        ended = run(command.folder, sandbox, 2_500_000)
        assert ended.code == 0, ended.err
        assert differences(command.file, sandbox.records) == []

        sandbox.arrive(5)
        assert command(sandbox).code == 0
        assert differences(command.file, sandbox.records) == []


def test_without_a_home_folder_a_load_works(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(HOMELESS, encoding="utf-8")
    with Sandbox(responses=20) as sandbox:
        env = environment(tmp_path, sandbox, PYTHONPATH=f"{tmp_path}:{ROOT}", TMPDIR=str(tmp_path))
        del env["DLT_DATA_DIR"]
        ended = subprocess.run(
            [sys.executable, str(LOAD)],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        assert differences(tmp_path / "customergauge.duckdb", sandbox.records) == []
    assert (tmp_path / "dlt" / "pipelines").is_dir()


def run(folder: Path, sandbox: Sandbox, room: int, *options: str) -> Finished:
    """Runs the command where no file can have more than so many bytes."""
    done = subprocess.run(
        [sys.executable, str(LOAD), *options],
        cwd=folder,
        env=environment(folder, sandbox),
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (room, room)),
    )
    return Finished(done.returncode, done.stdout, done.stderr)
