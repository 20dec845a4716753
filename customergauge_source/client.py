"""One API client: where the API is, how its answers are read, page after page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from dlt.common.configuration import resolve_configuration
from dlt.common.configuration.specs import RuntimeConfiguration
from dlt.sources.helpers.rest_client.client import RESTClient
from requests import Response

from customergauge_source.auth import CustomerGaugeCredentials
from customergauge_source.decoding import decode
from customergauge_source.exceptions import ApiContractError
from customergauge_source.paginator import Envelope, SyncCursorPaginator
from customergauge_source.query import Query, is_loopback
from customergauge_source.settings import RESPONSES_PATH, TOKEN_PATH
from customergauge_source.transport import RetryingSession, excerpt, raise_for_failure

if TYPE_CHECKING:
    import pyarrow as pa

_SMALL: Final = 256
"""Bytes of an answer that has no records in it, and is not worth Arrow."""


@dataclass(frozen=True)
class Page:
    """One page of the feed.

    Attributes:
        data: What the API sent; never empty. An Arrow array if all of it is as documented, else
            a list with whatever JSON values there are.
        after: The cursor that the page was asked with, None on the first page.
        cursor: The cursor that it came back with: where the next page begins.
        size: Bytes of the answer's body.
        count: Pages of the API that were joined to this one.
    """

    data: pa.StructArray | list[Any]
    after: int | None
    cursor: int
    size: int
    count: int = 1

    @property
    def is_arrow(self) -> bool:
        """Whether the page is in Arrow, and so can be joined to others that are."""
        return not isinstance(self.data, list)

    @staticmethod
    def join(pages: Sequence[Page]) -> Page | None:
        """Returns pages that follow one another as one; None if they share a CGID.

        Args:
            pages: Pages in Arrow, or a single one of whichever kind.
        """
        first, last = pages[0], pages[-1]
        if first is last:
            return first
        from customergauge_source.arrow import join  # noqa: PLC0415 - see there

        data = join([page.data for page in pages])
        if data is None:
            return None
        size = sum(page.size for page in pages)
        return Page(data, first.after, last.cursor, size, sum(page.count for page in pages))


class CustomerGaugeClient(RESTClient):
    """Reads the sync API (GET Responses, v7).

    Time-outs and retries are those that dlt is configured with (`[runtime]`: `request_timeout`,
    `request_max_attempts`, `request_backoff_factor`, `request_max_retry_delay`).

    Args:
        api_url: Scheme and host of the API.
        auth_url: Scheme and host of the token endpoint.
        credentials: Client id and secret; the client signs in with a copy of its own.
        as_objects: Whether all pages are to be lists of Python objects.
    """

    def __init__(
        self,
        api_url: str,
        auth_url: str,
        credentials: CustomerGaugeCredentials,
        *,
        as_objects: bool = False,
    ) -> None:
        runtime = resolve_configuration(RuntimeConfiguration())
        self._retrying = RetryingSession(
            attempts=runtime.request_max_attempts,
            timeout=float(runtime.request_timeout),
            backoff=runtime.request_backoff_factor,
            longest_wait=float(runtime.request_max_retry_delay),
        )
        self._credentials = credentials.copy()
        self._credentials.session = self._retrying
        self._credentials.access_token_url = f"{auth_url}/{TOKEN_PATH}"
        self._as_objects = as_objects
        if is_loopback(api_url) and is_loopback(auth_url):
            self._retrying.trust_env = False  # a proxy would get to see what stays on this machine
        super().__init__(
            base_url=api_url, auth=self._credentials, session=self._retrying, config=runtime
        )

    def pages(self, query: Query, cursor: int | None = None) -> Iterator[Page]:
        """Yields pages from the oldest response on, or from a cursor on, until one is empty.

        Args:
            query: What to read.
            cursor: Where to go on.

        Raises:
            ApiError: The API failed, refused the request or broke its contract.
            CredentialsRefusedError: A renewed token was refused, too.
        """
        paginator = SyncCursorPaginator(self._broken, cursor)
        for page in self.paginate(
            RESPONSES_PATH,
            params=query.params(),
            paginator=paginator,
            data_selector="data",
            hooks={"response": [self._check]},
            allow_redirects=False,
        ):
            if len(page[0]) and paginator.cursor is not None:
                yield Page(page[0], cursor, paginator.cursor, len(page.response.content))
                cursor = paginator.cursor

    def abandon(self) -> None:
        """Ends retries under way in another thread; the client is of no use after it."""
        self._retrying.abandon()

    def extract_response(self, response: Response, data_selector: object) -> list[Any]:
        """Returns the `data` of an answer as an `Envelope`.

        Raises:
            ApiContractError: The answer is not what GET Responses (v7) documents.
        """
        del data_selector  # there is but one
        if not self._as_objects and _has_records(response.content):
            from customergauge_source.arrow import decode_as_documented  # noqa: PLC0415 - see there

            if documented := decode_as_documented(response.content):
                records, following = documented
                return Envelope(records, following=following)
        try:
            answer = decode(response.content)
        except (ValueError, RecursionError):
            raise self._broken("JSON", response) from None
        if not isinstance(answer, dict) or "data" not in answer:
            raise self._broken("an object with data and cursor", response)
        data, cursor = answer["data"], answer.get("cursor")
        if not isinstance(data, list):
            raise self._broken("data to be a list", response)
        return Envelope(data, following=cursor.get("next") if isinstance(cursor, dict) else None)

    def _check(self, response: Response, *_: Any, **__: Any) -> None:  # noqa: ANN401
        raise_for_failure(response)

    def _broken(self, expected: str, response: Response) -> ApiContractError:
        return ApiContractError(
            f"GET {response.url} answered {response.status_code}, but not as documented: expected"
            f" {excerpt(expected, 100)}; it begins: {excerpt(response.content)}"
        )


def _has_records(body: bytes) -> bool:
    """Says whether a body is an object large enough to have records in it.

    Arrow's reader would crash on what is no object, such as null.
    """
    return len(body) > _SMALL and body.lstrip(b" \t\r\n").startswith(b"{")
