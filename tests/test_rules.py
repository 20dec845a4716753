"""A feed of 2,500 in which every row of the README's rules occurs, through the real command."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from customergauge_source.sandbox import Sandbox
from tests.support import TABLES, Finished, environment, query, run_load

RESPONSES = 2500
PER_PAGE = 250
# All oddities begin at these places of the feed: on the first page, and twice across two.
PLACES = (0, 980, 1720)
# The same CGID on one page, on the next one, and at the other end of the feed.
TWICE = ((60, 70), (80, 320), (90, RESPONSES - 1))
LONG = "🙂é\u05d0" * 12_000
BAD_DATES = ("0000-00-00 00:00:00", "2020-02-30 10:00:00")

# What is sent, and what `responses` has to say: column -> value.
SCALARS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"phone": None, "contact": None, "tags": None}, {"phone": None, "contact__first_name": None}),
    ({"number_customer": 77}, {"number_customer": "77"}),
    ({"number_order": 12.5, "status": True}, {"number_order": "12.5", "status": "true"}),
    ({"email": ["a", "b"], "phone": {"a": [1]}}, {"email": '["a","b"]', "phone": '{"a":[1]}'}),
    ({"nps": "9"}, {"nps": 9}),
    ({"nps": "abc"}, {"nps": None}),
    ({"follow_up": {"requested": 1}}, {"follow_up__requested": True}),
    ({"follow_up": {"requested": "maybe"}}, {"follow_up__requested": None}),
    ({"comment": "plain"}, {"comment__original": "plain", "comment__translation": None}),
    ({"date_order": BAD_DATES[0]}, {"date_order": None}),
    ({"date_sent": BAD_DATES[1]}, {"date_sent": None}),
    ({"account": 5, "tags": "none"}, {"account__name": None, "account__number": None}),
    ({"loyalty": "gold"}, {"loyalty": "gold"}),
    ({"visits": 3, "rate": 0.5}, {"visits": 3, "rate": 0.5}),
    ({"meta": {"a": 1, "b": {"c": True}}}, {"meta__a": 1, "meta__b__c": True}),
    ({"wave": 7}, {"wave": "7"}),
    ({"wave": "second"}, {"wave": "second"}),
    ({"wave": {"deep": [1]}}, {"wave": '{"deep":[1]}'}),
    ({"wave": [1, "a"]}, {"wave": '[1,"a"]'}),
    ({"comment": {"original": LONG}}, {"comment__original": LONG}),
    (
        {"comment": {"original": "\u202e\u05e9\u05dc\u05d5\u05dd"}},
        {"comment__original": "\u202e\u05e9\u05dc\u05d5\u05dd"},
    ),
    ({"comment": {"original": "a\0b"}}, {"comment__original": "a\ufffdb"}),
    ({"email": "a\ud83db"}, {"email": "a\ufffdb"}),
    ({"number_customer": "000123", "phone": "+0031"}, {"number_customer": "000123"}),
]
# What is sent, a child table, its columns, and its rows.
LISTS: list[tuple[dict[str, Any], str, str, list[tuple[Any, ...]]]] = [
    ({"tags": None}, "tags", "label", []),
    ({"tags": [{"label": 5, "weight": 2}]}, "tags", "label, weight", [("5", 2)]),
    ({"questions": [{"answer": ["a", "b"]}]}, "questions", "answer", [('["a","b"]',)]),
    ({"questions": [{"answer": True}]}, "questions", "answer", [("true",)]),
    ({"properties": [{"reference": 12.5}, {}]}, "properties", "reference", [("12.5",), (None,)]),
    (
        {"selected_drivers": None, "drivers": [{"label": "Price"}, {"label": "Support"}]},
        "selected_drivers",
        '"primary"',
        [("Price",), ("Support",)],
    ),
    ({"history": [1, 2]}, "history", "value", [(1,), (2,)]),
    ({"steps": [{"name": "a"}, {"name": "b"}]}, "steps", "name", [("a",), ("b",)]),
]
REJECTED_VALUES = {
    ("nps", '"abc"'),
    ("follow_up.requested", '"maybe"'),
    ("date_order", f'"{BAD_DATES[0]}"'),
    ("date_sent", f'"{BAD_DATES[1]}"'),
    ("account", "5"),
    ("tags", '"none"'),
}
NO_RECORDS: tuple[tuple[Any, str], ...] = (
    ({"nps": 7}, "no number_customergauge"),
    ({"number_customergauge": None}, "no number_customergauge"),
    ({"number_customergauge": "x1"}, "number_customergauge is not a whole number"),
    ([1, 2], "not an object"),
    ("text", "not an object"),
    (None, "not an object"),
)


@dataclass
class Loaded:
    """What was sent, and what the command made of it.

    Attributes:
        feed: All entries in their order.
        scalars: What columns of `responses` have to say, by CGID.
        lists: Child table, its columns and its rows, by CGID.
        file: The DuckDB file.
        finished: How the command ended.
    """

    feed: list[Any]
    scalars: dict[int, dict[str, Any]]
    lists: dict[int, tuple[str, str, list[tuple[Any, ...]]]]
    file: Path
    finished: Finished

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Returns the rows of a query over what was loaded."""
        return query(self.file, sql)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    folder = tmp_path_factory.mktemp("rules")
    with Sandbox(responses=RESPONSES) as generated:
        feed = generated.records
    scalars: dict[int, dict[str, Any]] = {}
    lists: dict[int, tuple[str, str, list[tuple[Any, ...]]]] = {}
    for start in PLACES:
        for record, (change, columns) in zip(feed[start:], SCALARS, strict=False):
            record.update(change)
            scalars[record["number_customergauge"]] = columns
        for record, oddity in zip(feed[start + len(SCALARS) :], LISTS, strict=False):
            change, table, columns_of, rows = oddity
            record.update(change)
            lists[record["number_customergauge"]] = (table, columns_of, rows)
        feed[start + 40 : start + 40 + len(NO_RECORDS)] = [entry for entry, _ in NO_RECORDS]
    for earlier, later in TWICE:
        cgid = feed[earlier]["number_customergauge"]
        feed[later] |= {"number_customergauge": cgid, "email": f"{later}@later.example"}
        feed[later]["tags"] = [{"label": f"later {later}"}]
    with Sandbox(records=feed) as sandbox:
        env = environment(folder, sandbox)
        finished = run_load(folder, "--json", "--per-page", str(PER_PAGE), env=env)
    return Loaded(feed, scalars, lists, folder / "customergauge.duckdb", finished)


