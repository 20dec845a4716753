"""What goes wrong with the configuration, as dlt looks it up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any, Final

from dlt.common.configuration import exceptions as configuration
from dlt.common.destination import exceptions as destination
from dlt.common.exceptions import MissingDependencyException
from dlt.destinations.exceptions import InvalidFilesystemLayout
from dlt.pipeline.exceptions import PipelineConfigMissing

from customergauge_source.exceptions import ConfigurationError
from customergauge_source.secrecy import hide, line_of

_NO_TOML: Final = "dlt_secrets_toml must contain toml document"
"""What dlt says, as a ValueError, of a vault such as Airflow's Variables."""
_EXPECTED: Final = {
    "int": "a whole number",
    "list": 'a list, such as ["…", "…"]',
}


def of_configuration(error: BaseException) -> ConfigurationError | None:
    """Explains what is missing or wrong in the configuration; None if it is something else."""
    if isinstance(error, configuration.ConfigFieldMissingException):
        return _missing(error)
    if isinstance(error, MissingDependencyException):
        packages = " ".join(f"'{package}'" for package in error.dependencies)
        return ConfigurationError(
            f"The destination needs packages that are not installed: {packages}.",
            f"Install them: pip install {packages}",
        )
    if isinstance(
        error, (destination.UnknownDestinationModule, destination.InvalidDestinationReference)
    ):
        return ConfigurationError(
            f"There is no such destination: {line_of(error)}",
            "Use duckdb, bigquery, snowflake or another name that dlt knows.",
        )
    if isinstance(error, configuration.ConfigValueCannotBeCoercedException):
        kind = str(getattr(error.hint, "__name__", error.hint))
        expected = _EXPECTED.get(kind, f"a value of the type {kind}")
        # An object may have a password in it, which would not be known as one.
        is_shown = "dict" not in kind.lower()
        given = f"{hide(repr(error.field_value)):.100}" if is_shown else "something else"
        return ConfigurationError(f"{error.field_name} is {given}; expected: {expected}.")
    kinds = (
        configuration.ConfigurationException,
        PipelineConfigMissing,
        InvalidFilesystemLayout,
    )
    if isinstance(error, kinds) or str(error) == _NO_TOML:
        return ConfigurationError(line_of(error))
    return None


def _missing(error: configuration.ConfigFieldMissingException) -> ConfigurationError:
    """Explains missing settings of a destination; the source's own say themselves what is missing.

    Credentials come in several forms, so the first keys of each are of no help.
    """
    variables = [name for name in _variables(error.traces) if name.startswith("DESTINATION__")]
    if not variables:
        return ConfigurationError(line_of(error))
    variable = variables[0]
    *sections, field = variable.split("__")
    if "CREDENTIALS" in sections:
        sections = sections[: sections.index("CREDENTIALS") + 1]
        variable, field = "__".join(sections), f"the credentials of {sections[1].lower()}"
    return ConfigurationError(
        f"Missing from the configuration: {field.lower()}.",
        f"Fill in [{'.'.join(sections).lower()}] in .dlt/secrets.toml, as"
        f" .dlt/example.secrets.toml shows, or set {variable} in the environment.",
    )


def _variables(traces: Mapping[str, Any]) -> Iterator[str]:
    """Yields the environment variables that were looked for."""
    for attempt in chain.from_iterable(traces.values()):
        if not isinstance(attempt, configuration.LookupTrace):
            yield from _variables(attempt.traces)
        elif attempt.provider == "Environment Variables":
            yield attempt.key
