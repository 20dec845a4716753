"""JSON as the sandbox writes it."""

from __future__ import annotations

import json

import orjson


def to_json(value: object) -> bytes:
    """Write a JSON value; also lone surrogates and integers of any size."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, ensure_ascii=True, allow_nan=False).encode()
