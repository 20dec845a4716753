"""pipelines/airflow_dag.py in a real Airflow."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from customergauge_source.sandbox import Fault, Sandbox
from tests.orchestrators.airflow_server import (
    AFTER,
    LOAD,
    RECONCILE,
    Airflow,
    secrets_of,
    started,
    until,
)
from tests.support import asked_cursors, query

REQUIRED = "CUSTOMERGAUGE_REQUIRE_AIRFLOW"
if importlib.util.find_spec("airflow") is None:
    if os.environ.get(REQUIRED) == "1":
        pytest.fail("Airflow is not installed.", pytrace=False)
    pytest.skip("Airflow is not installed: `bash .ci/run orchestrators`", allow_module_level=True)

KEY = "number_customergauge"
WRONG = "wrong-secret-3f9c"


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow]:
    with started(tmp_path_factory.mktemp("airflow")) as running:
        yield running


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "customergauge.duckdb"


def loaded(file: Path) -> list[int]:
    """Returns the CGIDs in the table, doubles too."""
    return [cgid for (cgid,) in query(file, f"SELECT {KEY} FROM responses ORDER BY 1")]


def account(sandbox: Sandbox) -> list[int]:
    return sorted(record[KEY] for record in sandbox.records)


def recent(records: list[Any]) -> list[Any]:
    """Returns records of yesterday, which the nightly run reads again."""
    day = datetime.now(timezone.utc) - timedelta(days=1)
    return [{**it, "date_survey_response": f"{day:%Y-%m-%d %H:%M:%S}"} for it in records]


def span(task: dict[str, Any]) -> tuple[datetime, datetime]:
    return datetime.fromisoformat(task["start_date"]), datetime.fromisoformat(task["end_date"])


def has_run_after(airflow: Airflow) -> bool:
    """Says whether the DAG that is scheduled on the asset has run."""
    runs = airflow.ask("GET", f"/api/v2/dags/{AFTER}/dagRuns")["dag_runs"]
    return [(it["run_type"], it["state"]) for it in runs] == [("asset_triggered", "success")]


def test_the_file_as_it_is_has_no_import_error_and_its_schedules(airflow: Airflow) -> None:
    assert airflow.ask("GET", "/api/v2/importErrors")["import_errors"] == []
    dags = {dag["dag_id"]: dag for dag in airflow.dags()}
    for name, minute in (("customergauge_load", 17), ("customergauge_reconcile", 47)):
        assert datetime.fromisoformat(dags[name]["next_dagrun_run_after"]).minute == minute
        details = airflow.ask("GET", f"/api/v2/dags/{name}/details")
        assert (details["catchup"], details["max_active_runs"]) == (False, 1)


def test_a_load_and_a_reconciliation(airflow: Airflow, file: Path) -> None:
    with Sandbox(responses=200) as generated:
        records = recent(generated.records)
    with Sandbox(records=records) as sandbox:
        drop = '[sources.customergauge.privacy]\ndrop = ["phone"]\n'
        airflow.set_secrets(secrets_of(sandbox, file) + drop)
        first = airflow.run(LOAD)
        assert first.task()["state"] == "success", first.log()
        assert loaded(file) == account(sandbox)
        assert query(file, "SELECT count(email) > 0, count(phone) FROM responses") == [(True, 0)]
        assert first.summary()["resources"]["responses"]["records"] == 200
        until(lambda: has_run_after(airflow))  # only then Airflow can show the event
        assert [event["extra"] for event in first.events()] == [first.summary()]

        gone = account(sandbox)[77]
        sandbox.remove(gone)
        second, nightly = airflow.trigger(LOAD), airflow.trigger(RECONCILE)
        tasks = [run.ended().task() for run in (second, nightly)]
        assert [(it["state"], it["try_number"]) for it in tasks] == [("success", 1)] * 2
        spans = sorted(map(span, tasks))
        assert spans[0][1] <= spans[1][0]  # never both at once, as the pool has one slot
        assert second.summary()["resources"]["responses"]["records"] == 0
        assert second.summary()["tables"] == {}
        assert nightly.summary()["reconcile"]["deleted_ids"] == [gone]
        assert loaded(file) == account(sandbox)


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ('client_secret = "', f'client_secret = "{WRONG}', "Check client_id and client_secret of"),
        ("client_secret", "secret", "Set client_secret under [sources.customergauge.credentials]"),
        ("[destination.duckdb]", "[destination.duckdb", "Correct the value and run again"),
    ],
    ids=["refused", "missing", "no TOML"],
)
def test_what_a_retry_cannot_mend_fails_at_once_and_says_what_to_do(
    airflow: Airflow, file: Path, right: str, wrong: str, told: str
) -> None:
    with Sandbox(responses=1) as sandbox:
        airflow.set_secrets(secrets_of(sandbox, file).replace(right, wrong))
        run = airflow.run(LOAD)
    task = run.task()
    assert (task["state"], task["try_number"], task["max_tries"]) == ("failed", 1, 4)
    failure = next(it for it in map(json.loads, run.log().splitlines()) if it["level"] == "error")
    (only,) = failure["error_detail"]  # without its causes
    what, to_do = only["exc_value"].splitlines()
    assert what
    assert to_do.startswith(f"What to do: {told}")


def test_an_api_that_is_down_for_a_while(airflow: Airflow, file: Path) -> None:
    with Sandbox(responses=0) as sandbox:
        port = int(sandbox.url.rsplit(":", 1)[1])
        airflow.set_secrets(secrets_of(sandbox, file))
    run = airflow.trigger(LOAD)
    run.failed_once()
    leaks = Fault("token-leak", times=5)  # each of the five tries of a request
    with Sandbox(responses=60, port=port, faults=[leaks]) as sandbox:
        assert run.ended().task()["state"] == "success", run.log()
        assert run.task()["try_number"] >= 3
        assert loaded(file) == account(sandbox)


def test_a_killed_task_is_retried_and_nothing_is_lost_or_comes_twice(
    airflow: Airflow, file: Path
) -> None:
    with Sandbox(responses=1400, latency=0.05) as sandbox:  # 70 pages, a checkpoint after 25
        airflow.set_secrets(secrets_of(sandbox, file))
        run = airflow.trigger(LOAD)
        until(lambda: "Committed by now" in run.log())
        os.kill(run.task()["pid"], signal.SIGKILL)
        assert run.ended().task()["state"] == "success", run.log()
        assert run.task()["try_number"] == 2
        assert loaded(file) == account(sandbox)
        assert asked_cursors(sandbox)[0] is not None  # not from the start


def test_airflows_folder_has_no_secret_and_no_survey_data(airflow: Airflow) -> None:
    with Sandbox(responses=1400) as sandbox:
        emails = [record["email"] for record in sandbox.records if record["email"]]
        secrets = [it.encode() for it in (sandbox.client_secret, WRONG, *emails)]
    files = [path for path in airflow.home.rglob("*") if path.is_file()]
    assert {"airflow.db", "scheduler.log", "attempt=2.log"} <= {path.name for path in files}
    for path in files:
        content = path.read_bytes()
        assert [it for it in secrets if it in content] == [], path