def test_the_command_ends_well_and_counts_what_it_rejected(loaded: Loaded) -> None:
    assert loaded.finished.code == 0, loaded.finished.err
    resource = loaded.finished.summary["resources"]["responses"]
    unique = RESPONSES - len(PLACES) * len(NO_RECORDS) - 1  # one comes again on its own page
    assert resource["records"] == unique
    assert resource["pages"] == RESPONSES // PER_PAGE
    assert resource["rejected"] == len(PLACES) * len(NO_RECORDS)
    assert resource["rejected_values"] == len(PLACES) * len(REJECTED_VALUES)


def test_there_is_no_variant_column_and_no_surprise_table(loaded: Loaded) -> None:
    columns = loaded.query("SELECT table_name, column_name FROM information_schema.columns")
    assert [name for name in columns if "__v_" in name[1]] == []
    tables = {table for table, _ in columns if not table.startswith("_dlt")}
    more = {"rejected_records", "responses__rejected_values", "responses__history"}
    assert tables == {*TABLES, *more, "responses__steps"}


def test_every_scalar_is_where_the_rules_say(loaded: Loaded) -> None:
    for cgid, columns in loaded.scalars.items():
        names = ", ".join(columns)
        sql = f"SELECT {names} FROM responses WHERE number_customergauge = {cgid}"
        assert loaded.query(sql) == [tuple(columns.values())]


def test_every_list_is_where_the_rules_say(loaded: Loaded) -> None:
    for cgid, (table, columns, rows) in loaded.lists.items():
        where = f"number_customergauge = {cgid} ORDER BY _dlt_list_idx"
        assert loaded.query(f"SELECT {columns} FROM responses__{table} WHERE {where}") == rows


def test_what_a_column_could_not_take_is_kept_with_field_and_reason(loaded: Loaded) -> None:
    sql = "SELECT field, value, reason FROM responses__rejected_values"
    rows = loaded.query(sql)
    assert {(field, value) for field, value, _ in rows} == REJECTED_VALUES
    assert all(reason for _, _, reason in rows)
    joined = f"SELECT count(*) FROM ({sql}) JOIN responses USING (number_customergauge)"
    with_key = joined.replace("field,", "number_customergauge, field,")
    assert loaded.query(with_key) == [(len(rows),)]


def test_what_is_no_record_is_kept_with_its_reason_and_its_place(loaded: Loaded) -> None:
    rows = loaded.query("SELECT record, reason, resource, cursor, position FROM rejected_records")
    with Sandbox(records=loaded.feed) as sandbox:
        keys = sandbox.keys
    wanted = []
    for start in PLACES:
        for index, (entry, reason) in enumerate(NO_RECORDS, start + 40):
            cursor = keys[index - index % PER_PAGE + PER_PAGE - 1]
            wanted.append((json.dumps(entry), reason, "responses", cursor, index % PER_PAGE))
    spaced = [(json.dumps(json.loads(row[0])), *row[1:]) for row in rows]
    assert sorted(spaced) == sorted(wanted)


def test_of_the_same_cgid_the_later_one_stays_with_its_children_alone(loaded: Loaded) -> None:
    for earlier, later in TWICE:
        where = f"WHERE number_customergauge = {loaded.feed[earlier]['number_customergauge']}"
        assert loaded.query(f"SELECT email FROM responses {where}") == [(f"{later}@later.example",)]
        tags = loaded.query(f"SELECT label FROM responses__tags {where}")
        assert tags == [(f"later {later}",)]
        properties = loaded.query(f"SELECT field FROM responses__properties {where}")
        assert len(properties) == len(loaded.feed[later]["properties"])


def test_all_other_responses_are_as_sent(loaded: Loaded) -> None:
    odd = {*loaded.scalars, *loaded.lists}
    usual = {
        entry["number_customergauge"]: entry["email"]
        for entry in loaded.feed
        if isinstance(entry, dict) and entry.get("number_customergauge") not in (None, "x1", *odd)
    }
    rows = loaded.query("SELECT number_customergauge, email FROM responses")
    assert {cgid: email for cgid, email in rows if cgid not in odd} == usual
    assert len(rows) == len(usual) + len(odd)
