"""What can be measured, and what was."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from .process import Measurement
from .shapes import PER_PAGE

OURS = "ours"
PARQUET = "`rest_api`, `parquet`"
AS_IT_COMES = "`rest_api` as it comes"
LIMIT = "limit"
IMPORT = "`import dlt`"

POLICY = {
    "HASH": '["email", "phone", "contact.first_name", "contact.last_name"]',
    "DROP": '["comment"]',
    "KEY": "made-up for a benchmark, and 46 characters long",
}
"""What a case with a privacy policy hashes and drops."""


@dataclass(frozen=True)
class Case:
    """One thing that is measured.

    Attributes:
        subject: One of the subjects named above.
        responses: How many responses there are to load.
        latency: Seconds that each page takes to come.
        since: How many came after these were loaded, which are all that is loaded in the run that
            is measured; dlt's working directory is gone, the destination is not. None if nothing
            was loaded before.
        shape: One of `SHAPES`; "" for responses that are as documented.
        is_private: Whether a privacy policy is set, that of `POLICY`.
        is_start: Whether only the time to the first request is taken.
    """

    subject: str
    responses: int
    latency: float = 0.0
    since: int | None = None
    shape: str = ""
    is_private: bool = False
    is_start: bool = False

    @property
    def served(self) -> int:
        """All responses that the account has in the run that is measured."""
        return self.responses + (self.since or 0)

    @property
    def pages(self) -> int:
        """Pages with data; the empty one that ends the feed is not counted."""
        return -(-self.responses // PER_PAGE)


class Results:
    """The measurements of each case."""

    def __init__(self) -> None:
        """Begins without any."""
        self.runs: dict[Case, list[Measurement]] = {}

    def add(self, case: Case, measurement: Measurement) -> None:
        """Adds a measurement."""
        self.runs.setdefault(case, []).append(measurement)

    def seconds(self, case: Case) -> float:
        """Returns the median time of a case."""
        return median(run.seconds for run in self.runs[case])

    def megabytes(self, case: Case) -> float:
        """Returns the median peak memory of a case, in 1,000,000 bytes."""
        return median(run.peak for run in self.runs[case]) / 1e6
