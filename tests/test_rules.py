"""A feed in which every row of "What the tables say" (docs/tables.md) occurs, by the command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from customergauge_source.sandbox import Sandbox
from tests.read_back import KEY, Loaded, Row, read_back
from tests.support import (
    TABLES,
    Finished,
    environment,
    make_pipeline,
    make_source,
    query,
    run_load,
)
from tests.truth import row_of

RESPONSES = 1000
PER_PAGE = 100
# All oddities begin at these places of the feed: on the first page, and twice across two.
PLACES = (0, 370, 680)
LONG = "🙂é\u05d0" * 12_000
HEBREW = "\u202e\u05e9\u05dc\u05d5\u05dd"
BAD_DATES = ("0000-00-00 00:00:00", "2020-02-30 10:00:00")
NINE_LEVELS: Any = {"b": {"c": {"d": {"e": {"f": {"g": {"h": {"i": [1, {"j": "a b"}]}}}}}}}}


NOTHING: Final[dict[str, Any]] = {}


class Rule(NamedTuple):
    """What is sent, and what the tables have to say; None is NULL.

    Attributes:
        sent: Members of the record.
        columns: Columns of `responses`.
        lists: The rows of child tables, without NULLs.
        rejected: Fields and values, as JSON, of `responses__rejected_values`.
    """

    sent: dict[str, Any]
    columns: dict[str, Any] = NOTHING
    lists: dict[str, list[dict[str, Any]]] = NOTHING
    rejected: dict[str, str] = NOTHING


RULES = [
    Rule({"phone": None, "contact": None}, {"phone": None, "contact__first_name": None}),
    Rule({"number_customer": 77}, {"number_customer": "77"}),
    Rule({"number_order": 12.5, "status": True}, {"number_order": "12.5", "status": "true"}),
    Rule({"email": ["a", "b"], "phone": {"a": [1]}}, {"email": '["a","b"]', "phone": '{"a":[1]}'}),
    Rule({"nps": "9"}, {"nps": 9}),
    Rule({"nps": "abc"}, {"nps": None}, rejected={"nps": '"abc"'}),
    Rule({"follow_up": {"requested": 1}}, {"follow_up__requested": True}),
    Rule(
        {"follow_up": {"requested": "maybe"}},
        {"follow_up__requested": None},
        rejected={"follow_up.requested": '"maybe"'},
    ),
    Rule({"comment": "plain"}, {"comment__original": "plain", "comment__translation": None}),
    *(
        Rule({"date_order": date}, {"date_order": None}, rejected={"date_order": f'"{date}"'})
        for date in BAD_DATES
    ),
    Rule({"account": 5}, {"account__name": None, "account__number": None}, {}, {"account": "5"}),
    Rule({"account": []}, {"account__name": None}),
    Rule({"comment": {"original": LONG}}, {"comment__original": LONG}),
    Rule({"comment": {"original": HEBREW}}, {"comment__original": HEBREW}),
    Rule({"comment": {"original": "a\0b"}}, {"comment__original": "a\ufffdb"}),
    Rule({"email": "a\ud83db"}, {"email": "a\ufffdb"}),
    Rule({"number_customer": "000123", "phone": "+0031"}, {"number_customer": "000123"}),
    Rule({"tags": None}, lists={"tags": []}),
    Rule({"tags": {}}, lists={"tags": []}),
    Rule({"tags": "none"}, {}, {"tags": []}, {"tags": '"none"'}),
    Rule({"tags": [{"label": 5, "weight": 2}]}, lists={"tags": [{"label": "5", "weight": "2"}]}),
    Rule(
        {"tags": {"0": {"label": "a"}, "2": {"label": "b"}}},
        lists={"tags": [{"label": "a"}, {"label": "b"}]},
    ),
    Rule(
        {"tags": {"0": {"label": "a"}, "x": {"label": "b"}}},
        lists={"tags": []},
        rejected={"tags": '{"0":{"label":"a"},"x":{"label":"b"}}'},
    ),
    Rule({"questions": [{"answer": ["a", "b"]}]}, lists={"questions": [{"answer": '["a","b"]'}]}),
    Rule({"questions": [{"answer": True}]}, lists={"questions": [{"answer": "true"}]}),
    Rule(
        {"properties": [{"reference": 12.5}, {}]}, lists={"properties": [{"reference": "12.5"}, {}]}
    ),
    Rule(
        {"selected_drivers": None, "drivers": [{"label": "Price"}, {"label": "Support"}]},
        lists={"selected_drivers": [{"primary": "Price"}, {"primary": "Support"}]},
    ),
    Rule({"loyalty": "gold"}, {"loyalty": "gold"}),
    Rule({"visits": 3, "rate": 0.5}, {"visits": "3", "rate": "0.5"}),
    Rule({"meta": {"a": 1, "b": {"c": True}}}, {"meta__a": "1", "meta__b__c": "true"}),
    Rule({"wave": 7}, {"wave": "7"}),
    Rule({"wave": {"deep": [1]}}, {"wave": '{"deep":[1]}'}),
    Rule({"wave": [1, "a"]}, {"wave": '[1,"a"]'}),
    Rule({"a": NINE_LEVELS}, {"a__b__c__d__e__f__g__h__i": '[1,{"j":"a b"}]'}),
    Rule({"history": [1, 2]}, lists={"history": [{"value": "1"}, {"value": "2"}]}),
    Rule({"steps": [{"name": "a"}, {"n": 1}]}, lists={"steps": [{"name": "a"}, {"n": "1"}]}),
]
NO_RECORDS: tuple[tuple[Any, str], ...] = (
    ({"nps": 7}, "no number_customergauge"),
    ({KEY: None}, "no number_customergauge"),
    ({KEY: "x1"}, "number_customergauge is not a whole number of 64 bits"),
    ([1, 2], "not an object"),
    ("text", "not an object"),
    (None, "not an object"),
)
# The same CGID on one page, on the next one, and at the other end of the feed.
TWICE = ((60, 70), (80, 120), (90, RESPONSES - 1))


class Run(NamedTuple):
    """What was sent, and what the command made of it.

    Attributes:
        feed: All entries in their order.
        rules: Which rule holds for which CGID.
        keys: The cursors of the entries.
        tables: What was loaded.
        finished: How the command ended.
    """

    feed: list[Any]
    rules: dict[int, Rule]
    keys: list[int]
    tables: Loaded
    finished: Finished


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("rules")
    with Sandbox(responses=RESPONSES) as generated:
        feed = generated.records
    rules: dict[int, Rule] = {}
    for start in PLACES:
        for record, rule in zip(feed[start:], RULES, strict=False):
            record.update(rule.sent)
            rules[record[KEY]] = rule
        feed[start + 45 : start + 45 + len(NO_RECORDS)] = [entry for entry, _ in NO_RECORDS]
    for earlier, later in TWICE:
        feed[later] |= {KEY: feed[earlier][KEY], "email": f"{later}@later.example"}
        feed[later]["tags"] = [{"label": f"later {later}"}]
    with Sandbox(records=feed) as sandbox:
        env = environment(folder, sandbox)
        finished = run_load(folder, "--json", "--per-page", str(PER_PAGE), env=env)
        tables = read_back(folder / "customergauge.duckdb")
        return Run(feed, rules, sandbox.keys, tables, finished)


def usual(run: Run) -> dict[int, Row]:
    """Returns what is to be loaded of the records for which no rule is made, by CGID."""
    return {
        entry[KEY]: row_of(entry)
        for entry in run.feed
        if isinstance(entry, dict) and entry.get(KEY) not in (None, "x1", *run.rules)
    }


def test_the_command_ends_well_and_counts_what_it_rejected(run: Run) -> None:
    assert run.finished.code == 0, run.finished.err
    resource = run.finished.summary["resources"]["responses"]
    unique = RESPONSES - len(PLACES) * len(NO_RECORDS) - 1  # one comes again on its own page
    assert resource["records"] == unique
    assert resource["pages"] == RESPONSES // PER_PAGE
    assert resource["rejected"] == len(PLACES) * len(NO_RECORDS)
    by_rules = sum(len(rule.rejected) for rule in run.rules.values())
    others = sum(len(row.children.get("rejected_values", [])) for row in usual(run).values())
    assert resource["rejected_values"] == by_rules + others


def test_there_is_no_variant_column_no_stray_row_and_no_surprise_table(run: Run) -> None:
    assert run.tables.faults == []
    more = {"rejected_records", "responses__rejected_values", "responses__history"}
    assert {table for table, _ in run.tables.types} == {*TABLES, *more, "responses__steps"}


def test_every_rule_holds_wherever_it_is_met(run: Run) -> None:
    for cgid, rule in run.rules.items():
        row = run.tables.responses[cgid]
        assert {name: row.values.get(name) for name in rule.columns} == rule.columns, rule
        for table, rows in rule.lists.items():
            assert [below.values for below in row.children.get(table, [])] == rows, rule
        rejected = [below.values for below in row.children.get("rejected_values", [])]
        assert {it["field"]: it["value"] for it in rejected} == rule.rejected, rule
        assert all(it["reason"] for it in rejected)


def test_what_is_no_record_is_kept_with_its_reason_and_its_place(run: Run) -> None:
    wanted = []
    for start in PLACES:
        for index, (entry, reason) in enumerate(NO_RECORDS, start + 45):
            cursor = run.keys[index - index % PER_PAGE + PER_PAGE - 1]
            wanted.append((json.dumps(entry), reason, "responses", cursor, index % PER_PAGE))
    columns = ("reason", "resource", "cursor", "position")
    found = [
        (json.dumps(json.loads(row["record"])), *map(row.get, columns))
        for row in run.tables.rejected
    ]
    assert sorted(found) == sorted(wanted)


def test_all_others_are_as_sent_and_of_the_same_cgid_the_later_one_alone(run: Run) -> None:
    loaded = run.tables.responses
    assert {cgid: row for cgid, row in loaded.items() if cgid not in run.rules} == usual(run)
    assert len(loaded) == len(usual(run)) + len(run.rules)
    for earlier, later in TWICE:
        assert loaded[run.feed[earlier][KEY]].values["email"] == f"{later}@later.example"


def test_drivers_of_the_older_shape_are_selected_drivers_whatever_else_is_on_the_page(
    workdir: Path,
) -> None:
    shapes: list[Any] = [[{"label": "a"}], [], None, {"0": {"label": "b"}, "2": {"label": "c"}}]
    records = [{KEY: number, "drivers": shape} for number, shape in enumerate(shapes, 1)]
    records[3]["selected_drivers"] = {}
    with Sandbox(records=records) as sandbox:
        make_pipeline(workdir).run(make_source(sandbox, per_page=1))  # a page each

    file = workdir / "customergauge.duckdb"
    sql = f'SELECT {KEY}, "primary" FROM responses__selected_drivers ORDER BY {KEY}, _dlt_list_idx'
    assert query(file, sql) == [(1, "a"), (4, "b"), (4, "c")]
    assert {table for table, _ in read_back(file).types} >= {*TABLES}
    assert "responses__drivers" not in {table for table, _ in read_back(file).types}
