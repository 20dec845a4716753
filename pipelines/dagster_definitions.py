"""CustomerGauge in Dagster: a file to copy into a code location (docs/orchestrators.md).

dagster-dlt names the assets, so that its users and their translators know them. It does not load
them: its `DagsterDltResource.run` puts everything into one package, so that a first load is there
as a whole or not at all, and it cannot reconcile.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import dagster as dg
import dlt
from dagster_dlt import build_dlt_asset_specs

import customergauge_source as cg

# What you may want to change.
RESOURCES = ["responses"]  # and "non_responses", "close_loop"
DESTINATION, DATASET = "duckdb", "customergauge_data"
HOURLY, NIGHTLY, TIMEZONE = "17 * * * *", "47 3 * * *", "UTC"
DAYS = 30  # read again every night, by date_survey_response
RETRIES = dg.RetryPolicy(
    max_retries=4, delay=60, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS
)

NOT_RETRIED = (2, 3)  # exit codes: a wrong configuration, credentials that are refused
# RETRIES are for what fails, and for a step that is killed; these for a run that is killed.
TAGS = {"dagster/max_retries": "2", "dagster/retry_on_asset_or_op_failure": "false"}
APP = "SOURCES__CUSTOMERGAUGE__CREDENTIALS__CLIENT_"  # ID and SECRET, in the environment


class Account(dg.ConfigurableResource):
    """A connected app; Dagster shows the names of its variables, and not their values."""

    client_id: str
    client_secret: str


class What(dg.Config):
    """What a run does; the launchpad asks for it."""

    reconcile_days: int = 0  # 0: it loads what is new


def make_pipeline() -> dlt.Pipeline:
    """Returns the pipeline. Its folder need not last: the state comes from the destination."""
    return dlt.pipeline("customergauge", destination=DESTINATION, dataset_name=DATASET)


def last(days: int) -> dict[str, Any]:
    """Returns the period of the last days, today included, as arguments of the source."""
    today = datetime.now(timezone.utc).date()
    bounds = {"start_date": f"{today - timedelta(days=days)}", "end_date": f"{today}"}
    return {"period_field": "date_survey_response", **bounds}


# For names alone: it looks for no settings, and is never read.
_nobody = {"client_id": "nobody", "client_secret": "nobody"}
_unread = cg.customergauge_source.clone(section="names")(_nobody, region="eu", resources=RESOURCES)
_specs = build_dlt_asset_specs(_unread, make_pipeline())
SPECS = dict(zip(_unread.selected_resources, _specs, strict=True))


@dg.multi_asset(specs=_specs, can_subset=True, retry_policy=RETRIES, pool="customergauge")
def customergauge(
    context: dg.AssetExecutionContext, config: What, account: Account
) -> Iterator[dg.MaterializeResult]:
    """Loads what is new, or reconciles the last days."""
    names = [name for name, spec in SPECS.items() if spec.key in context.selected_asset_keys]
    app = {"client_id": account.client_id, "client_secret": account.client_secret}

    def committed(so_far: cg.LoadSummary) -> None:
        context.log.info("%d packages are committed: %s", so_far.checkpoints, so_far.tables)

    try:
        if days := config.reconcile_days:
            source = cg.customergauge_source(app, resources=names, **last(days))
            summary = cg.reconcile(make_pipeline(), source, on_checkpoint=committed)
        else:
            source = cg.customergauge_source(app, resources=names)
            summary = cg.load_in_checkpoints(make_pipeline(), source, on_checkpoint=committed)
    except cg.CustomerGaugeError as error:
        raise dg.Failure(
            f"{error}\nWhat to do: {error.remedy}",
            metadata={"what_to_do": error.remedy, "exit_code": error.exit_code},
            allow_retries=error.exit_code not in NOT_RETRIED,
        ) from None  # its causes may show what is hidden here
    for name in names:
        found = {
            "rows_loaded": summary.tables.get(name, 0),
            "cursor": summary.resources[name].cursor,
            "seconds": summary.seconds,
            "caught_up": summary.caught_up,
            "summary": summary.as_dict(),
        }
        yield dg.MaterializeResult(asset_key=SPECS[name].key, metadata=found)


jobs = {
    HOURLY: dg.define_asset_job("customergauge_load", [customergauge], tags=TAGS),
    NIGHTLY: dg.define_asset_job(
        "customergauge_reconcile",
        [SPECS["responses"].key],
        config=dg.RunConfig({"customergauge": What(reconcile_days=DAYS)}),
        tags=TAGS,
    ),
}
account = Account(client_id=dg.EnvVar(f"{APP}ID"), client_secret=dg.EnvVar(f"{APP}SECRET"))
defs = dg.Definitions(
    assets=[customergauge],
    resources={"account": account},
    schedules=[
        dg.ScheduleDefinition(job=job, cron_schedule=cron, execution_timezone=TIMEZONE)
        for cron, job in jobs.items()
    ],
)
