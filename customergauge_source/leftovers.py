"""What a killed run leaves in dlt's working directory, put in order before the next one goes on.

dlt finishes what it finds pending. A few moments are too short for it to tell what was done: it
then stops for good, or stages rows a second time, which its merge does not notice on a root table.
This is the one place that knows dlt's folders (1.31); `tests/test_leftovers.py` kills a run in each
of these moments.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path
from typing import Final

from dlt import Pipeline
from dlt.common import logger
from dlt.common.exceptions import DltException
from dlt.common.schema import Schema
from dlt.common.schema.utils import get_write_disposition
from dlt.common.storages.load_package import PackageStorage, ParsedLoadJobFileName

from customergauge_source.lock import exclusive

_SCHEMA: Final = ".schema.json"
_PENDING: Final = ("load/normalized", "normalize/extracted")
_ENDED: Final = (PackageStorage.STARTED_JOBS_FOLDER, PackageStorage.COMPLETED_JOBS_FOLDER)


def start_over(pipeline: Pipeline) -> None:
    """Drops the working directory: the next run takes state and schemas from the destination.

    The state goes first. dlt wipes a directory that has none, so that a kill half-way cannot leave
    a cursor that is ahead of what was loaded.
    """
    (Path(pipeline.working_dir) / Pipeline.STATE_FILE).unlink(missing_ok=True)
    pipeline.drop()


def abort_pending(pipeline: Pipeline) -> list[str]:
    """Gets past load packages that can never load, without losing their responses.

    The working directory is dropped, and they with it: the destination knows the cursor behind
    what is loaded, and the next run reads their responses again. (dlt's own `abort_packages` ends
    a package first, and moves the state back after it: a kill between the two loses the package.)

    Returns:
        The ids of the packages that were dropped.
    """
    with exclusive(pipeline):
        if pending := _pending(pipeline):
            start_over(pipeline)
        return pending


def put_in_order(pipeline: Pipeline) -> bool:
    """Makes a working directory fit to go on from.

    Packages that are pending stay pending. Where a schema got lost the working directory is
    dropped: state and schema come from the destination, and what was pending is read again.

    Returns:
        Whether packages are pending.
    """
    with exclusive(pipeline):
        folder = Path(pipeline.working_dir)
        _drop_unfinished_schemas(pipeline, folder / "schemas")
        for package in sorted((folder / "load" / "normalized").glob("*")):
            # Normalized is normalized: of the extracted package only the removal was cut off.
            shutil.rmtree(folder / "normalize" / "extracted" / package.name, ignore_errors=True)
            if (package / PackageStorage.PACKAGE_COMPLETED_FILE_NAME).exists():
                shutil.rmtree(package)  # loaded; it was about to be moved away
            else:
                with suppress(DltException, ValueError):  # what is broken here, the load will tell
                    _begin_anew(package, pipeline.get_load_package_info(package.name).schema)
        return bool(_pending(pipeline))


def _pending(pipeline: Pipeline) -> list[str]:
    """Returns the ids of the packages that are extracted or normalized, and not loaded."""
    folder = Path(pipeline.working_dir)
    return sorted({package.name for place in _PENDING for package in (folder / place).glob("*")})


def _drop_unfinished_schemas(pipeline: Pipeline, schemas: Path) -> None:
    for file in schemas.glob("*"):
        if not file.name.endswith(_SCHEMA):
            file.unlink()
    names = [*(pipeline.state.get("schema_names") or ()), pipeline.default_schema_name]
    if not all((schemas / f"{name}{_SCHEMA}").exists() for name in names if name):
        logger.warning("A schema of the working directory got lost: the directory is dropped.")
        start_over(pipeline)


def _begin_anew(package: Path, schema: Schema) -> None:
    """Lets a package whose load was cut off begin again, with empty staging tables.

    A job may be done and not be noted as done. What is merged passes by staging tables, so it can
    be staged and merged again; whatever else is in the package is left as it is.
    """
    jobs = [
        file
        for name in _ENDED
        for file in sorted((package / name).glob("*"))
        if _is_merged(file.name, schema)
    ]
    if not jobs:
        return
    applied = package / PackageStorage.APPLIED_SCHEMA_UPDATES_FILE_NAME
    if applied.exists():  # first: dlt empties the staging tables of a package without it
        applied.replace(package / PackageStorage.SCHEMA_UPDATES_FILE_NAME)
    new = package / PackageStorage.NEW_JOBS_FOLDER
    for file in [*new.glob("*.sql"), *jobs]:
        if file.suffix == ".sql":
            file.unlink()  # dlt makes it again, when all of its tables are staged
        else:
            file.replace(new / file.name)


def _is_merged(job: str, schema: Schema) -> bool:
    table = ParsedLoadJobFileName.parse(job).table_name
    return get_write_disposition(schema.tables, table) == "merge"
