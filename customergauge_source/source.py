"""The dlt source and its resources: the way from configuration to tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, cast

import dlt
from dlt.extract import DltResource
from dlt.extract.items import DataItemWithMeta
from dlt.extract.items_transform import LimitItem
from dlt.extract.pipe import Pipe

from customergauge_source.auth import CustomerGaugeCredentials
from customergauge_source.chain import ArrowChain, PageMeta
from customergauge_source.client import CustomerGaugeClient
from customergauge_source.exceptions import ConfigurationError
from customergauge_source.extraction import drops_tables
from customergauge_source.feed import open_feed, package_pages
from customergauge_source.position import Position
from customergauge_source.query import Query, base_url, check_one_of, zone
from customergauge_source.records import RejectedRecord, sort_out
from customergauge_source.schema import KEY, RESPONSES
from customergauge_source.settings import (
    INCLUDES,
    PAGES_PER_ITEM,
    PER_PAGE,
    UNKNOWN_FIELDS,
)


@dlt.source(name="customergauge", section="customergauge")
def customergauge_source(  # noqa: PLR0913 - they are the API's parameters
    credentials: CustomerGaugeCredentials = dlt.secrets.value,
    *,
    region: str | None = None,
    api_url: str | None = None,
    auth_url: str | None = None,
    include: Sequence[str] = INCLUDES,
    per_page: int = PER_PAGE,
    outbound_filter: str | None = None,
    number_customergauge: int | None = None,
    period_field: str | None = None,
    start_date: str | None = None,
    end_date: str | None = None,
    timezone: str = "UTC",
    unknown_fields: str = "evolve",
) -> DltResource:
    """Survey responses of a CustomerGauge account (GET Responses, v7).

    Every argument can also be set as a key of `[sources.customergauge]`.

    Args:
        credentials: Client id and secret of a connected app.
        region: Where the account is hosted: `eu`, `us` or `au`.
        api_url: Scheme and host of the API, instead of the region's.
        auth_url: Scheme and host of the token endpoint, instead of the region's.
        include: What to load with each response (`with[]`): any of `selected_drivers`, `tags`,
            `questions`, `properties`.
        per_page: Responses per page, 1 to 1000.
        outbound_filter: Reference of an outbound filter (`filter`). It has a cursor of its own.
        number_customergauge: CGID of the one response to read; a one-off without a cursor.
        period_field: `date_creation`, `date_order`, `date_sent` or `date_survey_response`: the
            date that `start_date` and `end_date` bound; a one-off without a cursor.
        start_date: First day of the period, yyyy-mm-dd.
        end_date: Last day of the period, yyyy-mm-dd.
        timezone: IANA zone of the API's timestamps, which carry no offset.
        unknown_fields: What to do with fields that are not declared: `evolve` loads them,
            `ignore` leaves them out with a warning, `fail` raises before the page is loaded.

    Returns:
        The source, with the resource `responses`.

    Raises:
        ConfigurationError: An argument has a value that is not allowed.
    """
    query = Query(
        per_page=per_page,
        include=tuple(include),
        outbound_filter=outbound_filter,
        number_customergauge=number_customergauge,
        period_field=period_field,
        start_date=start_date,
        end_date=end_date,
    )
    check_one_of("unknown_fields", unknown_fields, UNKNOWN_FIELDS)
    client = CustomerGaugeClient(
        base_url("api", region, api_url), base_url("auth", region, auth_url), credentials
    )
    return responses(client, query, ArrowChain(RESPONSES, zone(timezone), unknown_fields))


def responses(client: CustomerGaugeClient, query: Query, chain: ArrowChain) -> DltResource:
    """Returns the resource `responses`.

    It yields one item for each page, so that `add_limit` counts pages. With a step of yours on
    it (`add_map`, `add_filter`, …) the item is the list of records as the API sent them, as on
    any resource; otherwise it is an Arrow batch. The last step turns either into the tables.

    Args:
        client: Reads the API.
        query: What to read.
        chain: The last step.
    """

    @dlt.resource(name=RESPONSES, write_disposition="merge", primary_key=KEY)
    def read() -> Iterator[DataItemWithMeta]:
        if query.is_one_off and drops_tables():
            raise ConfigurationError(
                "A full refresh would drop all responses, and load those of the period, or the"
                " one response, alone.",
                "Set either a full refresh, or a period or number_customergauge.",
            )
        position = Position(dlt.current.resource_state(), query, client.client_id)
        position.warn_if_include_grew()
        chain.begin(dlt.current.source_schema(), position)
        limit = package_pages()
        steps = cast("Pipe", dlt.current.pipe()).steps[1:]
        as_objects = any(not isinstance(step, (ArrowChain, LimitItem)) for step in steps)
        one_by_one = any(isinstance(step, LimitItem) for step in steps)

        def at_once() -> int:
            room = PAGES_PER_ITEM if limit is None else limit - chain.pages
            return 1 if one_by_one else min(room, PAGES_PER_ITEM)

        pages = partial(client.pages, query, as_objects=as_objects)
        with open_feed(chain, pages, client.abandon) as feed:
            after = position.cursor if position.is_kept else feed.position
            for page in feed.pages(after, at_once):
                records: Any = page.data
                rejected: list[RejectedRecord] = []
                if isinstance(records, list):
                    records, rejected = sort_out(records)
                position.move(page.cursor)  # ahead of the yield, or a limit would not move it
                yield DataItemWithMeta(
                    PageMeta(page.after, page.cursor, page.count, rejected), records
                )
                if chain.has_to_wait:
                    feed.put_back(page)
                    return
                if chain.pages == limit:
                    return
            if feed.is_at_end:
                yield from chain.finish()

    resource: DltResource = read()
    return resource.add_step(chain)
