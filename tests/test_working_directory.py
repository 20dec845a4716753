"""The destination is the only memory: dlt's working directory is scratch, for one run."""

from __future__ import annotations

import shutil
import signal
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from customergauge_source import load_in_checkpoints
from customergauge_source.sandbox import Fault, Sandbox
from tests.command import Command, until
from tests.everything_written import found
from tests.killed_at import KILL_AT
from tests.support import DATASET, TABLES, asked_cursors, at_length, make_pipeline, make_source
from tests.truth import differences, loaded

OPTIONS = ("--per-page", "20", "--checkpoint-pages", "2")
MERGED = "sql< CREATE TEMPORARY TABLE responses_delete"


def alter(file: Path, change: str) -> None:
    """Changes the table of tags behind dlt's back."""
    with closing(duckdb.connect(str(file))) as connection:
        connection.execute(f"USE {DATASET}")
        connection.execute(f"ALTER TABLE {change}")


def rows_of(file: Path, table: str) -> int:
    """Returns how many rows a table has."""
    with duckdb.connect(str(file), read_only=True) as connection:
        return len(connection.execute(f"SELECT 1 FROM {table}").fetchall())


def data_left(command: Command, sandbox: Sandbox) -> list[str]:
    """Returns what dlt's folder holds of people's data."""
    emails = {record["email"] for record in sandbox.records}
    folder = command.folder / "dlt"
    files = [str(path) for path in folder.rglob("*") if path.suffix in {".parquet", ".jsonl"}]
    return files + found(folder, emails)


def die(command: Command, sandbox: Sandbox, *options: str) -> None:
    """Runs the command until it is killed with a package of data in the working directory."""
    died = command(sandbox, *OPTIONS, *options, **{KILL_AT: MERGED})
    assert died.code == -signal.SIGKILL, died.err


def test_no_data_stays_behind_however_a_run_ends(command: Command) -> None:
    with Sandbox(responses=100, latency=0.02) as sandbox:
        assert command(sandbox, *OPTIONS, "--max-pages", "2").code == 0
        assert data_left(command, sandbox) == []

        sandbox.inject(Fault("403", page=sandbox.pages_served + 2))
        assert command(sandbox, *OPTIONS).code == 4
        assert data_left(command, sandbox) == []

        running = command.start(sandbox, *OPTIONS)
        until(lambda: "committed" in running.errors())
        running.signal(signal.SIGTERM)
        assert running.finish().code in {130, 0}
        assert data_left(command, sandbox) == []

        sandbox.arrive(30)
        alter(command.file, "responses__tags RENAME TO hidden")
        assert command(sandbox, *OPTIONS).code == 5
        assert data_left(command, sandbox) == []


def test_what_a_killed_run_left_is_gone_when_the_next_one_has_begun(command: Command) -> None:
    with Sandbox(responses=100) as sandbox:
        die(command, sandbox)
        assert ".parquet unpacked" in " ".join(data_left(command, sandbox))

        wrong = {"SOURCES__CUSTOMERGAUGE__CREDENTIALS__CLIENT_SECRET": "mistyped"}
        assert command(sandbox, *OPTIONS, **wrong).code == 3

        assert data_left(command, sandbox) == []


def test_a_run_leaves_no_file_but_its_lock(command: Command) -> None:
    with Sandbox(responses=20) as sandbox:
        assert command(sandbox).code == 0

    files = [path.name for path in (command.folder / "dlt").rglob("*") if path.is_file()]
    assert files == ["customergauge.lock"]


@pytest.mark.sampled
@pytest.mark.parametrize("way", ["the command", "load_in_checkpoints", "pipeline.run"])
def test_loaded_data_is_in_the_tables_and_nowhere_else(
    command: Command, workdir: Path, way: str
) -> None:
    """In a folder without `.dlt/config.toml`: what protects people is not a file."""
    with Sandbox(responses=60) as sandbox:
        pipeline, source = make_pipeline(workdir), make_source(sandbox, per_page=20)
        if way == "the command":
            assert command(sandbox, *OPTIONS).code == 0
        elif way == "pipeline.run":
            pipeline.run(source)
        else:
            load_in_checkpoints(pipeline, source)
        personal = {record["email"] for record in sandbox.records} - {None}

    places = found(workdir, personal)
    assert places
    assert {place.split(": ")[0] for place in places} <= {
        str(command.file),
        f"{command.file} responses",
    }
    assert rows_of(command.file, f"{DATASET}.responses") == 60
    staging = f"{DATASET}_staging"
    assert {rows_of(command.file, f"{staging}.{table}") for table in TABLES} == {0}


@pytest.mark.sampled
@pytest.mark.parametrize("options", [(), ("--full-refresh",)], ids=" ".join)
def test_whatever_lies_in_the_working_directory_is_of_no_account(
    command: Command, options: tuple[str, ...]
) -> None:
    with Sandbox(responses=100) as sandbox:
        assert command(sandbox, *OPTIONS, "--max-pages", "2").code == 0
        die(command, sandbox)
        folder = command.folder / "dlt" / "pipelines" / "customergauge"
        (jobs,) = folder.rglob("load/normalized/*/new_jobs")
        shutil.rmtree(jobs)  # as a removal that was killed would leave it
        for file in [
            *folder.rglob("state.json"),
            *folder.rglob("schemas/*"),
            *folder.rglob("schema.json"),
        ]:
            file.write_text(file.read_text("utf-8")[:500], "utf-8")

        ended = command(sandbox, *OPTIONS, *options)

        assert ended.code == 0, ended.err
        assert asked_cursors(sandbox)[0] == (None if options else str(sandbox.keys[39]))
        assert differences(command.file, sandbox.records) == []


@pytest.mark.long
def test_after_a_stuck_destination_the_next_run_reads_on_from_the_last_commit(
    command: Command,
) -> None:
    with Sandbox(responses=100) as sandbox:
        assert command(sandbox, *OPTIONS, "--max-pages", "2").code == 0
        alter(command.file, "responses__tags RENAME TO hidden")
        for _ in range(2):
            assert command(sandbox, *OPTIONS).code == 5
            assert len(loaded(command.file)) == 40
        alter(command.file, "hidden RENAME TO responses__tags")

        assert command(sandbox, *OPTIONS).code == 0

        assert asked_cursors(sandbox)[0] == str(sandbox.keys[39])
        assert differences(command.file, sandbox.records) == []


@pytest.mark.long
def test_a_full_refresh_gets_a_stuck_destination_going_again(command: Command) -> None:
    with Sandbox(responses=100) as sandbox:
        assert command(sandbox, *OPTIONS, "--max-pages", "2").code == 0
        alter(command.file, "responses__tags RENAME TO hidden")
        assert command(sandbox, *OPTIONS).code == 5

        ended = command(sandbox, *OPTIONS, "--full-refresh")

        assert ended.code == 0, ended.err
        assert differences(command.file, sandbox.records) == []


@pytest.mark.parametrize("how", at_length(["an older copy", "deleted"], short=["an older copy"]))
def test_a_destination_that_lost_the_last_load_is_loaded_anew(command: Command, how: str) -> None:
    copy = Path(f"{command.file}.copy")
    with Sandbox(responses=100) as sandbox:
        assert command(sandbox, *OPTIONS).code == 0
        shutil.copy(command.file, copy)
        sandbox.arrive(20)
        assert command(sandbox, *OPTIONS).code == 0
        assert len(loaded(command.file)) == 120
        command.file.unlink()
        if how == "an older copy":
            shutil.copy(copy, command.file)

        assert command(sandbox, *OPTIONS).code == 0

        assert differences(command.file, sandbox.records) == []
