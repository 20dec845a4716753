"""Killed at randomized instants and in short moments: the next run ends with the API's rows."""

from __future__ import annotations

import random
import shutil
import signal
import time
from pathlib import Path

import pytest

from customergauge_source.sandbox import Sandbox
from tests.command import Command, until
from tests.histories import apart, numbered, present, shown
from tests.killed_at import KILL_AT
from tests.kills import (
    ALL,
    LATENCY,
    OPTIONS,
    RESPONSES,
    Pace,
    all_differences,
    change,
    kill_at_the_start,
    kill_at_work,
    measure,
)
from tests.support import at_length, query
from tests.truth import differences

KILLS_PER_CASE = 5
STARTING_SHARE = 0.15
SIGNALS = (signal.SIGINT, signal.SIGTERM)
MERGED = "CREATE TEMPORARY TABLE responses_delete"
DROPPED = "the tables are dropped"
MOMENTS = {
    DROPPED: f"sql< {MERGED}",
    "records are merged, and that not committed": f"sql> {MERGED}",
    "a package is loaded, and not moved": r"os.rename .*/load/normalized/[0-9.]+$",
    "a schema is being written": r"(open|os.rename) .*/schemas/\w+$",
    "the state is about to be saved": r"(open|os.rename) .*/customergauge/\w+$",
}
EVENTS = [f"event {number}" for number in range(20, 700, 40)]  # of which a run has about so many


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Makes as many cases as `--kills` asks for."""
    if "case" in metafunc.fixturenames:
        kills = metafunc.config.getoption("--kills")
        metafunc.parametrize("case", range(-(-kills // KILLS_PER_CASE)))


@pytest.fixture(scope="session")
def pace(tmp_path_factory: pytest.TempPathFactory) -> Pace:
    """How long a run takes that is not killed."""
    with Sandbox(responses=RESPONSES, latency=LATENCY) as sandbox:
        return measure(tmp_path_factory.mktemp("pace"), sandbox)


def load_through_kills(
    command: Command, sandbox: Sandbox, pace: Pace, chance: random.Random, case: int
) -> None:
    """Kills load after load, half of them with the working directory wiped; then loads the rest."""
    for kill in range(KILLS_PER_CASE):
        if chance.random() < STARTING_SHARE:
            kill_at_the_start(command.folder, sandbox, pace, chance)
        else:
            kill_at_work(command, sandbox, pace, chance, *ALL)
        if (case + kill) % 2:
            shutil.rmtree(command.folder / "dlt", ignore_errors=True)
    for _ in range(2):  # a window of cases that was cut off is read to its end, then the next
        ended = command(sandbox, *ALL)
        assert ended.code == 0, ended.err


def test_a_run_after_kills_ends_with_the_rows_of_the_api(
    command: Command, pace: Pace, case: int
) -> None:
    chance = random.Random(case)  # noqa: S311 - to be repeated, not to be secret
    with Sandbox(responses=RESPONSES, seed=case, latency=LATENCY) as sandbox:
        load_through_kills(command, sandbox, pace, chance, case)

        assert all_differences(command.file, sandbox) == []


@pytest.mark.long
def test_a_history_after_kills_has_each_version_of_a_done_load_once(
    command: Command, pace: Pace, case: int
) -> None:
    chance = random.Random(f"history {case}")  # noqa: S311
    settings = command.folder / ".dlt" / "config.toml"
    settings.parent.mkdir()
    settings.write_text("[sources.customergauge]\nhistory = true\nviews = true\n", "utf-8")
    with Sandbox(responses=RESPONSES, seed=case, latency=LATENCY) as sandbox:
        load_through_kills(command, sandbox, pace, chance, case)

        assert differences(apart(command.file), numbered(sandbox.records)) == []
        for state in (present(command.file), shown(command.file)):
            assert all_differences(state, sandbox) == []


SCRIPT = """
import sys
import dlt
from customergauge_source import customergauge_source, load_in_checkpoints

@dlt.source
def shop():
    @dlt.resource(primary_key="id", write_disposition="merge")
    def orders():
        state = dlt.current.resource_state()
        first = state.get("next", 0)
        state["next"] = first + 5
        for n in range(first, first + 5):
            yield {"id": n, "lines": [{"sku": f"{n}-{i}"} for i in range(3)]}
    return orders

pipeline = dlt.pipeline(
    "somebody_elses",
    destination=dlt.destinations.duckdb("customergauge.duckdb"),
    dataset_name="customergauge_data",
)
steps = {
    "run": lambda: pipeline.run(shop()),
    "leave": lambda: (pipeline.sync_destination(), pipeline.extract(shop())),
    "load": lambda: load_in_checkpoints(
        pipeline,
        customergauge_source(per_page=20, resources=["responses", "non_responses", "close_loop"]),
        checkpoint_pages=2,
    ),
}
for step in sys.argv[1:]:
    steps[step]()
