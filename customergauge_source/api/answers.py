"""What is told of an answer that is not as expected: what it is, not what it holds.

An error ends in logs, annotations and the summary of a job, and survey data is names, addresses
and free text. So size, type and names of keys are told, and of a refusal what it says in the fields
that are made for it. The beginning of such an answer is logged at the level DEBUG.

Under a privacy policy even that could hold a value: then it is the status, the size, the type, and
those keys that the API documents.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any, Final

from requests import PreparedRequest, Response

from customergauge_source.exceptions import ApiContractError, ApiRefusedError, TokenRefusedError
from customergauge_source.secrecy import HIDDEN, IDENTIFIER, hide
from customergauge_source.tables.encoding import decode

logger = logging.getLogger("customergauge_source")

EXCERPT: Final = 200
"""Characters of what an answer says that an error shows."""
_SEARCHED: Final = 1_000_000
"""Bytes of an answer that are looked through for secrets, before it is cut."""
_BEARER: Final = re.compile(r"(?i)(bearer\s+)[\w\-.~+/=]+")
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_TRANSIENT_CODES: Final = {408, 425, 429, *range(500, 600)}
_WORDS: Final = ("error", "error_description", "message")
"""Keys that a refusal says in what it is about: OAuth 2.0's, and CustomerGauge's own."""
_KEYS: Final = 10
_DOCUMENTED: Final = {"data", "cursor", "errors", *_WORDS}
_TYPES: Final = {"application/json", "text/html", "text/plain", "unknown type"}


class TransientAnswerError(Exception):
    """An answer that is worth another try, after the seconds that the API asked to wait, if any."""

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class CutOffAnswerError(TransientAnswerError):
    """An answer of which the end is missing, although nothing in it says how long it is."""


def excerpt(content: bytes | str, length: int = EXCERPT) -> str:
    """Returns the beginning of a text, fit to be shown: without secrets, in one line."""
    text = content if isinstance(content, str) else content[:_SEARCHED].decode("utf-8", "replace")
    text = _BEARER.sub(rf"\1{HIDDEN}", hide(" ".join(text.split())))
    text = _CONTROLS.sub("\ufffd", text)
    return text[:length] + ("…" if len(text) > length else "")


def described(response: Response, *, is_private: bool = False, is_logged: bool = True) -> str:
    """Returns an answer's size and type, and the names of its keys; its beginning is logged."""
    kind = response.headers.get("Content-Type", "unknown type")
    if is_private:
        kind = kind.partition(";")[0].strip()
        kind = kind if kind in _TYPES else "another type"
    elif is_logged:
        logger.debug("%s answered: %s", response.url, excerpt(response.content))
    size = f"{len(response.content):,} bytes of {excerpt(kind, 60)}"
    answer = _json(response)
    if not isinstance(answer, dict):
        return size
    is_told: Callable[[str], object] = (
        _DOCUMENTED.__contains__ if is_private else IDENTIFIER.fullmatch
    )
    keys = [key if is_told(key) else "…" for key in answer][:_KEYS]
    return f"{size} with the keys {', '.join(keys)}" if keys else f"{size} without keys"


def said(response: Response, *, is_private: bool = False) -> str:
    """Returns what a refusal says; what it is, if it does not say anything."""
    answer = None if is_private else _json(response)
    words = [answer.get(key) for key in _WORDS] if isinstance(answer, dict) else []
    told = ": ".join(dict.fromkeys(it for it in words if isinstance(it, str) and it))
    return excerpt(told) if told else described(response, is_private=is_private)


def raise_for_failure(response: Response, *, is_private: bool = False) -> None:
    """Raises for an answer that is not a success, or of which the end is missing.

    Raises:
        TransientAnswerError: 408, 425, 429 or 5xx.
        CutOffAnswerError: It ended with its connection, too early.
        TokenRefusedError: 401, to a token that was just issued.
        ApiRefusedError: A redirect, or any other status but 2xx.
    """
    status = response.status_code
    if status in range(200, 300):
        if _is_cut_off(response):
            size = described(response, is_private=is_private)
            raise CutOffAnswerError(f"the answer was cut off, after {size}")
        return
    answer = str(status) if is_private else excerpt(f"{status} {response.reason or ''}")
    if status in range(300, 400):
        raise ApiRefusedError(
            f"The API answered {answer}, a redirect; the token is not sent to another address.",
            "Check region, api_url and auth_url: they must be the API's own addresses.",
        )
    what = said(response, is_private=is_private)
    if status == 401:  # noqa: PLR2004 - to which the credentials got a new token
        raise TokenRefusedError(
            f"CustomerGauge refused a token that it had just issued (401): {what}"
        )
    message = f"{answer}: {what}"
    if status in _TRANSIENT_CODES:
        raise TransientAnswerError(message, _parse_retry_after(response))
    request = response.request
    raise ApiRefusedError(f"The API refused {request.method} {request.url}: {message}")


def not_cut_off_twice(send: Callable[..., Response]) -> Callable[..., Response]:
    """Returns what sends a request again and again, and takes no second answer that is cut off.

    A network may fail once; an end that is missing again was never sent.
    """
    earlier: list[CutOffAnswerError] = []

    def attempt(request: PreparedRequest, **kwargs: Any) -> Response:  # noqa: ANN401
        try:
            return send(request, **kwargs)
        except CutOffAnswerError as error:
            if not earlier:
                earlier.append(error)
                raise
            told = f"{request.method} {request.url} failed twice: {error}."
            raise ApiContractError(told) from None

    return attempt


def _is_cut_off(response: Response) -> bool:
    """Says whether a JSON object ended with its connection, before it was whole.

    Of an answer with a length, or in chunks, the HTTP library sees it itself.
    """
    if "Content-Length" in response.headers or "Transfer-Encoding" in response.headers:
        return False
    begins = response.content.lstrip()[:1]
    return begins in (b"", b"{") and not isinstance(_json(response), dict)


def _json(response: Response) -> Any:  # noqa: ANN401 - any JSON value
    """Returns an answer's value; None if it is not JSON."""
    try:
        return decode(response.content)
    except (ValueError, RecursionError):
        return None


def _parse_retry_after(response: Response) -> float:
    value = response.headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return 0.0
