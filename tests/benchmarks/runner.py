"""Runs the cases, interleaved, and checks that each loaded all there was."""

from __future__ import annotations

import logging
import os
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from .cases import AS_IT_COMES, IMPORT, LIMIT, OURS, PARQUET, POLICY, Case, Results
from .check import check
from .process import Measurement, measure
from .server import serving
from .shapes import PER_PAGE

logger = logging.getLogger(__name__)

_SUBJECTS = Path(__file__).parent / "subjects"
_SCRIPTS = {
    OURS: ["ours.py"],
    PARQUET: ["rest_api.py", "--parquet"],
    AS_IT_COMES: ["rest_api.py"],
    LIMIT: ["limit.py"],
    IMPORT: ["import_dlt.py"],
}
_DATABASE = "responses.duckdb"
_WORKING_DIRECTORIES = "dlt"


class Runner:
    """Runs cases, each in a process and a folder of its own.

    Attributes:
        results: What was measured.
    """

    def __init__(
        self,
        data: Mapping[str, Path],
        work: Path,
        checkpoint_pages: int | None,
        cases: Iterable[Case],
    ) -> None:
        """Sets up.

        Args:
            data: What `data.prepare` returned, by the shape that it was asked for.
            work: An empty folder, for the databases.
            checkpoint_pages: Pages of a checkpoint of ours; None for its default.
            cases: All that will be measured. The databases are kept that one of them begins with.
        """
        self.results = Results()
        self._data = data
        self._work = work
        self._checkpoint_pages = checkpoint_pages
        later = dict.fromkeys(_before(case) for case in cases if case.since is not None)
        self._kept = {case: work / f"{number}.duckdb" for number, case in enumerate(later)}

    def warm_up(self, cases: Iterable[Case]) -> None:
        """Runs each subject once on one page: what is read from disk is in memory after it."""
        for subject in dict.fromkeys(case.subject for case in cases):
            self._run(Case(subject, PER_PAGE))

    def run(self, cases: Iterable[Case], times: int) -> None:
        """Measures cases so many times, one after the other in each round.

        Args:
            cases: The cases; the load that one of them comes after is made if it is not there.
            times: Rounds.
        """
        ordered = [*dict.fromkeys(cases)]
        for number in range(1, times + 1):
            for case in ordered:
                measured = self._run(case)
                self.results.add(case, measured)
                logger.info(
                    "run %d of %d: %s: %.2f s, %.0f MB",
                    number, times, case, measured.seconds, measured.peak / 1e6,
                )  # fmt: skip

    def _run(self, case: Case) -> Measurement:
        """Runs a case once, in an empty folder, and checks the database."""
        kept = None if case.since is None else self._database_before(case)
        folder = self._work / "run"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        database = folder / _DATABASE
        if kept:
            _copy(kept, database)
        if case.subject == IMPORT:
            return measure(self._command(case, ""), folder, _environment(case, folder))
        data = self._data[case.shape]
        with serving(data, case.served, case.latency) as server:
            measured = measure(self._command(case, server.url), folder, _environment(case, folder))
            if case.is_start:
                measured = replace(measured, seconds=server.first_request() - measured.started)
        check(case, data, database)
        if case in self._kept and not self._kept[case].exists():
            _copy(database, self._kept[case])
        return measured

    def _database_before(self, case: Case) -> Path:
        """Returns the database that a case begins with, loaded once."""
        before = _before(case)
        if not self._kept[before].exists():
            self._run(before)
        return self._kept[before]

    def _command(self, case: Case, url: str) -> list[str]:
        """Returns the command that runs a case."""
        script, *options = _SCRIPTS[case.subject]
        if case.subject == OURS and self._checkpoint_pages is not None:
            options += ["--checkpoint-pages", str(self._checkpoint_pages)]
        if case.subject in {PARQUET, AS_IT_COMES} and case.since is not None:
            options += ["--cursor", str(case.responses)]
        return [sys.executable, str(_SUBJECTS / script), url, *options]


def _before(case: Case) -> Case:
    """Returns the load that a later run comes after."""
    return replace(case, latency=0.0, since=None)


def _copy(database: Path, target: Path) -> None:
    """Copies a database, to the disk: or the next one to write would have to wait for it."""
    shutil.copyfile(database, target)
    with target.open("rb") as file:
        os.fsync(file.fileno())


def _environment(case: Case, folder: Path) -> dict[str, str]:
    """Returns the environment of a subject: no telemetry, nothing outside its folder.

    Its modules are compiled once, as those of what is installed are.
    """
    policy = POLICY.items() if case.is_private else ()
    return os.environ | {
        **{f"SOURCES__CUSTOMERGAUGE__PRIVACY__{key}": value for key, value in policy},
        "DLT_DATA_DIR": str(folder / _WORKING_DIRECTORIES),
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "NO_PROXY": "127.0.0.1",
        "PYTHONDONTWRITEBYTECODE": "",
    }
