"""The scenario of the warehouses in each kind of lake, with the present state told three times.

By the product's views, by plain Python from the files, and by the merged tables in DuckDB.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

from customergauge_source.sandbox import Sandbox
from customergauge_source.tables.shape import DELETED
from customergauge_source.views import VIEWS
from tests import truth
from tests.lake import oracle
from tests.lake.lakes import (
    FILE,
    VERSIONS,
    Lake,
    LakeTrial,
    as_tables,
    load,
    loads,
    looked_into,
    reconciled,
    shown,
)
from tests.support import DATASET, EMPTY, TABLES, asked_cursors, at_length
from tests.warehouses.test_report import reports
from tests.warehouses.test_scenario import NEWS, awkward, bring_clashes, bring_news
from tests.warehouses.trial import Tables, Trial

KEY = "number_customergauge"
ALL = ["parquet", "s3", "delta", "iceberg", "delta on s3", "iceberg on s3"]


def assert_told_alike(trial: LakeTrial, reference: Trial | None = None) -> None:
    """Fails if the views show something else than plain Python reads in the files.

    Or than merged tables have, but for the marker of a merge and for when something was noticed.
    """
    lake, shown_now = trial.lake, shown(trial.lake, DATASET)
    versions = oracle.versions(lake)
    assert oracle.wrong(versions) == []
    assert_equal(shown_now, oracle.present(lake))
    assert_equal(shown(lake, VERSIONS), versions)
    if reference is not None:
        assert shown_now.keys() >= {*TABLES}
        not_compared = ("_dlt_load_id", "noticed_at", DELETED)
        assert_equal(without(shown_now, *not_compared), without(reference.tables(), *not_compared))


def assert_equal(tables: Tables, wanted: Tables) -> None:
    """Fails with the first table that differs."""
    assert tables.keys() == wanted.keys()
    for name, rows in wanted.items():
        assert tables[name] == rows, name


def without(tables: Tables, *columns: str) -> Tables:
    """Returns tables without some columns."""
    return {
        name: [{key: it for key, it in row.items() if key not in columns} for row in rows]
        for name, rows in tables.items()
    }


def test_every_step_leaves_the_present_state_that_merged_tables_are(
    trial: LakeTrial, reference: Trial, full: dict[str, Any]
) -> None:
    """Awkward records, news, an emptied list, undeclared fields and lists, edits, deletions."""
    both = (trial, reference)
    with Sandbox(responses=100) as sandbox:
        sandbox.append(*awkward(full))
        for each in both:
            assert load(each, sandbox, views=False).resources["responses"].rejected == 3

        bring_news(sandbox, full)
        for each in both:
            each.forget()
            assert load(each, sandbox).resources["responses"].records == NEWS
            assert str(sandbox.keys[-NEWS - 1]) in asked_cursors(sandbox)
        if trial.lake.s3 is None:  # where a look takes ten times as long
            assert_told_alike(trial, reference)

        bring_clashes(sandbox, full)
        edited, gone = change_silently(sandbox)
        for each in both:
            load(each, sandbox, views=False)
            found = reconciled(each, sandbox)
            assert (found.changed_ids, found.deleted_ids) == (edited, gone)
        assert_told_alike(trial, reference)
        assert load(trial, sandbox).tables == {}
    ours, theirs = reports(trial), reports(reference)
    assert ours[0]["scores"]
    assert ours == theirs
    assert_views_alike(trial.lake, Path("compared.duckdb"))


def change_silently(sandbox: Sandbox) -> tuple[list[int], list[int]]:
    """Edits and removes responses; returns which."""
    cgids = [record[KEY] for record in sandbox.records[1:15]]
    edited, gone = cgids[:10], cgids[10:]
    for place, cgid in enumerate(edited):
        sandbox.edit(cgid, **(EMPTY if place % 2 else {"nps": place, "email": None}))
    for cgid in gone:
        sandbox.remove(cgid)
    return sorted(edited), sorted(gone)


def assert_views_alike(lake: Lake, file: Path) -> None:
    """Fails if the views of an analyst say something else than those over merged tables."""
    with looked_into(lake) as ours, duckdb.connect(str(file), read_only=True) as theirs:
        theirs.execute("SET TimeZone = 'UTC'")
        for view in VIEWS:
            told = []
            for connection, schema in ((ours, DATASET), (theirs, "reference")):
                cursor = connection.execute(f'FROM "{schema}"."{view}"')
                columns = [column[0] for column in cursor.description or ()]
                rows = [dict(sorted(zip(columns, row, strict=True))) for row in cursor.fetchall()]
                told.append(sorted(str(_rounded(row)) for row in rows))
            assert told[0] == told[1] != [], view


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    return {name: round(it, 9) if isinstance(it, float) else it for name, it in row.items()}


@pytest.mark.parametrize(
    "kind", at_length(ALL, short=["parquet", "delta", "iceberg"]), indirect=True
)
def test_the_account_is_the_present_state_and_each_load_has_what_it_was_sent(
    trial: LakeTrial, tmp_path: Path
) -> None:
    """Value by value, told from the API's records alone; each version is there once."""
    lake, sent = trial.lake, list[list[dict[str, Any]]]()
    with Sandbox(responses=60, non_responses=0) as sandbox:
        load(trial, sandbox, "UTC")
        sent.append(sandbox.records)

        sandbox.arrive(10)
        sandbox.redeliver(sandbox.records[0][KEY], nps=0, **EMPTY)
        trial.forget()
        load(trial, sandbox, "UTC")
        sent.append(sandbox.records[-11:])

        edited, gone = sandbox.records[5][KEY], sandbox.records[7]
        sandbox.edit(edited, tags=[], nps=1)
        sandbox.remove(gone[KEY])
        assert (it := reconciled(trial, sandbox, "UTC")).changed_ids == [edited]
        assert it.deleted_ids == [gone[KEY]]
        sent += [[sandbox.records[5]], []]
        assert truth.differences(as_tables(lake, tmp_path / "now"), sandbox.records) == []

        before = loads(lake)
        assert (it := reconciled(trial, sandbox, "UTC")).deleted_ids == it.changed_ids == []
        assert loads(lake) == before

        sandbox.append(gone)
        load(trial, sandbox, "UTC")
        sent.append([gone])
        assert truth.differences(as_tables(lake, tmp_path / "then"), sandbox.records) == []

    with looked_into(lake) as connection:
        rows = connection.execute(f"SELECT DISTINCT _dlt_load_id FROM {VERSIONS}.responses")
        of_responses = sorted(load_id for (load_id,) in rows.fetchall())
    assert {*of_responses} <= {*loads(lake)}
    for place, (load_id, records) in enumerate(zip(of_responses, filter(None, sent), strict=True)):
        only = f"_dlt_load_id = '{load_id}'"
        file = as_tables(lake, tmp_path / f"{place}", VERSIONS, only)
        assert truth.differences(file, records) == []
    assert_told_alike(trial)
    assert Path(FILE).stat().st_size < 3_000_000
