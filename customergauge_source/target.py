"""Whether a working directory belongs to the destination that is loaded, as it is now."""

from __future__ import annotations

import hashlib
from typing import Final

from dlt import Pipeline
from dlt.common import logger
from dlt.destinations.exceptions import DatabaseUndefinedRelation

_TARGET: Final = "customergauge_target"
"""Key of dlt's local state: a digest of where the last load went."""
LAST_LOAD: Final = "customergauge_last_load"
"""Key of dlt's local state: the id of the last load package that was committed."""


def leave_other_target(pipeline: Pipeline) -> None:
    """Drops the working directory if it does not belong to the destination as it is.

    It does not if another destination or dataset was loaded from it last, or if the destination
    does not know of the last load, as it was deleted or restored from a copy. dlt would take over
    the cursor, and never load what is missing there. Packages that are pending are read again.
    """
    config = pipeline.destination_client().config
    place = f"{config.destination_type} {config.data_location()} {pipeline.dataset_name}"
    target = hashlib.sha256(place.encode()).hexdigest()
    local = pipeline.state["_local"]
    if local.get(_TARGET, target) != target:
        logger.warning("The last load went to another place: its working directory is dropped.")
        pipeline.drop()
    elif (load_id := local.get(LAST_LOAD)) is not None and not _is_loaded(pipeline, str(load_id)):
        logger.warning("The destination lacks the last load: the working directory is dropped.")
        pipeline.drop()
    pipeline.set_local_state_val(_TARGET, target)


def _is_loaded(pipeline: Pipeline, load_id: str) -> bool:
    with pipeline.sql_client() as client:
        loads = client.make_qualified_table_name("_dlt_loads")
        query = f"SELECT 1 FROM {loads} WHERE load_id = %s"  # noqa: S608 - dlt's own table
        try:
            return bool(client.execute_sql(query, load_id))
        except DatabaseUndefinedRelation:
            return False
