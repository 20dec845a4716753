"""What a load left that is not done is never seen, and the next run begins before it."""

from __future__ import annotations

from pathlib import Path

import pytest

from customergauge_source.sandbox import Sandbox
from tests import truth
from tests.lake import oracle
from tests.lake.lakes import VERSIONS, LakeTrial, as_tables, load, loads, looked_into, shown
from tests.support import DATASET, EMPTY, asked_cursors
from tests.warehouses.trial import Trial

KEY = "number_customergauge"
ALONE = pytest.mark.parametrize("kind", ["parquet", "delta", "iceberg"], indirect=True)


def present(trial: LakeTrial, file: Path) -> Path:
    """Returns a new DuckDB file with the present state, which is told twice."""
    wanted = oracle.present(trial.lake)
    assert shown(trial.lake, DATASET) == wanted
    file.unlink(missing_ok=True)
    return as_tables(trial.lake, file)


@ALONE
def test_a_load_that_is_not_done_is_not_seen_and_is_loaded_again(
    trial: LakeTrial, tmp_path: Path
) -> None:
    lake, file = trial.lake, tmp_path / "present.duckdb"
    with Sandbox(responses=40, non_responses=0) as sandbox:
        load(trial, sandbox, "UTC", resources=["responses"])
        (first,), before = loads(lake), sandbox.records
        cursor = sandbox.keys[-1]
        sandbox.redeliver(before[0][KEY], nps=0, **EMPTY)
        sandbox.arrive(5)
        load(trial, sandbox, "UTC", resources=["responses"])
        assert truth.differences(present(trial, file), sandbox.records) == []

        _, undone = loads(lake)
        lake.undo(undone)
        assert [it for it in lake.listed("_dlt_pipeline_state") if f"__{undone}__" in it]
        assert truth.differences(present(trial, file), before) == []

        trial.forget()
        again = load(trial, sandbox, "UTC", resources=["responses"])
        assert asked_cursors(sandbox)[0] == str(cursor)
        assert again.resources["responses"].records == 6
        assert truth.differences(present(trial, file), sandbox.records) == []
        assert load(trial, sandbox, "UTC", resources=["responses"]).tables == {}

    assert not [it for it in lake.listed("_dlt_pipeline_state") if f"__{undone}__" in it]
    assert loads(lake)[0] == first
    with looked_into(lake) as connection:
        rows = connection.execute(
            f"SELECT _dlt_load_id, count(*) FROM {VERSIONS}.responses GROUP BY 1 ORDER BY 1"
        ).fetchall()
    assert [(load_id, count) for load_id, count in rows if load_id != undone] == [
        *zip(loads(lake), (40, 6), strict=True)
    ]


@ALONE
@pytest.mark.parametrize("left", ["nothing", "some"])
def test_a_first_load_that_was_killed_leaves_nothing_that_the_next_one_lacks(
    trial: LakeTrial, left: str, tmp_path: Path
) -> None:
    """Its schema is there, and no file of some tables; or no file at all."""
    lake = trial.lake
    with Sandbox(responses=40, non_responses=0) as sandbox:
        load(trial, sandbox, "UTC", resources=["responses"], views=False)
        lake.undo(*loads(lake))
        every = [*oracle.versions(lake)]
        for table in every if left == "nothing" else every[::2]:
            lake.files.rm(f"{lake.root}/{table}", recursive=True)
        trial.forget()
        load(trial, sandbox, "UTC", resources=["responses"])
        assert truth.differences(present(trial, tmp_path / "present.duckdb"), sandbox.records) == []
        sandbox.arrive(5)
        load(trial, sandbox, "UTC", resources=["responses"])
        assert truth.differences(present(trial, tmp_path / "present.duckdb"), sandbox.records) == []


@ALONE
def test_a_full_refresh_reads_all_anew_and_leaves_no_older_version(
    trial: LakeTrial, reference: Trial, tmp_path: Path
) -> None:
    lake = trial.lake
    with Sandbox(responses=40) as sandbox:
        sandbox.append("no record")
        load(trial, sandbox, "UTC", views=False)
        before = loads(lake)
        sandbox.remove(sandbox.records[0][KEY])
        sandbox.edit(sandbox.records[1][KEY], nps=0, **EMPTY)
        sandbox.arrive(3)
        load(trial, sandbox, "UTC", full_refresh=True)

        for name, rows in oracle.versions(lake).items():
            assert not [row for row in rows if row["_dlt_load_id"] in before], name
        records = [it for it in sandbox.records if isinstance(it, dict)]
        file = as_tables(lake, tmp_path / "present.duckdb", where="_dlt_load_id <> ''")
        found = truth.differences(file, records)
        assert [it for it in found if not it.startswith("rejected: ")] == []
        load(reference, sandbox, "UTC")
        ours, theirs = shown(lake, DATASET), reference.tables()
        assert {name: len(rows) for name, rows in ours.items()} == {
            name: len(rows) for name, rows in theirs.items()
        }
        assert load(trial, sandbox, "UTC").tables == {}
