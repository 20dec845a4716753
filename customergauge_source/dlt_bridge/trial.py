"""A trial of dlt: a made-up record is merged together with its list, in a folder of its own.

So a release that has changed what nested tables of Arrow data lean on is an error before the first
request, where it would be wrong tables.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import timezone
from typing import Any, Final

import dlt
from dlt.common.runtime import signals
from dlt.common.runtime.collector import NULL_COLLECTOR
from dlt.destinations.sql_client import SqlClientBase

from customergauge_source.dlt_bridge import extraction
from customergauge_source.dlt_bridge.catalog import reader_maker
from customergauge_source.dlt_bridge.duckdb_merge import from_files
from customergauge_source.dlt_bridge.keeping import Keeping
from customergauge_source.dlt_bridge.tables_step import TablesStep
from customergauge_source.exceptions import ConfigurationError, causes_of
from customergauge_source.resources.resource import KEY, Resource
from customergauge_source.tables.shape import Field, Shape, text

_RECORD: Final = Shape(
    {KEY: Field("bigint", "Id of the record.")}, lists={"items": Shape({"item": text("An item.")})}
)


def merge_a_chain(release: str, remedy: str) -> None:
    """Merges a record twice, the second time without its items.

    Raises:
        ConfigurationError: It failed, or left other rows than the record alone.
    """
    cause = None
    try:
        if (rows := _rows()) == (1, 0):
            return
        what = "a record whose list was emptied has {} rows, its list {}".format(*rows)
    except Exception as error:
        *_, cause = causes_of(error)
        if isinstance(cause, KeyboardInterrupt):  # as dlt tells of a signal
            raise
        what = f"{type(cause).__name__}: {' '.join(str(cause).split()):.300}"
    raise ConfigurationError(
        f"{release} does not merge a record together with its lists, as a trial before the first"
        f" request shows: {what}.",
        remedy,
    ) from cause


def _rows() -> tuple[int, int]:
    before = extraction.active_pipeline()
    with tempfile.TemporaryDirectory() as folder:
        pipeline = dlt.pipeline(
            "customergauge_trial",
            pipelines_dir=folder,
            destination=from_files(dlt.destinations.duckdb(f"{folder}/chain.duckdb")),
            dataset_name="trial",
            progress=NULL_COLLECTOR,
        )
        try:
            with signals.intercepted_signals():
                for items in ([{"item": "one"}], []):
                    pipeline.run(_records(items))
                    signals.raise_if_signalled()
            with pipeline.sql_client() as sql:
                return _count(sql, "records"), _count(sql, "records__items")
        finally:
            pipeline.deactivate()
            if before is not None:
                before.activate()


def _count(sql: SqlClientBase[Any], table: str) -> int:
    name = sql.make_qualified_table_name(table)
    ((rows,),) = sql.execute_sql(f"SELECT count(*) FROM {name}") or ()  # noqa: S608 - ours
    return int(rows)


def _records(items: list[dict[str, str]]) -> Any:  # noqa: ANN401 - dlt's resource
    resource = Resource("records", "", _RECORD)
    step = TablesStep(resource, None)

    @dlt.resource(name=resource.name, write_disposition="merge", primary_key=resource.key)
    def read() -> Iterator[list[dict[str, Any]]]:
        step.begin(reader_maker(resource, timezone.utc, "evolve", None), "", Keeping())
        yield [{resource.key: 1, "items": items}]

    return read().add_step(step)
