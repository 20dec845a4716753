"""Secrets stay secret: what must not appear in anything that is shown."""

from __future__ import annotations

import html
import json
import logging
import traceback
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, Final
from urllib.parse import quote, quote_plus, unquote, urlsplit

from dlt.common.configuration import is_secret_hint
from dlt.common.configuration.utils import ResolvedValueTrace, get_resolved_traces

HIDDEN: Final = "***"
_SHORTEST: Final = 4
"""Hiding shorter texts would make messages unreadable, and hide nothing."""
_FILES: Final = frozenset({"duckdb", "ducklake"})
"""Destinations whose credentials are the path of a file, which a message has to name."""
_TRACEBACK: Final = "Traceback (most recent call last):"


def hide(text: str, secrets: Iterable[str]) -> str:
    """Returns a text in which secrets are replaced, however they are spelled in it."""
    shown = {form for secret in secrets for form in _spellings(secret)}
    for form in sorted(shown, key=len, reverse=True):  # one may contain another
        text = text.replace(form, HIDDEN)
    return text


def hide_configured(text: str) -> str:
    """Returns a text without the secrets that dlt resolved from its configuration.

    They are looked up each time, as destinations resolve theirs late.
    """
    found: set[str] = set()
    for trace in get_resolved_traces().resolved_traces or []:
        if is_secret_hint(trace.hint) and not _is_path(trace):
            found.update(_texts(trace.value))
        found.update(_passwords(trace.value))
    return hide(text, (secret for secret in found if len(secret) >= _SHORTEST))


class HidingFilter(logging.Filter):
    """Hides secrets in log records, and tracebacks if they are not asked for.

    Args:
        tracebacks: Whether a record keeps its traceback.
    """

    def __init__(self, *, tracebacks: bool) -> None:
        super().__init__()
        self._tracebacks = tracebacks

    def filter(self, record: logging.LogRecord) -> bool:
        """Replaces a record's message and traceback."""
        message = record.getMessage()
        if not self._tracebacks:
            message = without_traceback(message)
        elif record.exc_info:
            message = "\n".join((message, *traceback.format_exception(*record.exc_info)))
        record.msg, record.args, record.exc_info = hide_configured(message), (), None
        return True


def without_traceback(text: str) -> str:
    """Returns a text with a traceback in it as one line: what is before it, and its last line."""
    before, found, rest = text.partition(_TRACEBACK)
    lines = [line.strip() for line in rest.splitlines() if line.strip()]
    return f"{before}{lines[-1]}" if found and lines else text


def _spellings(secret: str) -> set[str]:
    """Returns a secret as it is, and as a URL, a form, a JSON text and a page spell it."""
    in_json = json.dumps(secret)[1:-1]
    in_php = in_json.replace("/", "\\/")
    forms = {secret, quote(secret, safe=""), quote_plus(secret), in_json, in_php}
    return forms | {html.escape(secret), html.escape(secret, quote=False)}


def _is_path(trace: ResolvedValueTrace) -> bool:
    return (
        not _FILES.isdisjoint(trace.sections)
        and isinstance(trace.value, str)
        and "token" not in trace.value
    )


def _texts(value: Any) -> Iterator[str]:  # noqa: ANN401 - whatever is configured
    """Yields the texts in a configuration value."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, str):
        yield value


def _passwords(value: object) -> Iterator[str]:
    """Yields the password of a connection string, as it stands there and as it is meant."""
    if isinstance(value, str) and "://" in value:
        with suppress(ValueError):
            if password := urlsplit(value).password:
                yield from (password, unquote(password))
