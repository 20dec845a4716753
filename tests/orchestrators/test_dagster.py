"""The file for Dagster, run by Dagster: against a sandbox, into DuckDB.

Without Dagster the tests are skipped; the stage `orchestrators` of `.ci/run` sets
`CUSTOMERGAUGE_REQUIRE_DAGSTER=1`, and they fail.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from filelock import FileLock

from customergauge_source.sandbox import Fault, Sandbox
from tests.support import asked_cursors, query
from tests.truth import differences

if os.environ.get("CUSTOMERGAUGE_REQUIRE_DAGSTER") != "1":
    pytest.importorskip("dagster_dlt", reason="needs Dagster: bash .ci/run orchestrators")

from dagster import DagsterInvalidConfigError, ScheduleDefinition, build_schedule_context

from tests.orchestrators.dagster_instance import (
    LOAD,
    RECONCILE,
    Deployment,
    environment,
    wait_until,
)

SECRET = "SOURCES__CUSTOMERGAUGE__CREDENTIALS__CLIENT_SECRET"
RESPONSES, CASES = "dlt_customergauge_responses", "dlt_customergauge_close_loop"
WRONG = "a-wrong-secret-4d1f88"
SMALL = ("SOURCES__CUSTOMERGAUGE__PER_PAGE", "2")


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A CustomerGauge that takes its time, so that a run of small pages can be met at work."""
    with Sandbox(responses=300, latency=0.05) as running:
        yield running


@pytest.fixture
def deployment(
    workdir: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Deployment]:
    """A deployment that reads from the sandbox; in the end it holds no secret anywhere."""
    for name, value in environment(workdir, sandbox).items():
        monkeypatch.setenv(name, value)
    deployment = Deployment(workdir)
    yield deployment
    deployment.instance.dispose()
    assert deployment.holding([sandbox.client_secret, WRONG, *sandbox.tokens]) == []


