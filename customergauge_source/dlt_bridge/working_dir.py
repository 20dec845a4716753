"""The working directory of a load: scratch, for one run.

dlt keeps state, schemas and load packages there, and goes on where they say. A load of ours has a
directory of its own, which is empty when it begins and gone when it ends; so nobody reads what a
killed run left, and whatever else is in the pipeline stays as it is.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import dlt
from dlt import Pipeline
from dlt.common.pipeline import get_dlt_pipelines_dir
from filelock import FileLock, Timeout

from customergauge_source.exceptions import ConfigurationError, PipelineLockedError

_LOAD: Final = "load"
_VOLUMES: Final = (_LOAD, "normalize")
"""Where dlt keeps load packages in a working directory: normalized and extracted ones."""


@contextmanager
def exclusive(name: str, pipelines_dir: str) -> Iterator[None]:
    """Keeps other runs of a pipeline on this machine out; the lock goes with the process.

    Raises:
        PipelineLockedError: Another run has it.
        ConfigurationError: The folder cannot be written.
    """
    folder = Path(pipelines_dir)
    lock = FileLock(folder / f"{name}.lock", is_singleton=True)
    with _made(folder):
        try:
            lock.acquire(blocking=False)
        except Timeout:
            raise PipelineLockedError(
                f"Another run holds the pipeline {name} ({lock.lock_file})."
            ) from None
    try:
        yield
    finally:
        lock.release()


def try_to_write() -> str:
    """Returns dlt's folder of pipelines, once something could be written there.

    Raises:
        ConfigurationError: The folder cannot be written.
    """
    folder = Path(get_dlt_pipelines_dir())
    with _made(folder):
        TemporaryDirectory(dir=folder).cleanup()
    return str(folder)


@contextmanager
def _made(folder: Path) -> Iterator[None]:
    """Makes a folder that is about to be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise ConfigurationError(
            f"dlt's folder {folder} cannot be written: {error.strerror}.",
            "Make it writable, or set DLT_DATA_DIR to a folder that is.",
        ) from error


@contextmanager
def emptied(name: str) -> Iterator[str]:
    """Yields dlt's folder of pipelines; that of this one is ours alone, and empty, and removed."""
    folder = get_dlt_pipelines_dir()
    with exclusive(name, folder):
        _remove(Path(folder, name))  # a killed run may have left it
        try:
            yield folder
        finally:
            _remove(Path(folder, name))


def load_pending(pipeline: Pipeline) -> None:
    """Loads what is pending in a pipeline, by dlt: its state would go before a newer one."""
    normalized = pipeline.list_normalized_load_packages()
    for load_id in {*pipeline.list_extracted_load_packages()} & {*normalized}:
        # Only its removal was cut off, by a kill; dlt would stumble over it for ever.
        pipeline._get_normalize_storage().extracted_packages.delete_package(load_id)  # noqa: SLF001
    if pipeline.list_extracted_load_packages():
        pipeline.normalize()
    if pipeline.list_normalized_load_packages():
        pipeline.load()


def again(pipeline: Pipeline) -> Pipeline:
    """Returns the same pipeline once more, with a working directory of its own."""
    _remove(_folder(pipeline))
    paths: Any = pipeline.schemas.config
    schemas = {name: getattr(paths, name) for name in ("import_schema_path", "export_schema_path")}
    return same(pipeline, str(_folder(pipeline)), progress=pipeline.collector, **schemas)


def part(pipeline: Pipeline) -> str:
    """Moves what is normalized to a working directory beside; returns the folder that has it."""
    folder = _folder(pipeline)
    here, there = Path(pipeline.working_dir), folder / pipeline.pipeline_name
    _remove(there)
    shutil.copytree(here, there, ignore=shutil.ignore_patterns(folder.name, *_VOLUMES))
    (here / _LOAD).rename(there / _LOAD)
    return str(folder)


def same(pipeline: Pipeline, folder: str, **how: Any) -> Pipeline:  # noqa: ANN401 - dlt's options
    """Returns the same pipeline, with a working directory in another folder."""
    it: Pipeline = dlt.pipeline(
        pipeline.pipeline_name,
        pipelines_dir=folder,
        destination=pipeline.destination,
        staging=pipeline.staging,
        dataset_name=pipeline.dataset_name,
        dev_mode=False,  # one that is configured would empty the folder
        **how,
    )
    with it.managed_state():
        it.dataset_name = pipeline.dataset_name  # to which dlt would apply a layout once more
    return it


def take_back(pipeline: Pipeline) -> None:
    """Ends what `again` began: the pipeline is the active one."""
    _remove(_folder(pipeline))
    pipeline.activate()


def _folder(pipeline: Pipeline) -> Path:
    return Path(pipeline.working_dir, "customergauge_load")


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
