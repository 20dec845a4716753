"""The main job: everything that the API has is in the tables, once, typed and joined."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from customergauge_source.sandbox import Sandbox
from tests.support import TABLES, make_pipeline, make_source, query
from tests.truth import differences

LISTS = ["questions", "properties", "selected_drivers", "tags"]
# Values that a loader which guesses types gets wrong.
TREACHEROUS = {
    "number_customer": "000123",
    "number_order": "1e5",
    "phone": "+31 20 555 0037",
    "account": {"name": "2024-01-01", "number": "0007"},
    "contact": {"first_name": "Zoë 'Ω' \"🙂\"", "last_name": ""},
    "comment": {"original": "line 1\nline 2\t\\ end", "translation": "true"},
    "questions": [{"title": "How many?", "answer": "007"}, {"title": "Free?", "answer": None}],
    "properties": [
        {"field": "Renewal", "reference": "2027-06-01"},
        {"field": "Code", "reference": "00"},
        {"field": "Nothing", "reference": None},
    ],
}


@pytest.fixture
def treacherous() -> list[dict[str, Any]]:
    """Responses of which the first has values that are easily taken for something else."""
    with Sandbox(responses=45) as generated:
        first, *others = generated.records
    return [first | TREACHEROUS, *others]


def test_a_first_load_brings_every_value_and_every_child_as_sent(
    workdir: Path, treacherous: list[dict[str, Any]]
) -> None:
    with Sandbox(records=treacherous) as sandbox:
        make_pipeline(workdir).run(make_source(sandbox, per_page=20))

    assert differences(workdir / "customergauge.duckdb", treacherous) == []


def test_every_column_has_the_type_that_the_readme_says(workdir: Path, sandbox: Sandbox) -> None:
    make_pipeline(workdir).run(make_source(sandbox))

    columns = query(
        workdir / "customergauge.duckdb",
        "SELECT table_name, column_name, data_type FROM information_schema.columns"
        " WHERE table_schema = current_schema() AND column_name NOT LIKE '\\_dlt%' ESCAPE '\\'"
        f" AND table_name IN {TABLES} AND data_type <> 'VARCHAR' ORDER BY ALL",
    )

    moments = ("date_creation", "date_order", "date_sent", "date_survey_response")
    assert columns == sorted(
        [
            *((table, "number_customergauge", "BIGINT") for table in TABLES),
            ("responses", "nps", "BIGINT"),
            ("responses", "follow_up__requested", "BOOLEAN"),
            *(("responses", moment, "TIMESTAMP WITH TIME ZONE") for moment in moments),
        ]
    )


def test_a_first_load_asks_as_the_page_says_until_data_is_empty(
    workdir: Path, sandbox: Sandbox
) -> None:
    make_pipeline(workdir).run(make_source(sandbox))

    first, second = sandbox.data_requests  # a short page is not the end
    lists = sorted(("with[]", name) for name in LISTS)
    assert sorted(first.query) == sorted([("per_page", "1000"), *lists])
    last = ("cursor", str(sandbox.keys[-1]))
    assert sorted(second.query) == sorted([("per_page", "1000"), *lists, last])


def test_each_page_is_asked_with_the_cursor_of_the_page_before(
    workdir: Path, sandbox: Sandbox
) -> None:
    make_pipeline(workdir).run(make_source(sandbox, per_page=100))

    asked = [dict(request.query).get("cursor") for request in sandbox.data_requests]
    keys = [str(sandbox.keys[place]) for place in (99, 199, 299)]
    assert asked == [None, *keys]
    assert differences(workdir / "customergauge.duckdb", sandbox.records) == []


def test_pages_without_any_row_of_a_list_load_behind_pages_that_have_some(workdir: Path) -> None:
    with Sandbox(responses=300) as generated:
        records = generated.records
    records[20:] = [record | {"tags": []} for record in records[20:]]
    with Sandbox(records=records) as sandbox:
        make_pipeline(workdir).run(make_source(sandbox, per_page=20))

    assert differences(workdir / "customergauge.duckdb", records) == []


def test_an_empty_account_gets_all_its_tables_empty(workdir: Path) -> None:
    with Sandbox(responses=0) as sandbox:
        make_pipeline(workdir).run(make_source(sandbox))

    for table in TABLES:
        assert query(workdir / "customergauge.duckdb", f"FROM {table}") == []


def test_timestamps_are_read_in_the_zone_that_is_set(workdir: Path) -> None:
    with Sandbox(responses=1) as generated:
        record = generated.records[0] | {
            "date_sent": "2026-07-01 12:00:00",
            "date_survey_response": "2026-01-01 00:30:00",
        }
    with Sandbox(records=[record]) as sandbox:
        make_pipeline(workdir).run(make_source(sandbox, timezone="Europe/Amsterdam"))

    sql = "SELECT date_sent::TEXT, date_survey_response::TEXT FROM responses"
    loaded = query(workdir / "customergauge.duckdb", sql)
    assert loaded == [("2026-07-01 10:00:00+00", "2025-12-31 23:30:00+00")]
