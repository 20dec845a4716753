"""The real command, killed at randomized instants: the next run ends with the API's rows."""

from __future__ import annotations

import random
import shutil
import signal
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from customergauge_source.sandbox import Sandbox
from tests.command import Command, until
from tests.support import at_length, environment, start_load
from tests.truth import differences

KILLS_PER_CASE = 5
OPTIONS = ("--per-page", "20", "--checkpoint-pages", "2")
STARTING_SHARE = 0.15
RESPONSES, LATENCY = 120, 0.03
SIGNALS = (signal.SIGINT, signal.SIGTERM)


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


def kill_at_the_start(folder: Path, sandbox: Sandbox, pace: Pace, chance: random.Random) -> None:
    """Starts the command and kills it before its first request, mostly among its imports."""
    with start_load(folder, *OPTIONS, env=environment(folder, sandbox)) as process:
        time.sleep(chance.uniform(0, pace.starting))
        process.kill()
        _, err = process.communicate()
    assert process.returncode in {0, -signal.SIGKILL}, err  # on a machine that got faster


def kill_at_work(command: Command, sandbox: Sandbox, pace: Pace, chance: random.Random) -> None:
    """Starts the command and kills it after its first request; it may be done before that."""
    tokens = len(sandbox.tokens)
    running = command.start(sandbox, *OPTIONS)
    until(lambda: len(sandbox.tokens) > tokens)
    delay = chance.uniform(0, pace.working)
    time.sleep(delay / 2)
    change(sandbox, chance)
    time.sleep(delay / 2)
    running.signal(signal.SIGKILL)
    ended = running.finish()
    assert ended.code in {0, -signal.SIGKILL}, ended.err


def test_a_run_after_kills_ends_with_the_rows_of_the_api(
    command: Command, pace: Pace, case: int
) -> None:
    chance = random.Random(case)  # noqa: S311 - to be repeated, not to be secret
    with Sandbox(responses=RESPONSES, seed=case, latency=LATENCY) as sandbox:
        for kill in range(KILLS_PER_CASE):
            if chance.random() < STARTING_SHARE:
                kill_at_the_start(command.folder, sandbox, pace, chance)
            else:
                kill_at_work(command, sandbox, pace, chance)
            if (case + kill) % 2:
                shutil.rmtree(command.folder / "dlt", ignore_errors=True)
        ended = command(sandbox, *OPTIONS)

        assert ended.code == 0, ended.err
        assert differences(command.file, sandbox.records) == []


@pytest.mark.parametrize("number", at_length(SIGNALS, short=[signal.SIGTERM]))
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


@pytest.mark.parametrize("number", at_length(SIGNALS, short=[signal.SIGTERM]))
@pytest.mark.parametrize("seed", at_length(range(3), short=[0]))
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
            running.signal(number)
            ended = running.finish()
            assert ended.code in {0, 130}, ended.err
            assert "Traceback" not in ended.err
            assert ended.code == 0 or "Error: Interrupted. " in ended.err
            change(sandbox, chance)
        ended = command(sandbox, *OPTIONS)

        assert ended.code == 0, ended.err
        assert differences(command.file, sandbox.records) == []
