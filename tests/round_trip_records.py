"""Feeds of generated records, awkward ones included: what is served in one round trip, and how."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any, Final

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from customergauge_source.sandbox.surveys import response
from tests.read_back import KEY
from tests.round_trip_model import LIST_OF_LISTS, LIST_OF_SCALARS

Strategy = st.SearchStrategy[Any]

_CHARACTERS: Final = st.one_of(
    st.characters(max_codepoint=0x7E),
    st.characters(exclude_categories=()),
    st.sampled_from("\0\ud83d\ude00\udfff\u202e\u05d0🙂é\ufeff\ufffd\u2028\"\\'\x7f\n"),
)
_WORDS: Final = ("", " ", "007", "1e5", "null", "true", "[]", '{"a":1}', "\\u0000", "\\ud800")
_DATE_TEXTS: Final = ("2024-05-01", "2024-05-01T12:34", "2024-05-01T12:34:56Z", "2024-05-01 12:34")
_TEXTS: Final = st.one_of(st.text(_CHARACTERS, max_size=10), st.sampled_from(_WORDS + _DATE_TEXTS))
_LONG_TEXTS: Final = st.sampled_from("aé🙂\u05d0").map(lambda letter: letter * 100_000)
_INTS: Final = st.integers(-(2**53), 2**53)
_FLOATS: Final = st.floats(allow_nan=False, allow_infinity=False)
_HUGE: Final = st.integers(2**53, 2**130).map(lambda number: -number if number % 2 else number)
_SCALARS: Final = st.one_of(_INTS, _HUGE, _FLOATS, st.booleans(), _TEXTS, st.none())
_MOMENTS: Final = st.datetimes(datetime(1900, 1, 1), datetime(2037, 12, 31))  # noqa: DTZ001
_DATES: Final = st.one_of(
    _MOMENTS.map(str),
    _MOMENTS.map(lambda moment: str(moment)[:19]),
    st.sampled_from(("2024-03-31 02:30:00", "2024-10-27 02:30:00", "2024-11-03 01:30:00")),
    st.sampled_from((*_DATE_TEXTS, "2024-05-01 12:34:56+05:30", " 2024-05-01 12:34:56.5 ")),
    st.sampled_from(("0000-00-00 00:00:00", "2020-02-30 10:00:00", "2020-01-01 25:00:00")),
    st.sampled_from(("", "soon", 1700000000, 1.5, True, ["2020-01-01"], {"date": "2020-01-01"})),
)
_SCORES: Final = st.one_of(
    st.integers(-1, 11),
    st.sampled_from(("9", " 10 ", "09", "-1", "abc", "", "9.0", 7.0, 7.5, True, [9], {"a": 9})),
    _HUGE,
)
_FLAGS: Final = st.sampled_from((True, False, 1, 0, "1", "FALSE", " true ", "maybe", "", 2, [], {}))
_NOT_A_CGID: Final = st.one_of(
    st.none(), st.booleans(), _TEXTS.map(lambda text: f"x{text}"), _HUGE.map(lambda n: n << 20)
)
_SPELLINGS: Final[tuple[Callable[[int], Any], ...]] = (
    str,
    float,
    lambda cgid: f" {cgid} ",
    lambda cgid: f"00{cgid}",
)

# Undeclared fields by what they are: always scalars, if of any type; objects; lists of objects.
_SCALAR_KEYS: Final = ("wave", "Survey Wave", "camelCase", "a.b", "1st", "Über", "select")
_LIST_OF_OBJECTS: Final = "steps"
_LISTS: Final = (_LIST_OF_OBJECTS, LIST_OF_SCALARS, LIST_OF_LISTS)
_NESTED_KEYS: Final = ("meta", "extra data", *_LISTS)
# Those that are anything, whose names clash, and that have none: see `ROUGH` of the model.
_ROUGH_KEYS: Final = (
    *("channel", "weight", "NPS", "E-mail", "Email", "Contact", "Tags", "value", "k\0", "m\udfff"),
    *("", " ", "🙂", "日本", "_dlt_id", "_dlt_list_idx", KEY),
)
_DEEPEST: Final = 4
_STRETCHES: Final = 5
_DOCUMENTED: Final = 1
_ALIKE: Final = 3
_READINGS: Final = ((13, 6), (20, 3), (1000, 50), (40, 2), (50, 1), (7, 8))
_ZONES: Final = ("UTC", "Europe/Amsterdam", "America/New_York")


@dataclass(frozen=True)
class Plan:
    """One round trip.

    Attributes:
        feeds: What the API holds when the first load starts, and what comes before the second.
        per_page: Responses per page.
        checkpoint_pages: Pages per load package.
        zone: The zone of the API's timestamps.
        has_step: Whether a step of the user's sees each record.
    """

    feeds: tuple[list[Any], list[Any]]
    per_page: int
    checkpoint_pages: int
    zone: str
    has_step: bool


def draw_plan(number: int, size: int) -> Plan:
    """Returns a round trip of `size` responses, the same for the same number.

    It has a stretch of documented records, one in which undeclared fields come in order, of one
    type for a while, and three in which anything may come. Some CGIDs come again: on the same
    page, on a later one, in the second load.
    """
    chance = Random(number)  # noqa: S311 - no secrets here
    drawn: list[Any] = []
    for place in range(_STRETCHES):
        count = min(-(-size // _STRETCHES), size - len(drawn))
        if place == _DOCUMENTED:
            drawn += [response(index, seed=number) for index in range(count)]
        elif place == _ALIKE:
            drawn += [_alike(index, number, chance) for index in range(count)]
        else:
            drawn += _draw(_Profile(chance).records(), count, _STRETCHES * number + place)
    records = [_numbered(value, index, chance) for index, value in enumerate(drawn)]
    per_page, checkpoint_pages = _READINGS[number % len(_READINGS)]
    middle = size * 3 // 5
    return Plan(
        feeds=(records[:middle], records[middle:]),
        per_page=per_page,
        checkpoint_pages=checkpoint_pages,
        zone=chance.choice(_ZONES),
        has_step=number % 4 == 3,
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
    if not isinstance(value, dict) or KEY in value:
        return value
    back = chance.choice((1, 2, 5, 60, 120)) if chance.random() < 0.1 else 0
    cgid: Any = 1_000 + 7 * max(index - back, 0)
    if chance.random() < 0.03:
        cgid = chance.choice(_SPELLINGS)(cgid)
    return {KEY: cgid, **value}


def _alike(index: int, number: int, chance: Random) -> Any:
    """Returns a documented record with more fields, of the same type as in those around it."""
    kinds: tuple[Callable[[], Any], ...] = (
        lambda: chance.randint(-9, 2**62),
        lambda: chance.uniform(0.1, 0.9) * 10.0 ** chance.randint(-20, 0),
        lambda: chance.choice((7, 12.5, 100.0, -0.0, 2**70, chance.random())),
        lambda: chance.random() < 0.5,
        lambda: chance.choice((*_WORDS, "🙂 \0")),
        lambda: chance.choice(_DATE_TEXTS),
    )
    kind = kinds[(index // 34 + 3 * number) % len(kinds)]

    def some() -> Any:
        return None if chance.random() < 0.2 else kind()

    record = response(index, seed=number) | {
        "wave": some(),
        "meta": {"a.b": some(), "extra data": {"1st": some()}},
        "steps": [{"Survey Wave": some(), LIST_OF_SCALARS: [some()]} for _ in range(index % 3)],
        LIST_OF_SCALARS: [some() for _ in range(index % 4)],
        LIST_OF_LISTS: [[some()] for _ in range(index % 2)],
    }
    record["contact"]["camelCase"] = some()
    for tag in record["tags"]:
        tag["Über"] = some()
    return record


class _Profile:
    """Which undeclared fields the API sends for a while, where, and of which types."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance

    def records(self) -> Strategy:
        """Returns a strategy for entries of a page's `data`; most lack their CGID yet."""
        texts = self._texts()
        fields = {
            **dict.fromkeys(("status", "number_customer", "email", "phone", "locale"), texts),
            "nps": _SCORES,
            **dict.fromkeys(("date_creation", "date_order", "date_survey_response"), _DATES),
            "contact": self._object(first_name=texts, last_name=texts),
            "account": self._object(name=texts, number=texts),
            "comment": st.one_of(_TEXTS, self._object(original=texts, translation=texts)),
            "follow_up": self._object(requested=_FLAGS, details=texts),
            "tags": self._list(label=texts, type=texts, sentiment=texts),
            "questions": self._list(title=texts, answer=texts),
            "selected_drivers": self._list(primary=texts, secondary=self._items(texts)),
            "properties": self._list(field=texts, reference=texts),
            "drivers": st.lists(st.fixed_dictionaries({"label": texts}), max_size=2),
        }
        usual = self._with_unknown(fields, 5)
        rare = st.one_of(
            st.one_of(st.none(), st.booleans(), _INTS, _HUGE, _FLOATS, _TEXTS, st.just([])),
            st.fixed_dictionaries({"comment": st.fixed_dictionaries({"original": _LONG_TEXTS})}),
            st.fixed_dictionaries({KEY: _NOT_A_CGID}, optional=fields),
        )
        return st.integers(0, 24).flatmap(lambda number: usual if number else rare)

    def _texts(self) -> Strategy:
        """Returns what comes where text is declared: mostly text."""
        rough = st.one_of(_SCALARS, self._anything(2))
        return st.integers(0, 3).flatmap(lambda number: _TEXTS if number else rough)

    def _object(self, **fields: Strategy) -> Strategy:
        return self._sometimes_wrong(self._with_unknown(fields, 1))

    def _list(self, **fields: Strategy) -> Strategy:
        return self._items(self._object(**fields))

    def _items(self, item: Strategy) -> Strategy:
        """Returns lists, some of which are as PHP sends those with gaps."""
        lists = st.lists(item, max_size=3)
        gaps = lists.map(lambda items: {str(2 * n + 1): it for n, it in enumerate(items)})
        return self._sometimes_wrong(st.one_of(lists, lists, gaps))

    def _sometimes_wrong(self, right: Strategy) -> Strategy:
        wrong = st.one_of(
            st.none(),
            st.just([]),
            st.just({}),
            _TEXTS,
            _INTS,
            st.booleans(),
            st.lists(_INTS, max_size=2),
        )
        return st.integers(0, 5).flatmap(lambda number: right if number else wrong)

    def _with_unknown(self, fields: dict[str, Strategy], count: int) -> Strategy:
        """Returns objects with these fields and some that are not declared, any of them absent."""
        return st.fixed_dictionaries({}, optional={**fields, **self._unknown(count, 1)})

    def _unknown(self, count: int, depth: int) -> dict[str, Strategy]:
        nested = _NESTED_KEYS if depth < _DEEPEST else ()
        keys = self._chance.sample(_SCALAR_KEYS + nested, count)
        if self._chance.random() < 0.4:
            keys.append(self._chance.choice(_ROUGH_KEYS))
        return {key: self._value(key, depth) for key in keys}

    def _value(self, key: str, depth: int) -> Strategy:
        leaf = self._chance.choice((_INTS, _FLOATS, st.booleans(), _TEXTS, _SCALARS))
        scalar = st.one_of(st.none(), leaf, leaf, leaf)
        if key in _SCALAR_KEYS:
            return scalar
        if key in (LIST_OF_SCALARS, LIST_OF_LISTS):
            flat = st.lists(scalar, max_size=3)
            return flat if key == LIST_OF_SCALARS else st.lists(flat, max_size=2)
        if key in _NESTED_KEYS:
            nested = st.fixed_dictionaries({}, optional=self._unknown(2, depth + 1))
            some = st.one_of(st.none(), nested, nested, nested)
            return st.lists(some, max_size=3) if key == _LIST_OF_OBJECTS else some
        return self._anything(depth)

    def _anything(self, depth: int) -> Strategy:
        if depth >= _DEEPEST:
            return _SCALARS
        nested = st.fixed_dictionaries({}, optional=self._unknown(1, depth + 1))
        items = st.one_of(nested, _SCALARS, st.lists(st.one_of(_SCALARS, nested), max_size=2))
        return st.one_of(_SCALARS, nested, st.lists(items, max_size=3))
