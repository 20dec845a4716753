"""What later runs bring: nothing, new responses, and responses that come again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

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


def test_an_idle_run_asks_once_and_makes_no_load_package(workdir: Path, sandbox: Sandbox) -> None:
    file = workdir / "customergauge.duckdb"
    make_pipeline(workdir).run(make_source(sandbox))
    before = [query(file, f"FROM {table} ORDER BY ALL") for table in TABLES]

    info = make_pipeline(workdir).run(make_source(sandbox))

    assert len(asked_cursors(sandbox)) == 1
    assert info.loads_ids == []
    assert query(file, "SELECT count(*) FROM _dlt_loads") == [(1,)]
    assert [query(file, f"FROM {table} ORDER BY ALL") for table in TABLES] == before


def test_a_later_run_reads_only_what_is_new(workdir: Path, sandbox: Sandbox) -> None:
    make_pipeline(workdir).run(make_source(sandbox))
    cursor = str(sandbox.keys[-1])
    sandbox.arrive(25)

    make_pipeline(workdir).run(make_source(sandbox, per_page=20))

    first, _second, _empty = asked_cursors(sandbox)
    assert first == cursor
    assert differences(workdir / "customergauge.duckdb", sandbox.records) == []


def test_a_response_that_comes_again_without_children_loses_them(
    workdir: Path, full: dict[str, Any]
) -> None:
    cgid = full["number_customergauge"]
    with Sandbox(records=[full]) as sandbox:
        make_pipeline(workdir).run(make_source(sandbox))
        sandbox.redeliver(cgid, nps=0, **EMPTY)

        make_pipeline(workdir).run(make_source(sandbox))

        file = workdir / "customergauge.duckdb"
        assert differences(file, sandbox.records) == []
        assert query(file, "SELECT nps FROM responses") == [(0,)]
        for table in TABLES[1:]:
            assert query(file, f"FROM {table}") == []


def test_a_response_that_comes_again_with_other_children_has_only_those(
    workdir: Path, sandbox: Sandbox, full: dict[str, Any]
) -> None:
    cgid = full["number_customergauge"]
    make_pipeline(workdir).run(make_source(sandbox))
    sandbox.redeliver(
        cgid,
        tags=[{"label": "Other", "type": "tag"}],
        selected_drivers=[{"primary": "New", "secondary": ["x", "y"]}, {"primary": "Bare"}],
    )

    make_pipeline(workdir).run(make_source(sandbox))

    file = workdir / "customergauge.duckdb"
    where = f"WHERE number_customergauge = {cgid} ORDER BY ALL"
    assert query(file, f"SELECT label, type, sentiment FROM responses__tags {where}") == [
        ("Other", "tag", None)
    ]
    drivers = query(file, f'SELECT "primary" FROM responses__selected_drivers {where}')
    assert drivers == [("Bare",), ("New",)]
    secondary = query(file, f"SELECT value FROM responses__selected_drivers__secondary {where}")
    assert secondary == [("x",), ("y",)]


def test_an_edit_without_redelivery_comes_in_with_a_period_read(
    workdir: Path, sandbox: Sandbox
) -> None:
    make_pipeline(workdir).run(make_source(sandbox))
    edited = sandbox.records[7]
    sandbox.edit(edited["number_customergauge"], nps=1, **EMPTY)
    day = edited["date_sent"][:10]
    period = {"period_field": "date_sent", "start_date": day, "end_date": day}

    make_pipeline(workdir).run(make_source(sandbox, **period))

    assert differences(workdir / "customergauge.duckdb", sandbox.records) == []


@pytest.mark.parametrize("per_page", [1, 1000])
@pytest.mark.parametrize("earlier_is_full", [True, False])
def test_of_a_cgid_twice_in_one_package_the_later_one_stays_whole(
    workdir: Path, full: dict[str, Any], per_page: int, *, earlier_is_full: bool
) -> None:
    with Sandbox(responses=2) as generated:
        others = [r | {"number_customergauge": n} for n, r in enumerate(generated.records, 1)]
    bare = full | EMPTY | {"nps": 0}
    earlier, later = (full, bare) if earlier_is_full else (bare, full)
    records = [earlier, others[0], later, others[1]]
    with Sandbox(records=records) as sandbox:
        info = make_pipeline(workdir).run(make_source(sandbox, per_page=per_page))

    assert len(info.loads_ids) == 1
    assert differences(workdir / "customergauge.duckdb", records) == []


def test_a_cgid_that_comes_many_times_in_one_package_ends_as_the_last(
    workdir: Path, full: dict[str, Any]
) -> None:
    versions = [full | {"nps": nps, "tags": full["tags"] * (nps % 3)} for nps in range(11)]
    with Sandbox(records=versions) as sandbox:
        make_pipeline(workdir).run(make_source(sandbox, per_page=1))

    assert differences(workdir / "customergauge.duckdb", versions) == []


@pytest.mark.parametrize("apart", at_length(["dataset", "file"], short=["dataset"]))
def test_places_that_are_loaded_in_turn_each_get_everything(command: Command, apart: str) -> None:
    other = command.folder / "other.duckdb"

    def load(sandbox: Sandbox, *, there: bool) -> None:
        options = ["--dataset", "other_data"] if there and apart == "dataset" else []
        env = {"DESTINATION__DUCKDB__CREDENTIALS": str(other)} if there and apart == "file" else {}
        ended = command(sandbox, *options, **env)
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
