"""Bodies of bounded size: a few compressed bytes may stand for gigabytes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from urllib3 import BaseHTTPResponse

from customergauge_source.exceptions import ApiContractError

ENCODINGS: Final = ("gzip", "deflate")
"""What is asked for. Neither expands more than a thousandfold, so that a bound can be kept."""
_TAKEN: Final = {"", "identity", "x-gzip", *ENCODINGS}


class BoundedAdapter(HTTPAdapter):
    """Gives up a body as soon as it is larger, decoded, than so many bytes."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        super().__init__()

    def build_response(self, req: PreparedRequest, resp: BaseHTTPResponse) -> Response:
        """Returns the response, of which the body is read later.

        Raises:
            ApiContractError: It is encoded in a way that was not asked for.
        """
        encoding = resp.headers.get("Content-Encoding", "").strip().lower()
        if encoding not in _TAKEN:
            resp.close()
            raise ApiContractError(
                f"{req.method} {req.url} answered in an encoding that was not asked for; expected"
                f" one of {', '.join(ENCODINGS)}."
            )
        response = super().build_response(req, resp)
        response.raw = _BoundedBody(resp, self._max_bytes, f"{req.method} {req.url}")
        return response


class _BoundedBody:
    """The body of an answer, as `requests` reads it."""

    def __init__(self, raw: BaseHTTPResponse, max_bytes: int, request: str) -> None:
        self._raw = raw
        self._max_bytes = max_bytes
        self._request = request

    def stream(self, amt: int, *, decode_content: bool | None = None) -> Iterator[bytes]:
        size = 0
        for piece in self._raw.stream(amt, decode_content=decode_content):
            size += len(piece)
            if size > self._max_bytes:
                self._raw.close()
                raise ApiContractError(
                    f"{self._request} answered with more than {self._max_bytes:,} bytes.",
                    "Set a smaller per_page; or max_answer_bytes, if answers may be that large.",
                )
            yield piece

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever requests looks at
        return getattr(self._raw, name)
