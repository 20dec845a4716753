"""Whether a working directory belongs to the destination that is loaded, as it is now."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from dlt import Pipeline
from dlt.common import logger
from dlt.common.destination.client import JobClientBase
from dlt.destinations.exceptions import DatabaseUndefinedRelation
from dlt.destinations.job_client_impl import SqlJobClientBase

from customergauge_source.leftovers import start_over

_TARGET: Final = "customergauge_target"
"""Key of dlt's local state: a digest of where the last load went."""
LAST_LOAD: Final = "customergauge_last_load"
"""Key of dlt's local state: the id of the last load package that was committed."""


def leave_other_target(pipeline: Pipeline) -> bool:
    """Drops the working directory if it does not belong to the destination as it is.

    It does not if another destination or dataset was loaded from it last, or if the destination
    does not know of the last load, as it was deleted or restored from a copy. dlt would take over
    the cursor, and never load what is missing there. Packages that are pending are read again.

    Returns:
        Whether it was dropped.
    """
    client = pipeline.destination_client()
    config: Any = client.config
    place = f"{config.destination_type} {config.data_location()} {pipeline.dataset_name}"
    target = hashlib.sha256(place.encode()).hexdigest()
    local = pipeline.state["_local"]
    before, load_id = local.get(_TARGET), local.get(LAST_LOAD)
    is_other = before not in (None, target)
    is_behind = not is_other and load_id is not None and not _is_loaded(client, str(load_id))
    if is_other:
        logger.warning("The last load went to another place: its working directory is dropped.")
    elif is_behind:
        logger.warning("The destination lacks the last load: the working directory is dropped.")
    if is_other or is_behind:
        start_over(pipeline)
    if is_behind or before != target:
        pipeline.set_local_state_val(_TARGET, target)
    return is_other or is_behind


def _is_loaded(client: JobClientBase, load_id: str) -> bool:
    if not isinstance(client, SqlJobClientBase):
        return True
    with client.sql_client as sql:
        loads = sql.make_qualified_table_name("_dlt_loads")
        query = f"SELECT 1 FROM {loads} WHERE load_id = %s"  # noqa: S608 - dlt's own table
        try:
            return bool(sql.execute_sql(query, load_id))
        except DatabaseUndefinedRelation:
            return False
