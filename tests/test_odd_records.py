"""A few odd records of a page go the way of objects; the others stay Arrow's, and all are the same.

What is right is what the same page is as objects: that way sees each value as it came.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import pyarrow.json as pa_json
import pytest

from customergauge_source.api import arrow_json
from customergauge_source.api.page import Decoder, NotAsDocumentedError, Page
from customergauge_source.resources import RESPONSES
from customergauge_source.resources.query import zone
from customergauge_source.sandbox.surveys import response
from customergauge_source.tables import put_right, read
from customergauge_source.tables.catalog import Catalog, Target
from customergauge_source.tables.read import Reader
from tests.support import at_length

KEY = RESPONSES.key
COUNT = 20
Record = dict[str, Any]

ODD: dict[str, Any] = {
    "a date that does not exist": {"date_sent": "2025-02-30 10:00:00"},
    "a date in another spelling": {"date_sent": " 2025-02-20T10:00Z "},
    "a text for a list": {"tags": "none"},
    "a list as PHP sends it": {"tags": {"1": {"label": "a"}}},
    "a text for an object": {"contact": "Bob"},
    "a number for a text": {"email": 5},
    "an object for a text": {"email": {"of": "x"}},
    "a number below a list": {"tags": [{"label": 1.0}], "selected_drivers": [{"secondary": [2]}]},
    "a score as text": {"nps": "9"},
    "a score that is none": {"nps": "many"},
    "an older comment": {"comment": "plain"},
    "older drivers": {"drivers": [{"label": "a"}], "selected_drivers": None},
    "a key as text": {KEY: "77"},
    "no key": {KEY: None},
    "an undeclared field": {"tags": 5, "mood": "fine", "steps": [{"a": [1]}]},
    "no record": 7,
    "null": None,
    "a list": [1],
    "nothing": {},
    "another beginning": {"aa": 1, KEY: 78},
}  # fmt: skip


def page_of(*records: Any, **spelled: Any) -> bytes:
    spelled = {"separators": (",", ":")} | spelled
    return json.dumps({"data": records, "cursor": {"next": 9}}, **spelled).encode()


def records_with(*odd: tuple[int, Any]) -> list[Any]:
    """Returns sandbox records, of which some are changed, or are something else."""
    records: list[Any] = [response(index) for index in range(COUNT)]
    for place, change in odd:
        is_whole = not isinstance(change, dict) or not change or "aa" in change
        records[place] = change if is_whole else records[place] | change
    return records


def make_reader() -> Reader:
    catalog = Catalog(lambda path: "__".join(path).lower(), {})
    it = RESPONSES
    return Reader(Target(it.name, it.key, it.record, catalog, zone("Europe/Amsterdam")))


def told(page: Page, reader: Reader | None = None) -> list[Any]:
    """Returns what a page says; what is null or an empty list says nothing."""
    rows: Any = reader.rows_of_objects(page.data) if reader else page.data
    said = sorted(map(_said, rows.to_pylist()), key=lambda row: row[KEY])
    return [said, page.rejected, page.keys, page.size]


def _said(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _said(it) for key, it in value.items() if it not in (None, [])}
    return [_said(it) for it in value] if isinstance(value, list) else value


def as_objects(body: bytes) -> list[Any]:
    return told(Decoder(RESPONSES).decode(body), make_reader())


@pytest.fixture
def by_objects(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Says how many records went the way of objects, page by page."""
    counts: list[int] = []
    right = put_right.rows_of_objects

    def counted(records: Any, target: Target) -> Any:
        counts.append(len(records))
        return right(records, target)

    monkeypatch.setattr(read, "rows_of_objects", counted)
    return counts


@pytest.mark.parametrize("place", [0, 11, COUNT - 1])
@pytest.mark.parametrize("name", ODD)
def test_an_odd_record_changes_nothing_of_a_page(name: str, place: int) -> None:
    body = page_of(*records_with((place, ODD[name])))
    reader = make_reader()
    decoder = Decoder(RESPONSES, lambda: reader)

    for _ in range(3):  # the next page is read in the knowledge of this one
        assert told(decoder.decode(body)) == as_objects(body)


def test_all_of_them_on_one_page_change_nothing() -> None:
    body = page_of(*records_with(*enumerate(ODD.values())))

    assert told(Decoder(RESPONSES, make_reader).decode(body)) == as_objects(body)


@pytest.mark.parametrize("spelled", [{}, {"separators": (", ", ": ")}, {"indent": 1}], ids=str)
def test_only_odd_records_go_the_way_of_objects(
    by_objects: list[int], spelled: dict[str, Any]
) -> None:
    odd = ((3, {"tags": "none"}), (5, {"date_sent": "never"}), (7, 7), (9, {KEY: None}))
    body = page_of(*records_with(*odd), **spelled)
    decoded = told(Decoder(RESPONSES, make_reader).decode(body))

    assert by_objects == [4]  # two, and the neighbours of what is no object
    assert [it.position for it in decoded[1]] == [7, 9]
    assert decoded == as_objects(body)


