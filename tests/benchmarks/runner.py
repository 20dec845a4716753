"""Runs the cases, interleaved, and checks that each loaded all there was."""

from __future__ import annotations

import logging
import os
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import duckdb

from .cases import AS_IT_COMES, LIMIT, OURS, PARQUET, POLICY, Case, Results
from .data import Responses
from .process import Measurement, SubjectFailedError, measure
from .server import serving

logger = logging.getLogger(__name__)

_SUBJECTS = Path(__file__).parent / "subjects"
_SCRIPTS = {
    OURS: ["ours.py"],
    PARQUET: ["rest_api.py", "--parquet"],
    AS_IT_COMES: ["rest_api.py"],
    LIMIT: ["limit.py"],
}
_DATABASE = "responses.duckdb"
_WORKING_DIRECTORIES = "dlt"


class Runner:
    """Runs cases, each in a process and a folder of its own.

    Attributes:
        results: What was measured.
    """

    def __init__(self, data: Mapping[str, Path], work: Path, checkpoint_pages: int | None) -> None:
        """Sets up.

        Args:
            data: What `data.prepare` returned, by the undeclared field that it was asked for.
            work: An empty folder, for the databases.
            checkpoint_pages: Pages of a checkpoint of ours; None for its default.
        """
        self.results = Results()
        self._data = data
        self._work = work
        self._checkpoint_pages = checkpoint_pages
        self._loaded: dict[str, Case] = {}

    def warm_up(self, cases: Iterable[Case]) -> None:
        """Runs each subject once on one page: what is read from disk is in memory after it."""
        for subject in dict.fromkeys(case.subject for case in cases):
            self._run(Case(subject, 1000))

    def run(self, cases: Iterable[Case], times: int) -> None:
        """Measures cases so many times, one after the other in each round.

        Args:
            cases: Those without `idle` come first.
            times: Rounds.
        """
        ordered = sorted(dict.fromkeys(cases), key=lambda case: case.idle)
        for number in range(1, times + 1):
            for case in ordered:
                if case.idle and self._loaded.get(case.subject) != _before(case):
                    self._run(_before(case))
                measured = self._run(case)
                self.results.add(case, measured)
                logger.info(
                    "run %d of %d: %s: %.2f s, %.0f MB",
                    number, times, case, measured.seconds, measured.peak / 1e6,
                )  # fmt: skip

    def _run(self, case: Case) -> Measurement:
        """Runs a case once and checks the database."""
        folder = self._work / _SCRIPTS[case.subject][-1].strip("-")
        if case.idle:
            shutil.rmtree(folder / _WORKING_DIRECTORIES)
        else:
            self._loaded.pop(case.subject, None)
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
        with serving(self._data[case.field], case.responses, case.latency) as url:
            measured = measure(self._command(case, url), folder, _environment(case, folder))
        self._check(case, folder)
        self._loaded[case.subject] = _before(case)
        return measured

    def _command(self, case: Case, url: str) -> list[str]:
        """Returns the command that runs a case."""
        script, *options = _SCRIPTS[case.subject]
        if case.subject == OURS and self._checkpoint_pages is not None:
            options += ["--checkpoint-pages", str(self._checkpoint_pages)]
        if case.subject in {PARQUET, AS_IT_COMES} and case.idle:
            options += ["--cursor", str(case.responses)]
        return [sys.executable, str(_SUBJECTS / script), url, *options]

    def _check(self, case: Case, folder: Path) -> None:
        """Compares the tables with what was served.

        Raises:
            SubjectFailedError: They do not hold the same number of rows, of responses, or of
                values of the undeclared field.
        """
        expected = Responses(self._data[case.field], case.responses).rows
        with duckdb.connect(str(folder / _DATABASE), read_only=True) as database:
            found = {table: _number(database, f"count(*) FROM {table}") for table in expected}
            keys = _number(database, "count(DISTINCT number_customergauge) FROM responses")
            values = _number(database, f"count({case.field or '*'}) FROM responses")
            hashes = _number(database, "count(*) FROM responses WHERE length(email) = 64")
            comments = _number(database, "count(comment__original) FROM responses")
        if case.is_private and not (hashes and not comments):
            raise SubjectFailedError(f"{case} has {hashes} hashes and {comments} comments.")
        if found != expected or keys != case.responses or values != case.responses:
            raise SubjectFailedError(
                f"{case} loaded {found} with {keys} CGIDs and {values} values of the undeclared"
                f" field; expected: {expected}."
            )


def _number(database: duckdb.DuckDBPyConnection, query: str) -> int:
    """Returns the one number that a query selects from the loaded schema."""
    row = database.execute("USE benchmark").execute(f"SELECT {query}").fetchone()
    return int(row[0]) if row else 0


def _before(case: Case) -> Case:
    """Returns the load that an idle case comes after."""
    return replace(case, latency=0.0, idle=False)


def _environment(case: Case, folder: Path) -> dict[str, str]:
    """Returns the environment of a subject: no telemetry, nothing outside its folder."""
    policy = POLICY.items() if case.is_private else ()
    return os.environ | {
        **{f"SOURCES__CUSTOMERGAUGE__PRIVACY__{key}": value for key, value in policy},
        "DLT_DATA_DIR": str(folder / _WORKING_DIRECTORIES),
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "NO_PROXY": "127.0.0.1",
    }
