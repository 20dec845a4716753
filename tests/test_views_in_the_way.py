"""Views beside what is somebody else's, and what keeps them from being made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from customergauge_source.sandbox import Sandbox
from customergauge_source.views import VIEWS
from tests.command import Command
from tests.support import DATASET, query
from tests.viewing import views_in

KEY = "0123456789abcdef0123456789abcdef"
PRIVACY = {
    "SOURCES__CUSTOMERGAUGE__PRIVACY__KEY": KEY,
    "SOURCES__CUSTOMERGAUGE__PRIVACY__HASH": '["account.name", "properties[\\"Key Contact\\"]"]',
}


@pytest.fixture
def few() -> Iterator[Sandbox]:
    """A CustomerGauge with 12 responses."""
    with Sandbox(responses=12) as sandbox:
        yield sandbox


def run_sql(file: Path, statement: str) -> None:
    """Changes a DuckDB file, as somebody else does."""
    with duckdb.connect(str(file)) as connection:
        connection.execute(f"USE {DATASET}")
        connection.execute(statement)


def comments(file: Path, text: str) -> set[tuple[Any, ...]]:
    """Returns the columns whose description has a text."""
    sql = "SELECT table_name, column_name FROM duckdb_columns() WHERE contains(comment, ?)"
    with duckdb.connect(str(file), read_only=True) as connection:
        return {*connection.execute(sql, [text]).fetchall()}


@pytest.mark.long
def test_a_table_of_somebody_else_keeps_its_name_and_no_other_view_from_being_made(
    command: Command, few: Sandbox
) -> None:
    command(few)
    run_sql(command.file, "CREATE TABLE nps_by_month AS SELECT 'theirs' AS whose")
    few.arrive(3)
    ended = command(few, "--views")

    assert ended.code == 5
    assert "All is loaded, but the views cannot be made" in ended.err
    assert "nps_by_month" in ended.err
    made = VIEWS.keys() - {"nps_by_month", "response_rate_by_month"}
    assert sorted(views_in(command.file)) == sorted(made)
    assert query(command.file, "SELECT count(*) FROM responses") == [(15,)]
    assert query(command.file, "FROM nps_by_month") == [("theirs",)]


@pytest.mark.long
def test_a_view_of_somebody_else_is_left_alone_unless_views_are_asked_for(
    command: Command, few: Sandbox
) -> None:
    command(few)
    run_sql(command.file, "CREATE VIEW nps_by_month AS SELECT 'theirs' AS whose")
    assert command(few, "--full-refresh").code == 0

    assert query(command.file, "FROM nps_by_month") == [("theirs",)]
    assert views_in(command.file) == ["nps_by_month"]


def test_an_undeclared_field_does_not_take_the_name_of_a_column_of_ours(
    command: Command, few: Sandbox
) -> None:
    few.append(few.records[0] | {"number_customergauge": 1, "nps": 9, "nps_category": "gold"})
    assert command(few, "--views").code == 0

    wide = "SELECT nps_category FROM responses_wide WHERE number_customergauge = 1"
    assert query(command.file, wide) == [("promoter",)]
    table = "SELECT nps_category FROM responses WHERE number_customergauge = 1"
    assert query(command.file, table) == [("gold",)]


@pytest.mark.long
def test_columns_that_were_there_stay_where_they_were(command: Command, few: Sandbox) -> None:
    command(few, "--views")
    before = [row[0] for row in query(command.file, "DESCRIBE responses_wide")]
    segment = {"field": "A first one", "reference": "x"}
    few.append(few.records[0] | {"number_customergauge": 1, "properties": [segment], "wave": "2"})
    command(few, "--views")

    after = [row[0] for row in query(command.file, "DESCRIBE responses_wide")]
    assert after == [*before, "wave", "a_first_one"]


def test_the_configuration_asks_for_views_and_an_option_need_not(
    command: Command, few: Sandbox
) -> None:
    ended = command(few, SOURCES__CUSTOMERGAUGE__VIEWS="true")
    assert ended.code == 0, ended.err
    assert sorted(views_in(command.file)) == sorted(VIEWS.keys() - {"response_rate_by_month"})

    ended = command(few, SOURCES__CUSTOMERGAUGE__VIEWS="maybe")
    assert ended.code == 2
    assert "views is 'maybe'" in ended.err


@pytest.mark.parametrize("option", ["--check", "--json"])
def test_an_engine_without_views_is_refused_before_anything_is_asked(
    command: Command, few: Sandbox, option: str
) -> None:
    ended = command(few, "--destination", "redshift", "--views", option)

    assert ended.code == 2
    assert "Views cannot be made in redshift" in ended.err
    assert option == "--check" or not few.data_requests


def test_a_view_tells_which_of_its_columns_hold_hashes(command: Command, few: Sandbox) -> None:
    ended = command(few, "--views", **PRIVACY)

    assert ended.code == 0, ended.err
    assert comments(command.file, "Hashed, by the privacy policy") == {
        ("nps_by_account", "account__name"),
        ("responses_wide", "account__name"),
        ("responses_wide", "key_contact"),
    }
