"""`python pipelines/load.py`: what it does, and what it says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from filelock import FileLock

from customergauge_source.sandbox import Sandbox
from tests.command import Command
from tests.support import TABLES, query
from tests.truth import differences, loaded


def rows(file: Path) -> dict[str, int]:
    """Returns how many rows each of the six tables has."""
    return {table: query(file, f"SELECT count(*) FROM {table}")[0][0] for table in TABLES}


def test_the_summary_tells_rows_cursor_seconds_place_and_a_command_that_runs(
    command: Command,
) -> None:
    ended = command(None, "--sandbox", "--sandbox-responses", "40")

    assert ended.code == 0, ended.err
    lines = ended.out.splitlines()
    assert lines[0].startswith("Loaded 40 responses in ")
    assert lines[0].endswith(" s.")
    file = command.folder / "customergauge_sandbox.duckdb"
    for table, count in rows(file).items():
        assert [table, str(count), "rows"] in [line.replace(",", "").split() for line in lines]
    with Sandbox(responses=40) as same:
        assert f"cursor of responses: {same.keys[-1]}" in lines
        assert differences(file, same.records) == []
    assert "data: customergauge_sandbox.duckdb, dataset customergauge_data" in lines
    told = lines[-2].removeprefix("look at it: ")
    env = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    looked = subprocess.run(
        ["sh", "-c", told], cwd=command.folder, env=env, capture_output=True, text=True, check=True
    )
    assert "5 rows" in looked.stdout


@pytest.mark.long
def test_a_second_sandbox_run_finds_no_news_and_more_responses_when_there_are(
    command: Command,
) -> None:
    options = ("--sandbox", "--json", "--sandbox-responses")
    command(None, *options, "40")

    idle = command(None, *options, "40").summary
    more = command(None, *options, "55").summary

    assert idle["tables"] == {}
    assert idle["resources"]["responses"]["records"] == 0
    assert more["tables"]["responses"] == 15


def test_a_sandbox_run_never_touches_the_real_pipeline_file_and_account(
    command: Command, sandbox: Sandbox
) -> None:
    real, dlt = command.folder / "real.duckdb", command.folder / "dlt" / "pipelines"
    env = {"DESTINATION__DUCKDB__CREDENTIALS": str(real)}
    assert command(sandbox, **env).code == 0
    before, asked = real.read_bytes(), len(sandbox.requests)
    state = sorted((dlt / "customergauge").rglob("*"))

    with FileLock(dlt / "customergauge.lock"):  # as if a real run were under way
        ended = command(sandbox, "--sandbox", "--sandbox-responses", "5", "--full-refresh", **env)

    assert ended.code == 0, ended.err
    assert real.read_bytes() == before
    assert len(sandbox.requests) == asked
    assert sorted((dlt / "customergauge").rglob("*")) == state
    assert len(loaded(command.folder / "customergauge_sandbox.duckdb")) == 5
    assert not command.file.exists()
    assert command(sandbox, "--json", **env).summary["tables"] == {}


def test_json_is_one_object_with_the_keys_of_the_contract(
    command: Command, sandbox: Sandbox
) -> None:
    ended = command(sandbox, "--json", "--per-page", "100")

    summary = ended.summary
    assert 0 < summary.pop("seconds") < 60
    tables = summary.pop("tables")
    assert summary == {
        "pipeline": "customergauge",
        "destination": "duckdb",
        "dataset": "customergauge_data",
        "resources": {
            "responses": {
                "records": 300,
                "pages": 3,
                "rejected": 0,
                "rejected_values": 0,
                "cursor": sandbox.keys[-1],
            }
        },
        "checkpoints": 1,
        "caught_up": True,
    }
    assert {name: tables[name] for name in TABLES} == rows(command.file)


def test_progress_is_a_plain_line_on_stderr_for_each_checkpoint(
    command: Command, sandbox: Sandbox
) -> None:
    ended = command(sandbox, "--json", "--per-page", "50", "--checkpoint-pages", "3")

    in_between = "reading: ", "loading: "  # on a machine with more to do
    first, second = (it for it in ended.err.splitlines() if not it.startswith(in_between))
    assert first.startswith("checkpoint 1 committed: 3 pages, 150 records, ")
    assert second.startswith("checkpoint 2 committed: 6 pages, 300 records, ")
    assert "\x1b" not in ended.err + ended.out
    assert "\r" not in ended.err


def test_check_gets_a_token_and_one_page_of_one_and_loads_nothing(
    command: Command, sandbox: Sandbox
) -> None:
    ended = command(sandbox, "--check")

    assert ended.code == 0, ended.err
    assert ended.out.endswith("All of it works. Nothing loaded.\n")
    assert len(sandbox.token_requests) == 1
    (page,) = sandbox.data_requests
    assert dict(page.query)["per_page"] == "1"
    assert loaded(command.file) == []
    assert command(sandbox, "--json").summary["tables"]["responses"] == 300

    sandbox.arrive(5)
    assert command(sandbox, "--check", "--json").summary["ok"]

    assert len(loaded(command.file)) == 300
    assert command(sandbox, "--json").summary["tables"]["responses"] == 5


@pytest.mark.usefixtures("loaded_sandbox")
def test_full_refresh_drops_what_was_loaded_and_starts_over(command: Command) -> None:
    with Sandbox(responses=20, seed=2) as other:
        ended = command(other, "--full-refresh", "--json")

        assert ended.code == 0, ended.err
        assert ended.summary["tables"]["responses"] == 20
        assert differences(command.file, other.records) == []
        assert command(other, "--json").summary["tables"] == {}


def test_another_dataset_may_be_named(command: Command, sandbox: Sandbox) -> None:
    ended = command(sandbox, "--dataset", "elsewhere", "--json")

    assert ended.summary["dataset"] == "elsewhere"
    with duckdb.connect(str(command.file), read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM elsewhere.responses").fetchone() == (300,)
