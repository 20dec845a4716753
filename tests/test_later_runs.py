"""What later runs bring: nothing, new responses, and responses that come again."""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path
from typing import Any

import duckdb
import pytest

from customergauge_source import load_in_checkpoints
from customergauge_source.sandbox import Sandbox
from tests.command import Command
from tests.support import (
    DATASET,
    EMPTY,
    TABLES,
    asked_cursors,
    at_length,
    make_pipeline,
    make_source,
    query,
)
from tests.truth import differences, loaded


def test_an_idle_run_asks_once_and_makes_no_load_package(
    workdir: Path, loaded_sandbox: Sandbox
) -> None:
    file = workdir / "customergauge.duckdb"
    before = [query(file, f"FROM {table} ORDER BY ALL") for table in TABLES]

    info = make_pipeline(workdir).run(make_source(loaded_sandbox))

    assert len(asked_cursors(loaded_sandbox)) == 1
    assert info.loads_ids == []
    assert query(file, "SELECT count(*) FROM _dlt_loads") == [(1,)]
    assert [query(file, f"FROM {table} ORDER BY ALL") for table in TABLES] == before


def test_a_later_run_reads_only_what_is_new(workdir: Path, loaded_sandbox: Sandbox) -> None:
    cursor = str(loaded_sandbox.keys[-1])
    loaded_sandbox.arrive(25)

    make_pipeline(workdir).run(make_source(loaded_sandbox, per_page=20))

    first, _second, _empty = asked_cursors(loaded_sandbox)
    assert first == cursor
    assert differences(workdir / "customergauge.duckdb", loaded_sandbox.records) == []


@pytest.mark.parametrize(
    "changes",
    [
        EMPTY,
        {
            "tags": [{"label": "Other", "type": "tag"}],
            "selected_drivers": [{"primary": "New", "secondary": ["x", "y"]}, {"primary": "Bare"}],
        },
    ],
    ids=["none", "others"],
)
def test_a_response_that_comes_again_has_the_children_it_came_with_last(
    workdir: Path, loaded_sandbox: Sandbox, full: dict[str, Any], changes: dict[str, Any]
) -> None:
    loaded_sandbox.redeliver(full["number_customergauge"], nps=0, **changes)

    make_pipeline(workdir).run(make_source(loaded_sandbox))

    assert differences(workdir / "customergauge.duckdb", loaded_sandbox.records) == []


def test_dlt_looks_for_repeats_in_a_package_that_has_one_and_in_no_other(workdir: Path) -> None:
    """And in all that dlt may load in a later run, as rows may be staged twice then."""
    file = workdir / "customergauge.duckdb"

    def looks() -> bool:
        """Says whether the last load looked for them."""
        ((schema,),) = query(
            file,
            "SELECT schema FROM _dlt_loads JOIN _dlt_version ON schema_version_hash = version_hash"
            " ORDER BY load_id DESC LIMIT 1",
        )
        table = json.loads(schema)["tables"]["responses"]
        is_sorted = "dedup_sort" in table["columns"]["_dlt_id"]
        assert is_sorted != table["x-stage-data-deduplicated"]
        return is_sorted

    with Sandbox(responses=50) as sandbox:
        load_in_checkpoints(make_pipeline(workdir), make_source(sandbox))
        assert not looks()

        twice = sandbox.records[3]["number_customergauge"]
        for nps in (1, 2):
            sandbox.redeliver(twice, nps=nps, tags=[{"label": f"{nps}", "type": "tag"}])
        load_in_checkpoints(make_pipeline(workdir), make_source(sandbox, per_page=1))
        assert looks()
        assert differences(file, sandbox.records) == []

        sandbox.redeliver(twice, nps=3)
        load_in_checkpoints(make_pipeline(workdir), make_source(sandbox))
        assert not looks()
        assert differences(file, sandbox.records) == []

        sandbox.arrive(5)
        make_pipeline(workdir).run(make_source(sandbox))
        assert looks()
    assert differences(file, sandbox.records) == []


def test_an_edit_without_redelivery_comes_in_with_a_period_read(
    workdir: Path, loaded_sandbox: Sandbox
) -> None:
    edited = loaded_sandbox.records[7]
    loaded_sandbox.edit(edited["number_customergauge"], nps=1, **EMPTY)
    day = edited["date_sent"][:10]
    period = {"period_field": "date_sent", "start_date": day, "end_date": day}

    make_pipeline(workdir).run(make_source(loaded_sandbox, **period))

    assert differences(workdir / "customergauge.duckdb", loaded_sandbox.records) == []


ORDERS = [(per_page, last_is_full) for per_page in (1, 3, 1000) for last_is_full in (True, False)]


@pytest.mark.sampled
@pytest.mark.parametrize("order", at_length(ORDERS, short=[(1, True), (3, False), (1000, True)]))
def test_of_a_cgid_that_comes_many_times_in_one_package_the_last_stays_whole(
    workdir: Path, full: dict[str, Any], order: tuple[int, bool]
) -> None:
    per_page, last_is_full = order
    with Sandbox(responses=10) as generated:
        others = [r | {"number_customergauge": n} for n, r in enumerate(generated.records, 1)]
    bare = full | EMPTY
    versions = [(full, bare)[n % 2] | {"nps": n} for n in range(10 + last_is_full)]
    records = [*chain.from_iterable(zip(versions, others, strict=False)), versions[-1]]
    with Sandbox(records=records) as sandbox:
        info = make_pipeline(workdir).run(make_source(sandbox, per_page=per_page))

    assert len(info.loads_ids) == 1
    assert differences(workdir / "customergauge.duckdb", records) == []


@pytest.mark.long
@pytest.mark.parametrize("apart", at_length(["dataset", "file"], short=["dataset"]))
def test_places_that_are_loaded_in_turn_each_get_everything(command: Command, apart: str) -> None:
    other = command.folder / "other.duckdb"

    def load(sandbox: Sandbox, *, there: bool) -> None:
        options = ["--dataset", "other_data"] if there and apart == "dataset" else []
        elsewhere: dict[str, Any] = {"DESTINATION__DUCKDB__CREDENTIALS": str(other)}
        ended = command(sandbox, *options, **(elsewhere if there and apart == "file" else {}))
        assert ended.code == 0, ended.err

    with Sandbox(responses=20) as sandbox:
        for _ in range(3):
            load(sandbox, there=False)
            load(sandbox, there=True)
            sandbox.arrive(5)
        assert loaded(command.file) == sorted(
            record["number_customergauge"] for record in sandbox.records[:-5]
        )
        file = other if apart == "file" else command.file
        dataset = "other_data" if apart == "dataset" else DATASET
        with duckdb.connect(str(file), read_only=True) as connection:
            ((count,),) = connection.sql(f"SELECT count(*) FROM {dataset}.responses").fetchall()
        assert count == 30
        # Each place was read from its beginning once; then its own cursor was taken up.
        assert sum("cursor" not in dict(it.query) for it in sandbox.data_requests) == 2
