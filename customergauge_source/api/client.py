"""One API client: where the API is, how its answers are read, page after page."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from itertools import islice
from typing import Any, Final
from urllib.parse import urlsplit

from dlt.common.configuration import resolve_configuration
from dlt.common.configuration.specs import RuntimeConfiguration
from dlt.sources.helpers.rest_client.client import RESTClient
from requests import PreparedRequest, Response
from requests.exceptions import InvalidURL

from customergauge_source.api.answers import described, excerpt, raise_for_failure
from customergauge_source.api.auth import CustomerGaugeCredentials
from customergauge_source.api.page import Decoder, NotAsDocumentedError, Page
from customergauge_source.api.paginator import SyncCursorPaginator
from customergauge_source.api.read_ahead import in_advance
from customergauge_source.api.transport import RetryingSession
from customergauge_source.exceptions import ApiContractError, ConfigurationError
from customergauge_source.resources.query import check_one_of, not_allowed
from customergauge_source.settings import REGIONS

_LOOPBACK: Final = re.compile(r"localhost|127(\.\d{1,3}){3}|::1")
TOKEN_PATH: Final = "oauth2/token"  # noqa: S105 - a path, not a secret


class CustomerGaugeClient(RESTClient):
    """Reads the sync API.

    Time-outs and retries are those that dlt is configured with (`[runtime]`: `request_timeout`,
    `request_max_attempts`, `request_backoff_factor`, `request_max_retry_delay`).

    Args:
        api_url: Scheme and host of the API; `auth_url` those of the token endpoint.
        credentials: What signs in; clients that share it share its token.
        max_answer_bytes: How large an answer may be, decoded.
        decoder: Decodes the pages of the resource that is read. If it has a privacy policy, nothing
            of what an answer says is told.
    """

    def __init__(
        self,
        api_url: str,
        auth_url: str,
        credentials: CustomerGaugeCredentials,
        max_answer_bytes: int,
        decoder: Decoder,
    ) -> None:
        runtime = resolve_configuration(RuntimeConfiguration())
        self._is_private = is_private = decoder.policy is not None
        self._retrying = RetryingSession(runtime, max_answer_bytes, is_private=is_private)
        credentials.session = self._retrying
        credentials.access_token_url = f"{auth_url}/{TOKEN_PATH}"
        self._decoder = decoder
        if _is_loopback(api_url) and _is_loopback(auth_url):
            self._retrying.trust_env = False  # a proxy would get to see what stays on this machine
        self._credentials = credentials
        super().__init__(base_url=api_url, auth=credentials, session=self._retrying, config=runtime)

    def sign_in(self) -> int:
        """Gets a token; returns for how many seconds it was granted.

        Raises:
            CredentialsRefusedError: The client id and secret are not accepted.
            ApiError: The token endpoint failed, or answered without a token.
        """
        self._credentials.obtain_token()
        return self._credentials.seconds_left

    def pages(
        self,
        path: str,
        params: Mapping[str, Any],
        cursor: int | None = None,
        most: int | None = None,
    ) -> Generator[Page, None, None]:
        """Yields pages from the oldest record on, or from a cursor on, until one is empty.

        While one is decoded the next one is asked for.

        Args:
            path: The resource's path.
            params: The query, of each request.
            cursor: Where to begin; None for the oldest record.
            most: How many to ask for; None for all.

        Raises:
            ApiError: The API failed, refused the request or broke its contract.
            CredentialsRefusedError: A renewed token was refused, too.
        """
        paginator = SyncCursorPaginator(self._broken, cursor)
        answers = islice(self._answers(path, params, paginator), most)
        with closing(in_advance(answers)) as coming:
            try:
                for response, following in coming:
                    page = self._decoded(response)
                    paginator.check_new(page, response)
                    yield replace(page, cursor=following)
            except Exception:
                self.abandon()  # what is asked for already, which may have to wait for long
                raise

    def abandon(self) -> None:
        """Ends retries under way in another thread; the client is of no use after it."""
        self._retrying.abandon()

    def extract_response(self, response: Response, data_selector: object) -> list[Any]:
        """Returns an answer as the one item of a list, which dlt's client passes on."""
        del data_selector  # it is decoded later
        return [response]

    def _answers(
        self, path: str, params: Mapping[str, Any], paginator: SyncCursorPaginator
    ) -> Iterator[tuple[Response, int]]:
        """Yields answers with data, and the cursor of each."""
        for (response,) in self.paginate(
            path,
            params=dict(params),
            paginator=paginator,
            data_selector="data",
            hooks={"response": [self._raise_for_failure]},
            allow_redirects=False,
        ):
            if paginator.has_next_page and paginator.cursor is not None:
                yield response, paginator.cursor

    def _decoded(self, response: Response) -> Page:
        try:
            return self._decoder.decode(response.content)
        except NotAsDocumentedError as expected:
            raise self._broken(str(expected), response) from None

    def _raise_for_failure(self, response: Response, *_: Any, **__: Any) -> None:  # noqa: ANN401
        raise_for_failure(response, is_private=self._is_private)

    def _broken(self, expected: str, response: Response) -> ApiContractError:
        return ApiContractError(
            f"GET {response.url} answered {response.status_code}, but not as documented: expected"
            f" {excerpt(expected, 100)}; it has"
            f" {described(response, is_private=self._is_private)}."
        )


def base_url(service: str, region: str | None, url: str | None) -> str:
    """Returns scheme and host of a service, `api` or `auth`.

    Args:
        service: The service; `{service}_url` is the name of the setting.
        region: One of the regions of the Host Region table of GET Responses (v7).
        url: Scheme and host to use in its place.

    Raises:
        ConfigurationError: Neither is given, or one is not allowed.
    """
    if region is not None:
        check_one_of("region", region, REGIONS)
    if url is None and region is None:
        raise ConfigurationError(
            f"region is missing: it says where the account is hosted, as {service}_url would.",
            f"Set region to one of {', '.join(REGIONS)}: in .dlt/secrets.toml or"
            " .dlt/config.toml under [sources.customergauge], as environment variable"
            " SOURCES__CUSTOMERGAUGE__REGION, or with --region.",
        )
    if url is None:
        return f"https://{service}.{region}.customergauge.com"
    allowed = f"scheme and host alone, such as https://{service}.eu.customergauge.com"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise not_allowed(f"{service}_url", url, allowed) from None
    extra = parts.path.strip("/") or parts.query or parts.fragment or parts.username
    if parts.scheme not in ("http", "https") or not host or extra:
        raise not_allowed(f"{service}_url", f"{parts.scheme}://{host}/…", allowed)
    if parts.scheme == "http" and not _LOOPBACK.fullmatch(host):
        raise ConfigurationError(
            f"{service}_url is plain http, and {host} is not this machine.",
            "Use https; the credentials would be readable on the way.",
        )
    where = f"[{host}]" if ":" in host else host
    address = f"{parts.scheme}://{where}" + (f":{port}" if port else "")
    try:
        PreparedRequest().prepare_url(address, None)
    except InvalidURL:
        raise not_allowed(f"{service}_url", address, allowed) from None
    return address


def _is_loopback(url: str) -> bool:
    """Says whether an address is on this machine."""
    return bool(_LOOPBACK.fullmatch(urlsplit(url).hostname or ""))
