"""A real Airflow in a folder: SQLite, API server, scheduler with its workers, DAG processor."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from customergauge_source.sandbox import Sandbox
from tests.support import ROOT, environment

DAG_FILE = ROOT / "pipelines" / "airflow_dag.py"
LOAD, RECONCILE, AFTER = "load", "reconcile", "after"
# As somebody would change it who loads into DuckDB; no schedule gets between the tests.
_CHANGES = {
    'DESTINATION = "bigquery"': 'DESTINATION = "duckdb"',
    'HOURLY = "17 * * * *"': "HOURLY = None",
    'NIGHTLY = "47 3 * * *"': "NIGHTLY = None",
    "minutes=1": "seconds=1",
    '"customergauge_load"': f'"{LOAD}"',
    '"customergauge_reconcile"': f'"{RECONCILE}"',
}
_AFTER = f"""
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Asset

with DAG("{AFTER}", schedule=[Asset("customergauge_responses")]):
    EmptyOperator(task_id="after")
"""
_PROCESSES = {
    "api-server": ("--host", "127.0.0.1"),
    "scheduler": ("--skip-serve-logs",),
    "dag-processor": (),
}
_PATIENCE = 180.0


class Airflow:
    """A running Airflow, asked over its REST API.

    Attributes:
        home: Its folder.
        logs: Where tasks and processes of its own write.
    """

    def __init__(self, home: Path, url: str) -> None:
        self.home, self.logs = home, home / "logs"
        self._url = url
        self._session = requests.Session()

    def ask(self, method: str, path: str, **body: Any) -> Any:
        """Returns the answer to a request."""
        answer = self._session.request(method, f"{self._url}{path}", json=body or None, timeout=60)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def wait_until_ready(self) -> None:
        """Waits for all processes and DAGs; sets up what a user sets up."""

        def is_healthy() -> bool:
            try:
                health = self.ask("GET", "/api/v2/monitor/health")
            except requests.ConnectionError:
                return False
            parts = ("metadatabase", "scheduler", "dag_processor")
            return all(health[part]["status"] == "healthy" for part in parts)

        until(is_healthy)
        token = self.ask("GET", "/auth/token")["access_token"]
        self._session.headers["Authorization"] = f"Bearer {token}"
        self.ask("POST", "/api/v2/pools", name="customergauge", slots=1)
        until(lambda: {LOAD, RECONCILE, AFTER} <= {dag["dag_id"] for dag in self.dags()})
        for dag in (LOAD, RECONCILE, AFTER):
            self.ask("PATCH", f"/api/v2/dags/{dag}", is_paused=False)

    def dags(self) -> list[dict[str, Any]]:
        """Returns what is known of the DAGs."""
        found: list[dict[str, Any]] = self.ask("GET", "/api/v2/dags")["dags"]
        return found

    def set_secrets(self, toml: str) -> None:
        """Sets the Variable that holds settings and secrets."""
        name = "dlt_secrets_toml"
        known = self.ask("GET", f"/api/v2/variables?variable_key_pattern={name}")["variables"]
        path = f"/api/v2/variables/{name}" if known else "/api/v2/variables"
        self.ask("PATCH" if known else "POST", path, key=name, value=toml)

    def trigger(self, dag: str) -> Run:
        """Starts a run."""
        shutil.rmtree(self.home / "dlt", ignore_errors=True)  # as on another worker
        started = self.ask("POST", f"/api/v2/dags/{dag}/dagRuns", logical_date=None)
        return Run(self, dag, started["dag_run_id"])

    def run(self, dag: str) -> Run:
        """Returns a run that has ended."""
        return self.trigger(dag).ended()


class Run:
    """A run of a DAG of one task, which has the DAG's name."""

    def __init__(self, airflow: Airflow, dag: str, name: str) -> None:
        self._airflow, self._dag = airflow, dag
        self._path = f"/api/v2/dags/{dag}/dagRuns/{name}"
        self._task = f"{self._path}/taskInstances/{dag}"
        self.name = name

    def task(self) -> dict[str, Any]:
        """Returns what is known of the task."""
        found: dict[str, Any] = self._airflow.ask("GET", self._task)
        return found

    def ended(self) -> Run:
        """Waits until the run has ended."""
        until(lambda: self._airflow.ask("GET", self._path)["state"] in {"success", "failed"})
        return self

    def failed_once(self) -> None:
        """Waits until a try has failed, and another one is to come."""
        until(lambda: self.task()["state"] == "up_for_retry" or self.task()["try_number"] > 1)

    def summary(self) -> dict[str, Any]:
        """Returns what the task has put into XCom."""
        path = f"{self._task}/xcomEntries/return_value?deserialize=true"
        found: dict[str, Any] = self._airflow.ask("GET", path)["value"]
        return found

    def events(self) -> list[dict[str, Any]]:
        """Returns the events of assets."""
        path = f"/api/v2/assets/events?source_run_id={self.name}"
        found: list[dict[str, Any]] = self._airflow.ask("GET", path.replace("+", "%2B"))[
            "asset_events"
        ]
        return found

    def log(self) -> str:
        """Returns what the log of the last try says."""
        number = self.task()["try_number"]
        folder = self._airflow.logs / f"dag_id={self._dag}/run_id={self.name}/task_id={self._dag}"
        log = folder / f"attempt={number}.log"
        return log.read_text(encoding="utf-8") if log.exists() else ""


