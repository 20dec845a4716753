"""Settings from their own place alone.

dlt looks a key up in ever shorter sections, and the environment before the files; so a bare
`REGION` or `TIMEZONE` in the environment, which is somebody else's, would go before secrets.toml.
There is no public way to stop it but to ask for the whole path of a key, which is done here.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

import dlt
from dlt.common.configuration.container import Container
from dlt.common.configuration.specs import known_sections
from dlt.common.configuration.specs.config_section_context import ConfigSectionContext
from dlt.common.configuration.utils import deserialize_value

from customergauge_source.exceptions import ConfigurationError
from customergauge_source.secrecy import remember

_PLACEHOLDER: Final = "…"
_EMPTY: Final = (None, "", _PLACEHOLDER)
"""An unset variable of a CI job, and what stands in the example file."""


_FILES: Final = "load.delete_completed_jobs"
_STAGED: Final = "load.truncate_staging_dataset"
_ours: set[str] = set()
"""Variables that are set here."""


def keep_no_files() -> None:
    """Has dlt keep no file with survey data that it loaded, unless its configuration says so."""
    _set(_FILES, value=True)


def empty_staging(*, is_used: bool) -> None:
    """Has dlt empty the staging dataset after a load, unless its configuration says otherwise.

    Otherwise the rows of the last package stay there. One that is not used would be made for it.
    """
    _set(_STAGED, value=is_used)


def _set(key: str, *, value: bool) -> None:
    name = key.replace(".", "__").upper()
    if name in _ours or dlt.config.get(key) is None:
        # In dlt.config it would make each of hundreds of look-ups in a run slower.
        os.environ[name] = str(value).lower()
        _ours.add(name)


def section() -> str:
    """Returns the section that the source function which is being called is configured in."""
    return f"{known_sections.SOURCES}.{Container()[ConfigSectionContext].source_section()}"


def fill_in(
    arguments: Mapping[str, Any],
    *,
    lists: Collection[str],
    numbers: Collection[str] = (),
    switches: Collection[str] = (),
    below: str = "",
) -> dict[str, Any]:
    """Returns the arguments of a source; those that are None as they are configured, if they are.

    They are texts, but for those that are named as lists, whole numbers, or switches (true or
    false); and keys of the source's section, or of one below it.
    """
    given = dict(arguments)
    for name in [name for name, value in given.items() if value is None]:
        path = ".".join(filter(None, [below, name]))
        kinds = {list: lists, int: numbers, bool: switches}
        kind = next((it for it, names in kinds.items() if name in names), str)
        if (value := _first(dlt.config, path)) is not None:
            given[name] = deserialize_value(f"{section()}.{path}", value, kind)
    return given


def secret(key: str) -> str | None:
    """Returns a secret of the source, by its key below the source's section.

    Raises:
        ConfigurationError: It is a list or an object.
    """
    value = _first(dlt.secrets, key)
    if isinstance(value, (list, Mapping)):
        raise ConfigurationError(f"{section()}.{key} is no text.")
    text = None if value is None else str(value)
    remember(text)
    return text


def keys_below(name: str) -> set[str] | None:
    """Returns which keys are set in a section below the source's, in whichever place.

    None if there is no such section.

    Raises:
        ConfigurationError: It is set, but no section.
    """
    found: set[str] | None = None
    for value in _all(dlt.config, name):
        if not isinstance(value, Mapping):
            raise ConfigurationError(
                f"{section()}.{name} is set, and is no section.",
                f"Set keys of [{section()}.{name}]; in the environment each has a variable.",
            )
        found = (found or set()) | value.keys()
    prefix = f"{section()}.{name}.".replace(".", "__").upper()
    for key, value in os.environ.items():
        if value and key.startswith(prefix):
            found = (found or set()) | {key.removeprefix(prefix).lower()}
    return found


def is_set(section: str, key: str) -> bool:
    """Says whether a key of a source's section is configured as true."""
    place = f"{known_sections.SOURCES}.{section}.{key}"
    return dlt.config.get(place) not in _EMPTY and bool(dlt.config.get(place, bool))


def _first(accessor: Any, path: str) -> Any:  # noqa: ANN401 - dlt.config or dlt.secrets
    """Returns what is set under a path below the source's section; None if nothing is.

    dlt, which notes in its trace what it finds, takes an empty variable for a value; it may hide
    what stands in a file.
    """
    value = accessor.get(f"{section()}.{path}")
    if value is not None and value in _EMPTY:
        return next(_all(accessor, path), None)
    return value


def _all(accessor: Any, path: str) -> Iterator[Any]:  # noqa: ANN401 - as above
    """Yields what is set under a path in each place that has something to say, the first first."""
    *sections, key = f"{section()}.{path}".split(".")
    for provider in accessor.config_providers:
        value: Any = (
            None
            if provider.is_empty
            else provider.get_value(key, accessor.default_type, None, *sections)[0]
        )
        if value not in _EMPTY:
            yield value


def check_filled_in(destination: str) -> None:
    """Checks that no credential of a destination is still what stands in the example file."""
    place = f"destination.{destination}.credentials"
    if dots := [it.removeprefix(f"{place}.") for it in _left_as_dots(place)]:
        raise ConfigurationError(
            f"Missing from the configuration: {', '.join(dots)} of {destination}.",
            f"Fill in [{place}] in .dlt/secrets.toml.",
        )


def _left_as_dots(place: str) -> Iterator[str]:
    """Yields what is not filled in, there and in the sections below."""
    given: Any = dlt.secrets.get(place)
    if isinstance(given, Mapping):
        for key in given:
            yield from _left_as_dots(f"{place}.{key}")
    elif given == _PLACEHOLDER:
        yield place
