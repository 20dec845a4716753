"""Single values: what a column takes, as what, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from customergauge_source.schema import DataType
from customergauge_source.values import (
    UnfitError,
    common_type,
    to_bigint,
    to_bool,
    to_double,
    to_text,
)
from tests.as_column import column


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("", ""),
        ("000123", "000123"),
        (77, "77"),
        (-0.0, "-0.0"),
        (12.5, "12.5"),
        (100.0, "100.0"),
        (True, "true"),
        (False, "false"),
        (2**64, "18446744073709551616"),
        (["a", "b"], '["a","b"]'),
        ([], "[]"),
        ({"é": [1, None, {"b": 2**70}]}, f'{{"é":[1,null,{{"b":{2**70}}}]}}'),
        ({"z": 1, "a": "🙂\n"}, '{"z":1,"a":"🙂\\n"}'),
    ],
)
def test_text_takes_everything_in_its_json_spelling(value: Any, text: str) -> None:
    assert to_text(value) == text
    assert column([value, None, "x"], "text") == ([text, None, "x"], [])


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (9, 9),
        ("9", 9),
        (" 9 ", 9),
        ("+9", 9),
        ("-09", -9),
        (9.0, 9),
        (-(2**63), -(2**63)),
        (2**63 - 1, 2**63 - 1),
        ("9223372036854775807", 2**63 - 1),
        *[
            (value, None)
            for value in list[Any]((True, False, "", "9.0", "abc", "9,0", "٩", 9.5, 1e19))
        ],
        *[
            (value, None)
            for value in list[Any]((2**63, "9223372036854775808", [9], {}, "0x9", "1e1"))
        ],
    ],
)
def test_whole_numbers_may_come_as_text(value: Any, number: int | None) -> None:
    if number is None:
        with pytest.raises(UnfitError):
            to_bigint(value)
    else:
        assert to_bigint(value) == number
    refused = [(1, value)] if number is None else []
    assert column([7, value, None], "bigint") == ([7, number, None], refused)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (0.1, 0.1),
        (5, 5.0),
        (-(2**53), -(2.0**53)),
        *[(value, None) for value in list[Any]((2**53 + 1, True, "0.5", None, [0.5]))],
    ],
)
def test_doubles_take_numbers_that_they_hold_exactly(value: Any, number: float | None) -> None:
    if number is None:
        with pytest.raises(UnfitError):
            to_double(value)
    else:
        assert to_double(value) == number
        assert column([value, 0.5], "double") == ([number, 0.5], [])


@pytest.mark.parametrize(
    ("value", "flag"),
    [
        *[(value, True) for value in list[Any]((True, 1, "1", "true", "TRUE", " True "))],
        *[(value, False) for value in list[Any]((False, 0, "0", "false", "FALSE "))],
        *[(value, None) for value in list[Any](("", "maybe", "yes", 2, -1, 1.0, [], {}, [True]))],
    ],
)
def test_booleans_may_come_as_zero_one_or_text(value: Any, flag: bool | None) -> None:  # noqa: FBT001
    if flag is None:
        with pytest.raises(UnfitError):
            to_bool(value)
    else:
        assert to_bool(value) is flag
    refused = [(1, value)] if flag is None else []
    assert column([True, value, None], "bool") == ([True, flag, None], refused)


@pytest.mark.parametrize(
    ("values", "data_type"),
    [
        ([1, None, 2], "bigint"),
        ([1, 2.5], "double"),
        ([2**53, 0.5], "double"),
        ([2**53 + 1, 0.5], "text"),
        ([2**63 - 1], "bigint"),
        ([2**63], "text"),
        ([True, None], "bool"),
        ([True, 1], "text"),
        ([1.5, False], "text"),
        (["1", 1], "text"),
        ([None], "text"),
    ],
)
def test_a_new_column_has_the_narrowest_type_that_holds_all(
    values: list[Any], data_type: DataType
) -> None:
    assert common_type(values) == data_type
    assert column(values, data_type)[1] == []
