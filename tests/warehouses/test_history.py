"""A history in every warehouse: each version once, and the present state that DuckDB has merged."""

from __future__ import annotations

from typing import Any

import pytest

from customergauge_source import load_in_checkpoints, reconcile
from customergauge_source.exceptions import ConfigurationError
from customergauge_source.sandbox import Sandbox
from tests.support import EMPTY, make_source
from tests.warehouses.chosen import of_each_loaded_often
from tests.warehouses.test_report import reports
from tests.warehouses.test_views import wrong
from tests.warehouses.trial import ZONE, Row, Tables, Trial

# The emulators take minutes on a busy machine.
pytestmark = pytest.mark.timeout(900)

KEY = "number_customergauge"
ALL = ["responses", "non_responses", "close_loop"]
LONG = "a_list_whose_table_has_as_long_a_name_as_it_may_"
_TIES = ("_dlt_id", "_dlt_root_id", "_dlt_parent_id", "_dlt_load_id", "_dlt_cg_deleted")


def load(trial: Trial, sandbox: Sandbox, *, history: bool = True, **how: Any) -> None:
    """Loads what is new, and makes the views unless told otherwise."""
    source = make_source(sandbox, timezone=ZONE, resources=ALL, history=history)
    load_in_checkpoints(trial.pipeline(), source, **{"views": True, **how})


def done(trial: Trial) -> set[str]:
    """Returns the loads that are done."""
    with trial.pipeline().sql_client() as client:
        loads = client.make_qualified_table_name("_dlt_loads")
        return {it for (it,) in client.execute_sql(f"SELECT load_id FROM {loads}") or ()}


def present(tables: Tables, loads: set[str]) -> Tables:
    """Returns the present state of tables that have every version, as the contract defines it."""
    found: Tables = {"rejected_records": tables["rejected_records"]}
    for root in (it for it in tables if f"deleted_{it}" in tables):
        latest: dict[int, tuple[str, str]] = {}
        for row in tables[root]:
            if row["_dlt_load_id"] in loads:
                version = row["_dlt_load_id"], row["_dlt_id"]
                latest[row[KEY]] = max(latest.get(row[KEY], version), version)
        for row in tables[f"deleted_{root}"]:
            if row["_dlt_load_id"] > latest.get(row[KEY], ("~",))[0]:
                del latest[row[KEY]]
        for name in (it for it in tables if f"{it}__".startswith(f"{root}__")):
            tie = "_dlt_id" if name == root else "_dlt_root_id"
            found[name] = [
                row
                for row in tables[name]
                if latest.get(row[KEY]) == (row["_dlt_load_id"], row[tie])
            ]
    return found


def texts(rows: list[Row]) -> list[str]:
    """Returns rows without what ties them together, in one order."""
    return sorted(str({name: it for name, it in row.items() if name not in _TIES}) for row in rows)


def assert_equal(trial: Trial, reference: Trial, versions: int) -> None:
    """Fails if a history is not what DuckDB has merged, or has not so many different versions."""
    tables, wanted = trial.tables(which_load=True), reference.tables()
    ids = {(row["_dlt_load_id"], row["_dlt_id"]) for row in tables["responses"]}
    assert len(ids) == len(tables["responses"]) == versions
    shown = trial.tables(of="current_")
    state = present(tables, done(trial))
    assert state.keys() <= wanted.keys() == shown.keys()
    for name, rows in state.items():
        assert texts(rows) == texts(wanted[name]) == texts(shown[name]), name


@of_each_loaded_often
def test_a_history_has_each_version_once_and_the_present_state_that_duckdb_has_merged(
    trial: Trial, reference: Trial
) -> None:
    with Sandbox(responses=120) as sandbox:
        load(trial, sandbox)
        load(reference, sandbox, history=False)
        assert_equal(trial, reference, versions=120)

        first, second, third, fourth, *_ = (record[KEY] for record in sandbox.records)
        sandbox.arrive(9)
        sandbox.redeliver(first, nps=0, tags=[{"label": "again", "type": "tag"}])
        for cgid in (first, second):
            sandbox.redeliver(cgid, **EMPTY)
        sandbox.redeliver(
            third, wave="7", fresh=[{"a": [1, 2]}], **{f"{LONG}{n}": [n] for n in (1, 2)}
        )
        trial.forget()
        load(trial, sandbox)
        load(reference, sandbox, history=False)
        assert_equal(trial, reference, versions=120 + 9 + 4)
        assert wrong(trial, sandbox) == []

        fifth = sandbox.records[4][KEY]
        sandbox.edit(fourth, nps=1, **EMPTY)
        sandbox.remove(fifth)
        for each, history in ((trial, True), (reference, False)):
            source = make_source(
                sandbox, timezone=ZONE, history=history, number_customergauge=fifth
            )
            found = reconcile(each.pipeline(), source).reconcile
            assert found is not None
            assert found.deleted_ids == [fifth]
            source = make_source(
                sandbox, timezone=ZONE, history=history, number_customergauge=fourth
            )
            found = reconcile(each.pipeline(), source, views=True).reconcile
            assert found is not None
            assert found.changed_ids == [fourth]
        assert_equal(trial, reference, versions=120 + 9 + 4 + 1)
        assert wrong(trial, sandbox) == []
        assert reports(trial) == reports(reference)


@of_each_loaded_often
def test_a_full_refresh_changes_how_records_are_kept_whatever_views_hang_on_the_tables(
    trial: Trial, reference: Trial
) -> None:
    with Sandbox(responses=40) as sandbox:
        load(trial, sandbox)
        load(reference, sandbox, history=False)
        for history in (False, True):
            with pytest.raises(ConfigurationError, match=f"history is {str(history).lower()}"):
                load(trial, sandbox, history=history)
            load(trial, sandbox, history=history, full_refresh=True)
            sandbox.redeliver(sandbox.records[0][KEY], **EMPTY)
            load(trial, sandbox, history=history)
            load(reference, sandbox, history=False)
            if history:
                assert_equal(trial, reference, versions=len(sandbox.records))
            else:
                merged, wanted = trial.tables(), reference.tables()
                assert merged.keys() == wanted.keys()
                for name, rows in merged.items():
                    assert texts(rows) == texts(wanted[name]), name
                with pytest.raises(Exception, match=r"(?i)current_responses"):
                    trial.tables(of="current_")
            assert wrong(trial, sandbox) == []
