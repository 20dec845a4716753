"""The workflows: what they promise, and that the steps of load.yml really load.

The steps with `run:` are taken out of the file and run as GitHub's runner would: in order, with
bash, in a clean copy of the repository, with what the expressions in their `env:` stand for.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import tomlkit
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from customergauge_source.sandbox import Sandbox
from customergauge_source.settings import PERIOD_FIELDS
from tests.command import Command
from tests.support import ROOT, asked_cursors, environment, query

WORKFLOWS = {path.name: path for path in (ROOT / ".github" / "workflows").glob("*.yml")}
TEXTS = {name: path.read_text(encoding="utf-8") for name, path in WORKFLOWS.items()}
READ = {name: yaml.safe_load(text) for name, text in TEXTS.items()}
LOAD = READ["load.yml"]
# The key `on` is a truth value in YAML.
ON = LOAD[True]
STEPS: list[dict[str, Any]] = LOAD["jobs"]["load"]["steps"]
LOADING, ATTACHING = STEPS[-2:]
INPUTS = ON["workflow_dispatch"]["inputs"]
ALL = {"recent", "old"}
HOURLY, NIGHTLY = (schedule["cron"] for schedule in ON["schedule"])
SECRET = "SOURCES__CUSTOMERGAUGE__CREDENTIALS__CLIENT_"


def evaluate(text: str, contexts: Mapping[str, Mapping[str, str]]) -> str:
    """Returns a text with the values of its expressions, as far as load.yml uses any."""

    def value(match: re.Match[str]) -> str:
        expression = match[1].replace("&&", " and ").replace("||", " or ").strip()
        expression = re.sub(
            r"\b(inputs|secrets|vars|github\.event)\.(\w+)", r"\1['\2']", expression
        ).replace("github.event", "event")
        return str(eval(expression, {}, dict(contexts)))  # noqa: S307 - of a file of our own

    return re.sub(r"\$\{\{(.*?)\}\}", value, text)


@dataclass
class Runner:
    """A machine of GitHub's that is thrown away after one job.

    Attributes:
        folder: What it has; the repository is in `work` below it.
        secrets: The repository's secrets.
        variables: Its variables.
        inputs: What was chosen by hand; none for a run by the clock.
        event: What has started it; `schedule` is the line of the clock.
        env: What the machine's environment has beside that.
    """

    folder: Path
    secrets: Mapping[str, str]
    variables: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    event: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Checks the repository out."""
        listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for name in filter(None, names.split("\0")):
            copy = self.folder / "work" / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            # One that is deleted and not yet committed as such is listed as well.
            if (ROOT / name).is_file():
                shutil.copy2(ROOT / name, copy)

    @property
    def summary(self) -> str:
        """What the run's page shows."""
        return (self.folder / "summary.md").read_text("utf-8")

    def run(self, steps: list[dict[str, Any]], python: Path | None = None) -> tuple[int, str]:
        """Runs steps until one fails.

        Args:
            steps: Those of the job; what `uses:` an action is left out.
            python: Folder of the interpreter that is called python.

        Returns:
            The last exit code, and the log.
        """
        code, log = 0, ""
        for step in steps:
            if "run" in step and not code:
                code, said = self._run(step, python or Path(sys.executable).parent)
                log += said
        return code, log

    def _run(self, step: dict[str, Any], python: Path) -> tuple[int, str]:
        script = self.folder / "step.sh"
        script.write_text(step["run"], encoding="utf-8")
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        # What `cache: pip` keeps.
        downloads = os.environ.get("PIP_CACHE_DIR", str(Path.home() / ".cache" / "pip"))
        around = {
            "HOME": str(home),
            "PATH": f"{python}:{os.environ['PATH']}",
            "PIP_CACHE_DIR": downloads,
            "GITHUB_ACTIONS": "true",
            "GITHUB_STEP_SUMMARY": str(self.folder / "summary.md"),
        }
        contexts = {
            "inputs": defaultdict(str, self.inputs),
            "event": defaultdict(str, self.event),
            "secrets": defaultdict(str, self.secrets),
            "vars": defaultdict(str, self.variables),
        }
        own = {name: evaluate(str(text), contexts) for name, text in step.get("env", {}).items()}
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", script],
            cwd=self.folder / "work",
            env=environment(home, None, **around) | dict(self.env) | own,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout


