"""Mixtures of faults by chance: every run ends in a documented code, the last with the truth."""

from __future__ import annotations

import random
import shutil

import pytest

from customergauge_source.sandbox import Fault, Sandbox
from customergauge_source.sandbox.faults import KINDS, TOKEN
from tests.command import Command
from tests.support import at_length
from tests.truth import differences

SLOW = {prefix + kind for kind in ("trickle", "drip", "drip-head") for prefix in ("", TOKEN)}
MOST_RUNS = 25


@pytest.mark.parametrize("seed", at_length(range(12), short=[0]))
def test_runs_through_mixed_faults_end_with_the_rows_of_the_api(
    command: Command, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
    kinds = sorted(KINDS.keys() - SLOW)
    faults = [
        Fault(chance.choice(kinds), page=page, times=chance.randrange(1, 7), retry_after=0)
        for page in sorted(chance.choices(range(1, 13), k=5))
    ]
    codes: list[int] = []
    with Sandbox(
        responses=160, seed=seed, faults=faults, fault_rate=0.2, fault_seed=seed
    ) as sandbox:
        while len(codes) < MOST_RUNS and codes[-1:] != [0]:
            every = chance.choice(("1", "3", "25"))
            ended = command(
                sandbox,
                *("--per-page", "20", "--checkpoint-pages", every),
                RUNTIME__REQUEST_TIMEOUT="0.3",
                RUNTIME__REQUEST_BACKOFF_FACTOR="0.001",
            )
            assert ended.code in {0, 3, 4}, ended.err
            assert "Traceback" not in ended.err
            codes.append(ended.code)
            if ended.code == 4 and chance.random() < 0.5:
                sandbox.arrive(5)
                cgid = chance.choice(sandbox.records)["number_customergauge"]
                sandbox.redeliver(cgid, nps=1, tags=[], questions=[{"title": "?", "answer": "!"}])
                shutil.rmtree(command.folder / "dlt", ignore_errors=True)

        assert codes[-1] == 0, codes
        assert differences(command.file, sandbox.records) == []
