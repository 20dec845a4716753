"""The declared tables: there from the first run on, complete, typed and described."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from customergauge_source.resources import RESPONSES
from customergauge_source.sandbox import Sandbox
from customergauge_source.tables.shape import (
    DELETED,
    DIGEST,
    REJECTED_RECORDS,
    REJECTED_VALUES,
    SCALAR,
    SCOPE,
    DataType,
    Shape,
)
from tests.read_back import KEY, read_back
from tests.support import TABLES, make_pipeline, make_source, query
from tests.truth import differences

# The example response of GET Responses (v7), with the two commas that the page forgot.
EXAMPLE: dict[str, Any] = {
    "status": "response",
    "contact": {"first_name": "John", "last_name": "Doe"},
    "account": {"name": "ACME", "number": "123"},
    "number_customergauge": 3414,
    "number_customer": "123",
    "number_order": "321",
    "email": "example@customergauge.com",
    "phone": "1234567890",
    "nps": 10,
    "comment": {"original": "Comentário de exemplo", "translation": "Example Comment"},
    "date_creation": "2022-03-30 12:34:56",
    "date_order": "2022-03-30 12:34:56",
    "date_sent": "2022-03-30 12:34:56",
    "date_survey_response": "2022-03-30 12:34:56",
    "language": "EN",
    "locale": "en_GB",
    "follow_up": {"requested": False, "details": "1234567890"},
    "tags": [
        {"label": "Product", "type": "topic", "sentiment": "mixed"},
        {"label": "Support", "type": "tag"},
    ],
    "questions": [{"title": "We made it easy to solve your support issue.", "answer": "7"}],
    "selected_drivers": [
        {
            "primary": "Ordering",
            "secondary": ["Ease of Ordering", "Product Information", "Invoicing/Payments"],
        },
        {
            "primary": "Product",
            "secondary": ["Ease of Use", "Capabilities", "Return on Investment"],
        },
    ],
    "properties": [
        {"field": "Country", "reference": "NL"},
        {"field": "Division", "reference": "Global"},
        {"field": "Touchpoint", "reference": "Relationship"},
        {"field": "Key Contact", "reference": None},
        {"field": "Segment A", "reference": None},
        {"field": "Account Manager", "reference": None},
    ],
}
TYPES = {
    "text": "VARCHAR",
    "bigint": "BIGINT",
    "bool": "BOOLEAN",
    "timestamp": "TIMESTAMP WITH TIME ZONE",
}
BESIDE = {"_dlt_load_id": "VARCHAR", "_dlt_id": "VARCHAR"}
ROOT = {**BESIDE, DIGEST: "BIGINT", SCOPE: "VARCHAR", DELETED: "BOOLEAN"}
NESTED = {
    KEY: "BIGINT",
    **dict.fromkeys(("_dlt_root_id", "_dlt_parent_id", "_dlt_id"), "VARCHAR"),
    "_dlt_list_idx": "BIGINT",
}
SHAPES = {
    **{table: (shape, parent) for table, parent, shape in RESPONSES.record.tables("responses")},
    "responses__rejected_values": (REJECTED_VALUES, "responses"),
    "rejected_records": (REJECTED_RECORDS, ""),
}
COLUMNS = {
    (table, name): kind
    for table, (shape, parent) in SHAPES.items()
    for name, kind in [
        *((name, TYPES[column.type]) for name, column in shape.columns()),
        *(NESTED if parent else ROOT if table == "responses" else BESIDE).items(),
    ]
}
BARE = {KEY: 1}


def load(folder: Path, *records: Any, **arguments: Any) -> Path:
    """Loads records, and returns the DuckDB file."""
    with Sandbox(records=records) as sandbox:
        make_pipeline(folder).run(make_source(sandbox, **arguments))
    return folder / "customergauge.duckdb"


def scalars(value: Any, path: str = "") -> Iterator[tuple[str, DataType]]:
    """Yields paths and types of the scalars in a JSON value."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from scalars(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for inner in value:
            yield from scalars(inner if isinstance(inner, dict) else {SCALAR: inner}, f"{path}[]")
    elif value == "2022-03-30 12:34:56":
        yield path, "timestamp"
    elif value is not None:
        yield path, {bool: "bool", int: "bigint", str: "text"}[type(value)]  # type: ignore[misc]


def fields(shape: Shape, path: str = "") -> Iterator[tuple[str, DataType]]:
    """Yields paths and types of the scalars that a shape declares."""
    yield from ((f"{path}.{key}", column.type) for key, column in shape.fields.items())
    for key, inner in shape.objects.items():
        yield from fields(inner, f"{path}.{key}")
    for key, inner in shape.lists.items():
        yield from fields(inner, f"{path}.{key}[]")


def test_what_the_example_response_shows_is_declared_and_nothing_else(workdir: Path) -> None:
    assert dict(fields(RESPONSES.record)) == dict(scalars(EXAMPLE))
    assert set(RESPONSES.include) == set(RESPONSES.record.lists)

    assert differences(load(workdir, EXAMPLE), [EXAMPLE]) == []


@pytest.mark.sampled
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

    assert read_back(file).types == COLUMNS
    assert {table for table in SHAPES if query(file, f"FROM {table}")} == filled


def test_an_empty_account_stays_empty_and_fills_later(workdir: Path) -> None:
    load(workdir)
    file = load(workdir)
    assert all(query(file, f"FROM {table}") == [] for table in TABLES)

    with Sandbox(responses=30) as generated:
        load(workdir, *generated.records)

    assert read_back(file).types == COLUMNS
    assert differences(file, generated.records) == []


def test_descriptions_of_tables_and_columns_are_in_the_schema(workdir: Path) -> None:
    load(workdir, BARE)

    pipeline = make_pipeline(workdir)
    pipeline.sync_destination()
    tables = pipeline.default_schema.tables
    assert all(tables[name]["description"] for name in SHAPES)
    for table, column in COLUMNS:
        assert column[:5] == "_dlt_" or tables[table]["columns"][column]["description"], column


MOMENTS = {
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


@pytest.mark.sampled
@pytest.mark.parametrize("zone", MOMENTS)
def test_timestamps_are_read_in_the_zone_and_stored_as_utc(workdir: Path, zone: str) -> None:
    """Alike on a page that is all as documented, and on one that is put right by value.

    Each is on a page of its own, which it could make rough for the others.
    """
    plain: list[dict[str, Any]] = [
        {KEY: n, "date_sent": sent} for n, (sent, _) in enumerate(MOMENTS[zone])
    ]
    rough = [record | {KEY: 100 + record[KEY], "nps": "9"} for record in plain]
    file = load(workdir, *plain, *rough, timezone=zone, per_page=1)

    utc = [datetime.fromisoformat(it).replace(tzinfo=timezone.utc) for _, it in MOMENTS[zone]]
    assert query(file, f"SELECT date_sent FROM responses ORDER BY {KEY}") == [
        (moment,) for moment in utc * 2
    ]
