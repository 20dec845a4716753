"""What can be rehearsed with the sandbox's responses, and what a load makes of the odd ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from customergauge_source.sandbox import DETRACTORS_FILTER, Sandbox
from tests.support import make_pipeline, make_source, query
from tests.truth import differences

RESPONSES = 2500


@pytest.fixture(scope="module")
def account() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def records(account: Sandbox) -> list[dict[str, Any]]:
    return account.records


def group(record: dict[str, Any]) -> str:
    """Returns the group of a response's customer, by its score."""
    nps = record["nps"]
    return "promoter" if nps >= 9 else "passive" if nps >= 7 else "detractor"


def segments(record: dict[str, Any], field: str) -> list[str | None]:
    """Returns what a segment is on a record, each time that it stands there."""
    return [it["reference"] for it in record["properties"] if it["field"] == field]


def test_scores_dates_and_drivers_are_missing_here_and_there(records: list[dict[str, Any]]) -> None:
    assert len(records) == RESPONSES
    assert 25 <= sum(record["nps"] is None for record in records) <= 50
    assert 5 <= sum(record["date_survey_response"] is None for record in records) <= 12
    assert sum(record["selected_drivers"] == [] for record in records) > 100


def test_a_few_have_another_status(records: list[dict[str, Any]]) -> None:
    statuses = Counter(record["status"] for record in records)
    assert statuses.keys() == {"response", "excluded", "test"}
    assert 10 <= RESPONSES - statuses["response"] < 25


def test_a_segment_stands_twice_with_the_same_value_and_with_others(
    records: list[dict[str, Any]],
) -> None:
    twice = [
        len(set(values))
        for record in records
        for field in ("Country", "Division")
        if len(values := segments(record, field)) == 2
    ]
    assert 15 <= len(twice) <= 35
    assert twice.count(1) >= 5
    assert twice.count(2) >= 5


def test_an_answer_is_a_grade_another_text_a_list_or_nothing(records: list[dict[str, Any]]) -> None:
    answers = [it["answer"] for record in records for it in record["questions"]]
    assert {type(answer) for answer in answers} == {str, list, type(None)}
    assert {"5", "Phone", "No, not now"} < {it for it in answers if isinstance(it, str)}
    assert max(len(it) for it in answers if isinstance(it, list)) == 3


def test_a_comment_a_segment_and_a_question_hold_markup(records: list[dict[str, Any]]) -> None:
    script = "<script>alert(1)</script> & <b>bold</b>"
    odd = [record for record in records if record["comment"]["original"] == script]
    assert 5 <= len(odd) <= 12
    assert {*segments(odd[0], "Segment A")} == {"R&D <b>Labs</b>"}
    assert "<script>" in odd[0]["questions"][-1]["title"]


def test_customers_answer_in_eight_languages_and_move_between_all_groups(
    records: list[dict[str, Any]],
) -> None:
    assert len({record["language"] for record in records}) == 8
    scored = [it for it in records if isinstance(it["nps"], int) and it["date_survey_response"]]
    customers: dict[str, list[dict[str, Any]]] = {}
    for record in sorted(scored, key=lambda it: str(it["date_survey_response"])):
        customers.setdefault(record["number_customer"], []).append(record)
    moves = Counter(
        (group(before), group(after))
        for answers in customers.values()
        for before, after in pairwise(answers)
    )
    assert len(moves) == 9
    assert min(moves.values()) > 100


def test_a_load_keeps_each_oddity_and_rejects_the_values_that_fit_no_column(
    workdir: Path, account: Sandbox, records: list[dict[str, Any]]
) -> None:
    make_pipeline(workdir).run(make_source(account))

    file = workdir / "customergauge.duckdb"
    rejected = query(
        file,
        "SELECT field, value, reason, count(*) FROM responses__rejected_values"
        " JOIN responses USING (number_customergauge)"
        " WHERE CASE field WHEN 'nps' THEN nps IS NULL ELSE date_order IS NULL END"
        " GROUP BY ALL ORDER BY ALL",
    )
    assert rejected == [
        ("date_order", '"2026-02-30 10:00:00"', "no such date", 3),
        ("nps", '"n/a"', "not a whole number of 64 bits", 3),
    ]
    assert differences(file, records) == []


def test_a_filter_of_scores_and_a_case_of_a_detractor_want_a_score(workdir: Path) -> None:
    with Sandbox() as sandbox:
        detractors = {
            record["number_customergauge"]: record["date_survey_response"]
            for record in sandbox.records
            if record["nps"] in range(7)
        }
        cases = {it["number_customergauge"] for it in sandbox.records_of("close-loop")}
        source = make_source(sandbox, outbound_filter=DETRACTORS_FILTER)
        make_pipeline(workdir).run(source)

    assert cases < {cgid for cgid, answered in detractors.items() if answered}
    loaded = query(workdir / "customergauge.duckdb", "SELECT number_customergauge FROM responses")
    assert sorted(loaded) == [(cgid,) for cgid in sorted(detractors)]


def test_text_in_place_of_a_number_is_among_the_first_alone() -> None:
    with Sandbox(responses=2 * RESPONSES) as sandbox:
        first, later = sandbox.records[:RESPONSES], sandbox.records[RESPONSES:]
    assert {type(record["nps"]) for record in first} == {int, str, type(None)}
    assert {type(record["nps"]) for record in later} == {int, type(None)}
