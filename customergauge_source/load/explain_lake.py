"""What goes wrong with the files of a lake, in a step of dlt's."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from dlt import Pipeline
from dlt.load.exceptions import LoadClientJobException
from dlt.pipeline.exceptions import PipelineStepFailed

from customergauge_source.dlt_bridge import lake_files
from customergauge_source.dlt_bridge.integrity import is_unreadable
from customergauge_source.dlt_bridge.keeping import is_lake
from customergauge_source.exceptions import DestinationError


def of_lake(causes: list[BaseException]) -> DestinationError | None:
    """Explains a lake that cannot be reached, read or written; None if it is something else."""
    for failed in causes:
        if not isinstance(failed, PipelineStepFailed) or failed.step not in {"load", "sync"}:
            continue
        pipeline = cast("Pipeline", failed.pipeline)
        if not is_lake(pipeline) or is_unreadable(failed):
            continue
        jobs = [it.client_exception for it in causes if isinstance(it, LoadClientJobException)]
        cause = jobs[0] if jobs else causes[-1]
        if not _is_at_work(cause, pipeline):
            return lake_files.failed(cause)
    return None


def _is_at_work(cause: object, pipeline: Pipeline) -> bool:
    """Says whether a file of dlt's own folder is the trouble."""
    name = None
    if isinstance(cause, OSError):
        name = cause.filename if cause.filename2 is None else cause.filename2  # a copy's target
    return isinstance(name, str) and Path(name).is_relative_to(pipeline.working_dir)
