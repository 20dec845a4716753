"""What can be measured, and what was."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from .process import Measurement

OURS = "ours"
PARQUET = "`rest_api`, `parquet`"
AS_IT_COMES = "`rest_api` as it comes"
LIMIT = "limit"

PER_PAGE = 1000
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
        idle: Whether all was loaded before, and nothing came since; dlt's working directory is
            gone, the destination is not.
        field: An undeclared field that each response has, one of `data.UNDECLARED`; "" for
            responses that are as documented.
        is_private: Whether a privacy policy is set, that of `POLICY`.
    """

    subject: str
    responses: int
    latency: float = 0.0
    idle: bool = False
    field: str = ""
    is_private: bool = False

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
