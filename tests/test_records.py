"""Pages before they become tables: decoded without loss, put in the documented shape."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from customergauge_source.resources import RESPONSES
from customergauge_source.tables.encoding import decode, to_json
from tests.round_trip_model import clean

_TEXTS = st.text(st.one_of(st.characters(exclude_categories=()), st.sampled_from('\0\ud800\\u"0')))
_VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**80), 2**80),
        st.floats(allow_nan=False, allow_infinity=False),
        _TEXTS,
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(_TEXTS, inner, max_size=4)
    ),
)


@settings(max_examples=1500, derandomize=True, deadline=None)
@given(_VALUES)
def test_any_json_is_decoded_whole_but_for_characters_that_no_destination_stores(
    value: Any,
) -> None:
    decoded = decode(json.dumps(value).encode())

    assert json.dumps(decoded) == json.dumps(clean(value))
    assert json.dumps(json.loads(to_json(decoded))) == json.dumps(decoded)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (r'"a\u0000b"', "a\ufffdb"),
        (r'"\u0000\u0000"', "\ufffd\ufffd"),
        (r'"\\u0000"', "\\u0000"),
        (r'"\\\u0000"', "\\\ufffd"),
        (r'"\ud83d\ude00"', "😀"),
        (r'"\ud83d"', "\ufffd"),
        (r'"\ud83d\u0000\ude00"', "\ufffd\ufffd\ufffd"),
        (r'"\ude00\ud83d\ud83d\ude00x"', "\ufffd\ufffd😀x"),
        (r'"\\ud800"', "\\ud800"),
        (r'"\ufeff\u202e"', "\ufeff\u202e"),
        ("18446744073709551616", 2**64),
        ("-123456789012345678901234567890", -123456789012345678901234567890),
        ("[9007199254740993, 9223372036854775808]", [2**53 + 1, 2**63]),
        ("0.1", 0.1),
        (r'{"k\u0000": {"\ud800": 1}}', {"k\ufffd": {"\ufffd": 1}}),
    ],
)
def test_bodies_are_decoded(body: str, value: Any) -> None:
    assert decode(body.encode()) == value


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b'{"a": 1', b"NaN", b"[Infinity]", b'"\xff"', b"[1] [2]"]
)
def test_what_is_no_json_raises(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(body)


def test_a_number_beyond_a_double_is_not_lost() -> None:
    assert to_json(decode(b"1e400")) != "null"


def test_a_number_of_thousands_of_digits_does_not_end_the_run() -> None:
    assert decode(b"[" + b"1" * 5000 + b"]")


def test_keys_that_differ_in_unloadable_characters_stay_two() -> None:
    assert len(decode(rb'{"\ud800": 1, "\ud801": 2}')) == 2


@pytest.mark.parametrize(
    ("sent", "shape"),
    [
        ({"comment": "x"}, {"comment": {"original": "x"}}),
        ({"comment": ""}, {"comment": {"original": ""}}),
        ({"comment": None}, {"comment": None}),
        ({"comment": {"original": "x"}}, {"comment": {"original": "x"}}),
        ({"drivers": [{"label": "a"}]}, {"selected_drivers": [{"primary": "a"}]}),
        (
            {"drivers": [{"label": "a", "rank": 1}, {"primary": "b"}, "c", None]},
            {"selected_drivers": [{"primary": "a", "rank": 1}, {"primary": "b"}, "c", None]},
        ),
        ({"drivers": [], "selected_drivers": None}, {"selected_drivers": []}),
        (
            {"drivers": [{"label": "a"}], "selected_drivers": []},
            {"selected_drivers": [{"primary": "a"}]},
        ),
        ({"drivers": None}, {"selected_drivers": []}),
        (
            {"drivers": [{"label": "a"}], "selected_drivers": [{"primary": "b"}]},
            {"drivers": [{"label": "a"}], "selected_drivers": [{"primary": "b"}]},
        ),
        ({"drivers": "a", "selected_drivers": 0}, {"drivers": "a", "selected_drivers": 0}),
    ],
)
def test_older_shapes_become_the_documented_one(
    sent: dict[str, Any], shape: dict[str, Any]
) -> None:
    before = json.dumps(sent)

    assert RESPONSES.put_right(sent) == shape
    assert json.dumps(sent) == before
