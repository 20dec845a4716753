"""Whatever goes wrong, as one of our errors: what happened, and what to do.

dlt wraps exceptions in the step that failed; here they are unwrapped and told apart by what the
user has to do.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from os import strerror
from typing import Final, cast

from dlt import Pipeline
from dlt.common.destination import exceptions as destination
from dlt.common.pipeline import get_dlt_pipelines_dir
from dlt.common.schema.exceptions import DataValidationError, SchemaException
from dlt.destinations.exceptions import DatabaseException
from dlt.load.exceptions import LoadClientJobException
from dlt.pipeline.exceptions import PipelineStepFailed

from customergauge_source.dlt_bridge.integrity import is_unreadable, lacking
from customergauge_source.exceptions import (
    ApiContractError,
    ConfigurationError,
    CustomerGaugeError,
    DestinationError,
    causes_of,
)
from customergauge_source.load.explain_configuration import of_configuration
from customergauge_source.load.explain_duckdb import of_duckdb
from customergauge_source.load.explain_lake import of_lake
from customergauge_source.secrecy import line_of

_NO_MEMORY: Final = re.compile(
    r"bad allocation|bad_alloc|can't start new thread|failed to map segment|cannot map zero-fill"
)
_NO_ROOM: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_DENIED: Final = {errno.EACCES, errno.EPERM, errno.EROFS}
_ANEW: Final = (
    "Run once with --full-refresh (full_refresh=True): it makes the tables of the resources that"
    " it loads anew, and loads them again."
)
_NAMED: Final = 5
"""Missing tables and columns that a message names."""


def explain(error: BaseException) -> CustomerGaugeError:
    """Returns what this package or dlt raised as one of our errors, of the kind to act on.

    A plain `CustomerGaugeError`, with exit code 1, stands for what nobody foresaw.
    """
    causes = list(causes_of(error))
    for cause in causes:
        if isinstance(cause, CustomerGaugeError):
            return cause
    for cause in reversed(causes):
        if (wrong := of_configuration(cause)) is not None:
            return wrong
    if any(isinstance(cause, (DataValidationError, SchemaException)) for cause in causes):
        return ApiContractError(line_of(causes[-1]), "Check schema_contract, or evolve the schema.")
    for explained in (of_lake, _of_machine, of_duckdb, _of_changed_tables, _of_destination):
        if (told := explained(causes)) is not None:
            return told
    return CustomerGaugeError(f"{type(error).__name__}: {line_of(error)}")


def is_interrupt(error: BaseException) -> bool:
    """Says whether an exception goes back to Ctrl-C or SIGTERM."""
    return any(isinstance(cause, KeyboardInterrupt) for cause in causes_of(error))


def _of_machine(causes: list[BaseException]) -> ConfigurationError | None:
    """Explains what the machine lacks: memory, or a disk for what dlt works on."""
    for cause in causes:
        if isinstance(cause, MemoryError) or _NO_MEMORY.search(str(cause)):
            return ConfigurationError(
                "The machine, or a limit of the process, has no more memory.",
                "Give it more, or load less at once: --per-page 50 --checkpoint-pages 1. What was"
                " committed stays; the next run goes on from it.",
            )
        if not isinstance(cause, OSError):
            continue
        if cause.errno in _NO_ROOM or (cause.errno in _DENIED and cause.filename):
            folders = (it.pipeline.working_dir for it in _failed_steps(causes))
            place = cause.filename or next(folders, get_dlt_pipelines_dir())
            return ConfigurationError(
                f"dlt cannot work in {place}: {strerror(cause.errno)}.",
                "Make room there, or grant access to it; DLT_DATA_DIR moves dlt's folder. What was"
                " committed stays; the next run goes on from it.",
            )
    return None


def _of_changed_tables(causes: list[BaseException]) -> DestinationError | None:
    """Explains a destination that somebody took something out of, or that dlt cannot read."""
    for failed in _failed_steps(causes):
        if is_unreadable(failed):
            what = f"What dlt keeps at the destination cannot be read: {line_of(causes[-1])}"
            return DestinationError(what, _ANEW)
        if not any(
            isinstance(cause, (DatabaseException, LoadClientJobException)) for cause in causes
        ):
            continue  # it was not even reached
        if (changed := _changed(cast("Pipeline", failed.pipeline))) is not None:
            told = f"{changed} {line_of(causes[-1], with_values=False)}"
            return DestinationError(told, changed.remedy)
    return None


def check_tables(pipeline: Pipeline) -> None:
    """Checks that the tables of earlier loads are there, before dlt makes them again, empty.

    Raises:
        DestinationError: Some are not.
    """
    if (changed := _changed(pipeline, after_load=False)) is not None:
        raise changed


def _changed(pipeline: Pipeline, *, after_load: bool = True) -> DestinationError | None:
    lost, lost_of_staging = lacking(pipeline, after_load=after_load)
    if lost:
        return DestinationError(
            f"The destination lacks {_some(lost)}, which earlier loads made.", _ANEW
        )
    if lost_of_staging:
        return DestinationError(
            f"The staging dataset lacks {_some(lost_of_staging)}, which earlier loads made.",
            "Drop the whole staging dataset, which holds nothing that lasts; the next run makes it"
            " again.",
        )
    return None


def _of_destination(causes: list[BaseException]) -> DestinationError | None:
    for cause in causes:
        if isinstance(cause, LoadClientJobException):
            what = f"Load package {cause.load_id} cannot be loaded, at {cause.job_id}"
            return DestinationError(f"{what}: {line_of(cause.client_exception, with_values=False)}")
    steps = [failed.step for failed in _failed_steps(causes)]
    for step in steps:
        if step in {"normalize", "load"}:
            return DestinationError(f"Step {step} failed: {line_of(causes[-1], with_values=False)}")
    if "sync" in steps or any(
        isinstance(cause, destination.DestinationException) for cause in causes
    ):
        said = line_of(causes[-1], with_values="sync" in steps)  # which reads no survey data
        return DestinationError(f"The destination failed: {said}")
    return None


def _failed_steps(causes: list[BaseException]) -> Iterator[PipelineStepFailed]:
    return (cause for cause in causes if isinstance(cause, PipelineStepFailed))


def _some(names: list[str]) -> str:
    """Returns the first of several names, and how many more there are."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


@contextmanager
def told_as_ours() -> Iterator[None]:
    """Makes whatever is raised one of our errors, with the original as its cause.

    Raises:
        CustomerGaugeError: Something went wrong. What dlt raised for a signal goes on as it is.
    """
    try:
        yield
    except CustomerGaugeError:
        raise
    except Exception as error:
        if is_interrupt(error):
            raise
        raise copy(explain(error)) from error  # not itself, which may be among the causes already


@contextmanager
def told_as_views() -> Iterator[None]:
    """Makes what a destination says of views one of our errors.

    Raises:
        DestinationError: It refused them.
    """
    try:
        yield
    except DatabaseException as error:
        raise DestinationError(
            f"All is loaded, but the views cannot be made: {line_of(error)}",
            "Drop or rename what stands in their way, as a table of that name, or wait until nobody"
            " reads them; and run again with --views.",
        ) from error
