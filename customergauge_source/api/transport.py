"""A `requests` session that tries again what is worth another try, and nothing else."""

from __future__ import annotations

import http.client
import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import requests
import tenacity
from dlt.common.configuration.specs import RuntimeConfiguration
from requests import PreparedRequest, Response
from requests.exceptions import InvalidSchema, InvalidURL
from urllib3.exceptions import LocationValueError, MaxRetryError, ProxySchemeUnknown

from customergauge_source.api.answers import (
    EXCERPT,
    TransientAnswerError,
    excerpt,
    not_cut_off_twice,
)
from customergauge_source.api.bounds import ENCODINGS, BoundedAdapter, TooSlowError
from customergauge_source.exceptions import ApiUnavailableError, ConfigurationError, causes_of
from customergauge_source.settings import RETRY_TOTAL, __version__

logger = logging.getLogger("customergauge_source")

_TRANSIENT: Final = (
    TransientAnswerError,
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
    requests.exceptions.InvalidHeader,
)
_PROXIES: Final = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")
_CERTIFICATES: Final = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_WITHOUT_CONTENT: Final = {"IncompleteRead", "RemoteDisconnected"}
"""Errors of HTTP that quote nothing of an answer."""
_LOGS_HEADERS: Final = ("urllib3.connection", "urllib3.connectionpool")
"""The loggers that urllib3 tells of headers that it cannot read, with what it took for some."""
_UNREAD: Final = "Failed to parse headers"
_UNREACHED: Final = (
    "Check the network, its proxy, and region (or api_url and auth_url). Nothing is lost: the next"
    " run goes on at the last committed cursor."
)