def test_it_can_be_deployed_where_nothing_is_set_and_then_says_what_is_missing(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [it for it in os.environ if it.startswith(("SOURCES__", "DESTINATION__"))]:
        monkeypatch.delenv(name)

    deployment.command("definitions", "validate", "-f", str(deployment.file))

    with pytest.raises(DagsterInvalidConfigError, match=f'"{SECRET}" which is not set'):
        deployment.execute(LOAD)
    assert deployment.instance.get_runs() == []


def test_two_loads_and_a_nightly_run_share_nothing_but_the_destination(
    workdir: Path, sandbox: Sandbox, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = workdir / "customergauge.duckdb"
    cgids = [record["number_customergauge"] for record in sandbox.records]
    recent = f"{datetime.now(timezone.utc) - timedelta(days=3):%Y-%m-%d %H:%M:%S}"
    for cgid in cgids[:2]:
        sandbox.edit(cgid, date_survey_response=recent)

    first = deployment.metadata(deployment.execute(LOAD))[RESPONSES]
    monkeypatch.setenv("DLT_DATA_DIR", str(workdir / "another"))
    second = deployment.metadata(deployment.execute(LOAD))[RESPONSES]

    assert differences(file, sandbox.records) == []
    assert [it["rows_loaded"] for it in (first, second)] == [300, 0]
    assert [it["summary"]["checkpoints"] for it in (first, second)] == [1, 0]
    assert asked_cursors(sandbox) == [str(sandbox.keys[299])]
    assert first["cursor"] == second["cursor"] == sandbox.keys[299]
    assert first["summary"]["tables"]["responses"] == 300
    assert first["caught_up"] is True
    assert first["seconds"] == first["summary"]["seconds"]

    sandbox.remove(cgids[0])
    monkeypatch.setenv("DLT_DATA_DIR", str(workdir / "a third"))
    nightly = deployment.metadata(deployment.here(RECONCILE))[RESPONSES]

    assert nightly["summary"]["reconcile"]["deleted_ids"] == [cgids[0]]
    assert differences(file, sandbox.records) == []
    assert query(file, "SELECT number_customergauge FROM deleted_responses") == [(cgids[0],)]


def test_each_resource_is_an_asset_and_the_nightly_run_is_for_responses(
    sandbox: Sandbox, deployment: Deployment
) -> None:
    deployment.change('= ["responses"]', '= ["responses", "close_loop"]')

    found = deployment.metadata(deployment.here(LOAD))
    nightly = deployment.metadata(deployment.here(RECONCILE))

    cases = len(sandbox.records_of("close-loop"))
    assert {key: it["rows_loaded"] for key, it in found.items()} == {RESPONSES: 300, CASES: cases}
    assert isinstance(found[CASES]["cursor"], str)
    assert [*nightly] == [RESPONSES]


@pytest.mark.parametrize(
    ("variable", "code", "said"),
    [
        (f"{SECRET}={WRONG}", 3, "Check client_id and client_secret"),
        (f"{SECRET}=", 2, "Set client_secret under"),
        ("SOURCES__CUSTOMERGAUGE__PER_PAGE=5000", 2, "Correct the value"),
    ],
    ids=["credentials", "no credentials", "configuration"],
)
def test_what_a_retry_does_not_mend_fails_at_once_and_says_what_to_do(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, variable: str, code: int, said: str
) -> None:
    monkeypatch.setenv(*variable.split("="))

    run = deployment.here(LOAD)

    assert deployment.tries(run) == ["STEP_FAILURE"]
    description, metadata = deployment.failure(run)
    assert metadata["exit_code"] == code
    assert said in metadata["what_to_do"]
    assert description.splitlines()[1:] == [f"What to do: {metadata['what_to_do']}"]
    assert deployment.holding(["What to do"])  # what is searched for secrets holds what was said


def test_an_api_that_is_down_for_a_while_is_waited_for(
    workdir: Path, sandbox: Sandbox, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNTIME__REQUEST_MAX_ATTEMPTS", "2")
    sandbox.inject(Fault("503", times=3))

    run = deployment.here(LOAD)

    assert deployment.tries(run) == ["STEP_UP_FOR_RETRY", "STEP_SUCCESS"]
    assert differences(workdir / "customergauge.duckdb", sandbox.records) == []


def test_one_that_stays_down_and_tells_secrets_fails_in_the_end_and_shows_none(
    sandbox: Sandbox, deployment: Deployment
) -> None:
    sandbox.inject(Fault("leak-403", times=None))

    run = deployment.here(LOAD)

    assert deployment.tries(run) == ["STEP_UP_FOR_RETRY"] * 2 + ["STEP_FAILURE"]
    description, metadata = deployment.failure(run)
    assert "403" in description
    assert metadata["exit_code"] == 4


def test_a_password_that_an_error_of_the_destination_repeats_is_shown_nowhere(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment.change('"duckdb", ', '"postgres", ')
    address = f"postgresql://loader:{WRONG}@{WRONG}:1/warehouse"  # which is told with its host
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", address)

    run = deployment.here(LOAD)

    assert deployment.tries(run) == ["STEP_UP_FOR_RETRY"] * 2 + ["STEP_FAILURE"]
    description, metadata = deployment.failure(run)
    assert 'host name "***"' in description
    assert metadata["exit_code"] == 5


def test_a_run_of_somebody_else_is_waited_for_and_not_joined(
    workdir: Path, sandbox: Sandbox, deployment: Deployment
) -> None:
    folder = workdir / "dlt" / "pipelines"
    folder.mkdir(parents=True)
    with FileLock(folder / "customergauge.lock"):
        run = deployment.here(LOAD)

    assert deployment.tries(run) == ["STEP_UP_FOR_RETRY"] * 2 + ["STEP_FAILURE"]
    assert deployment.failure(run)[1]["exit_code"] == 6
    assert not sandbox.requests


def test_a_step_that_is_killed_is_tried_again_and_nothing_is_lost(
    workdir: Path, sandbox: Sandbox, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(*SMALL)

    def kill() -> None:
        wait_until(lambda: bool(sandbox.data_requests))
        run = deployment.newest(LOAD)
        wait_until(lambda: deployment.has_committed(run))
        (step,) = multiprocessing.active_children()
        step.kill()

    with ThreadPoolExecutor(1) as aside:
        killing = aside.submit(kill)
        run = deployment.execute(LOAD)
        killing.result()

    assert deployment.tries(run) == ["STEP_UP_FOR_RETRY", "STEP_SUCCESS"]
    (crash,) = deployment.events(run, "STEP_UP_FOR_RETRY")
    assert "ChildProcessCrashException" in str(crash.step_retry_data.error)
    assert differences(workdir / "customergauge.duckdb", sandbox.records) == []
    assert 0 < deployment.metadata(run)[RESPONSES]["rows_loaded"] < 300


@pytest.mark.timeout(900)  # eight processes that import everything, one after the other
def test_a_run_that_is_killed_is_started_again_and_never_beside_another(
    workdir: Path, sandbox: Sandbox, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(*SMALL)
    with deployment.daemon():
        killed = deployment.launch(LOAD)
        wait_until(lambda: deployment.status(killed) == "STARTED")
        waiting = deployment.launch(RECONCILE)
        wait_until(lambda: deployment.has_committed(killed))
        for event in deployment.events(killed, "PIPELINE_START", "STEP_START"):
            os.kill(int(event.pid or 0), signal.SIGKILL)
        wait_until(lambda: deployment.newest(LOAD) != killed)
        again = deployment.newest(LOAD)
        both = (waiting, again)
        wait_until(lambda: {deployment.status(run) for run in both} == {"SUCCESS"})

    assert deployment.status(killed) == "FAILURE"
    first, second, third = sorted(map(deployment.span, (killed, *both)))
    assert first[1] <= second[0] < second[1] <= third[0]
    assert differences(workdir / "customergauge.duckdb", sandbox.records) == []
    assert 0 < deployment.metadata(again)[RESPONSES]["rows_loaded"] < 300
    assert "reconcile" in deployment.metadata(waiting)[RESPONSES]["summary"]


def test_the_schedules_load_every_hour_and_reconcile_every_night(deployment: Deployment) -> None:
    told = {}
    for schedule in deployment.definitions.schedules or ():
        assert isinstance(schedule, ScheduleDefinition)
        moment = datetime(2026, 11, 29, 3, 47, tzinfo=timezone.utc)
        context = build_schedule_context(scheduled_execution_time=moment)
        (asked,) = schedule.evaluate_tick(context).run_requests or (None,)
        assert asked is not None
        job = deployment.definitions.resolve_job_def(schedule.job_name)
        told[schedule.cron_schedule] = job.name, (job.run_config or {}).get("ops")

    days = {"customergauge": {"config": {"reconcile_days": 30}}}
    assert told == {"17 * * * *": (LOAD, None), "47 3 * * *": (RECONCILE, days)}
