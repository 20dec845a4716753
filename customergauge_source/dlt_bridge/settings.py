"""Settings from their own place alone.

dlt looks a key up in ever shorter sections, and the environment before the files; so a bare
`REGION` or `TIMEZONE` in the environment, which is somebody else's, would go before secrets.toml.
There is no public way to stop it but to ask for the whole path of a key, which is done here.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from typing import Any, Final

import dlt
from dlt.common.configuration.container import Container
from dlt.common.configuration.specs import known_sections
from dlt.common.configuration.specs.config_section_context import ConfigSectionContext

from customergauge_source.exceptions import ConfigurationError

_PLACEHOLDER: Final = "…"
_EMPTY: Final = (None, "", _PLACEHOLDER)
"""An unset variable of a CI job, and what stands in the example file."""


_KEEP_NOTHING: Final = ("load.delete_completed_jobs", "load.truncate_staging_dataset")


def keep_no_data() -> None:
    """Has dlt keep no survey data but in the tables, unless its configuration says otherwise.

    By itself it keeps each file that it loaded, and the last package's rows in the staging dataset.
    """
    for key in _KEEP_NOTHING:
        if dlt.config.get(key) is None:
            # In dlt.config it would make each of hundreds of look-ups in a run slower.
            os.environ[key.replace(".", "__").upper()] = "true"


def section() -> str:
    """Returns the section that the source function which is being called is configured in."""
    return f"{known_sections.SOURCES}.{Container()[ConfigSectionContext].source_section()}"


def fill_in(
    arguments: Mapping[str, Any],
    *,
    lists: Collection[str],
    numbers: Collection[str] = (),
    below: str = "",
) -> dict[str, Any]:
    """Returns the arguments of a source; those that are None as they are configured, if they are.

    They are texts, but for those that are named as lists, or as whole numbers; and keys of the
    source's section, or of one below it.
    """
    given = dict(arguments)
    for name in [name for name, value in given.items() if value is None]:
        path = ".".join(filter(None, [section(), below, name]))
        kind = list if name in lists else str
        if dlt.config.get(path) not in _EMPTY:
            given[name] = dlt.config.get(path, int if name in numbers else kind)
    return given


def secret(key: str) -> str | None:
    """Returns a secret of the source, by its key below the source's section."""
    value: Any = dlt.secrets.get(f"{section()}.{key}")  # without a type dlt knows that it is secret
    return None if value in _EMPTY else str(value)


def keys_below(name: str) -> set[str]:
    """Returns which keys are set in a section below the source's, in whichever place.

    Raises:
        ConfigurationError: It is set, but no section.
    """
    keys: set[str] = set()
    for provider in dlt.config.config_providers:
        value: Any = provider.get_value(name, dict, None, *section().split("."))[0]
        if isinstance(value, Mapping):
            keys |= value.keys()
        elif value not in _EMPTY:
            raise ConfigurationError(
                f"{section()}.{name} is set, and is no section.",
                f"Set keys of [{section()}.{name}]; in the environment each has a variable.",
            )
    prefix = f"{section()}.{name}.".replace(".", "__").upper()
    variables = [key for key, value in os.environ.items() if value and key.startswith(prefix)]
    return keys | {key.removeprefix(prefix).lower() for key in variables}


def check_filled_in(destination: str) -> None:
    """Checks that no credential of a destination is still what stands in the example file."""
    place = f"destination.{destination}.credentials"
    given: Any = dlt.secrets.get(place)
    keys = given if isinstance(given, Mapping) else ()
    if dots := [key for key in keys if dlt.secrets.get(f"{place}.{key}") == _PLACEHOLDER]:
        raise ConfigurationError(
            f"Missing from the configuration: {', '.join(dots)} of {destination}.",
            f"Fill in [{place}] in .dlt/secrets.toml.",
        )
