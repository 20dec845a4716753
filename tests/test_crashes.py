"""The real command, killed at randomized instants: the next run ends with the API's rows."""

from __future__ import annotations

import contextlib
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from customergauge_source.sandbox import Sandbox
from tests.command import Command, until
from tests.support import environment, start_load
from tests.truth import differences

KILLS_PER_CASE = 5
OPTIONS = ("--per-page", "20", "--checkpoint-pages", "2")
STARTING_SHARE = 0.15
RESPONSES, LATENCY = 180, 0.03


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Makes as many cases as `--kills` asks for."""
    if "case" in metafunc.fixturenames:
        kills = metafunc.config.getoption("--kills")
        metafunc.parametrize("case", range(-(-kills // KILLS_PER_CASE)))


def change(sandbox: Sandbox, chance: random.Random) -> None:
    """Lets responses arrive, and others come again with other lists and values."""
    sandbox.arrive(chance.randrange(1, 12))
    known = [record["number_customergauge"] for record in sandbox.records]
    for cgid in chance.sample(known, 8):
        sandbox.redeliver(
            cgid,
            nps=chance.randrange(11),
            tags=[{"label": f"again {n}", "type": "tag"} for n in range(chance.randrange(4))],
            selected_drivers=chance.choice(
                [[], [{"primary": "Price", "secondary": ["High", "Rising"]}]]
            ),
        )


class Pace(NamedTuple):
    """Seconds that a run takes here and now: to its first request, and from there to its end."""

    starting: float
    working: float


@pytest.fixture(scope="session")
def pace(tmp_path_factory: pytest.TempPathFactory) -> Pace:
    """How long a run takes that is not killed."""
    folder = tmp_path_factory.mktemp("pace")
    with Sandbox(responses=RESPONSES, latency=LATENCY) as sandbox:
        begin = time.monotonic()
        with start_load(folder, *OPTIONS, env=environment(folder, sandbox)) as process:
            until(lambda: sandbox.requests)
            asked = time.monotonic()
            process.communicate()
        return Pace(asked - begin, time.monotonic() - asked)


def kill_somewhere(folder: Path, sandbox: Sandbox, pace: Pace, chance: random.Random) -> None:
    """Starts the command and kills it, in its start or at work; it may be done before that."""
    asked = len(sandbox.requests)
    process = start_load(folder, *OPTIONS, env=environment(folder, sandbox))
    try:
        starting = chance.random() < STARTING_SHARE
        if not starting:
            until(lambda: len(sandbox.requests) > asked or process.poll() is not None)
        delay = chance.uniform(0, pace.starting if starting else pace.working)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(delay / 2)
        change(sandbox, chance)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(delay / 2)
    finally:
        process.kill()
        _, err = process.communicate()
    assert process.returncode in {0, -signal.SIGKILL}, err


def test_a_run_after_kills_ends_with_the_rows_of_the_api(
    command: Command, pace: Pace, case: int
) -> None:
    chance = random.Random(case)  # noqa: S311 - to be repeated, not to be secret
    with Sandbox(responses=RESPONSES, seed=case, latency=LATENCY) as sandbox:
        for kill in range(KILLS_PER_CASE):
            kill_somewhere(command.folder, sandbox, pace, chance)
            if (case + kill) % 2:
                shutil.rmtree(command.folder / "dlt", ignore_errors=True)
        ended = command(sandbox, *OPTIONS)

        assert ended.code == 0, ended.err
        assert differences(command.file, sandbox.records) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda it: it.name)
def test_an_interrupt_with_pages_left_always_ends_with_130(
    command: Command, number: signal.Signals
) -> None:
    with Sandbox(responses=2000, latency=0.05) as sandbox:
        for wait in (0.1, 0.2, 0.3, 0.4, 0.5):
            before = len(sandbox.data_requests)
            running = command.start(sandbox, "--per-page", "20", "--checkpoint-pages", "2")
            until(lambda asked=before: len(sandbox.data_requests) > asked + 2)  # type: ignore[misc]
            time.sleep(wait)
            running.signal(number)
            assert running.finish().code == 130
        assert len(sandbox.data_requests) < 100


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda it: it.name)
@pytest.mark.parametrize("seed", range(2))
def test_an_interrupt_at_any_instant_ends_with_130_and_harms_nothing(
    command: Command, number: signal.Signals, seed: int
) -> None:
    chance = random.Random(f"{number.name}{seed}")  # noqa: S311
    with Sandbox(responses=RESPONSES, latency=LATENCY) as sandbox:
        for _ in range(2):
            asked = len(sandbox.requests)
            running = command.start(sandbox, *OPTIONS)
            until(lambda before=asked: len(sandbox.requests) > before)  # type: ignore[misc]
            time.sleep(chance.uniform(0, 2.0))
            with contextlib.suppress(ProcessLookupError):
                running.signal(number)
            ended = running.finish()
            assert ended.code in {0, 130}, ended.err
            assert "Traceback" not in ended.err
            assert ended.code == 0 or "Error: Interrupted. " in ended.err
            change(sandbox, chance)
        ended = command(sandbox, *OPTIONS)

        assert ended.code == 0, ended.err
        assert differences(command.file, sandbox.records) == []
