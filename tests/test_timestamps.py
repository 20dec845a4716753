"""Timestamps: which texts are moments, and that the fast way and the slow way agree on them."""

from __future__ import annotations

from datetime import datetime, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from customergauge_source.values import UnfitError, to_timestamp
from tests.as_column import UTC, column

AMSTERDAM = ZoneInfo("Europe/Amsterdam")


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2022-03-30 12:34:56", "2022-03-30T12:34:56+00:00"),
        ("2022-03-30T12:34:56", "2022-03-30T12:34:56+00:00"),
        ("2022-03-30 12:34", "2022-03-30T12:34:00+00:00"),
        ("2022-03-30", "2022-03-30T00:00:00+00:00"),
        (" 2022-03-30 12:34:56 ", "2022-03-30T12:34:56+00:00"),
        ("2022-03-30 12:34:56.7", "2022-03-30T12:34:56.700000+00:00"),
        ("2022-03-30 12:34:56.123456789", "2022-03-30T12:34:56.123456+00:00"),
        ("2022-03-30 12:34:56Z", "2022-03-30T12:34:56+00:00"),
        ("2022-03-30 12:34:56+0200", "2022-03-30T10:34:56+00:00"),
        ("2022-03-30T12:34:56 -05:30", "2022-03-30T18:04:56+00:00"),
        ("2024-02-29 00:00:00", "2024-02-29T00:00:00+00:00"),
        *[(text, None) for text in ("0000-00-00 00:00:00", "2020-02-30 10:00:00", "2023-02-29")],
        *[(text, None) for text in ("2020-01-01 24:00:00", "2020-01-01 23:59:60", "2020-13-01")],
        *[(text, None) for text in ("", "soon", "20200101", "30/03/2022", "2020-01-01 12:34:56.")],
        *[
            (value, None)
            for value in list[Any]((0, 1648643696, 1.5, True, [], {"date": "2020-01-01"}))
        ],
        ("0001-01-01 00:00:00+01:00", None),
    ],
)
def test_timestamps_are_moments_in_utc(value: Any, moment: str | None) -> None:
    if moment is None:
        with pytest.raises(UnfitError):
            to_timestamp(value)
    else:
        assert to_timestamp(value) == datetime.fromisoformat(moment)
    _, refused = column(["2020-01-01 00:00:00", value], "timestamp")
    assert refused == ([(1, value)] if moment is None else [])


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


@settings(max_examples=1500, derandomize=True, deadline=None)
@given(st.one_of(_LOOKALIKES, st.dates().map(str), st.datetimes().map(str)))
@example("2024-05-01 12:34")
def test_arrow_and_the_slow_way_read_the_same_moment_from_a_text(text: str) -> None:
    """Alone in its column a text is Arrow's if Arrow can; beside an impossible one it never is."""
    alone, refused_alone = column([text], "timestamp")
    beside, refused_beside = column([text, "never"], "timestamp")

    assert alone == beside[:1]
    assert bool(refused_alone) == (len(refused_beside) == 2)


@settings(max_examples=1000, derandomize=True, deadline=None)
@given(st.datetimes(datetime(1850, 1, 1), datetime(2037, 12, 31)))  # noqa: DTZ001 - a clock's time
def test_arrow_and_the_slow_way_agree_on_the_zone(local: datetime) -> None:
    alone, _ = column([str(local)], "timestamp", AMSTERDAM)
    beside, _ = column([str(local), "never"], "timestamp", AMSTERDAM)

    assert alone == beside[:1]


@pytest.mark.parametrize("text", ["2038-07-01 12:00:00", "2099-07-01 12:00:00"])
def test_arrow_and_the_slow_way_agree_after_2037(text: str) -> None:
    alone, _ = column([text], "timestamp", AMSTERDAM)
    beside, _ = column([text, "never"], "timestamp", AMSTERDAM)

    assert alone == beside[:1]


def test_an_hour_without_minutes_is_the_same_in_both_ways() -> None:
    alone, _ = column(["2020-01-01 12"], "timestamp")
    beside, _ = column(["2020-01-01 12", "never"], "timestamp")

    assert alone == beside[:1]


@pytest.mark.parametrize(
    ("text", "zone"), [("0000-01-01 00:00:00", UTC), ("0001-01-01 00:00:00", AMSTERDAM)]
)
def test_a_moment_before_the_year_one_is_refused_in_both_ways(text: str, zone: tzinfo) -> None:
    assert column([text], "timestamp", zone) == ([None], [(0, text)])


def test_a_datetime_that_a_step_of_the_user_made_is_taken() -> None:
    there = datetime(2024, 7, 1, 12, tzinfo=AMSTERDAM)
    assert to_timestamp(there) == there
    assert to_timestamp(there.replace(tzinfo=None), AMSTERDAM) == there
    assert to_timestamp(there).tzinfo is timezone.utc
