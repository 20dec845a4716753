"""CustomerGauge in Airflow 3: what is new every hour, and every night the last 30 days again.

Copy this file into your folder of DAGs; docs/orchestrators.md says how to set it up.

Settings and secrets come by dlt's own way into Airflow, the Variable `dlt_secrets_toml`. dlt's
`PipelineTasksGroup` does not fit: all that its tasks can call is `pipeline.run`, which commits a
first load of hours as a whole or not at all, and cannot reconcile. The folder that it makes for
each task and wipes has nothing to offer either, as state comes from the destination.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import DAG, Asset, get_current_context
from airflow.sdk.exceptions import AirflowException, AirflowFailException

import customergauge_source as cg

if TYPE_CHECKING:
    from dlt import Pipeline

DESTINATION = "bigquery"  # or snowflake, or another SQL destination of dlt
DATASET = "customergauge_data"
HOURLY = "17 * * * *"
NIGHTLY = "47 3 * * *"
DAYS = 30  # that are read again every night, by date_survey_response
POOL = "customergauge"  # of one slot: one run at a time, whichever it is
RETRIES = {"retries": 4, "retry_delay": timedelta(minutes=1), "retry_exponential_backoff": 2}
ASSET = Asset("customergauge_responses")  # which a DAG of yours can be scheduled on

NEVER_RETRIED = (2, 3)  # exit codes: the configuration is wrong, the credentials are refused
OF_DLT = {  # where the environment does not say otherwise
    # Or dlt asks for 800 Variables in a run, and one called `refresh` would be its setting.
    "PROVIDERS__AIRFLOW_SECRETS__ONLY_TOML_FRAGMENTS": "true",
    "RUNTIME__DLTHUB_TELEMETRY": "false",
}
LOG = logging.getLogger(__name__)


def load(pipeline: Pipeline) -> cg.LoadSummary:
    """Loads what is new."""
    return cg.load_in_checkpoints(pipeline, cg.customergauge_source(), on_checkpoint=committed)


def reconcile(pipeline: Pipeline) -> cg.LoadSummary:
    """Reads the last days again: merges what was edited, removes what was deleted."""
    today = datetime.now(timezone.utc).date()
    source = cg.customergauge_source(
        resources=["responses"],
        period_field="date_survey_response",
        start_date=str(today - timedelta(days=DAYS)),
        end_date=str(today),
    )
    return cg.reconcile(pipeline, source, on_checkpoint=committed)


def committed(summary: cg.LoadSummary) -> None:
    """Notes how far a run has come."""
    LOG.info("Committed by now: %s", summary.tables)


def run(do: Callable[[Pipeline], cg.LoadSummary]) -> dict[str, Any]:
    """Returns the summary of a run, which XCom and the event of the asset show."""
    os.environ.update({key: value for key, value in OF_DLT.items() if key not in os.environ})
    import dlt  # takes a second, and Airflow reads this file all the time

    from customergauge_source.secrecy import HidingFilter

    for name in ("customergauge_source", "dlt"):
        logging.getLogger(name).addFilter(HidingFilter(tracebacks=False))
    try:
        summary = do(dlt.pipeline("customergauge", destination=DESTINATION, dataset_name=DATASET))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told in two lines
        known = cg.explain(error)
        failure = AirflowFailException if known.exit_code in NEVER_RETRIED else AirflowException
        # Without its causes, which may quote secrets and survey data.
        raise failure(f"{known}\nWhat to do: {known.remedy}") from None
    told = summary.as_dict()
    get_current_context()["outlet_events"][ASSET].extra = told
    return told


HOW: dict[str, Any] = {
    "start_date": datetime(2025, 1, 1, tzinfo=timezone.utc),
    "catchup": False,  # one run takes all that is new
    "max_active_runs": 1,
    "default_args": {"pool": POOL, **RETRIES},
}

with DAG("customergauge_load", schedule=HOURLY, **HOW):
    PythonOperator(task_id="load", python_callable=partial(run, load), outlets=[ASSET])

with DAG("customergauge_reconcile", schedule=NIGHTLY, **HOW):
    PythonOperator(task_id="reconcile", python_callable=partial(run, reconcile), outlets=[ASSET])