def test_what_was_at_fault_on_a_page_is_set_aside_on_the_next(
    by_objects: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[int] = []
    parse = pa_json.read_json

    def counted(text: Any, **how: Any) -> Any:
        parsed.append(text.size())
        return parse(text, **how)

    monkeypatch.setattr(arrow_json, "read_json", counted)
    reader = make_reader()
    decoder = Decoder(RESPONSES, lambda: reader)
    odd = {"tags": "none"}
    records = [
        records_with((3, odd)),
        records_with((7, odd)),
        records_with(),
        records_with((2, {"mood": odd})),  # which is not odd there
        records_with(*((place, odd) for place in range(7))),
        records_with((COUNT - 1, odd)),
        records_with((9, odd)),
    ]
    decoded, counts = [], []
    for page in records:
        before = len(parsed), sum(by_objects)
        decoded.append(told(decoder.decode(page_of(*page))))
        counts.append((len(parsed) - before[0], sum(by_objects) - before[1]))

    assert counts[:3] == [(3, 1), (1, 1), (1, 0)]
    assert counts[-1] == (2, 1)  # no odd one was expected
    assert decoded == [as_objects(page_of(*page)) for page in records]


def test_numbers_where_text_is_declared_are_not_odd(by_objects: list[int]) -> None:
    records = records_with()
    for place, record in enumerate(records):
        record |= {"number_customer": place or None, "phone": place / 4 if place % 4 else place}
        record["account"]["number"] = place * 10**9
        for question in record["questions"]:
            question["answer"] = place % 2 == 0
    text = page_of(*records_with())
    reader = make_reader()
    decoder = Decoder(RESPONSES, lambda: reader)
    pages = (text, page_of(*records), text)
    decoded = [told(decoder.decode(it)) for it in pages]

    assert by_objects == []
    assert decoded == [as_objects(it) for it in pages]


@pytest.mark.parametrize("spelled", ["5", "5.0", "5e2", "1.5E+1", "500e-2", "0e0", "-0"])
def test_a_number_is_told_as_objects_spell_it(spelled: str) -> None:
    records = [it | {"phone": 1.5, "score": 2.5} for it in records_with()]
    records[3] |= {"phone": "@", "score": "@"}
    body = page_of(*records).replace(b'"@"', spelled.encode())

    assert told(Decoder(RESPONSES, make_reader).decode(body)) == as_objects(body)


@pytest.mark.parametrize("empty", [[], {}], ids=str)
def test_what_is_empty_where_a_scalar_was_is_told_whatever_else_is_on_its_page(empty: Any) -> None:
    reader = make_reader()
    decoder = Decoder(RESPONSES, lambda: reader)
    scalar, both, alone = (
        page_of(*(it | {"mood": mood} for it, mood in zip(records_with(), moods, strict=True)))
        for moods in (["fine"] * COUNT, [empty, *["fine"] * (COUNT - 1)], [empty] * COUNT)
    )
    decoder.decode(scalar)
    decoded = [told(decoder.decode(it))[0] for it in (both, alone)]
    key = records_with()[0][KEY]

    for page in decoded:
        assert [it.get("mood") for it in page if it[KEY] == key] == [json.dumps(empty)]


@pytest.mark.parametrize("places", [[3], range(COUNT)], ids=["one", "all"])
@pytest.mark.parametrize("value", [20250101, 1_700_000_000, True, {"of": 1}])
def test_what_is_no_text_is_no_timestamp(value: Any, places: Iterable[int]) -> None:
    records = records_with()
    for place, record in enumerate(records):
        record["date_order"] = value if place in places else None
    reader = make_reader()
    decoder = Decoder(RESPONSES, lambda: reader)
    pages = [page_of(*it) for it in (records, records, records_with(), records)]

    assert [told(decoder.decode(it)) for it in pages] == [as_objects(it) for it in pages]


@pytest.mark.parametrize("odd", [{"tags": "none"}, {"comment": "plain"}, {"date_sent": "never"}])
@pytest.mark.parametrize(
    "kinds",
    [
        ("x", {"of": 1}),
        ({"of": 1}, "x"),
        ("x", [{"of": 1}]),
        ([{"of": 1}], "x"),
        ({"of": [{"a": 1}]}, 5),
    ],
    ids=str,
)
def test_a_field_is_of_one_kind_though_one_of_its_records_is_odd(
    kinds: tuple[Any, Any], odd: dict[str, Any]
) -> None:
    body = page_of(*records_with((3, {"mood": kinds[0]} | odd), (5, {"mood": kinds[1]})))

    assert told(Decoder(RESPONSES, make_reader).decode(body)) == as_objects(body)


def test_what_is_rejected_has_no_say_in_what_columns_there_are() -> None:
    rejected = {KEY: None, "mood": "x", "steps": [{"a": 1}]}
    pages = [records_with((3, rejected)), records_with((5, {"mood": {"of": 1}}))]
    reader, objects = make_reader(), make_reader()
    decoder = Decoder(RESPONSES, lambda: reader)
    for page in (page_of(*it) for it in pages):
        decoded: Any = decoder.decode(page)

        assert told(decoded) == told(Decoder(RESPONSES).decode(page), objects)
        assert not {"mood", "responses__steps"} & {*decoded.data.type.names}


def test_a_page_on_which_nothing_has_a_key_is_rejected() -> None:
    body = page_of(*(it | {KEY: None} for it in records_with()))

    assert told(Decoder(RESPONSES, make_reader).decode(body)) == as_objects(body)


@pytest.mark.parametrize("count", [1, 3])
def test_a_body_that_holds_two_answers_is_none(count: int) -> None:
    records = records_with()[:count]
    body = page_of(*records) + page_of(*(it | {"tags": "none"} for it in records))
    for _ in range(2):
        with pytest.raises(NotAsDocumentedError):
            Decoder(RESPONSES, make_reader).decode(body)


def test_what_only_looks_odd_does_not_count_as_odd(by_objects: list[int]) -> None:
    reader = make_reader()
    decoder = Decoder(RESPONSES, lambda: reader)
    decoder.decode(page_of(*records_with((3, {"tags": "none"}))))
    alike = [(place, {"note": {"tags": "n"}}) for place in (1, 2, 3)]
    body = page_of(*records_with(*alike, *((place, {"date_sent": "x"}) for place in (7, 8, 9))))
    by_objects.clear()
    decoded = told(decoder.decode(body))

    assert by_objects == [6]
    assert decoded == as_objects(body)


@pytest.mark.parametrize(
    "change",
    [
        lambda records: records.append(records[3] | {"tags": "none"}),
        lambda records: (
            records[3].update(tags="none", waves={"steps": [1]})
            or records[4].update(Waves=[{"steps": [2]}])
        ),
        lambda records: (
            records[3].update(tags="none", mood={"of": 1}) or records[4].update(mood=[{"of": 2}])
        ),
        lambda records: [it.update(tags="none") for it in records],
        lambda records: records[3].update(tags=[{"status": "x", "label": 1}, {"status": "y"}]),
        lambda records: records[3].update(tags="none", questions=[None, {"title": "?"}]),
    ],
    ids=["a key twice", "a table twice", "a field of two kinds", "all", "alike inside", "nulls"],
)
def test_what_does_not_go_together_goes_whole(change: Callable[[list[Record]], Any]) -> None:
    records = records_with()
    change(records)
    body = page_of(*records)

    assert told(Decoder(RESPONSES, make_reader).decode(body)) == as_objects(body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"meta":[%s],"data":[%s,7],"cursor":{"next":9}}',
        b'{"data":[%s],"data":[%s,7],"cursor":{"next":9}}',
        b'{"data":[%s],"more":[%s,7],"cursor":{"next":9}}',
        b' {"data" : [%s] , "cursor" : {"next":9}, "more" : [%s, null]} ',
    ],
)
def test_a_page_that_is_spelled_otherwise_is_the_same(body: bytes) -> None:
    one = page_of(*records_with((3, {"tags": "none"})))[9:-22]
    assert one.startswith(b'{"status"')
    assert one.endswith(b"}")
    body %= one, one

    assert told(Decoder(RESPONSES, make_reader).decode(body)) == as_objects(body)


