"""A digest tells records apart by what they say, and by nothing else."""

from __future__ import annotations

import json
from datetime import timezone
from itertools import product
from typing import Any

import pytest

from customergauge_source.api.page import Decoder
from customergauge_source.resources import RESPONSES as RESPONSES_OF_THE_API
from customergauge_source.sandbox import Sandbox
from customergauge_source.tables.catalog import Catalog, Target
from customergauge_source.tables.digest import with_digest
from customergauge_source.tables.read import Reader
from customergauge_source.tables.shape import DIGEST
from tests.command import Command
from tests.reconciling import (
    KEY,
    OPTIONS,
    contents,
    found,
    ids,
    later,
    run,
)
from tests.support import EMPTY


def digests(*records: Any) -> dict[int, int]:
    """Returns the digest of each record of a page, by CGID."""
    body = json.dumps({"data": records, "cursor": {"next": 1}}).encode()
    it = RESPONSES_OF_THE_API
    catalog = Catalog(lambda path: "__".join(path).lower(), {})
    reader = Reader(Target(it.name, it.key, it.record, catalog, timezone.utc))
    rows: Any = with_digest(Decoder(it, lambda: reader).decode(body).data)
    return dict(zip(*(rows.field(name).to_pylist() for name in (KEY, DIGEST)), strict=True))


STRANGE: tuple[dict[str, Any], ...] = (
    {"mood": "fine", "Aaa": 1, "zz": [{"a": "x"}, {"b": [1, 2]}], "aa": ["x"]},
    {"tags": [{"label": "a", "weight": 1.5, "of": {"x": True}}, {}], "comment": {"by": "me"}},
    {"questions": [{"title": "?", "answer": ["a", "b"]}], "selected_drivers": None},
    {"aa": [], "zz": {}, "mood": None},
    {"date_sent": "2026-03-01T10:00:00+02:00", "nps": 9},
)

MISSHAPEN: tuple[Any, ...] = (
    {"nps": "many", "date_sent": "never", "tags": "none", "contact": [1]},
    {"nps": 7.0, "tags": {"0": {"label": "PHP"}}, "comment": "older", "drivers": [{"label": "a"}]},
    {"mood": "2026-01-01 10:00:00", "zz": 3, "aa": {"x": 1}},
)


@pytest.mark.long
def test_a_digest_is_the_same_whatever_others_on_the_page_are_and_have(account: Sandbox) -> None:
    records = account.records[:30] + [{KEY: n, **it} for n, it in enumerate(STRANGE, start=1)]
    alone: dict[int, int] = {}
    for record in records:
        alone |= digests(record)
    turned = [{name: it[name] for name in sorted(it, reverse=True)} for it in records]
    others = [{KEY: n, **it} for n, it in enumerate(MISSHAPEN[:2], start=100)]

    assert digests(*records) == alone
    assert digests(*turned[::-1]) == alone
    assert alone.items() <= digests(*records, *others, "no record").items()
    assert digests(*others) == {**digests(others[0]), **digests(others[1])}


def test_a_digest_tells_all_that_a_record_says_apart(full: dict[str, Any]) -> None:
    lists = [["a;b"], ["a", "b"], ["b", "a"], ["a;", "b"], [None, "a"], ["a"], ["a", None], [None]]
    pairs = [*product([*lists, []], repeat=2)]
    changes: list[dict[str, Any]] = [
        *({"selected_drivers": [{"secondary": it, "primary": "a"}]} for it in [*lists, []]),
        *(
            {"selected_drivers": [{"secondary": it, "primary": "a"} for it in pair]}
            for pair in pairs
        ),
        *({"mood": [{"a": [{"b": it} for it in pair]}, {"a": [{"b": ["c"]}]}]} for pair in pairs),
        *({"mood": [{"a": [{"b": ["c"]}]}, {"a": [{"b": it} for it in pair]}]} for pair in pairs),
        *({name: []} for name in EMPTY),
        {"tags": [*full["tags"][::-1], {}]},
        {"tags": [*full["tags"], {}, {}]},
        {"email": None},
        {"email": ""},
        {"email": full["phone"], "phone": full["email"]},
        {"nps": None},
        {"nps": (full["nps"] + 1) % 10},
        {"date_sent": None},
        {"date_sent": later(full["date_sent"], 1)},
        {"follow_up": {"requested": None}},
        {"follow_up": {"requested": not full["follow_up"]["requested"]}},
        {"comment": {"original": "5:email"}},
        {"mood": "x"},
        {"mood": ["x"]},
        {"mood": {"x": "x"}},
        {"nps": "never"},
    ]
    told = [digests(full | change)[full[KEY]] for change in ({}, *changes)]

    assert len({*told}) == len(told)
    assert all(told)


@pytest.mark.long
def test_another_page_size_changes_nothing_though_some_records_have_more_fields(
    command: Command, account: Sandbox
) -> None:
    strange = {"mood": "fine", "scores": {"a": 1.5, "b": None}, "steps": [{"name": "a"}]}
    account.append({KEY: 5, **strange}, {KEY: 6, "channels": ["sms"]})
    assert command(account, *OPTIONS).code == 0
    before = contents(command.file)

    assert ids(found(run(command, account, "--per-page", "1000"))) == ([], [], [])
    assert contents(command.file) == before


@pytest.mark.long
def test_a_misshapen_neighbour_and_another_order_of_keys_change_no_record(
    command: Command, account: Sandbox
) -> None:
    turned: list[Any] = [
        {name: record[name] for name in sorted(record, reverse=True)} for record in account.records
    ]
    misshapen: list[Any] = [
        {KEY: 5, "nps": "many", "date_sent": "never", "tags": "none", "contact": [1]},
        {KEY: "6", "nps": 7.0, "tags": {"0": {"label": "PHP"}}},
        "no record at all",
    ]
    turned[10:10], turned[50:50] = misshapen[:1], misshapen[1:]
    with Sandbox(records=turned) as turned_round:
        assert ids(found(run(command, turned_round, "--per-page", "30"))) == ([5, 6], [], [])
        assert ids(found(run(command, turned_round, "--per-page", "13"))) == ([], [], [])
