"""A run that is killed in the moments that are too short for random kills to hit."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest

from customergauge_source.sandbox import Sandbox
from tests.command import Command
from tests.killed_at import KILL_AT
from tests.support import at_length
from tests.truth import differences, loaded

OPTIONS = ("--per-page", "20", "--checkpoint-pages", "2")
STAGED = r'INSERT INTO "customergauge_data_staging"\."responses" '
NOT_NOTED = "a table is staged, and not noted"
DROPPED = "the tables are dropped"
LATER = {
    NOT_NOTED: f"sql> {STAGED}",
    "an extracted package is half removed": r"os.remove responses\..*parquet",
    "a package is loaded, and not moved": r"os.rename .*/load/normalized/[0-9.]+$",
}
FIRST = {"a schema is being written": r"(open|os.rename) .*/schemas/\w+$"}
REFRESH = {
    DROPPED: f"sql< {STAGED}",
    "the tables are about to be dropped": "sql< DROP TABLE",
    "the state is about to be saved": r"(open|os.rename) .*/customergauge/\w+$",
    "a schema is being written": r"(open|os.rename) .*/schemas/\w+$",
}


def die(command: Command, sandbox: Sandbox, moment: str, *options: str) -> None:
    """Runs the command until it is killed at a moment."""
    died = command(sandbox, *OPTIONS, *options, **{KILL_AT: moment})
    assert died.code == -signal.SIGKILL, died.err


def with_news(sandbox: Sandbox) -> None:
    """Lets responses arrive, some of them again without their lists."""
    sandbox.arrive(30)
    for record in sandbox.records[5:30:3]:
        sandbox.redeliver(record["number_customergauge"], nps=0, tags=[], selected_drivers=[])


def assert_recovers(command: Command, sandbox: Sandbox) -> None:
    """Fails if the next run does not end with what the API has, or a further one changes it."""
    for _ in range(2):
        ended = command(sandbox, *OPTIONS)
        assert ended.code == 0, ended.err
        assert differences(command.file, sandbox.records) == []


@pytest.mark.parametrize("moment", at_length(FIRST | LATER, short=FIRST))
def test_a_first_load_that_is_killed_in_a_short_moment_is_completed(
    command: Command, moment: str
) -> None:
    with Sandbox(responses=100) as sandbox:
        die(command, sandbox, (LATER | FIRST)[moment])
        assert_recovers(command, sandbox)


@pytest.mark.parametrize("moment", at_length(LATER, short=[NOT_NOTED]))
def test_a_later_load_that_is_killed_in_a_short_moment_is_completed(
    command: Command, moment: str
) -> None:
    with Sandbox(responses=100) as sandbox:
        assert command(sandbox, *OPTIONS).code == 0
        with_news(sandbox)
        die(command, sandbox, LATER[moment])
        assert_recovers(command, sandbox)


@pytest.mark.parametrize("wiped", at_length([False, True], short=[False]))
@pytest.mark.parametrize("moment", at_length(REFRESH, short=[DROPPED]))
def test_a_full_refresh_that_is_killed_loses_nothing(
    command: Command, moment: str, *, wiped: bool
) -> None:
    with Sandbox(responses=100) as sandbox:
        assert command(sandbox, *OPTIONS).code == 0
        with_news(sandbox)
        die(command, sandbox, REFRESH[moment], "--full-refresh")
        if wiped:
            shutil.rmtree(command.folder / "dlt")
        assert_recovers(command, sandbox)


def test_a_full_refresh_that_cannot_load_is_aborted_without_losing_what_it_dropped(
    command: Command,
) -> None:
    with Sandbox(responses=100) as sandbox:
        assert command(sandbox, *OPTIONS).code == 0
        die(command, sandbox, f"sql< {STAGED}", "--full-refresh")
        packages = command.folder / "dlt" / "pipelines" / "customergauge" / "load" / "normalized"
        for file in packages.rglob("responses.*.parquet"):
            file.write_bytes(b"this was a parquet file")
        assert command(sandbox, *OPTIONS).code == 5

        ended = command(sandbox, *OPTIONS, "--abort-pending")

        assert ended.code == 0, ended.err
        assert differences(command.file, sandbox.records) == []


@pytest.mark.long
@pytest.mark.parametrize("number", range(20, 1000, 40))  # a run has 600 to 900 of them
@pytest.mark.parametrize("options", [(), ("--full-refresh",)], ids=["a load", "a full refresh"])
def test_a_run_that_is_killed_at_any_event_is_completed(
    command: Command, options: tuple[str, ...], number: int
) -> None:
    with Sandbox(responses=100) as sandbox:
        assert command(sandbox, *OPTIONS).code == 0
        with_news(sandbox)
        died = command(sandbox, *OPTIONS, *options, **{KILL_AT: f"event {number}"})
        assert died.code in {0, -signal.SIGKILL}, died.err
        assert_recovers(command, sandbox)


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
        assert_recovers(command, sandbox)
