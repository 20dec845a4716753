"""Runs of the command that are killed at random instants, while the account changes."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from customergauge_source.sandbox import Sandbox
from tests.command import Command, until
from tests.support import environment, query, start_load
from tests.truth import differences

OPTIONS = ("--per-page", "20", "--checkpoint-pages", "2")
ALL = (*OPTIONS, "--resources", "responses", "non_responses", "close_loop")
RECONCILE = ("--reconcile", "--max-deletes", "1000")
RESPONSES, LATENCY = 120, 0.03


def change(sandbox: Sandbox, chance: random.Random) -> None:
    """Lets records arrive, and others come again with other lists and values."""
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
    unanswered = chance.choice(sandbox.records_of("non-responses"))
    sandbox.become_response(unanswered["number_customergauge"], vanishes=False)
    number = 90_000_000 + len(known)
    sandbox.append(unanswered | {"number_customergauge": number}, feed="non-responses")
    for case in chance.sample(sandbox.records_of("close-loop"), 4):
        status = chance.choice(["open", "progress", "closed"])
        sandbox.change_case(case["number_customergauge"], status, note=f"{chance.random()}")


def change_more(sandbox: Sandbox, chance: random.Random) -> None:
    """Lets records arrive and come again, and edits and removes some, of which no feed tells."""
    change(sandbox, chance)
    # A case that changes has a response.
    cases = {case["number_customergauge"] for case in sandbox.records_of("close-loop")}
    known = {record["number_customergauge"] for record in sandbox.records}
    removed, edited = chance.sample(sorted(known - cases), 2)
    sandbox.remove(removed)
    sandbox.edit(edited, nps=chance.randrange(11), tags=[])


def texts(value: dict[str, Any], before: str = "") -> Iterator[tuple[str, str | None]]:
    """Yields the values of a record or a row as texts, by column."""
    for name, it in value.items():
        if isinstance(it, dict):
            yield from texts(it, f"{before}{name}__")
        elif isinstance(it, datetime):
            yield before + name, f"{it:%Y-%m-%d %H:%M:%S}"
        elif not isinstance(it, list):
            yield before + name, None if it is None else str(it)


def missing_or_wrong(file: Path, table: str, records: list[dict[str, Any]]) -> list[str]:
    """Returns how a table and its properties differ from what the API has; nothing if equal."""
    latest = {record["number_customergauge"]: record for record in records}
    columns = [name for name, _ in texts(records[0])]
    rows = query(file, f"SELECT {', '.join(columns)} FROM {table}")
    there = Counter(tuple(texts(dict(zip(columns, row, strict=True)))) for row in rows)
    wanted = Counter(tuple(texts(record)) for record in latest.values())
    lacks, extra = wanted - there, there - wanted
    told = [f"{table}: missing {[*lacks][:3]}, too many {[*extra][:3]}"]
    if "properties" in records[0]:
        sql = f"SELECT number_customergauge, field, reference FROM {table}__properties"
        rows = [
            (cgid, it["field"], it["reference"])
            for cgid, record in latest.items()
            for it in record["properties"]
        ]
        if Counter(rows) != Counter(query(file, sql)):
            told.append(f"{table}__properties differs")
    return [] if wanted == there and len(told) == 1 else told


def all_differences(file: Path, sandbox: Sandbox) -> list[str]:
    """Returns how the tables of all three resources differ from what the API has."""
    return [
        *differences(file, sandbox.records),
        *missing_or_wrong(file, "non_responses", sandbox.records_of("non-responses")),
        *missing_or_wrong(file, "close_loop", sandbox.records_of("close-loop")),
    ]


class Pace(NamedTuple):
    """Seconds that a run takes here and now: to its first request, and from there to its end."""

    starting: float
    working: float


def measure(folder: Path, sandbox: Sandbox) -> Pace:
    """Lets the command run to its end."""
    begin = time.monotonic()
    with start_load(folder, *ALL, env=environment(folder, sandbox)) as process:
        until(lambda: sandbox.requests)
        asked = time.monotonic()
        process.communicate()
    return Pace(asked - begin, time.monotonic() - asked)


def kill_at_the_start(folder: Path, sandbox: Sandbox, pace: Pace, chance: random.Random) -> None:
    """Starts the command and kills it before its first request, mostly among its imports."""
    with start_load(folder, *ALL, env=environment(folder, sandbox)) as process:
        time.sleep(chance.uniform(0, pace.starting))
        process.kill()
        _, err = process.communicate()
    assert process.returncode in {0, -signal.SIGKILL}, err  # on a machine that got faster


def kill_at_work(
    command: Command, sandbox: Sandbox, pace: Pace, chance: random.Random, *options: str
) -> None:
    """Starts the command and kills it after its first request; it may be done before that."""
    tokens = len(sandbox.tokens)
    running = command.start(sandbox, *options)
    try:
        until(lambda: len(sandbox.tokens) > tokens)
    except TimeoutError:
        raise AssertionError(running.errors()) from None  # it ended before it asked for anything
    delay = chance.uniform(0, pace.working)
    time.sleep(delay / 2)
    change(sandbox, chance)
    time.sleep(delay / 2)
    running.signal(signal.SIGKILL)
    ended = running.finish()
    assert ended.code in {0, -signal.SIGKILL}, ended.err
