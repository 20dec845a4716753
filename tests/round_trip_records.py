"""Records as an API could send them, awkward ones included, as hypothesis strategies."""

from __future__ import annotations

from datetime import datetime
from random import Random
from typing import Any, Final

from hypothesis import strategies as st

Strategy = st.SearchStrategy[Any]

_CHARACTERS: Final = st.one_of(
    st.characters(max_codepoint=0x7E),
    st.characters(exclude_categories=()),
    st.sampled_from("\0\ud83d\ude00\udfff\u202e\u05d0🙂é\ufeff\ufffd\u2028\"\\'\x7f\n"),
)
_WORDS: Final = ("", " ", "007", "1e5", "null", "true", "[]", '{"a":1}', "\\u0000", "\\ud800")
_TEXTS: Final = st.one_of(st.text(_CHARACTERS, max_size=10), st.sampled_from(_WORDS))
_LONG_TEXTS: Final = st.sampled_from("aé🙂\u05d0").map(lambda letter: letter * 100_000)
_INTS: Final = st.integers(-(2**53), 2**53)
_FLOATS: Final = st.floats(allow_nan=False, allow_infinity=False)
_HUGE: Final = st.integers(2**53, 2**130).map(lambda number: -number if number % 2 else number)
_MOMENTS: Final = st.datetimes(datetime(1900, 1, 1), datetime(2037, 12, 31))  # noqa: DTZ001
_DATES: Final = st.one_of(
    _MOMENTS.map(str),
    _MOMENTS.map(lambda moment: str(moment)[:19]),
    st.sampled_from(("2024-03-31 02:30:00", "2024-10-27 02:30:00", "2024-11-03 01:30:00")),
    st.sampled_from(("2024-05-01", "2024-05-01T12:34", "2024-05-01T12:34:56Z")),
    st.sampled_from(("2024-05-01 12:34:56+05:30", " 2024-05-01 12:34:56.5 ")),
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

_KEYS: Final = ("channel", "Survey Wave", "camelCase", "a.b", "1st", "Über", "select", "weight")
_ROUGH_KEYS: Final = ("NPS", "E-mail", "Email", "Contact", "Tags", "value", "k\0", "m\udfff")
_NAMELESS_KEYS: Final = ("", " ", "🙂", "日本")
_RESERVED_KEYS: Final = ("_dlt_id", "_dlt_list_idx", "number_customergauge")
_KINDS: Final = ("int", "float", "bool", "text", "mixed", "object", "list", "any")
_DEEPEST: Final = 4


class Profile:
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
            "selected_drivers": self._list(primary=texts, secondary=st.lists(texts, max_size=2)),
            "properties": self._list(field=texts, reference=texts),
            "drivers": st.lists(st.fixed_dictionaries({"label": texts}), max_size=2),
        }
        usual = self._with_unknown(fields, 5)
        rare = st.one_of(
            st.one_of(st.none(), st.booleans(), _INTS, _HUGE, _FLOATS, _TEXTS, st.just([])),
            st.fixed_dictionaries({"comment": st.fixed_dictionaries({"original": _LONG_TEXTS})}),
            st.fixed_dictionaries({"number_customergauge": _NOT_A_CGID}, optional=fields),
        )
        return st.integers(0, 24).flatmap(lambda number: usual if number else rare)

    def _texts(self) -> Strategy:
        """Returns what comes where text is declared: mostly text."""
        rough = st.one_of(st.none(), _INTS, _HUGE, _FLOATS, st.booleans(), self._value("any", 2))
        return st.integers(0, 3).flatmap(lambda number: _TEXTS if number else rough)

    def _object(self, **fields: Strategy) -> Strategy:
        return self._sometimes_wrong(self._with_unknown(fields, 1))

    def _list(self, **fields: Strategy) -> Strategy:
        item = self._sometimes_wrong(self._with_unknown(fields, 1))
        return self._sometimes_wrong(st.lists(item, max_size=3))

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
        keys = self._chance.sample(_KEYS, count)
        if self._chance.random() < 0.3:
            keys.append(self._chance.choice(_ROUGH_KEYS + _NAMELESS_KEYS))
        fields = {key: self._value(self._chance.choice(_KINDS), depth) for key in keys}
        if self._chance.random() < 0.2:
            key = self._chance.choice(_RESERVED_KEYS)
            fields[key] = self._value(self._chance.choice(_KINDS), depth)
        return fields

    def _value(self, kind: str, depth: int) -> Strategy:
        mixed = st.one_of(_INTS, _HUGE, _FLOATS, st.booleans(), _TEXTS, st.none())
        if depth < _DEEPEST and kind in ("object", "list", "any"):
            nested = st.fixed_dictionaries({}, optional=self._unknown(1, depth + 1))
            if kind == "object":
                return st.one_of(st.none(), nested, nested, nested)
            items = st.one_of(nested, mixed, st.lists(st.one_of(mixed, nested), max_size=2))
            lists = st.lists(items, max_size=3)
            return lists if kind == "list" else st.one_of(mixed, nested, lists)
        if kind in ("int", "float", "bool", "text"):
            return st.one_of(st.none(), *[self._leaf(kind)] * 3)
        return mixed

    def _leaf(self, kind: str) -> Strategy:
        return {"int": _INTS, "float": _FLOATS, "bool": st.booleans(), "text": _TEXTS}[kind]
