"""The declared tables: there from the first run on, complete, typed and described."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from customergauge_source.sandbox import Sandbox
from tests.support import TABLES, make_pipeline, make_source, query

TEXT, WHOLE, MOMENT = "VARCHAR", "BIGINT", "TIMESTAMP WITH TIME ZONE"
KEYS = {"_dlt_id": TEXT}
NESTED = {
    "number_customergauge": WHOLE,
    "_dlt_root_id": TEXT,
    "_dlt_parent_id": TEXT,
    "_dlt_list_idx": WHOLE,
    **KEYS,
}
ROOT = {"_dlt_load_id": TEXT, **KEYS}
COLUMNS = {
    "responses": {
        "number_customergauge": WHOLE,
        **dict.fromkeys(("status", "number_customer", "number_order", "email", "phone"), TEXT),
        "nps": WHOLE,
        "date_creation": MOMENT,
        "date_order": MOMENT,
        "date_sent": MOMENT,
        "date_survey_response": MOMENT,
        **dict.fromkeys(("language", "locale", "contact__first_name", "contact__last_name"), TEXT),
        **dict.fromkeys(("account__name", "account__number"), TEXT),
        **dict.fromkeys(("comment__original", "comment__translation"), TEXT),
        "follow_up__requested": "BOOLEAN",
        "follow_up__details": TEXT,
        **ROOT,
    },
    "responses__tags": {"label": TEXT, "type": TEXT, "sentiment": TEXT, **NESTED},
    "responses__questions": {"title": TEXT, "answer": TEXT, **NESTED},
    "responses__selected_drivers": {"primary": TEXT, **NESTED},
    "responses__selected_drivers__secondary": {"value": TEXT, **NESTED},
    "responses__properties": {"field": TEXT, "reference": TEXT, **NESTED},
    "responses__rejected_values": {"field": TEXT, "value": TEXT, "reason": TEXT, **NESTED},
    "rejected_records": {
        **dict.fromkeys(("record", "reason", "resource"), TEXT),
        "cursor": WHOLE,
        "position": WHOLE,
        **ROOT,
    },
}
BARE = {"number_customergauge": 1}


def load(folder: Path, *records: Any, **arguments: Any) -> Path:
    """Loads records, and returns the DuckDB file."""
    with Sandbox(records=records) as sandbox:
        make_pipeline(folder).run(make_source(sandbox, **arguments))
    return folder / "customergauge.duckdb"


def columns(file: Path) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for table, column, kind in query(
        file,
        "SELECT table_name, column_name, data_type FROM information_schema.columns"
        " WHERE table_schema = current_schema() AND table_name NOT LIKE '\\_dlt%' ESCAPE '\\'",
    ):
        found.setdefault(table, {})[column] = kind
    return found


@pytest.mark.parametrize(
    ("records", "filled"),
    [
        pytest.param((), set(), id="no response at all"),
        pytest.param((BARE,), {"responses"}, id="a response with nothing in it"),
        pytest.param((None, {"nps": 1}), {"rejected_records"}, id="nothing that loads"),
        pytest.param(({**BARE, "tags": None, "contact": None},), {"responses"}, id="nulls"),
    ],
)
def test_all_tables_have_all_columns_after_the_first_run(
    workdir: Path, records: tuple[Any, ...], filled: set[str]
) -> None:
    file = load(workdir, *records)

    assert columns(file) == COLUMNS
    assert {table for table in COLUMNS if query(file, f"FROM {table}")} == filled


def test_an_empty_account_stays_empty_and_fills_later(workdir: Path) -> None:
    load(workdir)
    file = load(workdir)
    assert all(query(file, f"FROM {table}") == [] for table in TABLES)

    with Sandbox(responses=30) as generated:
        load(workdir, *generated.records)

    assert columns(file) == COLUMNS
    assert query(file, "SELECT count(*) FROM responses") == [(30,)]


def test_descriptions_of_tables_and_columns_are_in_the_schema(workdir: Path) -> None:
    load(workdir, BARE)

    tables = make_pipeline(workdir)
    tables.sync_destination()
    for name, described in COLUMNS.items():
        table = tables.default_schema.tables[name]
        assert table["description"], name
        for column in described:
            hint = table["columns"][column]
            assert column.startswith("_dlt") or hint["description"], (name, column)


def test_leading_zeros_plus_signs_and_exponents_stay_text(workdir: Path) -> None:
    sent = {"number_customer": "000123", "number_order": "1e5", "phone": "+31 020"}
    file = load(workdir, {**BARE, **sent, "account": {"number": "0007"}})

    names = "number_customer, number_order, phone, account__number"
    rows = query(file, f"SELECT {names} FROM responses")
    assert rows == [("000123", "1e5", "+31 020", "0007")]


MOMENTS = {
    "UTC": [("2024-07-01 12:00:00", "2024-07-01 12:00:00")],
    "Europe/Amsterdam": [
        ("2024-01-15 12:00:00", "2024-01-15 11:00:00"),
        ("2024-07-01 12:00:00", "2024-07-01 10:00:00"),
        # Clocks go forward at 02:00: this hour is read as if they had not.
        ("2024-03-31 02:30:00", "2024-03-31 01:30:00"),
        # Clocks go back at 03:00: of the two hours it is the first.
        ("2024-10-27 02:30:00", "2024-10-27 00:30:00"),
    ],
    "America/New_York": [
        ("2024-03-10 02:30:00", "2024-03-10 07:30:00"),
        ("2024-11-03 01:30:00", "2024-11-03 05:30:00"),
        ("2024-12-31 23:30:00", "2025-01-01 04:30:00"),
        # An offset of its own goes before the zone.
        ("2024-07-01T12:00:00+02:00", "2024-07-01 10:00:00"),
    ],
}


@pytest.mark.parametrize("zone", MOMENTS)
@pytest.mark.parametrize("rough", [False, True])
def test_timestamps_are_read_in_the_zone_and_stored_as_utc(
    workdir: Path, zone: str, *, rough: bool
) -> None:
    """Alike on a page that is all as documented, and on one that is put right by value.

    Each is on a page of its own, which it could make rough for the others.
    """
    records: list[dict[str, Any]] = [
        {"number_customergauge": n, "date_sent": sent, "date_order": "2020-06-15 00:00:00"}
        | ({"nps": "9"} if rough else {})
        for n, (sent, _) in enumerate(MOMENTS[zone])
    ]
    file = load(workdir, *records, timezone=zone, per_page=1)

    rows = query(file, "SELECT epoch_us(date_sent) FROM responses ORDER BY number_customergauge")
    utc = [datetime.fromisoformat(it).replace(tzinfo=timezone.utc) for _, it in MOMENTS[zone]]
    assert rows == [(int(moment.timestamp()) * 1_000_000,) for moment in utc]
