"""Whatever goes wrong, as one of our errors: what happened, and what to do.

dlt wraps exceptions in the step that failed; here they are unwrapped and told apart by what the
user has to do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from dlt.common.configuration.exceptions import (
    ConfigFieldMissingException,
    ConfigurationException,
    ConfigValueCannotBeCoercedException,
    LookupTrace,
)
from dlt.common.destination.exceptions import (
    DestinationException,
    InvalidDestinationReference,
    UnknownDestinationModule,
)
from dlt.common.exceptions import MissingDependencyException
from dlt.common.schema.exceptions import DataValidationError, SchemaException
from dlt.load.exceptions import LoadClientJobException
from dlt.pipeline.exceptions import PipelineConfigMissing, PipelineStepFailed

from customergauge_source.exceptions import (
    ApiContractError,
    ConfigurationError,
    CustomerGaugeError,
    DestinationError,
)
from customergauge_source.secrecy import without_traceback

_DUCKDB_LOCKED: Final = re.compile(
    r'Could not set lock on file "([^"]+)".*?(?:PID (\d+))?\)?', re.DOTALL
)
_EXPECTED: Final = {"int": "a whole number", "Sequence": 'a list such as ["tags", "questions"]'}
_EXTRAS: Final = ("bigquery", "snowflake")
_STUCK: Final = (
    "Correct the destination and run again: what was read is loaded first. If it is the data that"
    " cannot be loaded, --abort-pending drops it, and its responses are read again."
)


def explain(error: BaseException) -> CustomerGaugeError | None:
    """Returns an exception as one of ours; None if it is none that is known.

    Args:
        error: What was raised, by this package or by dlt.
    """
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, CustomerGaugeError):
            return cause
    for cause in reversed(causes):
        known = _of_configuration(cause)
        if known is not None:
            return known
    if any(isinstance(cause, (DataValidationError, SchemaException)) for cause in causes):
        return ApiContractError(_line(causes[-1]), "Check schema_contract, or evolve the schema.")
    return _of_destination(causes)


def is_interrupt(error: BaseException) -> bool:
    """Says whether an exception goes back to Ctrl-C or SIGTERM."""
    return any(isinstance(cause, KeyboardInterrupt) for cause in _causes(error))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yields an exception and what it goes back to, the innermost last."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        inner = current.exception if isinstance(current, PipelineStepFailed) else None
        current = inner or current.__cause__ or current.__context__


def _of_configuration(error: BaseException) -> ConfigurationError | None:
    if isinstance(error, ConfigFieldMissingException):
        return _missing(error.traces)
    if isinstance(error, MissingDependencyException):
        text = str(error).lower()
        extra = next((name for name in _EXTRAS if name in text), None)
        package = f"'.[{extra}]'" if extra else " ".join(error.dependencies)
        return ConfigurationError(
            f"The destination needs packages that are not installed: {extra or package}.",
            f"Install them: pip install {package}",
        )
    if isinstance(error, (UnknownDestinationModule, InvalidDestinationReference)):
        return ConfigurationError(
            f"There is no such destination: {_line(error)}",
            "Use duckdb, bigquery, snowflake or another name that dlt knows.",
        )
    if isinstance(error, ConfigValueCannotBeCoercedException):
        kind = str(getattr(error.hint, "__name__", error.hint))
        expected = _EXPECTED.get(kind, f"a value of the type {kind}")
        return ConfigurationError(
            f"{error.field_name} is {error.field_value!r:.100}; expected is {expected}."
        )
    if isinstance(error, (ConfigurationException, PipelineConfigMissing)):
        return ConfigurationError(_line(error))
    return None


def _missing(traces: Mapping[str, Any]) -> ConfigurationError:
    fields = list(_missing_fields(traces))
    section = fields[0][1]
    if section.startswith("destination.") and section.endswith(".credentials"):
        # They come in several forms; the first keys of each are of no help.
        variable = section.upper().replace(".", "__")
        return ConfigurationError(
            f"Missing in the configuration: the credentials of {section.split('.')[1]}.",
            f"Fill in [{section}] in .dlt/secrets.toml, as .dlt/example.secrets.toml shows, or set"
            f" the environment: {variable}.",
        )
    names = " and ".join(dict.fromkeys(name for name, _, _ in fields))
    variables = " and ".join(dict.fromkeys(variable for _, _, variable in fields))
    return ConfigurationError(
        f"Missing in the configuration: {names}.",
        f"Set {names} under [{section}] in .dlt/secrets.toml, or set the environment: {variables}.",
    )


def _missing_fields(traces: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yields name, section of secrets.toml and environment variable of each missing field."""
    for field, attempts in traces.items():
        variables = [
            attempt.key
            for attempt in attempts
            if isinstance(attempt, LookupTrace) and attempt.provider == "Environment Variables"
        ]
        for attempt in attempts:
            if not isinstance(attempt, LookupTrace):
                yield from _missing_fields(attempt.traces)
        if variables:
            variable = _conventional(variables)
            section = ".".join(variable.lower().split("__")[:-1])
            yield field, section, variable


def _conventional(variables: list[str]) -> str:
    """Returns the variable that the README names: `SOURCES__CUSTOMERGAUGE__…`, `DESTINATION__…`."""
    for variable in variables:
        if re.match(r"SOURCES__CUSTOMERGAUGE__(?!CUSTOMERGAUGE__)", variable):
            return variable
    return next((name for name in variables if name.startswith("DESTINATION__")), variables[0])


def _of_destination(causes: list[BaseException]) -> DestinationError | None:
    innermost = causes[-1]
    if match := next(filter(None, (_DUCKDB_LOCKED.search(str(cause)) for cause in causes)), None):
        holder = re.search(r"PID (\d+)", match.string)
        by = f" by process {holder[1]}" if holder else ""
        return DestinationError(
            f"The DuckDB file {match[1]} is held open{by}.",
            "Close it there (DuckDB lets one process write) and run again; nothing is lost.",
        )
    failed = next((c for c in causes if isinstance(c, LoadClientJobException)), None)
    if failed is not None:
        reason = _line(failed.client_exception)
        return DestinationError(
            f"Load package {failed.load_id} cannot be loaded, at {failed.job_id}: {reason}", _STUCK
        )
    steps = [cause.step for cause in causes if isinstance(cause, PipelineStepFailed)]
    if {"normalize", "load"} & set(steps):
        return DestinationError(f"Step {steps[-1]} failed: {_line(innermost)}", _STUCK)
    if "sync" in steps or any(isinstance(cause, DestinationException) for cause in causes):
        return DestinationError(f"The destination failed: {_line(innermost)}")
    return None


@contextmanager
def reaching_destination() -> Iterator[None]:
    """Makes whatever a destination's client raises one of our errors.

    Raises:
        CustomerGaugeError: The destination could not be reached.
    """
    try:
        yield
    except Exception as error:
        known = explain(error)
        raise known or DestinationError(f"The destination failed: {_line(error)}") from error


def _line(error: BaseException) -> str:
    """Returns an exception's text in one line of readable length."""
    text = " ".join(without_traceback(str(error)).split()) or type(error).__name__
    return text if len(text) <= 400 else f"{text[:400]}…"  # noqa: PLR2004 - used once
