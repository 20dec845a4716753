"""Kills the command at random instants until it was killed so many times; then compares.

    python -m tests.endurance.kills [--kills 1000] [--into postgres] [--seed 0]

A round loads into a dataset of its own, through runs that are killed while the account changes,
half of them with the working directory wiped before the next one. Then it is loaded to its end,
and compared with the API. A run that ended before its kill counts as none. Prints Markdown; ends
with 1 if there was a difference.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from customergauge_source.sandbox import Sandbox
from tests.benchmarks.machine import machine, today, versions
from tests.command import Command, start_server
from tests.endurance.copied import copied
from tests.kills import ALL, LATENCY, RECONCILE, RESPONSES, all_differences, change_more
from tests.viewing import told, wrong
from tests.warehouses.emulators import WAREHOUSES
from tests.warehouses.target import Target
from tests.warehouses.trial import Trial

RUNS: Final = {
    "load": (),
    "load with views": ("--views",),
    "reconciliation": RECONCILE,
    "full refresh": ("--full-refresh",),
    "full refresh with views": ("--full-refresh", "--views"),
}
_LAST: Final = ((), (), RECONCILE, ("--views",))
"""A window of cases that was cut off is read to its end, then the next; then what no feed tells."""
_PER_ROUND = 10
_SOONER, _LATER = 0.9, 1.02


class Killer:
    """Kills runs of the command, and counts.

    Attributes:
        killed: How many runs of each kind were killed.
        ended: How many had ended before.
        unlike: How many rounds ended with differences.
    """

    def __init__(self, command: Command, target: Target | None, chance: random.Random) -> None:
        self._command = command
        self._target = target
        self._chance = chance
        self._pace = dict.fromkeys(RUNS, 0.0)
        self.killed = Counter[str]()
        self.ended = Counter[str]()
        self.unlike = 0

    def measure(self) -> None:
        """Lets each kind of run end once, to know how long that takes here."""
        with Sandbox(responses=RESPONSES, latency=LATENCY) as sandbox:
            for kind, how in RUNS.items():
                begun = time.monotonic()
                self._finish(sandbox, *self._place("pace"), *how)
                self._pace[kind] = time.monotonic() - begun

    def round(self, number: int, kills: int) -> list[str]:
        """Loads through kills into a new dataset; returns how it differs from the API."""
        shutil.rmtree(self._command.folder)
        dataset = f"round_{number}"
        place = self._place(dataset)
        with Sandbox(responses=RESPONSES, seed=number, latency=LATENCY) as sandbox:
            before = self.killed.total()
            while self.killed.total() < before + kills:
                self._kill(sandbox, place)
                if self._chance.random() < 1 / 2:
                    shutil.rmtree(self._command.folder / "dlt", ignore_errors=True)
            for how in _LAST:
                self._finish(sandbox, *place, *how)
            return self._compared(sandbox, dataset)

    def _place(self, dataset: str) -> tuple[str, ...]:
        if self._target is None:
            return ALL
        return (*ALL, "--destination", self._target.destination, "--dataset", dataset)

    def _finish(self, sandbox: Sandbox, *options: str) -> None:
        ended = self._command(sandbox, *options, **self._env())
        if ended.code:
            raise AssertionError(f"{options} ended with {ended.code}: {ended.err}")

    def _kill(self, sandbox: Sandbox, place: tuple[str, ...]) -> None:
        """Starts a run, lets the account change, and kills it if it is still there."""
        kind = self._chance.choice([*RUNS])
        running = self._command.start(sandbox, *place, *RUNS[kind], **self._env())
        delay = self._chance.uniform(0, self._pace[kind])
        time.sleep(delay / 2)
        change_more(sandbox, self._chance)
        time.sleep(delay / 2)
        running.signal(signal.SIGKILL)
        ended = running.finish()
        if ended.code not in {0, -signal.SIGKILL}:
            raise AssertionError(f"a {kind} ended with {ended.code}: {ended.err}")
        is_killed = ended.code != 0
        (self.killed if is_killed else self.ended)[kind] += 1
        self._pace[kind] *= _LATER if is_killed else _SOONER

    def _compared(self, sandbox: Sandbox, dataset: str) -> list[str]:
        file = self._command.file
        if self._target:
            trial = Trial(
                destination=self._target.destination,
                dataset=dataset,
                folder=self._command.folder / "trial",
            )
            return all_differences(copied(trial, file), sandbox)
        return [*all_differences(file, sandbox), *wrong(file, told(sandbox))]

    def _env(self) -> dict[str, str]:
        return self._target.env if self._target else {}


def report(killer: Killer, where: str) -> list[str]:
    """Returns what happened, in Markdown."""
    killed, ended = killer.killed, killer.ended
    lines = [
        f"Kills while loading into {where}:",
        "",
        "| | killed | ended before |",
        "|---|---:|---:|",
    ]
    lines += [f"| {kind} | {killed[kind]:,} | {ended[kind]:,} |" for kind in RUNS]
    lines += [
        f"| all | {killed.total():,} | {ended.total():,} |",
        "",
        f"Rounds that differed from the API in the end: {killer.unlike}",
        f"{today()}, {machine()}, {versions()}",
    ]
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints what happened and returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.endurance.kills")
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--into", choices=[*WAREHOUSES], default="duckdb")
    parser.add_argument("--seed", type=int, default=0, help="of the first round's account")
    options = parser.parse_args(arguments)
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory()))
        target = None
        if options.into != "duckdb":
            target = opened.enter_context(WAREHOUSES[options.into]())
            os.environ.update(target.env)
        server = opened.enter_context(start_server(folder))
        opened.callback(server.kill)
        command = Command(server, folder / "run")
        opened.callback(command.stop)
        if target:
            command.program = target.program
        chance = random.Random(options.seed)  # noqa: S311 - to be repeated, not to be secret
        killer = Killer(command, target, chance)
        killer.measure()
        number = options.seed
        while (left := options.kills - killer.killed.total()) > 0:
            unlike = killer.round(number, min(left, _PER_ROUND))
            killer.unlike += bool(unlike)
            for line in unlike:
                sys.stderr.write(f"round {number}: {line}\n")
            number += 1
        sys.stdout.write("\n".join([*report(killer, options.into), ""]))
    return min(killer.unlike, 1)


if __name__ == "__main__":
    sys.exit(main())
