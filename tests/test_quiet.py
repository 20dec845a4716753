"""`--quiet`, for cron: nothing on success, everything on failure. And `--version`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from customergauge_source.sandbox import Fault, Sandbox
from customergauge_source.settings import __version__
from tests.command import Command
from tests.support import ROOT

CUSTOMERGAUGE = str(Path(sys.executable).with_name("customergauge"))
REPORT = ROOT / "pipelines" / "report.py"
# Warnings and progress are told while it runs.
TALKATIVE = ("--per-page", "50", "--checkpoint-pages", "2")


@pytest.mark.parametrize("option", ["--views", "--check", "--reconcile", "--full-refresh"])
def test_a_run_that_succeeds_tells_nothing(command: Command, sandbox: Sandbox, option: str) -> None:
    sandbox.inject(Fault("503"))
    ended = command(sandbox, "--quiet", *TALKATIVE, option)

    assert (ended.code, ended.out, ended.err) == (0, "", "")


def test_a_run_that_fails_tells_all_that_it_held_back(command: Command, sandbox: Sandbox) -> None:
    sandbox.inject(Fault("503", page=2))
    sandbox.inject(Fault("403", page=4, times=None))
    ended = command(sandbox, "--quiet", *TALKATIVE)

    assert ended.code == 4
    *before, what, remedy = ended.err.splitlines()
    assert what.startswith("Error: responses: The API refused GET ")
    assert remedy.startswith("What to do: ")
    assert any("retrying in" in line for line in before)
    assert any("checkpoint 1 committed" in line for line in before)


def test_a_check_that_fails_tells_its_findings(command: Command, sandbox: Sandbox) -> None:
    sandbox.inject(Fault("403", times=None))
    ended = command(sandbox, "--quiet", "--check")

    assert ended.code == 4
    assert "token: granted" in ended.out
    assert ended.err.startswith("Error: ")


def test_with_json_the_summary_is_all(command: Command, sandbox: Sandbox) -> None:
    sandbox.inject(Fault("503"))
    ended = command(sandbox, "--quiet", "--json", *TALKATIVE)

    assert ended.err == ""
    assert ended.summary["caught_up"] is True


def test_a_report_is_made_quietly_and_one_that_cannot_be_is_told(
    command: Command, sandbox: Sandbox
) -> None:
    assert command(sandbox, "--quiet").code == 0
    command.program = REPORT
    ended = command(None, "--quiet")
    assert (ended.code, ended.out, ended.err) == (0, "", "")
    assert (command.folder / "customergauge_report.html").exists()

    ended = command(None, "--quiet", "--dataset", "nothing")
    assert ended.code == 2
    assert ended.err.startswith("Error: Nothing was loaded into dataset nothing")


@pytest.mark.parametrize(
    "line",
    [
        [sys.executable, "pipelines/load.py"],
        [sys.executable, "pipelines/report.py"],
        [CUSTOMERGAUGE],
        [CUSTOMERGAUGE, "load"],
        [CUSTOMERGAUGE, "sandbox"],
    ],
)
def test_each_command_tells_its_version(line: list[str]) -> None:
    ran = subprocess.run([*line, "--version"], cwd=ROOT, capture_output=True, check=True)
    assert ran.stdout.decode() == f"customergauge-source {__version__}\n"
