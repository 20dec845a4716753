"""A lake of files, and kills of the command: nothing is lost, nothing half is to be seen."""

from __future__ import annotations

import random
import shutil
import signal
from collections import Counter

import pytest

from customergauge_source.sandbox import Sandbox
from tests.command import Command
from tests.killed_at import KILL_AT
from tests.kills import (
    ALL,
    LATENCY,
    RESPONSES,
    Pace,
    all_differences,
    change,
    kill_at_the_start,
    kill_at_work,
    measure,
)
from tests.lake_reading import KEY, files, present, repeated, unreadable, versions
from tests.support import EMPTY, at_length
from tests.truth import differences as response_differences

STARTING_SHARE = 0.15
KILLS_PER_CASE = 5
CONFIG = """destination_type = "filesystem"
[destination.filesystem]
bucket_url = "lake"
"""
# What is run beside loads, by case.
RUNS: tuple[tuple[tuple[str, ...], ...], ...] = (
    (("--reconcile",), ("--full-refresh",)),
    (),
    (("--full-refresh",),),
)
LOADS = "_dlt_loads"
MOMENTS = {
    "before the folder is there whole": r"open .*/lake/customergauge_data/\.?init",
    "the folder has no version": r"os.rename .*/lake/customergauge_data/\.init",
    "the schema is there, and no table": r"open .*/lake/.*/responses/",
    "a file is half there": r"os.rename .*/lake/.*/responses__tags/",
    "a state is half there": r"os.rename .*/lake/.*/_dlt_pipeline_state/",
    "the state is there, the load is not done": rf"open .*/lake/.*/{LOADS}/",
    "a load is half noted": rf"os.rename .*/lake/.*/{LOADS}/",
    "a schema is half there": r"os.rename .*/lake/.*/_dlt_version/",
    "the first file is removed": r"os.remove .*/lake/.*\.parquet",
}
FIRST = (*[*MOMENTS][:3], "a schema is half there")
REFRESHING = ("the first file is removed",)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Makes as many cases as `--kills` asks for."""
    if "case" in metafunc.fixturenames:
        kills = metafunc.config.getoption("--kills")
        metafunc.parametrize("case", range(-(-kills // KILLS_PER_CASE)))


@pytest.fixture(name="command")
def into_a_lake(command: Command) -> Command:
    """The command, which loads into a lake in its folder."""
    (command.folder / ".dlt").mkdir(parents=True)
    (command.folder / ".dlt" / "config.toml").write_text(CONFIG, "utf-8")
    return command


@pytest.fixture
def lake_pace(command: Command) -> Pace:
    """How long a run into a lake takes that is not killed."""
    with Sandbox(responses=RESPONSES, latency=LATENCY) as sandbox:
        found = measure(command.folder, sandbox)
    shutil.rmtree(command.folder / "lake")
    shutil.rmtree(command.folder / "dlt")
    return found


def differences(command: Command, sandbox: Sandbox) -> list[str]:
    """Returns how the present state differs from what the API has."""
    return all_differences(present(command.folder / "lake", command.file), sandbox)


def edit(sandbox: Sandbox, chance: random.Random) -> None:
    """Changes a response in place, and removes another."""
    cases = {case[KEY] for case in sandbox.records_of("close-loop")}
    once = [cgid for cgid, count in delivered(sandbox).items() if count == 1 and cgid not in cases]
    edited, removed = chance.sample(once, 2)
    sandbox.edit(edited, nps=chance.randrange(11), **EMPTY)
    sandbox.remove(removed)


def delivered(sandbox: Sandbox) -> Counter[int]:
    """Returns how often each response came; of two in one page the API may show the later one."""
    return Counter(record[KEY] for record in sandbox.records)


@pytest.mark.timeout(900)
def test_after_kills_the_present_state_is_that_of_the_api(
    command: Command, lake_pace: Pace, case: int
) -> None:
    chance = random.Random(f"lake {case}")  # noqa: S311 - to be repeated, not to be secret
    lake, others = command.folder / "lake", RUNS[case % len(RUNS)]
    with Sandbox(responses=RESPONSES, seed=case, latency=LATENCY) as sandbox:
        for kill in range(KILLS_PER_CASE):
            if chance.random() < STARTING_SHARE:
                kill_at_the_start(command.folder, sandbox, lake_pace, chance)
            else:
                how = chance.choice([(), *others])
                kill_at_work(command, sandbox, lake_pace, chance, *ALL, *how)
            assert unreadable(lake) == []
            if ("--reconcile",) in others:
                edit(sandbox, chance)
            if (case + kill) % 2:
                shutil.rmtree(command.folder / "dlt", ignore_errors=True)
        for _ in range(2):
            ended = command(sandbox, *ALL)
            assert ended.code == 0, ended.err
        if ("--reconcile",) in others:
            ended = command(sandbox, *ALL, "--reconcile")
            assert ended.code == 0, ended.err

        assert differences(command, sandbox) == []
        assert repeated(lake) == []
        if not others:
            assert versions(lake) <= delivered(sandbox)


def test_what_a_kill_kept_from_being_made_is_not_missed(command: Command) -> None:
    with Sandbox(responses=40) as sandbox:
        assert command(sandbox).code == 0
        moment = r"open .*/lake/.*/non_responses/"
        died = command(sandbox, *ALL, **{KILL_AT: moment})
        assert died.code == -signal.SIGKILL, died.err
        for options in (("--reconcile",), ALL):
            ended = command(sandbox, *options)
            assert ended.code == 0, ended.err

        assert command(sandbox, *ALL).code == 0
        assert differences(command, sandbox) == []


@pytest.mark.parametrize(
    "table",
    at_length(["non_responses", "deleted_non_responses", "close_loop"], short=["close_loop"]),
)
def test_a_first_load_that_is_killed_behind_another_resources_leaves_no_table_out(
    command: Command, table: str
) -> None:
    with Sandbox(responses=40) as sandbox:
        assert command(sandbox).code == 0
        died = command(sandbox, *ALL, **{KILL_AT: rf"open .*/lake/.*/{table}/"})
        assert died.code == -signal.SIGKILL, died.err
        for options in (ALL, ALL, (*ALL, "--reconcile")):
            sandbox.arrive(3)
            ended = command(sandbox, *options)
            assert ended.code == 0, ended.err

        assert differences(command, sandbox) == []


@pytest.mark.parametrize(
    "table",
    at_length(["responses", "deleted_responses", "rejected_records"], short=["deleted_responses"]),
)
def test_a_full_refresh_that_is_killed_leaves_no_table_out(command: Command, table: str) -> None:
    with Sandbox(responses=40) as sandbox:
        assert command(sandbox).code == 0
        died = command(sandbox, "--full-refresh", **{KILL_AT: rf"open .*/lake/.*/{table}/"})
        assert died.code == -signal.SIGKILL, died.err
        for options in ((), ("--reconcile",)):
            sandbox.arrive(3)
            ended = command(sandbox, *options)
            assert ended.code == 0, ended.err

        shown = present(command.folder / "lake", command.file)
        assert response_differences(shown, sandbox.records) == []


@pytest.mark.parametrize("moment", at_length(MOMENTS, short=[*MOMENTS][3:6]))
def test_a_run_that_is_killed_in_a_short_moment_is_completed(command: Command, moment: str) -> None:
    lake = command.folder / "lake"
    options = ("--full-refresh",) if moment in REFRESHING else ()
    with Sandbox(responses=100) as sandbox:
        if moment not in FIRST:
            assert command(sandbox, *ALL).code == 0
            change(sandbox, random.Random(moment))  # noqa: S311 - as above
        died = command(sandbox, *ALL, *options, **{KILL_AT: MOMENTS[moment]})
        assert died.code == -signal.SIGKILL, died.err
        assert unreadable(lake) == []
        shutil.rmtree(command.folder / "dlt", ignore_errors=True)
        left = {name: it for name, it in files(lake).items() if not name.endswith(".part")}
        assert command(sandbox, "--check").code == 0
        assert left.items() <= files(lake).items()
        for _ in range(2):
            ended = command(sandbox, *ALL)
            assert ended.code == 0, ended.err

        assert differences(command, sandbox) == []
        assert repeated(lake) == []
        if not options:
            assert versions(lake) <= delivered(sandbox)
