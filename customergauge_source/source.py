"""The dlt source and its resources: the way from configuration to tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import dlt
from dlt.extract import DltResource
from dlt.extract.items import DataItemWithMeta

from customergauge_source.auth import CustomerGaugeCredentials
from customergauge_source.chain import ArrowChain
from customergauge_source.client import CustomerGaugeClient
from customergauge_source.exceptions import CustomerGaugeError
from customergauge_source.feed import Feed, open_feed, package_pages
from customergauge_source.position import Position
from customergauge_source.query import Query, base_url, check_one_of, zone
from customergauge_source.schema import KEY, RESPONSES
from customergauge_source.settings import (
    INCLUDES,
    PAGES_PER_ITEM,
    PER_PAGE,
    UNKNOWN_FIELDS,
)
from customergauge_source.usage import check_usage


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
    connect = partial(
        CustomerGaugeClient,
        base_url("api", region, api_url),
        base_url("auth", region, auth_url),
        credentials,
    )
    chain = ArrowChain(zone(timezone), unknown_fields)
    return responses(connect, str(credentials.client_id), query, chain)


def responses(
    connect: Callable[..., CustomerGaugeClient], client_id: str, query: Query, chain: ArrowChain
) -> DltResource:
    """Returns the resource `responses`.

    It yields one item for each page, so that `add_limit` counts pages. With a step of yours on
    it (`add_map`, `add_filter`) the item is the list of the page's records, in the documented
    shape; otherwise it is an Arrow batch. The last step turns either into the tables.

    Args:
        connect: Opens a client; is told whether pages are to be Python objects (`as_objects`).
        client_id: Whose responses are read.
        query: What to read.
        chain: The last step.
    """

    @dlt.resource(name=RESPONSES, write_disposition="merge", primary_key=KEY)
    def read() -> Iterator[DataItemWithMeta]:
        limit = package_pages()
        steps = check_usage(query, in_packages=limit is not None)
        if steps.reads_nothing:
            return
        position = Position(dlt.current.resource_state(), query, client_id)
        position.warn_of_gaps()
        chain.begin(dlt.current.source_schema(), position, in_packages=limit is not None)

        def at_once() -> int:
            room = PAGES_PER_ITEM if limit is None else limit - chain.pages
            return 1 if steps.has_limit else min(room, PAGES_PER_ITEM)

        def make_feed(max_pages: int | None) -> Feed:
            client = connect(as_objects=steps.see_records)
            return Feed(partial(client.pages, query), client.abandon, max_pages=max_pages)

        with open_feed(chain, make_feed) as feed:
            after = position.cursor if position.is_kept else feed.position
            try:
                for page in feed.pages(after, at_once):
                    yield chain.note(page)
                    if chain.has_to_wait:
                        feed.put_back(page)
                        break
                    if chain.pages == limit:
                        break
            except CustomerGaugeError:
                # What came before is committed first; the next package will meet the error.
                if limit is None or not chain.pages:
                    raise
            yield from chain.finish(at_end=feed.is_at_end)

    resource: DltResource = read()
    return resource.add_step(chain)
