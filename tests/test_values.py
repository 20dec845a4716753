"""Single values: what a column takes, as what, and what it refuses, whatever is beside them."""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from customergauge_source.tables.arrow import to_column
from customergauge_source.tables.shape import DataType

UTC: Final = ZoneInfo("UTC")
AMSTERDAM: Final = ZoneInfo("Europe/Amsterdam")
REFUSED: Final = None


def taken(value: Any, data_type: DataType, zone: tzinfo = UTC) -> Any:
    """Returns what a column makes of a value; None if it refuses it.

    Alone in its column a value is Arrow's if Arrow takes it; beside an object it never is.
    """
    found = []
    for values in ([value], [value, {"never": "fits"}]):
        refused: list[int] = []
        column = to_column(values, data_type, zone, lambda row, *_, it=refused: it.append(row))
        stored, is_refused = column.to_pylist()[0], 0 in refused
        assert is_refused == (stored is None)
        found.append(stored)
    assert repr(found[0]) == repr(found[1])
    return found[0]


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
        (2**64, "18446744073709551616"),
        (["a", "b"], '["a","b"]'),
        ([], "[]"),
        ({"é": [1, None, {"b": 2**70}]}, f'{{"é":[1,null,{{"b":{2**70}}}]}}'),
        ({"z": 1, "a": "🙂\n"}, '{"z":1,"a":"🙂\\n"}'),
    ],
)
def test_text_takes_everything_in_its_json_spelling(value: Any, text: str) -> None:
    assert taken(value, "text") == text


@pytest.mark.parametrize(
    ("value", "number"),
    [
        *[(value, 9) for value in list[Any]((9, "9", " 9 ", "+9", "09", 9.0))],
        ("-09", -9),
        (-(2**63), -(2**63)),
        ("9223372036854775807", 2**63 - 1),
        *[(value, REFUSED) for value in ("", "9.0", "abc", "9,0", "٩", "0x9", "1e1", str(2**63))],
        *[(value, REFUSED) for value in list[Any]((True, False, 9.5, 1e19, 2**63, [9], {}))],
    ],
)
def test_whole_numbers_may_come_as_text(value: Any, number: int | None) -> None:
    assert taken(value, "bigint") == number


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (0.1, 0.1),
        (5, 5.0),
        (-(2**53), -(2.0**53)),
        *[(value, REFUSED) for value in list[Any]((2**53 + 1, True, "0.5", [0.5]))],
    ],
)
def test_doubles_take_numbers_that_they_hold_exactly(value: Any, number: float | None) -> None:
    assert taken(value, "double") == number


@pytest.mark.parametrize(
    ("value", "flag"),
    [
        *[(value, True) for value in list[Any]((True, 1, "1", "true", "TRUE", " True "))],
        *[(value, False) for value in list[Any]((False, 0, "0", "false", "FALSE "))],
        *[(value, None) for value in list[Any](("", "maybe", "yes", 2, -1, 1.0, [], {}, [True]))],
    ],
)
def test_booleans_may_come_as_zero_one_or_text(value: Any, flag: bool | None) -> None:  # noqa: FBT001
    assert taken(value, "bool") is flag


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2022-03-30 12:34:56", "2022-03-30T12:34:56+00:00"),
        ("2022-03-30T12:34:56", "2022-03-30T12:34:56+00:00"),
        ("2022-03-30 12:34", "2022-03-30T12:34:00+00:00"),
        ("2022-03-30 12", "2022-03-30T12:00:00+00:00"),
        ("2022-03-30", "2022-03-30T00:00:00+00:00"),
        (" 2022-03-30 12:34:56 ", "2022-03-30T12:34:56+00:00"),
        ("2022-03-30 12:34:56.7", "2022-03-30T12:34:56.700000+00:00"),
        ("2022-03-30 12:34:56.123456789", "2022-03-30T12:34:56.123456+00:00"),
        ("2022-03-30 12:34:56Z", "2022-03-30T12:34:56+00:00"),
        ("2022-03-30 12:34:56+0200", "2022-03-30T10:34:56+00:00"),
        ("2022-03-30T12:34:56 -05:30", "2022-03-30T18:04:56+00:00"),
        ("2024-02-29 00:00:00", "2024-02-29T00:00:00+00:00"),
    ],
)
def test_timestamps_are_moments_in_utc(value: str, moment: str) -> None:
    assert taken(value, "timestamp") == datetime.fromisoformat(moment)


@pytest.mark.parametrize(
    "value",
    [
        *("0000-00-00 00:00:00", "2020-02-30 10:00:00", "2023-02-29", "2020-13-01"),
        *("2020-01-01 24:00:00", "2020-01-01 23:59:60", "2020-01-01 12:34:56.", "20200101"),
        *("", "soon", "30/03/2022", "0001-01-01 00:00:00+01:00", "0000-01-01 00:00:00"),
        *list[Any]((0, 1648643696, 1.5, True, [], {"date": "2020-01-01"})),
    ],
)
def test_what_is_no_moment_is_refused(value: Any) -> None:
    assert taken(value, "timestamp") is REFUSED


_DIGITS = st.integers(0, 99).map("{:02}".format)
_LOOKALIKES = st.builds(
    "{}-{}-{}{}{}:{}{}{}{}".format,
    st.sampled_from(("2024", "1970", "2023", "1900", "0001", "9999", "202")),
    st.integers(0, 13).map("{:02}".format),
    st.integers(0, 32).map("{:02}".format),
    st.sampled_from((" ", "T", "  ", "t")),
    st.integers(0, 25).map("{:02}".format),
    _DIGITS,
    st.sampled_from(("", ":00", ":59", ":60", ":7")),
    st.sampled_from(("", ".", ".1", ".123", ".123456", ".1234567", ".123456789")),
    st.sampled_from(("", "", "", "Z", "+02:00", "+0200", " ", "x")),
)


@pytest.mark.long
@settings(max_examples=1500, derandomize=True, deadline=None)
@given(st.one_of(_LOOKALIKES, st.dates().map(str), st.datetimes().map(str)))
@example("0001-01-01 00:00:00")
@example("2038-07-01 12:00:00")
@example("2099-07-01 12:00:00")
def test_whatever_is_beside_a_text_it_is_the_same_moment_in_every_zone(text: str) -> None:
    in_utc, there = taken(text, "timestamp"), taken(text, "timestamp", AMSTERDAM)

    assert in_utc is None or there is None or abs((in_utc - there).total_seconds()) <= 7200


def test_a_datetime_that_a_step_of_the_user_made_is_taken() -> None:
    there = datetime(2024, 7, 1, 12, tzinfo=AMSTERDAM)

    assert taken(there, "timestamp") == there
    assert taken(there.replace(tzinfo=None), "timestamp", AMSTERDAM) == there
