"""README, .ci/run and ci.yml run the same commands."""

from __future__ import annotations

import re
import subprocess

import pytest
import yaml

from tests.support import ROOT

SCRIPT = ROOT / ".ci" / "run"
TEXT = SCRIPT.read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def stages() -> list[str]:
    """Returns the names of the script's stages."""
    found = re.search(r"^all=\((.*)\)$", TEXT, re.MULTILINE)
    assert found
    return found[1].split()


def body(stage: str) -> list[str]:
    """Returns the lines of a stage."""
    found = re.search(rf"^{stage}\(\) \{{\n(.*?)^\}}", TEXT, re.MULTILINE | re.DOTALL)
    assert found, stage
    return [line.strip() for line in found[1].splitlines()]


def first_command(heading: str) -> str:
    """Returns the first shell block below a heading of the README."""
    found = re.search(rf"^## {heading}\b.*?```sh\n(.*?)\n```", README, re.MULTILINE | re.DOTALL)
    assert found, heading
    return found[1]


@pytest.mark.parametrize(
    ("heading", "stage"),
    [("Try it", "sandbox"), ("Development", "tests")],
)
def test_the_script_runs_the_readmes_commands_as_they_are_written(heading: str, stage: str) -> None:
    assert first_command(heading) in body(stage)


def test_the_workflow_runs_every_stage() -> None:
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8"))["jobs"]
    commands = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    named = [name for command in commands for name in command.removeprefix("bash .ci/run ").split()]
    assert sorted(named) == sorted(stages())
    assert jobs["tests"]["strategy"]["matrix"]["python"] == ["3.10", "3.11", "3.12", "3.13"]


def test_a_stage_that_does_not_exist_is_named() -> None:
    done = subprocess.run(["bash", SCRIPT, "nonsense"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "unknown stage: nonsense; known: sandbox tests" in done.stderr
