"""Load from a sandbox into any destination, and read back every table of it."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import dlt

from customergauge_source import LoadSummary, load_in_checkpoints, reconcile
from customergauge_source.load.summary import ReconcileSummary
from customergauge_source.resources import RESOURCES
from customergauge_source.sandbox import Sandbox
from tests.support import make_source

ZONE = "Europe/Amsterdam"
"""The account's time zone."""
Row = dict[str, Any]
Tables = dict[str, list[Row]]

_LOAD = "_dlt_load_id"  # not compared: dlt's other keys are made of the data: the same everywhere
_NO_TIME = datetime(1900, 1, 1, 0, 0, 1, tzinfo=timezone.utc)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A dataset at a destination, and the working directory that a pipeline for it has.

    Attributes:
        destination: Name of dlt's destination, or the destination itself.
        dataset: Name of the dataset.
        folder: The working directory.
    """

    destination: Any
    dataset: str
    folder: Path

    def pipeline(self) -> dlt.Pipeline:
        """Return the pipeline, which knows what its working directory remembers."""
        pipeline: dlt.Pipeline = dlt.pipeline(
            "customergauge",
            destination=self.destination,
            dataset_name=self.dataset,
            pipelines_dir=str(self.folder),
        )
        return pipeline

    def load(self, sandbox: Sandbox, **arguments: Any) -> LoadSummary:
        """Load what is new."""
        return load_in_checkpoints(self.pipeline(), make_source(sandbox, **arguments))

    def reconcile(
        self, sandbox: Sandbox, period: tuple[str, str] | None = None, **arguments: Any
    ) -> ReconcileSummary:
        """Make the tables what the account is, or was in a period of answers."""
        bounds: dict[str, str] = {}
        if period:
            bounds = {"start_date": period[0], "end_date": period[1]}
            bounds["period_field"] = "date_survey_response"
        source = make_source(sandbox, per_page=50, **bounds)
        found = reconcile(self.pipeline(), source, **arguments).reconcile
        assert found is not None
        return found

    def forget(self) -> None:
        """Wipe the working directory, as a runner does that is thrown away."""
        shutil.rmtree(self.folder)

    def tables(self, *, of: str = "", which_load: bool = False) -> Tables:
        """Return all rows of all tables but dlt's own, by one query each.

        Rows are in the order of their keys; values are those of Python, whatever the client makes
        of them. The tables are those that the destination itself remembers.

        Args:
            of: How the names begin of views that are asked in their places.
            which_load: Whether rows say which load they came with.
        """
        witness = Trial(
            destination=self.destination,
            dataset=self.dataset,
            folder=self.folder.with_name(f"{self.folder.name}-witness"),
        )
        pipeline = witness.pipeline()
        pipeline.sync_destination()
        names = pipeline.default_schema.data_table_names(seen_data_only=True)
        naming = pipeline.default_schema.naming
        try:
            with pipeline.sql_client() as client:
                return {
                    name: _rows(
                        client,
                        naming.shorten_identifier(of + name, of + name, naming.max_length),
                        self._selected(pipeline, client, name),
                        () if which_load else (_LOAD,),
                    )
                    for name in names
                }
        finally:
            witness.forget()

    def _selected(self, pipeline: dlt.Pipeline, client: Any, table: str) -> str:
        """Return what to select: all, with a stand-in for NULL where an emulator needs one.

        The answers of the Snowflake emulator cannot hold a timestamp that is NULL.
        """
        if self.destination != "snowflake":
            return "*"
        return ", ".join(
            f"COALESCE({name}, '{_NO_TIME}'::TIMESTAMP_TZ) AS {name}"
            if hint.get("data_type") == "timestamp"
            else name
            for column, hint in pipeline.default_schema.get_table_columns(table).items()
            for name in [client.escape_column_name(column)]
        )

    def staged(self) -> int:
        """Return the number of responses that the staging dataset holds."""
        with self.pipeline().sql_client() as client, client.with_staging_dataset():
            name = client.make_qualified_table_name("responses")
            ((count,),) = client.execute_sql(f"SELECT count(*) FROM {name}") or [(-1,)]
        return int(count)

    def committed(self) -> int:
        """Return the number of load packages that the destination has taken."""
        with self.pipeline().sql_client() as client:
            loads = client.make_qualified_table_name("_dlt_loads")
            ((count,),) = client.execute_sql(f"SELECT count(*) FROM {loads}") or [(0,)]
        return int(count)


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """An account, and a dataset that has all of it.

    Attributes:
        trial: The dataset.
        sandbox: The account.
    """

    trial: Trial
    sandbox: Sandbox

    def load_into(self, trial: Trial, *, views: bool = False, **arguments: Any) -> LoadSummary:
        """Load every resource of the account."""
        names = [it.name for it in RESOURCES]
        source = make_source(self.sandbox, timezone=ZONE, resources=names, **arguments)
        return load_in_checkpoints(trial.pipeline(), source, views=views)


def duckdb_trial(folder: Path) -> Trial:
    """Return a trial in DuckDB, to compare with."""
    file = str(folder / "compared.duckdb")
    return Trial(
        destination=dlt.destinations.duckdb(file),
        dataset="reference",
        folder=folder / "reference",
    )


def orphans(tables: Tables) -> list[str]:
    """Return the names of the tables with rows that hang under no response or parent row."""
    ids = {row["_dlt_id"] for rows in tables.values() for row in rows}
    responses = {row["_dlt_id"]: row["number_customergauge"] for row in tables["responses"]}
    return [
        name
        for name, rows in tables.items()
        for row in rows
        if "_dlt_parent_id" in row
        and not (
            row["_dlt_parent_id"] in ids
            and responses.get(row["_dlt_root_id"]) == row["number_customergauge"]
        )
    ]


def _rows(client: Any, table: str, selected: str, left_out: Collection[str]) -> list[Row]:
    name = client.make_qualified_table_name(table)
    key = client.escape_column_name("_dlt_id")
    with client.execute_query(f"SELECT {selected} FROM {name} ORDER BY {key}") as cursor:
        columns = [column[0].lower() for column in cursor.description]
        rows = [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]
    return [
        {column: plain(row[column]) for column in sorted(row) if column not in left_out}
        for row in rows
    ]


def plain(value: Any) -> Any:
    """Return a value as it is compared: whatever the client makes of it."""
    if isinstance(value, datetime):
        # A client that leaves the zone out would be a difference, too: not mended here.
        moment = value.astimezone(timezone.utc) if value.tzinfo else value
        return None if moment == _NO_TIME else moment
    if isinstance(value, Decimal) and value == value.to_integral_value():
        return int(value)
    return value