def make_runner(folder: Path, sandbox: Sandbox, **more: Mapping[str, str]) -> Runner:
    """Returns a runner whose API is the sandbox, and whose warehouse a file beside it."""
    env = {
        "SOURCES__CUSTOMERGAUGE__API_URL": sandbox.url,
        "SOURCES__CUSTOMERGAUGE__AUTH_URL": sandbox.url,
        "DESTINATION__DUCKDB__CREDENTIALS": str(folder.parent / "warehouse.duckdb"),
    }
    secrets = {f"{SECRET}ID": sandbox.client_id, f"{SECRET}SECRET": sandbox.client_secret}
    given: dict[str, Any] = {"secrets": secrets, "env": env, **more}
    given.setdefault("variables", {"CUSTOMERGAUGE_DESTINATION": "duckdb"})
    return Runner(folder, **given)


@pytest.mark.skipif(
    os.environ.get("CUSTOMERGAUGE_RUN_WORKFLOW") != "1",
    reason="installs load.yml's requirements: CUSTOMERGAUGE_RUN_WORKFLOW=1 runs it",
)
@pytest.mark.timeout(1200)
def test_two_jobs_load_everything_once_and_share_nothing_but_the_destination(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    fresh = tmp_path / "python"
    subprocess.run([sys.executable, "-m", "venv", fresh], check=True)
    # setup-python brings a recent one; older ones cannot resolve extras with hashes.
    subprocess.run([fresh / "bin" / "pip", "install", "--quiet", "--upgrade", "pip"], check=True)
    cursors = []
    # The second machine installs the same hashes: to do so again takes a minute, and shows nothing.
    for number, steps in ((1, STEPS), (2, [LOADING])):
        runner = make_runner(tmp_path / f"runner{number}", sandbox)

        code, log = runner.run(steps, fresh / "bin")

        assert code == 0, log
        cursors.append(asked_cursors(sandbox)[0])
        assert f"Loaded {300 if number == 1 else 5} responses in" in runner.summary
        sandbox.arrive(5)

    assert cursors == [None, str(sandbox.keys[299])]
    found = query(tmp_path / "warehouse.duckdb", "SELECT number_customergauge FROM responses")
    sent = [record["number_customergauge"] for record in sandbox.records[:-5]]
    assert sorted(cgid for (cgid,) in found) == sorted(sent)


def test_the_load_step_writes_a_summary_and_starts_over_if_that_was_chosen(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    chosen = {name: str(given["default"]) for name, given in INPUTS.items()}
    runner = make_runner(tmp_path / "runner", sandbox, inputs=chosen)

    code, log = runner.run([LOADING])

    assert code == 0, log
    assert runner.summary.startswith("### CustomerGauge load\n\n```\nLoaded 300 responses in ")
    assert "dataset customergauge_data" in runner.summary
    assert "::warning title=CustomerGauge load::" in log  # of a file that is thrown away

    runner.inputs = chosen | {"full_refresh": "true"}
    code, log = runner.run([LOADING])

    assert code == 0, log
    assert asked_cursors(sandbox)[0] is None


def test_wrong_arguments_are_annotated_too(command: Command) -> None:
    summary = command.folder / "summary.md"
    github = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
    ended = command(None, "--full-refresh", "--start-date=x", **github)

    assert ended.code == 2
    assert "::error title=CustomerGauge load::" in ended.err
    assert "load failed" in summary.read_text("utf-8")


def test_a_summary_that_cannot_be_written_does_not_undo_the_load(
    command: Command, sandbox: Sandbox
) -> None:
    ended = command(sandbox, GITHUB_STEP_SUMMARY=str(command.folder / "no" / "summary.md"))

    assert ended.code == 0
    assert "Warning: The job's summary could not be written" in ended.err


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("secrets", "ends_with", "said"),
    [
        ({f"{SECRET}ID": "an-id", f"{SECRET}SECRET": "wrong-and-not-shown"}, 3, "credentials"),
        ({}, 2, f"{SECRET}ID"),
    ],
    ids=["wrong", "not set"],
)
def test_a_log_ends_with_what_the_exit_code_means(
    tmp_path: Path, sandbox: Sandbox, secrets: dict[str, str], ends_with: int, said: str
) -> None:
    runner = make_runner(tmp_path / "runner", sandbox, secrets=secrets)

    code, log = runner.run([LOADING])

    assert code == ends_with, log
    error, remedy, annotation = log.splitlines()[-3:]
    assert error.startswith("Error: ")
    assert remedy.startswith("What to do: ")
    assert said in annotation
    assert annotation.startswith("::error title=CustomerGauge load::")
    assert error.removeprefix("Error: ") in runner.summary
    assert "wrong-and-not-shown" not in log + runner.summary


@pytest.mark.long
def test_what_was_chosen_by_hand_reaches_the_command(tmp_path: Path, sandbox: Sandbox) -> None:
    # A day that would run as a program, were it part of the script.
    touched = tmp_path / "touched"
    chosen = {
        "destination": "duckdb",
        "full_refresh": "false",
        "period_field": "date_creation",
        "start_date": f'"; touch "{touched}"; $(touch {touched})',
        "end_date": "2026-01-31",
    }
    runner = make_runner(tmp_path / "runner", sandbox, inputs=chosen, variables={})

    code, log = runner.run([LOADING])

    assert code == 2, log
    assert "touch" in log
    assert not touched.exists()
    assert not sandbox.data_requests

    runner.inputs = chosen | {"start_date": "2026-01-01"}
    code, log = runner.run([LOADING])

    assert code == 0, log
    period = {"period[field]": "date_creation", "period[start]": "2026-01-01"}
    assert period.items() <= dict(sandbox.data_requests[-1].query).items()


def test_the_report_is_made_and_attached_if_somebody_asks_for_it(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    chosen = {"destination": "duckdb", "report": "false"}
    runner = make_runner(tmp_path / "runner", sandbox, inputs=chosen)
    report = runner.folder / "work" / ATTACHING["with"]["path"]

    assert runner.run([LOADING])[0] == 0
    assert not report.exists()

    runner.inputs = chosen | {"report": "true"}
    code, log = runner.run([LOADING])

    assert code == 0, log
    assert report.stat().st_size > 500_000
    assert INPUTS["report"]["default"] is False
    assert ATTACHING["if"] == "${{ inputs.report }}"


@pytest.mark.parametrize(
    ("chosen", "configured", "expected"),
    [
        ("", "", "bigquery"),
        ("", "snowflake", "snowflake"),
        ("as scheduled", "snowflake", "snowflake"),
        ("bigquery", "snowflake", "bigquery"),
    ],
)
def test_the_destination_is_the_chosen_the_configured_or_bigquery(
    chosen: str, configured: str, expected: str
) -> None:
    contexts = {
        "inputs": {"destination": chosen},
        "vars": {"CUSTOMERGAUGE_DESTINATION": configured},
    }
    assert evaluate(LOADING["env"]["LOAD_DESTINATION"], contexts) == expected


def test_the_choices_are_those_of_the_command() -> None:
    assert INPUTS["period_field"]["options"] == ["none", *PERIOD_FIELDS]
    assert {"bigquery", "motherduck", "snowflake"} < set(INPUTS["destination"]["options"])


@pytest.mark.parametrize(
    ("event", "inputs", "merged", "removed"),
    [
        pytest.param({"schedule": NIGHTLY}, {}, {"recent"}, {"recent"}, id="every night"),
        pytest.param({}, {"reconcile": "true"}, ALL, ALL, id="by hand", marks=pytest.mark.long),
        pytest.param(
            {"schedule": HOURLY}, {}, set(), set(), id="every hour", marks=pytest.mark.long
        ),
    ],
)
def test_every_night_what_changed_is_merged_and_what_is_gone_removed(
    tmp_path: Path,
    event: dict[str, str],
    inputs: dict[str, str],
    merged: set[str],
    removed: set[str],
) -> None:
    with Sandbox(responses=20) as sandbox:
        recent = f"{datetime.now(timezone.utc) - timedelta(days=3):%Y-%m-%d %H:%M:%S}"
        cgids = [record["number_customergauge"] for record in sandbox.records]
        edited = {"recent": cgids[0], "old": cgids[1]}
        deleted = {"recent": cgids[2], "old": cgids[3]}
        for which in (edited, deleted):
            sandbox.edit(which["recent"], date_survey_response=recent)
        runner = make_runner(tmp_path / "runner", sandbox)
        assert runner.run([LOADING])[0] == 0
        for cgid in edited.values():
            sandbox.edit(cgid, email="edited")
        for cgid in deleted.values():
            sandbox.remove(cgid)

        runner.event, runner.inputs = event, inputs
        code, log = runner.run([LOADING])

        assert code == 0, log
        found = dict(
            query(
                tmp_path / "warehouse.duckdb", "SELECT number_customergauge, email FROM responses"
            )
        )
        assert {which for which, cgid in edited.items() if found[cgid] == "edited"} == merged
        assert {which for which, cgid in deleted.items() if cgid not in found} == removed


def test_one_load_at_a_time_off_the_full_hour_and_never_cancelled() -> None:
    hourly, nightly = (schedule["cron"].split() for schedule in ON["schedule"])
    assert hourly[1:] == ["*"] * 4
    assert nightly[2:] == ["*"] * 3
    assert 5 < int(hourly[0]) < int(nightly[0]) < 55
    assert f'"$LOAD_SCHEDULE" == "{NIGHTLY}"' in LOADING["run"]
    assert LOAD["concurrency"]["cancel-in-progress"] is False
    assert "${{" not in LOAD["concurrency"]["group"]


def test_secrets_are_in_the_environment_of_one_step_alone() -> None:
    named = re.findall(r"\{ secrets\.(\w+)", TEXTS["load.yml"])
    in_one_step = {name: text for name, text in LOADING["env"].items() if "secrets." in str(text)}
    assert in_one_step == {name: f"${{{{ secrets.{name} }}}}" for name in named}
    assert "secrets." not in TEXTS["ci.yml"]


@pytest.mark.parametrize(
    ("name", "extras"),
    [("load", ("bigquery", "snowflake", "report")), ("lowest", ("dev", "report"))],
)
def test_the_pins_are_within_what_the_project_allows(name: str, extras: tuple[str, ...]) -> None:
    text = (ROOT / ".github" / "requirements" / f"{name}.txt").read_text("utf-8")
    pinned = defaultdict(list)
    for package, version in re.findall(r"^([\w.-]+)==(\S+)", text, re.MULTILINE):
        pinned[canonicalize_name(package)].append(version)
    project: Any = tomlkit.parse((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    asked = list(project["dependencies"])
    for extra in extras:
        asked += project["optional-dependencies"][extra]
    for requirement in map(Requirement, asked):
        if requirement.name == project["name"]:  # an extra that takes in another
            continue
        versions = pinned[canonicalize_name(requirement.name)]
        assert versions, requirement
        assert all(map(requirement.specifier.contains, versions)), (requirement, versions)
