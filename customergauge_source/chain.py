"""The last step of a resource: pages of records become Arrow tables, declared to dlt.

dlt merges a parent and its nested tables in one go; so all tables of a page are sent to the
same load package, and their declarations say how they hang together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import TYPE_CHECKING, Any, ClassVar, Final

import dlt
from dlt.common import logger
from dlt.common.schema import Schema
from dlt.extract.items import DataItemWithMeta
from dlt.extract.items_transform import ItemTransform

from customergauge_source import declaration, extraction
from customergauge_source.drift import Drift, TypeClashError
from customergauge_source.nested_arrow import receive_arrow
from customergauge_source.position import Position
from customergauge_source.records import RejectedRecord
from customergauge_source.schema import REJECTED_RECORDS, REJECTED_VALUES, RESPONSE, RESPONSES
from customergauge_source.widening import widen_to_text

if TYPE_CHECKING:
    import pyarrow as pa

    from customergauge_source.tables import ChainBuilder

_REJECTED_VALUES: Final = f"{RESPONSES}__{REJECTED_VALUES}"


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
    rejected: list[RejectedRecord] = field(default_factory=list)


class ArrowChain(ItemTransform[Any, dict[str, Any]]):
    """Turns each page into the tables of its chain.

    It counts what it sees; the counts are the resource's custom metrics in dlt's trace: `pages`,
    `records`, `rejected`, `rejected_values`, `cursor` and `caught_up`.

    Args:
        resource: Name of the resource.
        zone: Where the clock stands that timestamps without an offset were read from.
        unknown_fields: "evolve", "ignore" or "fail".

    Attributes:
        has_to_wait: Whether the last page was refused, and has to come first in the next package.
    """

    placement_affinity: ClassVar[float] = 2
    """Behind a limit, which has to count pages, not tables."""

    def __init__(self, resource: str, zone: tzinfo, unknown_fields: str) -> None:
        super().__init__(lambda item: item)
        self._resource = resource
        self._zone = zone
        self._unknown_fields = unknown_fields
        self.has_to_wait = False

    def begin(self, schema: Schema, position: Position) -> None:
        """Starts an extraction.

        Args:
            schema: The schema that is being extracted into.
            position: Where the feed stands; moved back if a page has to wait for the next
                package.
        """
        declaration.declare(schema, self._resource, extraction.file_format())
        self._schema = schema
        self._position = position
        self._load_id = extraction.load_id()
        self._builder: ChainBuilder | None = None
        self._extracted = extraction.current_resource()
        self._declared: set[str] = set()
        self._declare_variant(REJECTED_RECORDS, None)
        for name, parent in declaration.nested_tables(schema):
            self._declare_variant(name, parent)
        self._to_materialize = declaration.unseen_tables(schema)
        self._collector = extraction.collector()
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

    def finish(self) -> Iterator[DataItemWithMeta]:
        """Notes that the feed is at its end; on an empty account, asks for empty tables."""
        self._custom_metrics["caught_up"] = True
        if self._to_materialize:
            yield DataItemWithMeta(PageMeta(), [])

    def __call__(self, item: Any, meta: Any = None) -> Any:  # noqa: ANN401 - dlt's signature
        """Returns the tables of a page, one item each; None if the page has to wait."""
        try:
            return self._of_page(item, meta)
        except TypeClashError as clash:
            logger.warning(
                "The type of %s changes: the load package ends before this page, so that the"
                " column can become text.",
                clash,
            )
            self._position.move(meta.after)
            self.has_to_wait = True
            return None

    def _of_page(self, records: Any, meta: PageMeta) -> Iterator[DataItemWithMeta]:  # noqa: ANN401
        # Only a run that has something to load pays for Arrow.
        from customergauge_source.rows import ObjectRows, StructRows  # noqa: PLC0415
        from customergauge_source.tables import ChainBuilder, rejected_records  # noqa: PLC0415

        if self._builder is None:
            self._builder = ChainBuilder(
                RESPONSE, self._make_drift(), zone=self._zone, load_id=self._load_id
            )
        rows = ObjectRows(records) if isinstance(records, list) else StructRows(records)
        chain = self._builder.build(rows, meta.cursor or 0)
        tables = dict(chain.tables)
        tables[REJECTED_RECORDS] = rejected_records(
            self._resource, meta.cursor, self._load_id, meta.rejected
        )
        self._count(len(rows), meta, tables)
        for name, parent in chain.parents.items():
            if name not in self._declared:
                declaration.declare_nested(self._schema, name, parent)
                self._declare_variant(name, parent)
        receive_arrow(self._schema, chain.parents)
        wanted = {
            name: table
            for name, table in tables.items()
            if table.num_rows or name in self._to_materialize
        }
        self._to_materialize -= wanted.keys()
        return iter([dlt.mark.with_table_name(table, name) for name, table in wanted.items()])

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

    def _count(self, records: int, meta: PageMeta, tables: Mapping[str, pa.Table]) -> None:
        counts = self._custom_metrics
        counts["pages"] += meta.count
        self._collector.update("pages", inc=meta.count)
        if meta.cursor is not None and self._position.is_kept:
            counts["cursor"] = meta.cursor
        counts["records"] += records
        counts["rejected"] += len(meta.rejected)
        values = tables.get(_REJECTED_VALUES)
        counts["rejected_values"] += values.num_rows if values is not None else 0
