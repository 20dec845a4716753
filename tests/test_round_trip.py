"""Whatever the API sends is what the tables say: generated responses, there and back.

Responses are drawn by hypothesis, served over a real socket, loaded into a DuckDB file in two
loads of several packages, and rebuilt from its tables by SQL. They are the same in every run;
`--hypothesis-seed=random` draws others, `--round-trips=20000` more.
"""

from __future__ import annotations

import json
import secrets
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from customergauge_source import load_in_checkpoints
from customergauge_source.sandbox import Sandbox
from customergauge_source.tables.read import Reader
from tests.read_back import read_back
from tests.round_trip_model import cgid_of, clean, differences
from tests.round_trip_records import Plan, draw_plan
from tests.support import make_pipeline, make_source

_MOST_AT_ONCE = 500
_LEAST_PLANS = 3
"""Each has its own size of pages and packages, time zone and undeclared fields."""
_MOST_PER_PAGE = 50
"""Of larger pages none is without something that has to be put right."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Shares the generated responses out among the workers."""
    wanted = metafunc.config.getoption("--round-trips")
    at_once = min(_MOST_AT_ONCE, -(-wanted // _LEAST_PLANS))
    sizes = [min(at_once, wanted - start) for start in range(0, wanted, at_once)]
    metafunc.parametrize(
        ("number", "size"), list(enumerate(sizes)), ids=map(str, range(len(sizes)))
    )


@pytest.fixture
def first_seed(request: pytest.FixtureRequest) -> int:
    """0, or what --hypothesis-seed says."""
    given = request.config.getoption("--hypothesis-seed")
    return secrets.randbelow(2**32) if given == "random" else int(given or 0)


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts the pages that Arrow takes as they are, and those that are put right."""
    ways: Counter[str] = Counter()
    for way in ("rows_of_arrow", "rows_of_objects"):
        monkeypatch.setattr(Reader, way, _counted(ways, way, getattr(Reader, way)))
    return ways


def _counted(ways: Counter[str], way: str, function: Any) -> Any:
    def counted(*arguments: Any) -> Any:
        rows = function(*arguments)
        ways[way] += 1
        return rows

    return counted


def test_what_was_sent_is_rebuilt_from_the_tables(
    workdir: Path, first_seed: int, number: int, size: int, pages: Counter[str]
) -> None:
    plan = draw_plan(first_seed + number, size)
    rejected = 0
    with Sandbox(records=[]) as sandbox:
        for feed in plan.feeds:
            sandbox.append(*feed)
            source = make_source(sandbox, per_page=plan.per_page, timezone=plan.zone)
            if plan.has_step:
                source.responses.add_map(lambda record: record)
            summary = load_in_checkpoints(
                make_pipeline(workdir), source, checkpoint_pages=plan.checkpoint_pages
            )
            rejected += summary.resources["responses"].rejected
        keys = sandbox.keys

    loaded = read_back(workdir / "customergauge.duckdb")

    sent = [entry for feed in plan.feeds for entry in feed]
    different = [*differences(sent, loaded, plan.zone)]
    plan_of = f"seed {first_seed + number}, {plan.per_page} a page, {dict(pages)}"
    assert not different, "\n".join([plan_of, *different[:8]])
    not_loadable = Counter(_not_loadable(plan, keys))
    assert Counter(map(_told, loaded.rejected)) == not_loadable
    assert rejected == not_loadable.total()
    assert pages["rows_of_objects"]
    assert pages["rows_of_arrow"] or plan.has_step or plan.per_page > _MOST_PER_PAGE


def _not_loadable(plan: Plan, keys: list[int]) -> Iterator[tuple[Any, ...]]:
    """Yields what `rejected_records` must say: the record, and the cursor and place of it."""
    start = 0
    for feed in plan.feeds:
        for place, entry in enumerate(feed):
            if cgid_of(entry) is None:
                last = min(place - place % plan.per_page + plan.per_page, len(feed)) - 1
                cursor = keys[start + last]
                yield _in_order(clean(entry)), "responses", cursor, place % plan.per_page
        start += len(feed)


def _told(row: dict[str, Any]) -> tuple[Any, ...]:
    assert row["reason"]
    return _in_order(json.loads(row["record"])), row["resource"], row["cursor"], row["position"]


def _in_order(record: Any) -> str:
    """Returns JSON text; the sandbox puts the lists of `with[]` behind the other members."""
    return json.dumps(record, sort_keys=True)
