"""Feeds of generated records: what is served in one round trip, and how it is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from hypothesis import HealthCheck, Phase, given, seed, settings

from customergauge_source.sandbox.surveys import response
from tests.round_trip_records import Profile, Strategy

_STRETCHES: Final = 5
_DOCUMENTED: Final = 1
_READINGS: Final = ((13, 6), (20, 3), (40, 2), (50, 1), (1000, 50))
_ZONES: Final = ("UTC", "Europe/Amsterdam", "America/New_York")
_SPELLINGS: Final[tuple[Callable[[int], Any], ...]] = (
    str,
    float,
    lambda cgid: f" {cgid} ",
    lambda cgid: f"00{cgid}",
)


@dataclass(frozen=True)
class Plan:
    """One round trip.

    Attributes:
        feeds: What the API holds when the first load starts, and what comes before the second.
        per_page: Responses per page.
        checkpoint_pages: Pages per load package.
        zone: The zone of the API's timestamps.
    """

    feeds: tuple[list[Any], list[Any]]
    per_page: int
    checkpoint_pages: int
    zone: str


def draw_plan(number: int, size: int) -> Plan:
    """Returns a round trip of `size` responses, the same for the same number.

    It has a stretch of documented records, and stretches in which undeclared fields are of other
    types each time. Some CGIDs come again: on the same page, on a later one, in the second load.
    """
    chance = Random(number)  # noqa: S311 - no secrets here
    profiles = [Profile(chance) for _ in range(3)]
    drawn: list[Any] = []
    for place in range(_STRETCHES):
        count = min(-(-size // _STRETCHES), size - len(drawn))
        if place == _DOCUMENTED:
            drawn += [response(index, seed=number) for index in range(count)]
        else:
            strategy = profiles[place * len(profiles) // _STRETCHES].records()
            drawn += _draw(strategy, count, _STRETCHES * number + place)
    records = [_numbered(value, index, chance) for index, value in enumerate(drawn)]
    per_page, checkpoint_pages = chance.choice(_READINGS)
    middle = size * 3 // 5
    return Plan(
        feeds=(records[:middle], records[middle:]),
        per_page=per_page,
        checkpoint_pages=checkpoint_pages,
        zone=chance.choice(_ZONES),
    )


def _draw(strategy: Strategy, count: int, number: int) -> list[Any]:
    drawn: list[Any] = []

    @seed(number)
    @settings(
        max_examples=count,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(value: Any) -> None:
        drawn.append(value)

    while len(drawn) < count:
        collect()
    return drawn[:count]


def _numbered(value: Any, index: int, chance: Random) -> Any:
    """Gives a record its CGID, which now and then is an earlier one, or oddly spelled."""
    if not isinstance(value, dict) or "number_customergauge" in value:
        return value
    back = chance.choice((1, 2, 5, 60, 120)) if chance.random() < 0.1 else 0
    cgid: Any = 1_000 + 7 * max(index - back, 0)
    if chance.random() < 0.03:
        cgid = chance.choice(_SPELLINGS)(cgid)
    return {"number_customergauge": cgid, **value}
