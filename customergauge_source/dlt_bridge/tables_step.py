"""The last step of a resource's pipe: pages of records become Arrow tables, declared to dlt.

dlt merges a parent and its nested tables in one go; so all tables of a page are sent to the
same load package, and their declarations say how they hang together.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar

import dlt
from dlt.common.schema.utils import has_table_seen_data
from dlt.extract import DltResource
from dlt.extract.items import DataItemWithMeta
from dlt.extract.items_transform import ItemTransform

from customergauge_source.dlt_bridge import declare, extraction, hints
from customergauge_source.dlt_bridge.keeping import Keeping
from customergauge_source.dlt_bridge.nested_arrow import receive_arrow
from customergauge_source.exceptions import ConfigurationError, UnknownFieldError
from customergauge_source.resources.resource import Resource
from customergauge_source.tables.records import RejectedRecord, is_record
from customergauge_source.tables.shape import deleted_table, rejected_values_table

if TYPE_CHECKING:  # only a run that has something to load pays for Arrow
    import pyarrow as pa

    from customergauge_source.tables.build import ChainBuilder, Table
    from customergauge_source.tables.comparison import Comparison
    from customergauge_source.tables.read import Reader

logger = logging.getLogger("customergauge_source")


class TablesStep(ItemTransform[Any, dict[str, Any]]):
    """Turns each page of one resource into the tables of its chain.

    It counts `records` and `rejected_values`, as its metrics in dlt's trace.

    Attributes:
        owner: What reads the resource; `load_in_checkpoints` finds it here.
        rejected: Entries that are no loadable records, each with the cursor of its page; they go
            with the next tables.
        comparison: What the tables say already, if only what differs is to be loaded.
        is_at_end: Whether all pages have come.
        is_resumed: Whether a load package that is cut off would be loaded by a later run.
    """

    placement_affinity: ClassVar[float] = 2
    """Behind a limit, which has to count pages, not tables."""

    def __init__(self, resource: Resource, owner: Any) -> None:  # noqa: ANN401 - its finder knows
        super().__init__(lambda item: item)
        self.owner = owner
        self.comparison: Comparison | None = None
        self.is_at_end = False
        self.is_resumed = True
        self._resource = resource

    def begin(self, make_reader: Callable[[], Reader], scope: str, keeping: Keeping) -> bool:
        """Begins a load package: puts the tables into the schema that is being extracted into.

        Returns:
            Whether there are some that are not at the destination yet, or not with all columns;
            the next tables bring them, with or without rows, as dlt looks at no others.
        """
        self._schema = schema = dlt.current.source_schema()
        self._make_reader = make_reader
        self._builder: ChainBuilder | None = None
        self._scope = scope
        self._keeping = keeping
        self._load_id = extraction.load_id()
        self._version = extraction.count_extraction(self._resource.name)
        self._extracted = extraction.current_resource()
        if self._extracted is not None:
            hints.drop_file_format(self._extracted)
            if keeping.history:
                self._extracted.apply_hints(write_disposition="append", primary_key=[])
        self.is_at_end = False
        self._custom_metrics = {"records": 0, "rejected_values": 0}
        self._known: set[str] = set()
        before = {name: {*table["columns"]} for name, table in schema.tables.items()}
        for name, parent in declare.declare(schema, self._resource, keeping):
            self._note(name, parent)
        kept = (self._resource, keeping)
        declare.declare_distinct(schema, *kept, are_distinct=not self.is_resumed)
        self.rejected: list[tuple[int, RejectedRecord]] = []
        self._unseen = {
            name
            for name in self._known
            if not has_table_seen_data(schema.tables[name])
            or not schema.tables[name]["columns"].keys() <= before[name]
        }
        return bool(self._unseen)

    def __call__(self, item: Any, meta: Any = None) -> Iterator[DataItemWithMeta]:  # noqa: ANN401, ARG002
        """Yields the tables of a page that are to be sent, a parent before its children."""
        from customergauge_source.tables import build  # noqa: PLC0415 - see above
        from customergauge_source.tables.digest import with_digest  # noqa: PLC0415

        name, key = self._resource.name, self._resource.key
        read = self._rows_of(item) if isinstance(item, list) else item
        rows = [*map(with_digest, read)]  # the reading thread has enough to do
        if self._builder is None:
            how = (self._load_id, self._version, self._scope)
            self._builder = build.ChainBuilder(name, key, *how, history=self._keeping.history)
        if self.comparison is not None:
            rows = [*map(self.comparison.differing, rows)]
            rows += build.join(self.comparison.kept_back()) if self.is_at_end else []
        distinct = chain.from_iterable(build.apart(it, key) for it in rows)
        tables = [*self._admitted(chain.from_iterable(map(self._builder.build, distinct)))]
        if self._builder.has_repeats:
            kept = (self._resource, self._keeping)
            declare.declare_distinct(self._schema, *kept, are_distinct=False)
        by_place = not self._resource.position.repeats
        entries = build.rejected_records(self._load_id, name, self.rejected, by_place=by_place)
        tables.append(build.Table(declare.REJECTED_RECORDS_TABLE, "", entries))
        self.rejected = []
        if (deleted := deleted_table(name)) in self._unseen:
            none = build.noted(self._load_id, key, [], datetime.now(timezone.utc))
            tables.append(build.Table(deleted, "", none))
        counted = {name: "records", rejected_values_table(name): "rejected_values"}
        for table in tables:
            if table.name in counted:
                self._custom_metrics[counted[table.name]] += table.rows.num_rows
            if table.rows.num_rows or table.name in self._unseen:
                self._unseen.discard(table.name)
                yield dlt.mark.with_table_name(table.rows, table.name)
        own = {name, deleted_table(name)}
        receive_arrow(self._schema, {table.name for table in tables} - own, name)

    @property
    def keeps_back(self) -> bool:
        """Whether rows wait for the end of the pages."""
        return self.comparison is not None and self.comparison.keeps_back

    def _rows_of(self, records: list[Any]) -> tuple[pa.StructArray]:
        name, key = self._resource.name, self._resource.key
        if not all(is_record(record, key) for record in records):
            raise ConfigurationError(
                f"A step on {name} returned something that is not a record with {key}.",
                f"Let add_map return the record, and leave its {key} as it is.",
            )
        return (self._make_reader().rows_of_objects(records),)

    def _admitted(self, tables: Iterator[Table]) -> Iterator[Table]:
        """Yields the tables that the user's schema contract lets in; dlt sees to columns alone."""
        contract = hints.contract_of(self._schema, self._resource.name, self._extracted)["tables"]
        left_out: set[str] = set()
        for table in tables:
            if table.name in self._known:
                yield table
            elif table.parent in left_out:
                left_out.add(table.name)
            elif contract == "freeze":
                raise UnknownFieldError(
                    f"CustomerGauge sent a list that would be a new table, {table.name}; the"
                    " schema contract freezes the tables.",
                    "Nothing of this page was loaded. Let schema_contract evolve tables, or set"
                    ' unknown_fields to "ignore".',
                )
            elif contract == "evolve":
                place = (table.name, table.parent)
                declare.declare_nested(self._schema, self._resource, self._keeping, *place)
                self._note(table.name, table.parent)
                yield table
            else:
                left_out.add(table.name)
                logger.warning("Table %s is left out, by the schema contract.", table.name)

    def _note(self, name: str, parent: str) -> None:
        """Tells dlt of a table, before its first data comes."""
        self._known.add(name)
        if self._extracted is not None and name != self._resource.name:
            declare.declare_variant(self._extracted, self._keeping, name, parent)


def owner_of(resource: DltResource) -> Any:  # noqa: ANN401 - the caller knows
    """Returns the owner of a resource's step; None if it is not a resource of ours."""
    steps = resource._pipe.steps  # noqa: SLF001 - dlt lists a pipe's steps nowhere else
    return next((step.owner for step in steps if isinstance(step, TablesStep)), None)
