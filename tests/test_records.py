"""Pages before dlt sees them: decoded without loss, sorted out, put in the documented shape."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from customergauge_source.decoding import decode, to_json
from customergauge_source.records import sort_out
from tests.round_trip_model import clean

CGID = "number_customergauge"
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
    ("cgid", "accepted"),
    [
        (123, 123),
        ("123", 123),
        (" 0123 ", 123),
        (123.0, 123),
        (0, 0),
        (-5, -5),
        *[(value, None) for value in (None, True, "", "x", "12.0", 12.5, [1], {"a": 1}, 2**63)],
    ],
)
def test_a_record_needs_a_whole_number_as_its_cgid(cgid: Any, accepted: int | None) -> None:
    record = {CGID: cgid, "nps": 7}
    records, rejected = sort_out([record], 9)

    if accepted is None:
        assert records == []
        (entry,) = rejected
        assert json.loads(entry.record) == record
        assert entry.reason.startswith(("no number_customergauge", "number_customergauge is"))
        assert entry.position == 0
    else:
        assert (records, rejected) == ([{CGID: accepted, "nps": 7}], [])
        assert type(records[0][CGID]) is int


@pytest.mark.parametrize("entry", [None, True, 5, 0.5, "text", [], [{CGID: 1}]])
def test_an_entry_that_is_no_object_is_rejected_with_its_place(entry: Any) -> None:
    records, (rejected,) = sort_out([{CGID: 1}, entry], 9)

    assert [record[CGID] for record in records] == [1]
    assert json.loads(rejected.record) == entry
    assert (rejected.reason, rejected.position) == ("not an object", 1)


def test_of_the_same_cgid_the_later_stays_whole_in_the_later_place() -> None:
    sent = [{CGID: 1, "nps": 1, "tags": [{}]}, {CGID: 2}, {CGID: "1", "email": "b"}]
    assert sort_out(sent, 9) == ([{CGID: 2}, {CGID: 1, "email": "b"}], [])


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
    record = {CGID: 1, **sent}
    before = json.dumps(record)

    assert sort_out([record], 9) == ([{CGID: 1, **shape}], [])
    assert json.dumps(record) == before
