"""Answers of bounded size and time.

A few compressed bytes may stand for gigabytes; and where only the wait between two pieces is
bounded, an answer may drip for days.
"""

from __future__ import annotations

import http.client
import io
import time
from collections.abc import Iterator
from typing import Any, Final

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from urllib3 import BaseHTTPResponse

from customergauge_source.exceptions import ApiContractError
from customergauge_source.settings import ANSWER_TIMEOUTS

ENCODINGS: Final = ("gzip", "deflate")
"""What is asked for. Neither expands more than a thousandfold, so that a bound can be kept."""
_TAKEN: Final = {"", "identity", "x-gzip", *ENCODINGS}
_PIECE: Final = 128 * 1024
"""Bytes that are read at once. In those 10 KB of `requests` a page of 1.2 MB takes 4 ms longer."""


class BoundedAdapter(HTTPAdapter):
    """Gives up an answer as soon as it is larger, decoded, than so many bytes, or takes too long.

    It may take `ANSWER_TIMEOUTS` times as long as one wait for a piece of it.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        super().__init__()

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        """Returns the connections to a host, or to a proxy, which bound their answers in time."""
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        kind = pool.ConnectionCls
        if kind.response_class is not _TimedResponse:
            pool.ConnectionCls = type(kind.__name__, (kind,), {"response_class": _TimedResponse})
        return pool

    def build_response(self, req: PreparedRequest, resp: BaseHTTPResponse) -> Response:
        """Returns the response, of which the body is read later.

        Raises:
            ApiContractError: It is encoded in a way that was not asked for.
        """
        encoding = resp.headers.get("Content-Encoding", "").strip().lower()
        if encoding not in _TAKEN and resp.status in range(200, 300):
            resp.close()
            raise ApiContractError(
                f"{req.method} {req.url} answered in an encoding that was not asked for; expected"
                f" one of {', '.join(ENCODINGS)}."
            )
        response = super().build_response(req, resp)
        response.raw = _BoundedBody(resp, self._max_bytes, f"{req.method} {req.url}")
        return response


class TooSlowError(TimeoutError):
    """An answer that was not whole in time."""


class _TimedResponse(http.client.HTTPResponse):
    """An answer of bounded time: its head counts as well, and what a proxy says before it."""

    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(sock, *args, **kwargs)
        seconds = ANSWER_TIMEOUTS * sock.gettimeout()  # which is that of this request
        self.fp = io.BufferedReader(_TimedReads(self.fp.detach(), seconds))


class _TimedReads(io.RawIOBase):
    """What comes from a socket, until the time is over."""

    def __init__(self, raw: io.RawIOBase, seconds: float) -> None:
        self._raw = raw
        self._seconds = seconds
        self._end = time.monotonic() + seconds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:  # noqa: ANN401 - any that bytes fit into
        if time.monotonic() > self._end:
            raise TooSlowError(f"the answer was not whole after {self._seconds:.0f} s")
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _BoundedBody:
    """The body of an answer, as `requests` reads it."""

    def __init__(self, raw: BaseHTTPResponse, max_bytes: int, request: str) -> None:
        self._raw = raw
        self._max_bytes = max_bytes
        self._request = request

    def stream(self, amt: int, *, decode_content: bool | None = None) -> Iterator[bytes]:
        size = 0
        for piece in self._raw.stream(max(amt, _PIECE), decode_content=decode_content):
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
