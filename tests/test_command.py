"""`python pipelines/load.py`: what it does, and what it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import duckdb

from customergauge_source.sandbox import Sandbox
from tests.command import Command
from tests.support import LOAD, TABLES, environment, query
from tests.truth import differences, loaded

SUMMARY = {
    "pipeline",
    "destination",
    "dataset",
    "resources",
    "tables",
    "seconds",
    "caught_up",
}


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
    told = lines[-1].removeprefix("look at it: ")
    env = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    looked = subprocess.run(
        ["sh", "-c", told], cwd=command.folder, env=env, capture_output=True, text=True, check=True
    )
    assert "nps" in looked.stdout


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
    real = command.folder / "real.duckdb"
    env = {"DESTINATION__DUCKDB__CREDENTIALS": str(real)}
    assert command(sandbox, **env).code == 0
    before, asked = real.read_bytes(), len(sandbox.requests)
    state = sorted((command.folder / "dlt" / "pipelines" / "customergauge").rglob("*"))

    ended = command(sandbox, "--sandbox", "--sandbox-responses", "5", "--full-refresh", **env)

    assert ended.code == 0, ended.err
    assert real.read_bytes() == before
    assert len(sandbox.requests) == asked
    assert sorted((command.folder / "dlt" / "pipelines" / "customergauge").rglob("*")) == state
    assert len(loaded(command.folder / "customergauge_sandbox.duckdb")) == 5
    assert not command.file.exists()
    assert command(sandbox, "--json", **env).summary["tables"] == {}


def test_json_is_one_object_with_the_keys_of_the_contract(
    command: Command, sandbox: Sandbox
) -> None:
    ended = command(sandbox, "--json", "--per-page", "100")

    summary = json.loads(ended.out)
    assert summary.keys() >= SUMMARY
    assert [summary[key] for key in ("pipeline", "destination", "dataset", "caught_up")] == [
        "customergauge",
        "duckdb",
        "customergauge_data",
        True,
    ]
    assert summary["resources"]["responses"] == {
        "records": 300,
        "pages": 3,
        "rejected": 0,
        "rejected_values": 0,
        "cursor": sandbox.keys[-1],
    }
    assert {name: summary["tables"][name] for name in TABLES} == rows(command.file)
    assert 0 < summary["seconds"] < 60


def test_off_a_terminal_progress_is_plain_lines_on_stderr(
    command: Command, sandbox: Sandbox
) -> None:
    ended = command(sandbox, "--json", "--per-page", "50", "--checkpoint-pages", "3")

    told = [line for line in ended.err.splitlines() if "committed" in line]
    assert told[0].startswith("checkpoint 1 committed: 3 pages, 150 responses, ")
    assert told[1].startswith("checkpoint 2 committed: 6 pages, 300 responses, ")
    assert "\x1b" not in ended.err + ended.out
    assert "\r" not in ended.err


def test_on_a_terminal_progress_is_a_bar_that_goes_away(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    shown: list[bytes] = []

    def read() -> None:
        with suppress(OSError):  # which is how a terminal ends that nobody writes to any more
            while text := os.read(ours, 4096):
                shown.append(text)

    with subprocess.Popen(
        [sys.executable, str(LOAD), "--sandbox", "--sandbox-responses", "20"],
        cwd=tmp_path,
        env=environment(tmp_path, TERM="xterm"),
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
    ) as run:
        os.close(theirs)
        reader = threading.Thread(target=read)
        reader.start()
        out, _ = run.communicate(timeout=60)
        reader.join()
    os.close(ours)

    assert run.returncode == 0
    terminal = b"".join(shown).decode()
    assert "\x1b[" in terminal
    assert "1 pages, 20 responses" in terminal
    assert out.startswith("Loaded 20 responses")


def test_check_gets_a_token_and_one_page_of_one_and_loads_nothing(
    command: Command, sandbox: Sandbox
) -> None:
    ended = command(sandbox, "--check")

    assert ended.code == 0, ended.err
    assert "Nothing loaded" in ended.out
    assert len(sandbox.token_requests) == 1
    (page,) = sandbox.data_requests
    assert dict(page.query)["per_page"] == "1"
    if command.file.exists():
        with duckdb.connect(str(command.file), read_only=True) as connection:
            assert connection.sql("SHOW ALL TABLES").fetchall() == []
    assert command(sandbox, "--json").summary["tables"]["responses"] == 300


def test_check_leaves_the_cursor_of_a_loaded_pipeline_alone(
    command: Command, sandbox: Sandbox
) -> None:
    command(sandbox)
    sandbox.arrive(5)

    assert command(sandbox, "--check").code == 0

    assert len(loaded(command.file)) == 300
    assert command(sandbox, "--json").summary["tables"]["responses"] == 5


def test_full_refresh_drops_what_was_loaded_and_starts_over(
    command: Command, sandbox: Sandbox
) -> None:
    command(sandbox)
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
        assert connection.sql("SELECT count(*) FROM elsewhere.responses").fetchone() == (300,)
