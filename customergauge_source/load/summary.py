"""What a load committed, added up from load package to load package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain

from dlt.common.pipeline import ExtractInfo


@dataclass
class ResourceSummary:
    """What was read for one resource.

    Attributes:
        records: Records that were loaded.
        pages: Pages that they came on.
        rejected: Entries that are no loadable records; they are in `rejected_records`.
        rejected_values: Values that their columns could not take.
        cursor: Where the next run goes on, a cursor or a day; None if nothing was ever read.
    """

    records: int = 0
    pages: int = 0
    rejected: int = 0
    rejected_values: int = 0
    cursor: int | str | None = None


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
        caught_up: Whether all feeds were read to their ends.
    """

    pipeline: str
    destination: str
    dataset: str
    resources: dict[str, ResourceSummary] = field(default_factory=dict)
    tables: dict[str, int] = field(default_factory=dict)
    checkpoints: int = 0
    seconds: float = 0.0
    caught_up: bool = False

    def add_package(self, rows_of: Mapping[str, int]) -> None:
        """Adds a load package that was committed."""
        self.checkpoints += 1
        for table, rows in rows_of.items():
            if not table.startswith("_dlt"):
                self.tables[table] = self.tables.get(table, 0) + rows

    def add_counts(self, name: str, extracted: ExtractInfo) -> bool:
        """Adds what a resource counted in a package; says if its feed was read to its end."""
        packages = chain.from_iterable(extracted.metrics.values())
        for metrics in (it["resource_metrics"] for it in packages):
            counts = metrics[name].custom_metrics if name in metrics else {}
            if "caught_up" in counts:
                total = self.resources.setdefault(name, ResourceSummary())
                total.records += counts["records"]
                total.pages += counts["pages"]
                total.rejected += counts["rejected"]
                total.rejected_values += counts["rejected_values"]
                total.cursor = counts["cursor"]
                return bool(counts["caught_up"])
        return True
