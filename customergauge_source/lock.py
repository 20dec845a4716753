"""One run of a pipeline at a time on a machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dlt import Pipeline
from filelock import FileLock, Timeout

from customergauge_source.exceptions import PipelineLockedError


@contextmanager
def exclusive(pipeline: Pipeline) -> Iterator[None]:
    """Keeps other runs of a pipeline on this machine out; the lock goes with the process.

    Raises:
        PipelineLockedError: Another run has it.
    """
    folder = Path(pipeline.pipelines_dir)
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f"{pipeline.pipeline_name}.lock", is_singleton=True)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise PipelineLockedError(
            f"Another run holds the pipeline {pipeline.pipeline_name} ({lock.lock_file})."
        ) from None
    try:
        yield
    finally:
        lock.release()
