"""DuckLake after kills at random instants: what it holds in the end is what the API has."""

from __future__ import annotations

import random
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from customergauge_source.sandbox import Sandbox
from tests.command import Command
from tests.docs import PAGES, code_spans
from tests.kills import (
    ALL,
    LATENCY,
    OPTIONS,
    RECONCILE,
    RESPONSES,
    all_differences,
    change_more,
)
from tests.support import DATASET, at_length
from tests.truth import differences
from tests.warehouses.target import Target
from tests.warehouses.trial import Trial

# The emulators take minutes on a busy machine.
pytestmark = pytest.mark.timeout(900)

KILLS_PER_CASE = 5
EACH_THIRD = 3
TIDYING = [
    # dlt calls it ducklake; and all that may be tidied is of today.
    re.sub(r" - INTERVAL '.*?'", "", it.replace("'lake'", "'ducklake'"))
    for it in code_spans(PAGES["docs/warehouses.md"])
    if it.startswith("CALL ducklake_")
]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Makes as many cases as `--kills` asks for: the first kill of each, and how many."""
    kills = metafunc.config.getoption("--kills")
    cases = [(it, min(KILLS_PER_CASE, kills - it)) for it in range(0, kills, KILLS_PER_CASE)]
    metafunc.parametrize("case", cases, ids=str)


def copied(trial: Trial, file: Path) -> Path:
    """Returns a DuckDB file with a copy of the tables."""
    file.unlink(missing_ok=True)
    with trial.pipeline().sql_client() as client:
        client.execute_sql(f"ATTACH '{file}' AS copy")
        client.execute_sql(f"CREATE SCHEMA copy.{DATASET}")
        names = client.execute_sql(
            f"SELECT table_name FROM duckdb_tables() WHERE schema_name = '{trial.dataset}'"
        )
        for (name,) in names or ():
            table = client.make_qualified_table_name(name)
            client.execute_sql(f"CREATE TABLE copy.{DATASET}.{name} AS FROM {table}")
        client.execute_sql("DETACH copy")
    return file


@pytest.fixture(scope="session")
def seconds(
    running_warehouse: Target,
    fork_server: subprocess.Popen[str],
    tmp_path_factory: pytest.TempPathFactory,
) -> float:
    """How long a first load of responses takes here and now."""
    command = Command(fork_server, tmp_path_factory.mktemp("pace"))
    command.program = running_warehouse.program
    place = ("--destination", running_warehouse.destination, "--dataset", "pace")
    with Sandbox(responses=RESPONSES, latency=LATENCY) as sandbox:
        begin = time.monotonic()
        ended = command(sandbox, *place, *OPTIONS, **running_warehouse.env)
    assert ended.code == 0, ended.err
    return time.monotonic() - begin


@pytest.mark.parametrize(
    "running_warehouse", at_length(["ducklake", "ducklake_s3"], short=["ducklake"]), indirect=True
)
def test_a_lake_after_kills_holds_what_the_api_has_and_can_be_tidied(
    command: Command, warehouse: Target, dataset_name: str, seconds: float, case: tuple[int, int]
) -> None:
    first, kills = case
    chance = random.Random(first)  # noqa: S311 - to be repeated, not to be secret
    command.program = warehouse.program
    whole = kills == KILLS_PER_CASE  # a case that is cut short is one of responses alone
    what = ALL if whole else OPTIONS
    place = ("--destination", warehouse.destination, "--dataset", dataset_name, *what)
    longest = seconds * (2 if whole else 1)
    trial = Trial(
        destination=warehouse.destination, dataset=dataset_name, folder=command.folder / "trial"
    )
    with Sandbox(responses=RESPONSES, seed=first, latency=LATENCY) as sandbox:
        for kill in range(first, first + kills):
            how = RECONCILE if kill % EACH_THIRD == EACH_THIRD - 1 else ()
            running = command.start(sandbox, *place, *how, **warehouse.env)
            # What comes after a first load takes less time.
            delay = chance.uniform(0, longest / (1 + (kill - first) // 2))
            time.sleep(delay / 2)
            change_more(sandbox, chance)
            time.sleep(delay / 2)
            running.signal(signal.SIGKILL)
            ended = running.finish()
            assert ended.code in {0, -signal.SIGKILL}, ended.err
            if kill % 2:
                shutil.rmtree(command.folder / "dlt", ignore_errors=True)
        # A window of cases that was cut off is read to its end, then the next.
        for how in ((), (), RECONCILE):
            ended = command(sandbox, *place, *how, **warehouse.env)
            assert ended.code == 0, ended.err

        def wrong() -> list[str]:
            copy = copied(trial, command.folder / "copy.duckdb")
            return all_differences(copy, sandbox) if whole else differences(copy, sandbox.records)

        assert wrong() == []

        assert TIDYING
        with trial.pipeline().sql_client() as client:
            for statement in TIDYING:
                client.execute_sql(statement)
        assert wrong() == []
