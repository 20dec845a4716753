"""A `requests` session that tries again what is worth another try, and nothing else."""

from __future__ import annotations

import logging
import re
import threading
import time
from email.utils import parsedate_to_datetime
from typing import Any, Final

import requests
import tenacity
from dlt.common.configuration.specs import RuntimeConfiguration
from requests import PreparedRequest, Response
from tenacity.nap import sleep_using_event

from customergauge_source.exceptions import ApiRefusedError, ApiUnavailableError
from customergauge_source.secrecy import HIDDEN, hide
from customergauge_source.settings import RETRY_TOTAL, __version__

logger = logging.getLogger("customergauge_source")


class TransientAnswerError(Exception):
    """An answer that is worth another try, after the seconds that the API asked to wait, if any."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


EXCERPT: Final = 200
"""Characters of an unexpected answer that an error shows."""
_SEARCHED: Final = 1_000_000
"""Bytes of an answer that are looked through for secrets, before it is cut."""
_BEARER: Final = re.compile(r"(?i)(bearer\s+)[\w\-.~+/=]+")
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_TRANSIENT_CODES: Final = {408, 425, 429, *range(500, 600)}
_TRANSIENT: Final = (
    TransientAnswerError,
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
)


class RetryingSession(requests.Session):
    """Retries 408, 425, 429, 5xx, refused, reset and cut-off connections and time-outs.

    How often, and how many seconds a try and a wait may take, is said by `[runtime]`. Waits grow
    exponentially, with jitter, up to `request_max_retry_delay`; a `Retry-After` that asks for more
    than the next is honoured. An API that asks to wait longer than the longest is not waited for.
    """

    def __init__(self, runtime: RuntimeConfiguration) -> None:
        super().__init__()
        self.headers["User-Agent"] = f"customergauge-source/{__version__}"
        self.headers["Accept"] = "application/json"
        longest_wait = float(runtime.request_max_retry_delay)
        self._timeout = float(runtime.request_timeout)
        self._backoff = tenacity.wait_random_exponential(
            runtime.request_backoff_factor, longest_wait
        )
        self._abandoned = threading.Event()
        stops = (
            tenacity.stop_after_attempt(runtime.request_max_attempts),
            tenacity.stop_before_delay(RETRY_TOTAL),
            tenacity.stop_when_event_set(self._abandoned),
        )
        self._stop = lambda state: (
            tenacity.stop_any(*stops)(state) or _retry_after(state) > longest_wait
        )

    def abandon(self) -> None:
        """Ends a wait between two tries, and all further tries; for use by another thread."""
        self._abandoned.set()

    def send(self, request: PreparedRequest, **kwargs: Any) -> Response:  # noqa: ANN401
        """Sends a request until it succeeds.

        Raises:
            ApiUnavailableError: It did not, after all tries.
            ApiRefusedError: The API refuses it.
        """
        kwargs["timeout"] = kwargs.get("timeout") or self._timeout
        told = f"{request.method} {request.url}"  # there are no secrets in it
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_TRANSIENT),
            stop=self._stop,
            wait=lambda state: max(self._backoff(state), _retry_after(state)),
            sleep=sleep_using_event(self._abandoned),
            before_sleep=lambda state: _log_retry(state, told),
            retry_error_callback=lambda state: _give_up(state, told),
        )
        response: Response = retrying(super().send, request, **kwargs)
        return response


def excerpt(content: bytes | str, length: int = EXCERPT) -> str:
    """Returns the beginning of what was answered, fit to be shown: without secrets, in one line."""
    text = content if isinstance(content, str) else content[:_SEARCHED].decode("utf-8", "replace")
    text = _BEARER.sub(rf"\1{HIDDEN}", hide(" ".join(text.split())))
    text = _CONTROLS.sub("\ufffd", text)
    return text[:length] + ("…" if len(text) > length else "")


def raise_for_failure(response: Response) -> None:
    """Raises for an answer that is not a success.

    Raises:
        TransientAnswerError: 408, 425, 429 or 5xx.
        ApiRefusedError: A redirect, or any other status but 2xx.
    """
    status = response.status_code
    if status in range(200, 300):
        return
    answer = excerpt(f"{status} {response.reason or ''}".encode())
    if status in range(300, 400):
        raise ApiRefusedError(
            f"The API answered {answer}, a redirect; the token is not sent to another address.",
            "Check region, api_url and auth_url: they must be the API's own addresses.",
        )
    message = f"{answer}: {excerpt(response.content)}"
    if status in _TRANSIENT_CODES:
        raise TransientAnswerError(message, _parse_retry_after(response))
    request = response.request
    raise ApiRefusedError(f"The API refused {request.method} {request.url}: {message}")


def _parse_retry_after(response: Response) -> float:
    value = response.headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return 0.0


def _retry_after(state: tenacity.RetryCallState) -> float:
    """Returns the seconds that the API asked to wait; 0 if it did not."""
    return getattr(state.outcome and state.outcome.exception(), "retry_after", 0.0)


def _describe(state: tenacity.RetryCallState) -> str:
    """Returns why a try failed."""
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, requests.RequestException):  # with pieces of the answer in it
        return excerpt(f"{type(error).__name__}: {error}", 2 * EXCERPT)
    return str(error)


def _log_retry(state: tenacity.RetryCallState, request: str) -> None:
    wait = state.next_action.sleep if state.next_action else 0.0
    logger.warning("retrying in %.1f s: %s %s", wait, request, _describe(state))


def _give_up(state: tenacity.RetryCallState, request: str) -> None:
    tries = "1 try" if state.attempt_number == 1 else f"{state.attempt_number} tries"
    wait = f"; it asks to wait {asked:.0f} s" if (asked := _retry_after(state)) else ""
    raise ApiUnavailableError(
        f"{request} failed after {tries}; the last error was {_describe(state)}{wait}"
    ) from None
