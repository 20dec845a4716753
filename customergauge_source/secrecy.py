"""Secrets stay secret: what must not appear in anything that is shown."""

from __future__ import annotations

import html
import logging
import re
import traceback
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

from dlt.common.configuration import is_secret_hint
from dlt.common.configuration.utils import ResolvedValueTrace, get_resolved_traces

HIDDEN: Final = "***"
IDENTIFIER: Final = re.compile(r"[A-Za-z_]\w{0,39}", re.ASCII)
"""What a key of an answer looks like that is told; any other could be a value."""
_SHORTEST: Final = 4
"""Hiding shorter texts would make messages unreadable, and hide nothing."""
_PATHS: Final = frozenset({("duckdb", "credentials"), ("ducklake", "catalog")})
"""Destinations, and a secret of theirs that may be the path of a file: a message has to name it."""
_TRACEBACK: Final = "Traceback (most recent call last):"
_QUOTED: Final = re.compile(r"(?<!\w)E?'(?:[^'\\]|\\.|'')*'(?!\w)")
_INPUT: Final = re.compile(r'(?s)(?<=: )".*"(?=\s|$)|(?<=\bvalue )".*"(?= is out of range)')
"""How PostgreSQL quotes a value: invalid input syntax for type bigint: "…"."""
_ROW: Final = re.compile(r"(?s)\s*(?:DETAIL:|Failing row contains|LINE \d+:).*")
"""Where PostgreSQL begins to show a whole row, or statement."""
_known: Final[set[str]] = set()
"""The secrets of this process. dlt notes those it resolves by thread, and forgets them."""


def remember(*secrets: str | None) -> None:
    """Notes secrets; from now on `hide` replaces them."""
    _known.update(secret for secret in secrets if secret and len(secret) >= _SHORTEST)


def remember_resolved() -> None:
    """Notes the secrets that dlt has resolved from its configuration in this thread."""
    for trace in get_resolved_traces().resolved_traces or []:
        if is_secret_hint(trace.hint) and not _is_path(trace):
            remember(*_texts(trace.value))
        remember(*_passwords(trace.value))


def hide(text: str) -> str:
    """Returns a text in which the secrets are replaced, however they are spelled in it."""
    remember_resolved()
    for secret in sorted(_known, key=len, reverse=True):  # one may contain another
        text = _pattern(secret).sub(HIDDEN, text)
    return text


class HidingFilter(logging.Filter):
    """Hides secrets in log records, and tracebacks if they are not asked for."""

    def __init__(self, *, tracebacks: bool) -> None:
        super().__init__()
        self._tracebacks = tracebacks

    def filter(self, record: logging.LogRecord) -> bool:
        """Replaces a record's message and traceback."""
        message = record.getMessage()
        if not self._tracebacks:
            message = without_traceback(message)
            message = without_values(message) if record.name == "dlt" else message
        elif record.exc_info:
            message = "\n".join((message, *traceback.format_exception(*record.exc_info)))
        record.msg, record.args, record.exc_info = hide(message), (), None
        return True


def without_traceback(text: str) -> str:
    """Returns a text with a traceback in it as one line: what is before it, and its last line."""
    before, found, rest = text.partition(_TRACEBACK)
    lines = [line.strip() for line in rest.splitlines() if line.strip()]
    return f"{before}{lines[-1]}" if found and lines else text


def line_of(error: BaseException, *, with_values: bool = True) -> str:
    """Returns an exception's text in one line of readable length, without secrets.

    They, and values, are looked for before it is cut: half of one is none that would be found.
    """
    whole = without_traceback(str(error))
    text = " ".join((whole if with_values else without_values(whole)).split())
    text = hide(text) or type(error).__name__
    return text if len(text) <= 400 else f"{text[:400]}…"  # noqa: PLR2004 - used once


def without_values(text: str) -> str:
    """Returns what a database said of a failed load, without the values that it quotes."""
    return _INPUT.sub('"…"', _QUOTED.sub("'…'", _ROW.sub("", text)))


@lru_cache(maxsize=256)
def _pattern(secret: str) -> re.Pattern[str]:
    """Returns what finds a secret as it is, and as URLs, forms, JSON and pages spell it."""
    return re.compile("".join(map(_spelled, secret)))


def _spelled(character: str) -> str:
    if character.isascii() and character.isalnum():
        return character
    code = ord(character)
    forms = {character, html.escape(character)}
    forms |= {quote(character, safe=""), quote(character, safe="").lower()}
    forms |= {f"u{code:04x}", f"u{code:04X}", f"&#{code};", f"&#0{code};", f"&#x{code:x};"}
    forms |= {"+"} if character == " " else set()
    one_of_them = "|".join(map(re.escape, sorted(forms, key=len, reverse=True)))
    return (
        rf"\\{{0,8}}(?:{one_of_them})"  # JSON, and JSON inside of JSON, puts backslashes before it
    )


def _is_path(trace: ResolvedValueTrace) -> bool:
    return (
        any(trace.key == key and kind in trace.sections for kind, key in _PATHS)
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