@pytest.mark.parametrize("count", [2, 3, COUNT])
@pytest.mark.parametrize("between", ["null", "7", '"a"', "[1]", "null , [],7"])
def test_an_entry_between_records_is_not_taken_for_their_comma(between: str, count: int) -> None:
    first, *rest = [json.dumps(it) for it in records_with((1, {"tags": "none"}))[:count]]
    records = f", {between}, ".join([first, *rest])
    body = f'{{"data": [{records}], "cursor": {{"next": 9}}}}'.encode()

    assert told(Decoder(RESPONSES, make_reader).decode(body)) == as_objects(body)


def test_of_two_lists_the_later_one_is_the_page() -> None:
    records = records_with((9, {"tags": "none"}))
    earlier, later = (json.dumps(part) for part in (records[:10], records[10:]))
    body = f'{{"data": {earlier}, "data": {later}, "cursor": {{"next": 9}}}}'.encode()

    assert told(Decoder(RESPONSES, make_reader).decode(body)) == as_objects(body)


@pytest.mark.parametrize("depth", at_length([1500, 5000], short=[1500]))
@pytest.mark.parametrize("level", ["[", '{"a":', '[{"a":'])
def test_what_is_nested_deeper_than_json_is_read_ends_nothing(level: str, depth: int) -> None:
    end = level.replace('"a":', "").translate(str.maketrans("[{", "]}"))[::-1]
    body = page_of(records_with()[0] | {"mood": "@"})
    body = body.replace(b'"@"', f"{level * depth}1{end * depth}".encode())

    with pytest.raises(NotAsDocumentedError):
        Decoder(RESPONSES, make_reader).decode(body)
