"""The last step of a resource: pages of records become Arrow tables, declared to dlt.

dlt merges a parent and its nested tables in one go; so all tables of a page are sent to the
same load package, and their declarations say how they hang together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import TYPE_CHECKING, Any, ClassVar

import dlt
from dlt.common import logger
from dlt.common.schema import Schema
from dlt.extract.items import DataItemWithMeta
from dlt.extract.items_transform import ItemTransform

from customergauge_source import declaration, extraction
from customergauge_source.client import Page
from customergauge_source.drift import Drift, TypeClashError
from customergauge_source.exceptions import ConfigurationError, UnknownFieldError
from customergauge_source.nested_arrow import receive_arrow
from customergauge_source.position import Position
from customergauge_source.records import RejectedRecord, sort_out
from customergauge_source.schema import (
    KEY,
    REJECTED_RECORDS,
    REJECTED_VALUES_TABLE,
    RESPONSES,
)
from customergauge_source.widening import widen_to_text

if TYPE_CHECKING:
    import pyarrow as pa

    from customergauge_source.rows import Rows
    from customergauge_source.tables import Chain, ChainBuilder


@dataclass(frozen=True)
class PageMeta:
    """What travels beside a page's records.

    Attributes:
        after: The cursor that the page was asked with.
        cursor: The cursor that it came back with.
        count: Pages of the API in it.
        rejected: Its entries that are no loadable records.
    """

    after: int | None = None
    cursor: int | None = None
    count: int = 0
    rejected: Sequence[RejectedRecord] = ()


class ArrowChain(ItemTransform[Any, dict[str, Any]]):
    """Turns each page into the tables of its chain.

    It counts what it sees; the counts are the resource's custom metrics in dlt's trace: `pages`,
    `records`, `rejected`, `rejected_values`, `cursor` and `caught_up`.

    Args:
        zone: Where the clock stands that timestamps without an offset were read from.
        unknown_fields: "evolve", "ignore" or "fail".

    Attributes:
        has_to_wait: Whether the last page was refused, and has to come first in the next package.
    """

    placement_affinity: ClassVar[float] = 2
    """Behind a limit, which has to count pages, not tables."""

    def __init__(self, zone: tzinfo, unknown_fields: str) -> None:
        super().__init__(lambda item: item)
        self._zone = zone
        self._unknown_fields = unknown_fields
        self.has_to_wait = False

    def begin(self, schema: Schema, position: Position, *, in_packages: bool) -> None:
        """Starts an extraction.

        Args:
            schema: The schema that is being extracted into.
            position: Where the feed stands; moved back if a page has to wait for the next
                package.
            in_packages: Whether another package follows in this run.
        """
        declaration.declare(schema, extraction.file_format())
        self._schema = schema
        self._position = position
        self._goes_on = in_packages or position.is_kept
        self._load_id = extraction.load_id()
        self._builder: ChainBuilder | None = None
        self._extracted = extraction.current_resource()
        self._declared: set[str] = set()
        self._declare_variant(REJECTED_RECORDS, None)
        for name, parent in declaration.nested_tables(schema):
            self._declare_variant(name, parent)
        self._to_materialize = declaration.unseen_tables(schema)
        self._collector = extraction.collector()
        self._rejected: list[RejectedRecord] = []
        self.has_to_wait = False
        self._custom_metrics = {
            "pages": 0,
            "records": 0,
            "rejected": 0,
            "rejected_values": 0,
            "cursor": position.cursor,
            "caught_up": False,
        }

    @property
    def pages(self) -> int:
        """Pages in this package until now."""
        return int(self._custom_metrics["pages"])

    def note(self, page: Page) -> DataItemWithMeta:
        """Notes a page, and moves the position; returns what is to be yielded for it.

        It comes ahead of the yield, as a limit would not let the cursor move after it, and a
        filter may leave nothing of a page.
        """
        records: Any = page.data
        rejected: list[RejectedRecord] = []
        if isinstance(records, list):
            records, rejected = sort_out(records, page.cursor)
        meta = PageMeta(page.after, page.cursor, page.count, rejected)
        self._move(meta.cursor, meta, 1)
        self._rejected += rejected
        self._collector.update("pages", inc=page.count)
        return DataItemWithMeta(meta, records)

    def _take_back(self, meta: PageMeta) -> None:
        """Forgets a page that has to come again."""
        self._move(meta.after, meta, -1)
        self._rejected = [entry for entry in self._rejected if entry not in meta.rejected]
        self.has_to_wait = True

    def _move(self, cursor: int | None, meta: PageMeta, sign: int) -> None:
        self._position.move(cursor)
        counts = self._custom_metrics
        if self._position.is_kept:
            counts["cursor"] = cursor
        counts["pages"] += sign * meta.count
        counts["rejected"] += sign * len(meta.rejected)

    def finish(self, *, at_end: bool) -> Iterator[DataItemWithMeta]:
        """Ends an extraction; asks for the tables that no page has asked for.

        Args:
            at_end: Whether the feed was read to its end; then even an empty account gets tables.
        """
        self._custom_metrics["caught_up"] = at_end
        if self._rejected or (at_end and self._to_materialize):
            yield DataItemWithMeta(PageMeta(), [])

    def __call__(self, item: Any, meta: Any = None) -> Any:  # noqa: ANN401 - dlt's signature
        """Returns the tables of a page, one item each; None if the page has to wait."""
        try:
            return self._of_page(item)
        except TypeClashError as clash:
            if not self._goes_on:
                raise ConfigurationError(
                    f"The type of {clash} changes within the load package, and what is bounded by"
                    " a period or a CGID cannot go on in a second run.",
                    "Load it with load_in_checkpoints, which cuts load packages as needed.",
                ) from None
            logger.warning(
                "The type of %s changes: the load package ends before this page, so that the"
                " column can become text. The rest comes with the next one.",
                clash,
            )
            self._take_back(meta)
            return None

    def _of_page(self, records: Any) -> Iterator[DataItemWithMeta]:  # noqa: ANN401
        # Only a run that has something to load pays for Arrow.
        from customergauge_source.rows import ObjectRows, StructRows  # noqa: PLC0415
        from customergauge_source.tables import ChainBuilder, rejected_records  # noqa: PLC0415

        if self._builder is None:
            self._builder = ChainBuilder(self._make_drift(), zone=self._zone, load_id=self._load_id)
        if isinstance(records, list):
            _check_keys(records)
            rows: Rows = ObjectRows(records)
        else:
            rows = StructRows(records)
        chain = self._builder.build(rows)
        tables = {name: chain.tables[name] for name in self._admitted(chain)}
        tables[REJECTED_RECORDS] = rejected_records(self._load_id, self._rejected)
        self._rejected = []
        self._count(len(rows), tables)
        nested = [name for name in tables if name in chain.parents]
        for name in nested:
            if name not in self._declared:
                declaration.declare_nested(self._schema, name, chain.parents[name])
                self._declare_variant(name, chain.parents[name])
        receive_arrow(self._schema, nested)
        wanted = {
            name: table
            for name, table in tables.items()
            if table.num_rows or name in self._to_materialize
        }
        self._to_materialize -= wanted.keys()
        return iter([dlt.mark.with_table_name(table, name) for name, table in wanted.items()])

    def _admitted(self, chain: Chain) -> list[str]:
        """Returns the tables that the user's schema contract lets in; dlt sees to columns alone.

        Raises:
            UnknownFieldError: The contract freezes the tables, and there is a new one.
        """
        settings = self._schema.resolve_contract_settings_for_table(RESPONSES)
        admitted: list[str] = []
        for name in chain.tables:
            parent = chain.parents.get(name)
            if parent is None or name in self._declared or settings["tables"] == "evolve":
                admitted.append(name)
            elif settings["tables"] == "freeze":
                raise UnknownFieldError(
                    f"CustomerGauge sent a list that would be a new table, {name}; the schema"
                    " contract freezes the tables."
                )
            else:
                logger.warning("Table %s is left out, by the schema contract.", name)
        return [name for name in admitted if chain.parents.get(name, name) in admitted]

    def _declare_variant(self, name: str, parent: str | None) -> None:
        """Tells dlt of a table beside the resource's own, before its first data comes."""
        self._declared.add(name)
        if self._extracted is not None:
            hints = declaration.hints(name, parent)
            self._extracted.merge_hints(hints, create_table_variant=True)

    def _make_drift(self) -> Drift:
        schema = self._schema
        return Drift(
            schema.naming,
            declaration.column_types(schema),
            mode=self._unknown_fields,
            widen=lambda table, column: widen_to_text(schema, table, column),
        )

    def _count(self, records: int, tables: Mapping[str, pa.Table]) -> None:
        counts = self._custom_metrics
        counts["records"] += records
        values = tables.get(REJECTED_VALUES_TABLE)
        counts["rejected_values"] += values.num_rows if values is not None else 0


def _check_keys(records: Sequence[Any]) -> None:
    """Checks that the user's own steps left records with their key."""
    for record in records:
        if not isinstance(record, dict) or type(record.get(KEY)) is not int:
            raise ConfigurationError(
                f"A step on {RESPONSES} returned what is no record with {KEY}.",
                f"Let add_map return the record, and leave its {KEY} as it is.",
            )
