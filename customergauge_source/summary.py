"""What a load committed, added up from load package to load package."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from dlt.common.pipeline import ExtractInfo


@dataclass
class ResourceSummary:
    """What was read for one resource.

    Attributes:
        records: Responses that were loaded.
        pages: Pages that they came on.
        rejected: Entries that are no loadable records; they are in `rejected_records`.
        rejected_values: Values that their columns could not take.
        cursor: Where the next run goes on; None if nothing was ever read.
    """

    records: int = 0
    pages: int = 0
    rejected: int = 0
    rejected_values: int = 0
    cursor: int | None = None


@dataclass
class LoadSummary:
    """What a load committed.

    Attributes:
        pipeline: Name of the pipeline.
        destination: Name of the destination.
        dataset: Name of the dataset.
        resources: What was read, by resource.
        tables: Rows loaded in this run, by table; dlt's own tables left out.
        checkpoints: Load packages committed.
        seconds: Time since the start.
        caught_up: Whether the feed was read to its end.
    """

    pipeline: str
    destination: str
    dataset: str
    resources: dict[str, ResourceSummary] = field(default_factory=dict)
    tables: dict[str, int] = field(default_factory=dict)
    checkpoints: int = 0
    seconds: float = 0.0
    caught_up: bool = False

    @property
    def pages(self) -> int:
        """Pages that were read for all resources."""
        return sum(resource.pages for resource in self.resources.values())

    def add_package(self, rows_of: dict[str, int] | None) -> None:
        """Adds a load package that was committed."""
        if rows_of is None:
            return
        self.checkpoints += 1
        for table, rows in rows_of.items():
            if not table.startswith("_dlt"):
                self.tables[table] = self.tables.get(table, 0) + rows

    def add_counts(self, extracted: ExtractInfo) -> None:
        """Adds what the resources counted while a package was extracted."""
        self.caught_up = True
        for resource, counts in counts_of(extracted):
            total = self.resources.setdefault(resource, ResourceSummary())
            total.records += counts["records"]
            total.pages += counts["pages"]
            total.rejected += counts["rejected"]
            total.rejected_values += counts["rejected_values"]
            total.cursor = counts["cursor"]
            self.caught_up &= counts["caught_up"]


def counts_of(extract_info: ExtractInfo) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields what the resources of a run counted; see `ArrowChain`."""
    for packages in extract_info.metrics.values():
        for package in packages:
            for resource, metrics in package["resource_metrics"].items():
                if "caught_up" in metrics.custom_metrics:
                    yield resource, metrics.custom_metrics
