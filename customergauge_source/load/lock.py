"""One run of a pipeline at a time on a machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from customergauge_source.exceptions import ConfigurationError, PipelineLockedError


@contextmanager
def exclusive(name: str, pipelines_dir: str) -> Iterator[None]:
    """Keeps other runs of a pipeline on this machine out; the lock goes with the process.

    Args:
        name: Name of the pipeline.
        pipelines_dir: Folder of its working directory.

    Raises:
        PipelineLockedError: Another run has it.
    """
    folder = Path(pipelines_dir)
    lock = FileLock(folder / f"{name}.lock", is_singleton=True)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(blocking=False)
    except Timeout:
        raise PipelineLockedError(
            f"Another run holds the pipeline {name} ({lock.lock_file})."
        ) from None
    except OSError as error:
        raise ConfigurationError(
            f"dlt's folder {folder} cannot be written: {error.strerror}.",
            "Make it writable, or set DLT_DATA_DIR to a folder that is.",
        ) from error
    try:
        yield
    finally:
        lock.release()
