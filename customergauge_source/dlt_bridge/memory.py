"""The destination is the only memory: a load goes on where the destination says that it stands.

dlt goes on where its working directory says, and finishes what it finds there. A run that was
killed may leave a directory that is ahead of the destination; so what it holds of this source is
dropped, and read again. Packages, tables and state of other sources stay as they are.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable, Mapping, MutableMapping
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any, Final

from dlt import Pipeline
from dlt.common.destination.exceptions import DestinationUndefinedEntity
from dlt.common.exceptions import DltException
from dlt.common.storages.load_package import PackageStorage
from dlt.common.utils import uniq_id
from dlt.destinations.exceptions import DatabaseUndefinedRelation

from customergauge_source.dlt_bridge.declare import REJECTED_RECORDS_TABLE

logger = logging.getLogger("customergauge_source")

_CARRIER: Final = "load_id"
"""Key of a resource's state: the load package that the state was extracted with."""


_DROPPED: Final = "customergauge_dropped"
"""Folder of the working directory; whatever a kill left there goes with the next run."""


def note_carrier(state: MutableMapping[str, Any], load_id: str) -> None:
    """Notes in a resource's state the load package that carries it."""
    if load_id:
        state[_CARRIER] = load_id


def go_on_from_destination(pipeline: Pipeline, source: str) -> dict[str, Any]:
    """Takes state and schema of a source from the destination, whatever is known locally.

    What other sources have pending is loaded first, by dlt.

    Args:
        pipeline: The pipeline.
        source: Name of the source, and of its schema.

    Returns:
        The states of the source's resources, by name.
    """
    _drop_unfinished_schemas(pipeline)
    is_new = not pipeline.schema_names and not pipeline.has_pending_data
    stored = {} if is_new else _stored_state(pipeline, source)
    _drop_packages(pipeline, source)
    if pipeline.list_extracted_load_packages():
        pipeline.normalize()
    if pipeline.list_normalized_load_packages():
        pipeline.load()
    # The local schema may be ahead of the tables, which dlt would not notice. Where nothing is
    # stored it has to stay: dlt looks with it whether the destination is empty.
    if stored and source in pipeline.schemas:
        pipeline.schemas.remove_schema(source)
    pipeline.sync_destination()
    local = pipeline.state.get("sources", {}).get(source, {})
    told = _only_committed(pipeline, local if is_new else stored, local)
    if told != local:
        with pipeline.managed_state() as state:
            state.setdefault("sources", {})[source] = told
    resources: dict[str, Any] = told.get("resources", {})
    return resources


def forget_rejected(pipeline: Pipeline, resources: Iterable[str]) -> None:
    """Deletes what was rejected of resources; dlt drops whole tables."""
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


def _stored_state(pipeline: Pipeline, source: str) -> dict[str, Any]:
    """Returns the part of the destination's state that is the source's."""
    state: Mapping[str, Any] = {}
    with suppress(DestinationUndefinedEntity):
        state = pipeline._restore_state_from_destination() or {}  # noqa: SLF001 - as it is there
    found: dict[str, Any] = state.get("sources", {}).get(source, {})
    return found


def _only_committed(
    pipeline: Pipeline, stored: Mapping[str, Any], local: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns the source's state, of each resource the one whose load the destination knows.

    Another source's package carries the whole state of the pipeline, this source's part included;
    so the destination may be told of a cursor whose data it never got, or has lost.
    """
    here = local.get("resources", {})
    candidates = {
        name: (state, here.get(name, state)) for name, state in stored.get("resources", {}).items()
    }
    carriers = {it.get(_CARRIER) for it in chain.from_iterable(candidates.values())} - {None}
    known = {None, *_loads_of(pipeline, carriers)}
    told: dict[str, Any] = {}
    for name, states in candidates.items():
        if committed := [it for it in states if it.get(_CARRIER) in known]:
            told[name] = committed[0]
        else:
            logger.warning("The destination lacks the last load of %s: it is read anew.", name)
    return {**stored, "resources": told} if stored else {}


def _loads_of(pipeline: Pipeline, load_ids: set[str]) -> set[str]:
    """Returns which of these loads the destination has."""
    if not load_ids:
        return set()
    with pipeline.sql_client() as sql, suppress(DatabaseUndefinedRelation):
        places = ", ".join(["%s"] * len(load_ids))
        table = sql.make_qualified_table_name("_dlt_loads")
        query = f"SELECT load_id FROM {table} WHERE load_id IN ({places})"  # noqa: S608 - dlt's own
        return {row[0] for row in sql.execute_sql(query, *load_ids) or ()}
    return set()


def _drop_unfinished_schemas(pipeline: Pipeline) -> None:
    """Drops what a kill left of the writing of a schema; dlt would take it for a schema's name."""
    files = Path(pipeline.schemas.storage.storage_path).glob("*")
    if unfinished := [file for file in files if not file.name.endswith(".schema.json")]:
        for file in unfinished:
            file.unlink()
        with pipeline.managed_state():
            pass  # dlt lists the schemas anew


def _drop_packages(pipeline: Pipeline, source: str) -> None:
    """Drops the load packages of a source that are pending; dlt would drop those of all.

    They are moved away first, so that a kill leaves no half of one behind that dlt would stumble
    over. Of a package that is normalized the extracted one goes, too, whosoever it is: only its
    removal was cut off.
    """
    dropped = Path(pipeline.working_dir, _DROPPED)
    normalize, load = pipeline._get_normalize_storage(), pipeline._get_load_storage()  # noqa: SLF001
    normalized = pipeline.list_normalized_load_packages()
    pending = (
        (normalize.extracted_packages, pipeline.list_extracted_load_packages(), normalized),
        (load.normalized_packages, normalized, ()),
    )
    for packages, load_ids, done in pending:
        for load_id in load_ids:
            if load_id in done or _schema_of(packages, load_id) in (source, None):
                dropped.mkdir(exist_ok=True)
                package = packages.storage.make_full_path(packages.get_package_path(load_id))
                Path(package).replace(dropped / uniq_id())
    shutil.rmtree(dropped, ignore_errors=True)


def _schema_of(packages: PackageStorage, load_id: str) -> str | None:
    """Returns the name of a package's schema; None if its removal was cut off."""
    with suppress(DltException, OSError, ValueError):
        return packages.schema_name(load_id)
    return None
