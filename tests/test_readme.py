"""README, `--help` and program say the same."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from customergauge_source import exceptions
from customergauge_source.sandbox import Sandbox
from customergauge_source.schema import (
    REJECTED_RECORD_FIELDS,
    REJECTED_VALUE_FIELDS,
    RESPONSE,
    Shape,
)
from load_options import make_parser
from tests.support import ROOT, environment, query, run_load

README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """Returns the README's fenced blocks in a language."""
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.fixture(scope="module")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The README's first command, run in an empty folder: the folder and what it said."""
    folder = tmp_path_factory.mktemp("readme")
    finished = run_load(folder, "--sandbox", env=environment(folder))
    assert finished.code == 0, finished.err
    return folder, finished.out


def test_the_first_command_says_what_the_readme_shows(first_run: tuple[Path, str]) -> None:
    _, out = first_run
    shown = next(block for block in blocks("text") if block.startswith("Loaded"))

    def timeless(text: str) -> list[str]:
        lines = [re.sub(r"in [\d.]+ s", "in some s", line) for line in text.strip().splitlines()]
        return [line for line in lines if not line.startswith("look at it")]

    assert timeless(out) == timeless(shown)


def test_the_command_that_the_summary_names_runs(first_run: tuple[Path, str]) -> None:
    folder, out = first_run
    named = next(line for line in out.splitlines() if line.startswith("look at it: "))
    command = named.removeprefix("look at it: python ")
    done = subprocess.run(
        [sys.executable, *shlex.split(command)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "count_star" in done.stdout


def test_the_command_that_the_summary_names_runs_for_any_dataset(workdir: Path) -> None:
    with Sandbox(responses=5) as sandbox:
        out = run_load(workdir, "--dataset", "My-Data", env=environment(workdir, sandbox)).out
    named = next(line for line in out.splitlines() if line.startswith("look at it: "))
    command = shlex.split(named.removeprefix("look at it: python "))
    subprocess.run([sys.executable, *command], cwd=workdir, check=True, capture_output=True)


def test_the_queries_answer_what_the_readme_shows(first_run: tuple[Path, str]) -> None:
    folder, _ = first_run
    shown = re.findall(r"```sql\n([^`]*)```\n+```text\n([^`]*)```", README)
    assert len(shown) == 2
    for sql, answer in shown:
        rows = query(folder / "customergauge_sandbox.duckdb", sql)
        lines = answer.strip().splitlines()[2:]
        assert [[str(value) for value in row] for row in rows] == [
            re.split(r"\s{2,}", line.strip()) for line in lines
        ]


def test_every_option_is_in_the_readme_and_the_other_way_round() -> None:
    actions = make_parser()._actions  # noqa: SLF001 - argparse has no other way to list them
    options = {name for action in actions for name in action.option_strings}
    section = README.split("## The command")[1].split("## ")[0]
    listed = {
        name
        for row in section.splitlines()
        if row.startswith("| `--")
        for name in re.findall(r"`(--[\w-]+)`", row.split("|")[1])
    }
    assert listed == options - {"-h", "--help"}


def test_every_exit_code_is_in_the_readme_and_in_the_help() -> None:
    codes = {
        error.exit_code
        for error in vars(exceptions).values()
        if isinstance(error, type) and issubclass(error, exceptions.CustomerGaugeError)
    }
    section = README.split("| exit code |")[1].split("\n\n")[0]
    told = {int(code) for code in re.findall(r"^\| (\d+) \|", section, re.MULTILINE)}
    assert told == codes | {0, 130}
    helped = make_parser().format_help().split("exit codes:")[1]
    assert {int(code) for code in re.findall(r"\b\d+\b", helped)} == told


def test_the_tables_have_the_columns_of_the_readme() -> None:
    declared = {"rejected_records": list(REJECTED_RECORD_FIELDS)}
    declared["responses__rejected_values"] = list(REJECTED_VALUE_FIELDS)

    def collect(name: str, shape: Shape) -> None:
        declared[name] = [column for column, _ in shape.columns()]
        for key, child in shape.lists.items():
            collect(f"{name}__{key}", child)

    collect("responses", RESPONSE)
    for table, columns in declared.items():
        row = re.search(rf"^\| `{table}` \| (.*) \|$", README, re.MULTILINE)
        assert row, table
        assert set(columns) <= set(re.findall(r"`(\w+)`", row[1])), table


def test_the_json_summary_has_the_keys_of_the_readme(workdir: Path) -> None:
    with Sandbox(responses=5) as sandbox:
        summary = run_load(workdir, "--json", env=environment(workdir, sandbox)).summary
    text = README.split("The JSON summary has")[1].split("\n\n")[0]
    keys = {*summary, *summary["resources"]["responses"]}
    assert keys == set(re.findall(r"`(\w+)`", text))


def test_the_python_of_the_readme_is_python() -> None:
    for block in blocks("python"):
        ast.parse(block)


def test_the_map_of_the_readme_has_every_module() -> None:
    named = re.findall(r"`(\w+\.py)`", README.split("Where things are")[1])
    modules = {path.name for path in (ROOT / "customergauge_source").glob("*.py")}
    assert sorted(named) == sorted(modules - {"__init__.py"})


def test_the_files_that_the_readme_names_exist() -> None:
    for path in re.findall(r"\]\(([\w./]+)\)", README):
        assert (ROOT / path).exists(), path
