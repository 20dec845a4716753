"""JSON in and out: an answer's body as values that every destination can store."""

from __future__ import annotations

import json
import re
from math import isfinite
from typing import Any, Final

import orjson

_NUL: Final = re.compile(rb"\\u0000")
_DIGITS_AS_ZERO: Final = bytes.maketrans(b"123456789", b"0" * 9)
_LONGEST_NUMBER: Final = 4000
_TOO_LONG_FOR_ORJSON: Final = b"0" * 19


def without_nul(body: bytes) -> bytes:
    """Returns JSON with U+FFFD for each escaped NUL character, which no destination stores.

    Behind an odd number of backslashes its own one is escaped, so that it is none.
    """
    *before, last = _NUL.split(body)
    parts: list[bytes] = []
    for part in before:
        backslashes = len(part) - len(part.rstrip(b"\\"))
        parts += (part, b"\\u0000" if backslashes % 2 else b"\\ufffd")
    return b"".join([*parts, last]) if parts else body


def decode(body: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """Returns the JSON value of an answer's body, in characters that every destination stores.

    NUL characters and lone surrogates become U+FFFD. Whole numbers keep all their digits.

    Raises:
        ValueError: The body is not JSON.
    """
    body = without_nul(body)
    if _TOO_LONG_FOR_ORJSON not in body.translate(_DIGITS_AS_ZERO):
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError:
            pass  # lone surrogates, which the standard library reads, or no JSON at all
    return _without_surrogates(
        json.loads(
            body, parse_constant=_refuse_constant, parse_float=_number, parse_int=_whole_number
        )
    )


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _number(text: str) -> float | str:
    """Returns a number; one that is too large for a double stays as it is spelled."""
    number = float(text)
    return number if isfinite(number) else text


def _whole_number(text: str) -> int | str:
    """Returns a whole number; one that Python would not take stays as it is spelled."""
    return int(text) if len(text) < _LONGEST_NUMBER else text


def _without_surrogates(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, str):
        if value.isascii():
            return value
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        loadable: dict[str, Any] = {}
        for key, inner in value.items():
            name = _without_surrogates(key)
            while name in loadable:  # two keys that differ in such characters alone stay two
                name += "\ufffd"
            loadable[name] = _without_surrogates(inner)
        return loadable
    return value


def to_json(value: object) -> str:
    """Returns a value's compact JSON text."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # a whole number beyond 64 bits, or what a user's own step put there
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
