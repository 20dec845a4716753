"""What a reconciliation reads: all of it once more, then each record that did not come.

A record counts as gone only if it is missing twice: on a complete re-read, and when it is asked
for. Whatever else could be the reason ends the reconciliation with nothing removed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from typing import TYPE_CHECKING, Final

from customergauge_source.api.client import CustomerGaugeClient
from customergauge_source.api.page import Page
from customergauge_source.exceptions import RemovalRefusedError
from customergauge_source.resources.query import Query
from customergauge_source.resources.resource import Resource
from customergauge_source.tables.comparison import Comparison

if TYPE_CHECKING:  # a run in which no record comes does without Arrow
    from customergauge_source.tables.read import Reader

_NOTHING: Final = Page([], (), frozenset(), 0)
"""What is yielded for an answer of which nothing is to be loaded, as a sign of life."""


@dataclass
class Reread:
    """All that a query holds, once more.

    Entries that are no records have no key that they could be compared by, and are left out: they
    were loaded when they arrived.
    """

    comparison: Comparison
    query: Query

    def pages(
        self, client: CustomerGaugeClient, resource: Resource, _: Callable[[], Reader]
    ) -> Iterator[Page]:
        """Yields the pages to load of; what they hold is noted as read."""
        for page in client.pages(resource.path, self.query.params()):
            self.comparison.note_read(page.keys)
            yield replace(page, rejected=())


@dataclass
class Confirmation:
    """Those records that did not come, asked for; it yields those that are there after all.

    Attributes:
        bounds: What was read again.
        clock: Where the clock stands that timestamps are read from.
        most: How many may be gone.
        gone: Those that are gone from the account.
    """

    comparison: Comparison
    bounds: Query
    clock: tzinfo
    most: int
    gone: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Asks without bounds, and without the filter that they may have left."""
        self.query = self.bounds.everything()
        self._missing = self.comparison.missing()

    def pages(
        self, client: CustomerGaugeClient, resource: Resource, make_reader: Callable[[], Reader]
    ) -> Iterator[Page]:
        """Yields a page for each answer, with what is to be loaded of it.

        Raises:
            RemovalRefusedError: It cannot be trusted that they are gone, or they are too many.
        """
        if resource.key in resource.takes:
            yield from self._one_by_one(client, resource, make_reader)
        else:
            yield from self._all_again(client, resource)

    def _one_by_one(
        self, client: CustomerGaugeClient, resource: Resource, make_reader: Callable[[], Reader]
    ) -> Iterator[Page]:
        def ask(key: int) -> Page | None:
            params = {**self.query.params(), resource.key: key}
            page = next(client.pages(resource.path, params, most=1), None)
            if page is not None and page.keys != {key}:
                raise RemovalRefusedError(f"Asked for {key}, CustomerGauge sent other records.")
            return page

        witness = self.comparison.witness
        if witness is None:  # not one record came, maybe rightly, as of an emptied day
            keys = replace(self.query, include=()).params()
            with closing(client.pages(resource.path, keys)) as pages:
                found = map(_key_of, pages)
                witness = next((key for key in found if key is not None), None)
        witness = self._proof(witness)
        for key in self._missing:
            if (page := ask(key)) is None:
                self.gone.append(key)
                self._check_count()
                yield _NOTHING
            elif self._should_have_come(page, make_reader):
                raise _incomplete(key)
            else:
                self.comparison.disown(key)  # or the same filter would miss it again
                yield replace(page, rejected=())
        if ask(witness) is None:
            raise RemovalRefusedError(
                f"CustomerGauge does not find {witness} either, which it has just sent."
            )

    def _all_again(self, client: CustomerGaugeClient, resource: Resource) -> Iterator[Page]:
        """Reads keys alone, for an endpoint that cannot be asked for a record."""
        missing, witness = {*self._missing}, self.comparison.witness
        for page in client.pages(resource.path, replace(self.query, include=()).params()):
            witness = _key_of(page) if witness is None else witness
            if back := missing & page.keys:
                raise _incomplete(min(back))
            yield _NOTHING
        self._proof(witness)
        self.gone += self._missing
        self._check_count()

    def _should_have_come(self, page: Page, make_reader: Callable[[], Reader]) -> bool:
        """Says whether a record that did not come is one that was read for."""
        if self.bounds.outbound_filter is not None:
            return False  # nobody but CustomerGauge knows
        if (moments := self.bounds.moments(self.clock)) is None:
            return True
        rows = page.data
        if isinstance(rows, list):
            rows = make_reader().rows_of_objects(rows)
        moment = rows.field(self.bounds.period_field)[-1].as_py()
        return moment is not None and moments[0] <= moment < moments[1]

    def _check_count(self) -> None:
        if len(self.gone) > self.most:
            raise RemovalRefusedError(
                f"More than {self.most:,} of {self.comparison.expected:,} records seem to be gone"
                " from the account: that is taken for an error of the API.",
                "Nothing was removed; what had changed was merged. If they were deleted, run again"
                " with a larger --max-deletes (max_deletes).",
                self.gone,
            )

    def _proof(self, witness: int | None) -> int:
        """Returns a record that has come, as a proof that records do come."""
        if witness is None:
            raise RemovalRefusedError(
                f"CustomerGauge sent no record at all; {len(self._missing):,} are in the table.",
                "Nothing was removed. If the account is empty, run once with --full-refresh"
                " (full_refresh=True).",
            )
        return witness


def _incomplete(key: int) -> RemovalRefusedError:
    return RemovalRefusedError(f"The re-read was not complete: it lacked {key}, which is there.")


def _key_of(page: Page) -> int | None:
    """Returns the key of a record of a page; None if all entries are no records."""
    return next((key for key in page.keys if isinstance(key, int)), None)
