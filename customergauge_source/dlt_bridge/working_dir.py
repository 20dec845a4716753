"""The working directory of a pipeline that is ours alone: scratch, for one run.

dlt keeps state, schemas, packages and a trace there. A run begins with an empty one, so that
nothing has to be known of what a killed run left; and no data stays behind when it ends.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dlt import Pipeline
from dlt.common.pipeline import get_dlt_pipelines_dir


def pipelines_dir() -> str:
    """Returns the folder in which dlt keeps the working directories of pipelines."""
    return get_dlt_pipelines_dir()


def clear(name: str) -> None:
    """Removes a pipeline's working directory."""
    folder = Path(pipelines_dir(), name)
    if folder.exists():
        shutil.rmtree(folder)


@contextmanager
def without_data(pipeline: Pipeline) -> Iterator[None]:
    """Leaves state, schemas and trace in the working directory when it ends, but no data."""
    try:
        yield
    finally:
        for volume in (
            pipeline._normalize_storage_config().normalize_volume_path,  # noqa: SLF001 - these
            pipeline._load_storage_config().load_volume_path,  # noqa: SLF001 - are dlt's to know
        ):
            shutil.rmtree(volume, ignore_errors=True)