class RetryingSession(requests.Session):
    """Retries 408, 425, 429, 5xx, refused, reset and cut-off connections and time-outs.

    How often, and how many seconds a try and a wait may take, is said by `[runtime]`. Waits grow
    exponentially, with jitter, up to `request_max_retry_delay`; a `Retry-After` that asks for more
    than the next is honoured. An API that asks to wait longer than the longest is not waited for.
    """

    def __init__(
        self, runtime: RuntimeConfiguration, max_answer_bytes: int, *, is_private: bool = False
    ) -> None:
        super().__init__()
        for scheme in ("https://", "http://"):
            self.mount(scheme, BoundedAdapter(max_answer_bytes))
        self.headers["User-Agent"] = f"customergauge-source/{__version__}"
        self.headers["Accept"] = "application/json"
        self.headers["Accept-Encoding"] = ", ".join(ENCODINGS)
        longest_wait = float(runtime.request_max_retry_delay)
        self._timeout = float(runtime.request_timeout)
        self._backoff = tenacity.wait_random_exponential(
            runtime.request_backoff_factor, longest_wait
        )
        self._abandoned = threading.Event()
        self._is_private = is_private
        for name in _LOGS_HEADERS if is_private else ():
            logging.getLogger(name).addFilter(_without_headers)
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
            ApiContractError: Two answers to it were cut off, although no length was promised.
            ApiRefusedError: The API refuses it.
            ConfigurationError: The address, or the proxy to it, cannot be used.
        """
        kwargs["timeout"] = kwargs.get("timeout") or self._timeout
        told = f"{request.method} {request.url}"  # there are no secrets in it
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_TRANSIENT),
            stop=self._stop,
            wait=lambda state: max(self._backoff(state), _retry_after(state)),
            sleep=self._sleep,
            before_sleep=lambda state: self._log_retry(state, told),
            retry_error_callback=lambda state: self._give_up(state, told),
        )
        try:
            response: Response = retrying(not_cut_off_twice(super().send), request, **kwargs)
        except (InvalidSchema, InvalidURL, LocationValueError, ProxySchemeUnknown) as error:
            # Without the error's text, which may have a proxy's password in it.
            raise _unusable(told, error) from None
        return response

    def _sleep(self, seconds: float) -> None:
        if self._abandoned.wait(seconds):
            raise ApiUnavailableError("The request is given up, as what it is for has ended.")

    def merge_environment_settings(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        """Returns what the environment says of proxies and certificates.

        Raises:
            ConfigurationError: The certificates are not there.
        """
        names = (name for name in _CERTIFICATES if self.trust_env and os.environ.get(name))
        name = next(names, "")
        if name and not Path(os.environ[name]).exists():
            raise ConfigurationError(
                f"{name} is {os.environ[name]}, which does not exist.",
                "Set it to a file of certificates, or unset it; nothing was loaded.",
            )
        return super().merge_environment_settings(*args, **kwargs)

    def _log_retry(self, state: tenacity.RetryCallState, request: str) -> None:
        wait = state.next_action.sleep if state.next_action else 0.0
        logger.warning("retrying in %.1f s: %s %s", wait, request, self._describe(_error(state)))

    def _give_up(self, state: tenacity.RetryCallState, request: str) -> None:
        error = _error(state)
        if any(isinstance(it, http.client.InvalidURL) for it in causes_of(error)):
            raise _unusable(request, error) from None  # urllib3 before 2.8 notices as it connects
        tries = "1 try" if state.attempt_number == 1 else f"{state.attempt_number} tries"
        wait = f"; the API asks to wait {asked:.0f} s" if (asked := _retry_after(state)) else ""
        raise ApiUnavailableError(
            f"{request} failed after {tries}; last error: {self._describe(error)}{wait}",
            _UNREACHED if isinstance(error, requests.ConnectionError) else None,
        ) from None

    def _describe(self, error: BaseException | None) -> str:
        """Returns why a try failed, without what came of an answer."""
        if not isinstance(error, requests.RequestException):
            return str(error)
        name = type(error).__name__
        for cause in causes_of(error):
            if isinstance(cause, TooSlowError):
                return str(cause)
            kind = type(cause).__name__
            if isinstance(cause, http.client.HTTPException) and kind not in _WITHOUT_CONTENT:
                if not self._is_private:
                    logger.debug("%s: %s", name, error)
                return f"{name}: {kind}"
        inner = error.args[0] if error.args else ""
        inner = inner.reason if isinstance(inner, MaxRetryError) else error
        return excerpt(f"{name}: {inner}", 2 * EXCERPT)


def _retry_after(state: tenacity.RetryCallState) -> float:
    """Returns the seconds that the API asked to wait; 0 if it did not."""
    return getattr(_error(state), "retry_after", 0.0)


def _error(state: tenacity.RetryCallState) -> BaseException | None:
    """Returns the error of the last try."""
    return state.outcome.exception() if state.outcome else None


def _without_headers(record: logging.LogRecord) -> bool:
    """Takes out of a log record the lines of an answer that were taken for headers."""
    if str(record.msg).startswith(_UNREAD):
        record.msg, record.args, record.exc_info = f"{_UNREAD}.", (), None
    return True


def _unusable(request: str, error: BaseException | None) -> ConfigurationError:
    if "SOCKS" in str(error):
        return ConfigurationError(
            "A SOCKS proxy needs a package that is not installed.",
            "Install it: pip install 'requests[socks]'; nothing was loaded.",
        )
    if not (proxies := " or ".join(_set(_PROXIES))):
        return ConfigurationError(
            f"{request}: this address cannot be used.", "Correct api_url and auth_url."
        )
    return ConfigurationError(
        f"{proxies} is not a usable proxy address.",
        "Correct it, such as http://proxy.example.com:3128, or name the API's hosts in NO_PROXY;"
        " nothing was loaded.",
    )


def _set(variables: tuple[str, ...]) -> Iterator[str]:
    """Yields those of the environment's variables that are set, in whichever case."""
    names = (it for name in variables for it in (name, name.lower()))
    return (name for name in names if os.environ.get(name))