def until(is_so: Callable[[], bool], *, seconds: float = _PATIENCE) -> None:
    """Waits until something is so."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.2)


def secrets_of(sandbox: Sandbox, file: Path) -> str:
    """Returns what the Variable holds: an account, and a DuckDB file to load it into."""
    return f"""
        [sources.customergauge]
        api_url = "{sandbox.url}"
        auth_url = "{sandbox.url}"
        per_page = 20
        [sources.customergauge.credentials]
        client_id = "{sandbox.client_id}"
        client_secret = "{sandbox.client_secret}"
        [destination.duckdb]
        credentials = "{file}"
    """


@contextmanager
def started(home: Path) -> Iterator[Airflow]:
    """Starts an Airflow in an empty folder, with the DAGs of this repository in it."""
    dags = home / "dags"
    dags.mkdir()
    (home / "logs").mkdir()
    text = DAG_FILE.read_text(encoding="utf-8")
    (dags / "as_it_is.py").write_text(text, encoding="utf-8")
    for before, after in _CHANGES.items():
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    (dags / "changed.py").write_text(text, encoding="utf-8")
    (dags / "after.py").write_text(_AFTER, encoding="utf-8")
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    env = environment(home, None, **_settings(home, url, port))
    subprocess.run(["airflow", "db", "migrate"], env=env, check=True, capture_output=True)
    with _processes(home / "logs", env):
        airflow = Airflow(home, url)
        airflow.wait_until_ready()
        yield airflow


@contextmanager
def _processes(logs: Path, env: dict[str, str]) -> Iterator[None]:
    running: list[subprocess.Popen[bytes]] = []
    try:
        for name, options in _PROCESSES.items():
            with (logs / f"{name}.log").open("wb") as log:
                command = ["airflow", name, *options]
                running.append(
                    subprocess.Popen(command, env=env, stdout=log, stderr=subprocess.STDOUT)
                )
        yield
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(60)


def _settings(home: Path, url: str, port: int) -> dict[str, str]:
    settings = {
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__PARALLELISM": "2",
        "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "3600",
        "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "API__PORT": str(port),
        "API__BASE_URL": url,
        "API_AUTH__JWT_SECRET": os.urandom(32).hex(),
    }
    return {
        "AIRFLOW_HOME": str(home),
        "PYTHONPATH": str(ROOT),
        **{f"AIRFLOW__{key}": value for key, value in settings.items()},
    }


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