"""
STEPS = (("load", "run"), ("run", "load"), ("leave", "load"), ("load", "leave"))


def orders_lost(file: Path) -> list[str]:
    """Returns what is missing of somebody else's orders, whose numbers have no gaps.

    They may be there twice: dlt loads a package again that was staged, and not noted, when the
    run was killed.
    """
    ((count, following),) = query(file, "SELECT count(DISTINCT id), max(id) + 1 FROM orders")
    ((lines,),) = query(file, "SELECT count(DISTINCT sku) FROM orders__lines")
    complete = (count, lines) == (following, 3 * following)
    return [] if complete else [f"{count} orders with {lines} lines, of {following}"]


@pytest.mark.long
def test_kills_in_somebody_elses_pipeline_lose_neither_theirs_nor_ours(
    command: Command, pace: Pace, case: int
) -> None:
    chance = random.Random(f"pipeline {case}")  # noqa: S311
    command.program = command.folder / "script.py"
    command.program.write_text(SCRIPT, "utf-8")
    with Sandbox(responses=RESPONSES, seed=case, latency=LATENCY) as sandbox:
        for kill in range(KILLS_PER_CASE):
            kill_at_work(command, sandbox, pace, chance, *chance.choice(STEPS))
            if (case + kill) % 2:
                shutil.rmtree(command.folder / "dlt", ignore_errors=True)
        for _ in range(2):
            ended = command(sandbox, "load", "run")
            assert ended.code == 0, ended.err

        assert orders_lost(command.file) == []
        assert all_differences(command.file, sandbox) == []


HALF_DONE = {
    "ours is half removed": ([("load", f"sql> {MERGED}"), ("load", "os.rmdir failed_jobs")], "run"),
    "theirs is normalized, and still there": (
        [("leave load", r"shutil.rmtree .*/normalize/extracted/")],
        "load",
    ),
    "nothing is at the destination yet": ([("load", "sql< CREATE (SCHEMA|TABLE)")], "load"),
    "a schema is half written": ([("load", "os.rename .*/schemas/")], "load"),
    "a schema is ahead of the tables": (
        [("load", r'sql< CREATE TABLE .*_data"\."non_responses')],
        "load",
    ),
}


@pytest.mark.long
@pytest.mark.parametrize("how", at_length(HALF_DONE, short=list(HALF_DONE)[1:3]))
def test_nothing_that_a_kill_left_half_done_stops_somebody_elses_pipeline(
    command: Command, how: str
) -> None:
    kills, first = HALF_DONE[how]
    command.program = command.folder / "script.py"
    command.program.write_text(SCRIPT, "utf-8")
    with Sandbox(responses=60) as sandbox:
        for steps, moment in kills:
            died = command(sandbox, *steps.split(), **{KILL_AT: moment})
            assert died.code == -signal.SIGKILL, died.err
        sandbox.arrive(1)
        for _ in range(2):
            ended = command(sandbox, first, "load", "run")
            assert ended.code == 0, ended.err

        assert orders_lost(command.file) == []
        assert all_differences(command.file, sandbox) == []


@pytest.mark.sampled
@pytest.mark.parametrize("moment", at_length([*MOMENTS, *EVENTS], short=[DROPPED]))
@pytest.mark.parametrize("options", [(), ("--full-refresh",)], ids=["a load", "a full refresh"])
def test_a_run_that_is_killed_in_a_short_moment_is_completed(
    command: Command, options: tuple[str, ...], moment: str
) -> None:
    with Sandbox(responses=100) as sandbox:
        assert command(sandbox, *OPTIONS).code == 0
        change(sandbox, random.Random(moment))  # noqa: S311
        died = command(sandbox, *OPTIONS, *options, **{KILL_AT: MOMENTS.get(moment, moment)})
        assert died.code == -signal.SIGKILL or moment not in MOMENTS, died.err
        ended = command(sandbox, *OPTIONS)

        assert ended.code == 0, ended.err
        assert differences(command.file, sandbox.records) == []


def test_a_file_is_never_there_half_created(command: Command) -> None:
    with Sandbox(responses=20) as sandbox:
        died = command(sandbox, **{KILL_AT: "os.link"})
        assert died.code == -signal.SIGKILL, died.err
        assert not command.file.exists()

        ended = command(sandbox)
        assert ended.code == 0, ended.err
        assert differences(command.file, sandbox.records) == []
    assert not Path(f"{command.file}.new").exists()


@pytest.mark.parametrize("number", at_length(SIGNALS, short=[signal.SIGTERM]))
def test_an_interrupt_with_pages_left_always_ends_with_130_and_harms_nothing(
    command: Command, number: signal.Signals
) -> None:
    chance = random.Random(number.name)  # noqa: S311
    with Sandbox(responses=1200, latency=0.05) as sandbox:
        for _ in range(5):
            before = len(sandbox.data_requests)
            running = command.start(sandbox, *OPTIONS)
            until(lambda asked=before: len(sandbox.data_requests) > asked)  # type: ignore[misc]
            time.sleep(chance.uniform(0, 0.6))
            running.signal(number)
            ended = running.finish()
            assert ended.code == 130, ended.err
            assert "Error: Interrupted. " in ended.err
            assert "Traceback" not in ended.err
            change(sandbox, chance)
        assert len(sandbox.data_requests) < 60
        assert command(sandbox).code == 0
        assert differences(command.file, sandbox.records) == []


def test_tables_that_a_kill_kept_from_being_made_are_not_missed(command: Command) -> None:
    """Killed after the tables were made, and before those of the staging dataset were."""
    moment = r'(?s)sql< .*CREATE TABLE.*"customergauge_data_staging"\."responses"'
    with Sandbox(responses=20) as sandbox:
        died = command(sandbox, **{KILL_AT: moment})
        assert died.code == -signal.SIGKILL, died.err

        ended = command(sandbox)
        assert ended.code == 0, ended.err
        assert differences(command.file, sandbox.records) == []
