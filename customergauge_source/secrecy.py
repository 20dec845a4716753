"""Secrets stay secret: what must not appear in anything that is shown."""

from __future__ import annotations

import html
import json
import logging
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final
from urllib.parse import quote, quote_plus, unquote, urlsplit

from dlt.common.configuration import is_secret_hint
from dlt.common.configuration.utils import get_resolved_traces

_HIDDEN: Final = "***"
_SHORTEST: Final = 4
"""Hiding shorter texts would make messages unreadable, and hide nothing."""


def spellings(secret: str) -> set[str]:
    """Returns a secret as it is, and as a URL, a form, a JSON text and a page spell it."""
    in_json = json.dumps(secret)[1:-1]
    in_php = in_json.replace("/", "\\/")
    forms = {secret, quote(secret, safe=""), quote_plus(secret), in_json, in_php}
    return forms | {html.escape(secret), html.escape(secret, quote=False)}


class Secrets:
    """The secrets that dlt resolved from its configuration in this process.

    They are looked up when something is shown, as destinations resolve theirs late.
    """

    def hide(self, text: str) -> str:
        """Returns a text in which every secret is replaced."""
        for secret in self._known():
            text = text.replace(secret, _HIDDEN)
        return text

    def _known(self) -> list[str]:
        """Returns the secrets, longest first: one may contain another."""
        found: set[str] = set()
        for trace in get_resolved_traces().resolved_traces or []:
            found.update(_texts(trace.value) if is_secret_hint(trace.hint) else ())
            found.update(_passwords(trace.value))
        shown = {form for text in found if len(text) >= _SHORTEST for form in spellings(text)}
        return sorted(shown, key=len, reverse=True)


class HidingFilter(logging.Filter):
    """Hides secrets in log records."""

    def __init__(self, secrets: Secrets) -> None:
        super().__init__()
        self._secrets = secrets

    def filter(self, record: logging.LogRecord) -> bool:
        """Replaces a record's message by one without secrets."""
        record.msg, record.args = self._secrets.hide(record.getMessage()), ()
        return True


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
