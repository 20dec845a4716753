"""The destination is the only memory: a load goes on where the destination says that it stands."""

from __future__ import annotations

import logging
from collections.abc import Iterable, MutableMapping
from contextlib import suppress
from typing import Any, Final

from dlt import Pipeline
from dlt.destinations.exceptions import DatabaseUndefinedRelation

from customergauge_source.dlt_bridge import lake_files
from customergauge_source.dlt_bridge.declare import REJECTED_RECORDS_TABLE
from customergauge_source.dlt_bridge.keeping import is_lake

logger = logging.getLogger("customergauge_source")

_CARRIER: Final = "load_id"
"""Key of a resource's state: the load package that the state was extracted with."""


def note_carrier(state: MutableMapping[str, Any], load_id: str) -> None:
    """Notes in a resource's state the load package that carries it."""
    if load_id:
        state[_CARRIER] = load_id


def go_on_from_destination(
    pipeline: Pipeline, source: str, *, is_dry: bool = False
) -> dict[str, Any]:
    """Takes state and schemas from the destination; returns the states of the source's resources.

    A state counts if the destination has the load that carried it. Another source's package
    carries the whole state of the pipeline; so the destination may be told of a cursor whose data
    it never got, or has lost.
    """
    if is_lake(pipeline):
        lake_files.forget_undone(pipeline, source, is_dry=is_dry)
    pipeline.sync_destination()
    stored: dict[str, Any] = pipeline.state.get("sources", {}).get(source, {})
    resources = stored.get("resources", {})
    if is_lake(pipeline):
        # A full refresh forgets the cursors before it drops the files.
        begun = [name for name, it in resources.items() if it.get("cursors")]
        lake_files.forget_unloaded(pipeline, source, begun)
    known = _loads_of(pipeline, {it[_CARRIER] for it in resources.values() if _CARRIER in it})
    told = {name: it for name, it in resources.items() if it.get(_CARRIER) in (None, *known)}
    if lost := resources.keys() - told.keys():
        logger.warning(
            "The destination lacks the last load of %s: all is read anew.", ", ".join(sorted(lost))
        )
        with pipeline.managed_state() as state:
            state["sources"][source]["resources"] = told
    return told


def forget_rejected(pipeline: Pipeline, source: str, resources: Iterable[str]) -> None:
    """Deletes what was rejected of resources; dlt drops whole tables.

    In a lake what was rejected of others goes with it: files are not changed.
    """
    if is_lake(pipeline):
        lake_files.drop(pipeline, source, REJECTED_RECORDS_TABLE)
        return
    with pipeline.sql_client() as sql, suppress(DatabaseUndefinedRelation):
        table = sql.make_qualified_table_name(REJECTED_RECORDS_TABLE)
        column = sql.escape_column_name("resource")
        for name in resources:
            sql.execute_sql(f"DELETE FROM {table} WHERE {column} = %s", name)  # noqa: S608 - ours


def forget_cursors(pipeline: Pipeline, source: str, resources: Iterable[str]) -> None:
    """Extracts a state without the cursors of resources, in a package of its own."""
    if source not in pipeline.state.get("sources", {}):
        return
    with pipeline.managed_state(extract_state=True) as state:
        kept = state["sources"][source].get("resources", {})
        for name in resources:
            kept.get(name, {}).pop("cursors", None)


def _loads_of(pipeline: Pipeline, load_ids: set[str]) -> set[str]:
    """Returns which of these loads the destination has."""
    if not load_ids:
        return set()
    if is_lake(pipeline):
        with lake_files.connected(pipeline) as client:
            return load_ids & lake_files.loads_done(client)
    with pipeline.sql_client() as sql, suppress(DatabaseUndefinedRelation):
        places = ", ".join(["%s"] * len(load_ids))
        table = sql.make_qualified_table_name("_dlt_loads")
        query = f"SELECT load_id FROM {table} WHERE load_id IN ({places})"  # noqa: S608 - dlt's own
        return {row[0] for row in sql.execute_sql(query, *load_ids) or ()}
    return set()
