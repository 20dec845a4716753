"""Load packages that a run left behind: loaded first, or got past without losing responses."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import dlt
import pytest

from customergauge_source.sandbox import Fault, Sandbox
from tests.command import Command, until
from tests.killed_at import KILL_AT
from tests.support import DATASET, asked_cursors, at_length, make_source
from tests.truth import differences, loaded

ABORTS = {
    "the state is about to go": r"os.remove .*/customergauge/state.json$",
    "a package is about to go": "shutil.rmtree .*/customergauge/?$",
    "a package is half removed": r"os.remove (.*/)?responses\..*parquet$",
    "the folder is about to go": "os.rmdir .*/customergauge/?$",
}
OPTIONS = ("--per-page", "20", "--checkpoint-pages", "2")
LOADED_BEFORE, LEFT_BEHIND = 40, 120


def leave_behind(
    command: Command, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, *, normalize: bool
) -> Path:
    """Commits 40 responses, then extracts 120 and dies before they are loaded.

    Returns:
        The folder of the package.
    """
    assert command(sandbox, *OPTIONS, "--max-pages", "2").code == 0
    monkeypatch.chdir(command.folder)
    pipelines = command.folder / "dlt" / "pipelines"
    pipeline = dlt.pipeline(
        "customergauge",
        destination=dlt.destinations.duckdb(str(command.file)),
        dataset_name=DATASET,
        pipelines_dir=str(pipelines),
    )
    pipeline.extract(make_source(sandbox, per_page=20).add_limit(6))
    if not normalize:
        (package,) = (pipelines / "customergauge" / "normalize" / "extracted").iterdir()
        return package
    pipeline.normalize()
    (package,) = (pipelines / "customergauge" / "load" / "normalized").iterdir()
    return package


@pytest.mark.parametrize("normalize", at_length([False, True], short=[True]))
def test_a_pending_package_is_finished_first_and_the_feed_goes_on_behind_it(
    command: Command, monkeypatch: pytest.MonkeyPatch, *, normalize: bool
) -> None:
    with Sandbox(responses=200) as sandbox:
        leave_behind(command, sandbox, monkeypatch, normalize=normalize)
        assert len(loaded(command.file)) == LOADED_BEFORE
        for record in sandbox.records[35:60]:
            sandbox.redeliver(record["number_customergauge"], nps=0, tags=[])
        sandbox.inject(Fault("403", page=sandbox.pages_served + 1))

        behind = str(sandbox.keys[159])
        assert command(sandbox, *OPTIONS).code == 4
        assert asked_cursors(sandbox) == [behind]
        assert len(loaded(command.file)) == LEFT_BEHIND + LOADED_BEFORE
        assert command(sandbox, *OPTIONS).code == 0
        assert asked_cursors(sandbox)[0] == behind
        assert differences(command.file, sandbox.records) == []


def test_the_summary_counts_the_rows_of_a_pending_package(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox(responses=160) as sandbox:
        leave_behind(command, sandbox, monkeypatch, normalize=True)
        summary = command(sandbox, *OPTIONS, "--json").summary

        assert len(loaded(command.file)) == 160
        assert summary["tables"]["responses"] == LEFT_BEHIND
        assert summary["checkpoints"] == 1


def spoil_job(package: Path, _command: Command) -> None:
    """Overwrites the responses of a package."""
    (file,) = (package / "new_jobs").glob("responses.*.parquet")
    file.write_bytes(b"this was a parquet file")


def spoil_schema(package: Path, _command: Command) -> None:
    """Cuts the schema of a package in half."""
    file = package / "schema.json"
    file.write_text(file.read_text("utf-8")[:500], "utf-8")


def refuse_schema(package: Path, _command: Command) -> None:
    """Makes the package want a column that DuckDB cannot add to a table with rows."""
    file = package / "schema.json"
    column = '{"name":"impossible","data_type":"bigint","nullable":false},"nps":{'
    changed = file.read_text("utf-8").replace('"nps":{', f'"impossible":{column}', 1)
    file.write_text(changed, "utf-8")


SPOILS: dict[str, Callable[[Path, Command], None]] = {
    "job": spoil_job,
    "schema": spoil_schema,
    "refused schema": refuse_schema,
}


@pytest.mark.parametrize("spoil", at_length(SPOILS, short=["job"]))
def test_a_package_that_can_never_load_is_reported_with_the_way_out_which_works(
    command: Command, monkeypatch: pytest.MonkeyPatch, spoil: str
) -> None:
    with Sandbox(responses=200) as sandbox:
        SPOILS[spoil](leave_behind(command, sandbox, monkeypatch, normalize=True), command)

        ended = command(sandbox, *OPTIONS)

        assert ended.code == 5, ended.err
        what, remedy = ended.err.splitlines()[-2:]
        assert what.startswith("Error: ")
        assert "--abort-pending" in remedy
        assert len(loaded(command.file)) == LOADED_BEFORE

        ended = command(sandbox, *OPTIONS, "--abort-pending")

        assert ended.code == 0, ended.err
        assert "Warning: Dropped 1 pending load package" in ended.err
        assert differences(command.file, sandbox.records) == []


def test_an_extracted_package_that_can_never_be_normalized_is_got_past(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox(responses=200) as sandbox:
        package = leave_behind(command, sandbox, monkeypatch, normalize=False)
        for file in package.rglob("responses.*.parquet"):
            file.write_bytes(file.read_bytes()[:40])

        ended = command(sandbox, *OPTIONS)
        assert ended.code == 5, ended.err
        assert "--abort-pending" in ended.err.splitlines()[-1]
        ended = command(sandbox, *OPTIONS, "--abort-pending")

        assert ended.code == 0, ended.err
        assert differences(command.file, sandbox.records) == []


def test_abort_pending_with_nothing_pending_is_an_ordinary_run(command: Command) -> None:
    with Sandbox(responses=60) as sandbox:
        for _ in range(2):
            ended = command(sandbox, *OPTIONS, "--abort-pending")

            assert ended.code == 0, ended.err
            assert "Dropped" not in ended.err
        assert differences(command.file, sandbox.records) == []


def test_abort_pending_drops_a_healthy_package_without_losing_it(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox(responses=200) as sandbox:
        leave_behind(command, sandbox, monkeypatch, normalize=True)
        ended = command(sandbox, *OPTIONS, "--abort-pending")

        assert ended.code == 0, ended.err
        assert asked_cursors(sandbox)[0] == str(sandbox.keys[39])
        assert differences(command.file, sandbox.records) == []


@pytest.mark.parametrize("normalize", [True, False], ids=["normalized", "extracted"])
@pytest.mark.parametrize("moment", at_length(ABORTS, short=["a package is half removed"]))
def test_an_abort_that_is_killed_loses_nothing(
    command: Command, monkeypatch: pytest.MonkeyPatch, moment: str, *, normalize: bool
) -> None:
    with Sandbox(responses=200) as sandbox:
        leave_behind(command, sandbox, monkeypatch, normalize=normalize)
        died = command(sandbox, *OPTIONS, "--abort-pending", **{KILL_AT: ABORTS[moment]})
        assert died.code == -signal.SIGKILL, died.err

        ended = command(sandbox, *OPTIONS)

        assert ended.code == 0, ended.err
        assert differences(command.file, sandbox.records) == []


def test_an_abort_that_was_killed_is_finished_by_the_next_run(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox(responses=200) as sandbox:
        spoil_job(leave_behind(command, sandbox, monkeypatch, normalize=True), command)
        for delay in (0.15, 0.3, 0.45):
            running = command.start(sandbox, *OPTIONS, "--abort-pending")
            time.sleep(delay)
            running.signal(signal.SIGKILL)
            running.finish()
        ended = command(sandbox, *OPTIONS, "--abort-pending")

        assert ended.code == 0, ended.err
        assert differences(command.file, sandbox.records) == []


@pytest.mark.long
@pytest.mark.parametrize("number", range(20, 1000, 40))
def test_an_abort_that_is_killed_at_any_event_loses_nothing(
    command: Command, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    with Sandbox(responses=200) as sandbox:
        leave_behind(command, sandbox, monkeypatch, normalize=True)
        died = command(sandbox, *OPTIONS, "--abort-pending", **{KILL_AT: f"event {number}"})
        assert died.code in {0, -signal.SIGKILL}, died.err

        ended = command(sandbox, *OPTIONS)

        assert ended.code == 0, ended.err
        assert differences(command.file, sandbox.records) == []


def test_a_package_whose_load_was_killed_is_loaded_by_the_next_run(command: Command) -> None:
    with Sandbox(responses=200) as sandbox:
        running = command.start(sandbox, "--per-page", "20", "--checkpoint-pages", "8")
        packages = command.folder / "dlt" / "pipelines" / "customergauge" / "load" / "normalized"
        until(lambda: packages.exists() and any(packages.glob("*/started_jobs/*")))
        running.signal(signal.SIGKILL)
        running.finish()
        ended = command(sandbox, *OPTIONS)

        assert ended.code == 0, ended.err
        assert asked_cursors(sandbox)[0] == str(sandbox.keys[159])
        assert differences(command.file, sandbox.records) == []
