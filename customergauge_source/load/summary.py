"""What a load committed, added up from load package to load package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from itertools import chain
from typing import Any, Final

from dlt.common.pipeline import ExtractInfo

from customergauge_source.tables.comparison import Comparison


@dataclass
class ResourceSummary:
    """What was read for one resource.

    Attributes:
        records: Records that were loaded.
        pages: Pages that were read; of a reconciliation also the answers to requests for a record.
        rejected: Entries that are no loadable records; they are in `rejected_records`.
        rejected_values: Values that their columns could not take.
        cursor: Where the next run goes on, a cursor or a day; None if nothing was ever read.
    """

    records: int = 0
    pages: int = 0
    rejected: int = 0
    rejected_values: int = 0
    cursor: int | str | None = None


_MOST_IDS: Final = 1_000
"""Keys that are listed of each kind."""


@dataclass
class Differences:
    """How the tables differed from the account, or with a dry run differ.

    Attributes:
        read: Records that came.
        added: Records that the tables lacked.
        changed: Records that said something else in the tables.
        renewed: Records that are loaded again though nothing is known to differ: those that an
            older release or another client id loaded, and those of a load that was cut off.
        deleted: Records in the tables that are gone from the account.
        left_alone: Records in the tables that did not come, and were loaded with another client id
            or filter, or by an older release; they may be gone or not.
        added_ids: The keys of those that were added, a thousand at most; so are `changed_ids` and
            `deleted_ids`.
    """

    read: int = 0
    added: int = 0
    changed: int = 0
    renewed: int = 0
    deleted: int = 0
    left_alone: int = 0
    added_ids: list[int] = field(default_factory=list)
    changed_ids: list[int] = field(default_factory=list)
    deleted_ids: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, found: Comparison, gone: Sequence[int]) -> Differences:
        """Returns what was found of a resource."""
        added, changed = found.added(), found.changed()
        return cls(
            read=found.read,
            added=len(added),
            changed=len(changed),
            renewed=found.renewed,
            deleted=len(gone),
            left_alone=found.left_alone(),
            added_ids=added[:_MOST_IDS],
            changed_ids=changed[:_MOST_IDS],
            deleted_ids=[*gone[:_MOST_IDS]],
        )


@dataclass
class ReconcileSummary(Differences):
    """What a reconciliation found, of all resources together.

    Attributes:
        dry_run: Whether it only tells.
        refused: Why nothing would be removed of a resource, by resource; with a dry run alone.
        resources: The same figures by resource.
    """

    dry_run: bool = False
    refused: dict[str, str] = field(default_factory=dict)
    resources: dict[str, Differences] = field(default_factory=dict)

    def add_resource(self, name: str, found: Comparison, gone: Sequence[int]) -> None:
        """Adds what was found of a resource."""
        own = self.resources[name] = Differences.of(found, gone)
        for key in (it.name for it in fields(Differences)):
            total = getattr(self, key) + getattr(own, key)
            setattr(self, key, total[:_MOST_IDS] if isinstance(total, list) else total)


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
        reconcile: What a reconciliation found; None of a load.
        views: The views that were made; None if none were asked for.
        views_left_out: Those that were not, as tables that they need are not loaded.
    """

    pipeline: str
    destination: str
    dataset: str
    resources: dict[str, ResourceSummary] = field(default_factory=dict)
    tables: dict[str, int] = field(default_factory=dict)
    checkpoints: int = 0
    seconds: float = 0.0
    caught_up: bool = False
    reconcile: ReconcileSummary | None = None
    views: list[str] | None = None
    views_left_out: list[str] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Returns it as the command writes it, as JSON."""
        whole = asdict(self)
        optional = ("reconcile", "views", "views_left_out")
        return {key: it for key, it in whole.items() if it is not None or key not in optional}

    def add_package(self, rows_of: Mapping[str, int]) -> None:
        """Adds a load package that was committed."""
        self.checkpoints += 1
        for table, rows in rows_of.items():
            if not table.startswith("_dlt"):
                self.tables[table] = self.tables.get(table, 0) + rows

    def add_counts(self, name: str, counts: Mapping[str, Any]) -> None:
        """Adds what a resource counted in a package."""
        total = self.resources.setdefault(name, ResourceSummary())
        total.records += counts["records"]
        total.pages += counts["pages"]
        total.rejected += counts["rejected"]
        total.rejected_values += counts["rejected_values"]
        total.cursor = counts["cursor"]


def counts_of(name: str, extracted: ExtractInfo) -> Mapping[str, Any]:
    """Returns what a resource counted in an extraction; nothing if it is another source's."""
    packages = chain.from_iterable(extracted.metrics.values())
    for metrics in (it["resource_metrics"] for it in packages):
        if name in metrics and "caught_up" in metrics[name].custom_metrics:
            return {**metrics[name].custom_metrics}  # which the next extraction empties
    return {}
