"""`load --check`: what works and what does not, one line each; nothing is loaded."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from platform import python_version
from typing import Any, Final

from dlt import Pipeline
from dlt.extract import DltSource

from customergauge_source.cli.options import Options
from customergauge_source.cli.whereabouts import Whereabouts
from customergauge_source.dlt_bridge import ducklake, health, memory, working_dir
from customergauge_source.dlt_bridge.known import check_dlt
from customergauge_source.dlt_bridge.refusals import check_destination, check_refresh
from customergauge_source.dlt_bridge.settings import is_set
from customergauge_source.dlt_bridge.tables_step import owner_of
from customergauge_source.dlt_bridge.writing import check_dialect
from customergauge_source.exceptions import ApiUnavailableError, CustomerGaugeError
from customergauge_source.load.explain import told_as_ours
from customergauge_source.reading import ResourceReader
from customergauge_source.settings import RELEASE

_PACKAGES: Final = ("dlt", "duckdb", "pyarrow", "sqlglot")


class Doctor:
    """Examines one thing after another; what leans on something that is wrong is left out.

    Args:
        source: Name of the source, and of its section.
        options: What the command line says.
        make_source: Makes the source, of options and configuration.
        make_pipeline: Makes the pipeline.
        tell: Is told each finding: what was examined, whether it is right, and what was found.

    Attributes:
        pipeline: The pipeline, once it could be made.
    """

    def __init__(
        self,
        source: str,
        options: Options,
        make_source: Callable[[], DltSource],
        make_pipeline: Callable[[], Pipeline],
        tell: Callable[[str, bool, str], None],
    ) -> None:
        self._source = source
        self._options = options
        self._make_source = make_source
        self._make_pipeline = make_pipeline
        self._tell = tell
        self._readers: dict[str, ResourceReader] = {}
        self._answers: dict[str, int | CustomerGaugeError] = {}
        self.pipeline: Any = None
        self._states: dict[str, Any] = {}
        self._wrong: CustomerGaugeError | None = None

    def examine(self) -> CustomerGaugeError | None:
        """Examines all that can be; returns what was found wrong first, if anything was."""
        if self._look("versions", self._versions):
            self._look("working folder", self._working_folder)
            if self._look("configuration", self._configuration) and self._look(
                "token", self._token
            ):
                self._read()
            if self._look("destination", self._destination):
                self._look("last load", self._last_load)
                for name, reader in self._readers.items():
                    self._look(f"cursor of {name}", partial(self._cursor, name, reader))
        return self._wrong

    def _look(self, at: str, look: Callable[[], str]) -> bool:
        """Tells what is found; says whether it is right."""
        try:
            with told_as_ours():
                found, is_right = look(), True
        except CustomerGaugeError as error:
            found, is_right = f"{error} What to do: {error.remedy}", False
            self._wrong = self._wrong or error
        self._tell(at, is_right, found)
        return is_right

    def _versions(self) -> str:
        check_dlt()
        installed = [f"{name} {version(name)}" for name in _PACKAGES]
        return ", ".join([RELEASE, *installed, f"Python {python_version()}"])

    def _working_folder(self) -> str:
        return f"{working_dir.try_to_write()} can be written"

    def _configuration(self) -> str:
        source = self._make_source()
        self._readers = {name: owner_of(it) for name, it in source.selected_resources.items()}
        for reader in self._readers.values():
            reader.check_query()
        options = {name: f"= {value} (option)" for name, value in self._options.source.items()}
        return _listed({**health.settings_found("sources", source.section), **options})

    def _token(self) -> str:
        reader, *_ = self._readers.values()
        return f"granted for {reader.sign_in():,} s"

    def _read(self) -> None:
        """Reads a page of one record of each resource."""
        if self._look("API", self._api):
            for name in self._readers:
                self._look(name, partial(self._resource, name))

    def _api(self) -> str:
        name, *_ = self._readers
        started = time.monotonic()
        if isinstance(answer := self._answer(name), ApiUnavailableError):
            raise answer
        return f"{self._readers[name].url} answers, in {time.monotonic() - started:.1f} s"

    def _resource(self, name: str) -> str:
        if isinstance(answer := self._answer(name), CustomerGaugeError):
            raise answer
        return "a page of one record came" if answer else "a page came, without a record"

    def _answer(self, name: str) -> int | CustomerGaugeError:
        """Returns how many records came, or what is wrong; it is asked once."""
        if name not in self._answers:
            try:
                with told_as_ours():
                    self._answers[name] = self._readers[name].check()
            except CustomerGaugeError as error:
                self._answers[name] = error
        return self._answers[name]

    def _destination(self) -> str:
        pipeline = self.pipeline = self._make_pipeline()
        check_refresh(pipeline)
        for reader in self._readers.values():
            check_destination(pipeline, reader.keeping(pipeline))
        if self._options.views or is_set(self._source, "views"):
            check_dialect(pipeline)
        ducklake.check_bucket(pipeline)
        self._states = memory.go_on_from_destination(pipeline, self._source, is_dry=True)
        writable = "can be written" if health.try_to_write(pipeline) else "is there"
        settings = health.settings_found("destination", pipeline.destination.destination_name)
        return f"{Whereabouts(pipeline).place} {writable}; {_listed(settings)}"

    def _last_load(self) -> str:
        if any(it.keeping(self.pipeline).history for it in self._readers.values()):
            health.check_clock(self.pipeline, self._source)
        last = health.last_load(self.pipeline, self._source)
        return f"{last:%Y-%m-%d %H:%M} UTC" if last else "there was none"

    def _cursor(self, name: str, reader: ResourceReader) -> str:
        state = self._states.get(name, {})
        terms = reader.terms(self.pipeline)
        terms.check(state, self.pipeline.schemas.get(self._source))
        terms.warn(state)
        cursor = reader.cursor_in(state)
        return "none: the next load reads everything" if cursor is None else f"{cursor}"


def _listed(settings: dict[str, str]) -> str:
    return ", ".join(f"{key} {found}" for key, found in settings.items()) or "nothing is configured"
