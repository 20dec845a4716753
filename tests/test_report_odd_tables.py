"""A report of tables in which somebody, or something, has left what is odd."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from customergauge_source.sandbox import Sandbox
from tests.command import Command
from tests.reporting import OUTPUT, embedded, made, reporter
from tests.support import DATASET
from tests.viewing import load_here

HASH = "0123456789abcdef" * 4
Reported = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what was loaded of an account with 60 responses."""
    folder = tmp_path_factory.mktemp("odd")
    with Sandbox(responses=60) as sandbox:
        load_here(folder, sandbox, resources=["responses", "non_responses", "close_loop"])
    return folder / "customergauge.duckdb"


@pytest.fixture
def reported(loaded: Path, tmp_path: Path, fork_server: subprocess.Popen[str]) -> Reported:
    """Returns the data of a report, after statements that change the tables."""
    command: Command = reporter(fork_server, tmp_path)

    def report(*statements: str) -> dict[str, Any]:
        file = shutil.copyfile(loaded, tmp_path / "customergauge.duckdb")
        with duckdb.connect(str(file)) as connection:
            connection.execute(f"USE {DATASET}")
            for statement in statements:
                connection.execute(statement)
        ended = made(command)
        assert ended.code == 0, ended.err
        return embedded(tmp_path / OUTPUT)

    return report


def test_what_is_dated_in_another_age_has_no_date(reported: Reported) -> None:
    usual = reported()
    odd = reported(
        "UPDATE responses SET date_survey_response = '9999-12-31' WHERE number_customergauge ="
        " (SELECT min(number_customergauge) FROM responses)",
        "UPDATE responses SET date_survey_response = '0001-01-01' WHERE number_customergauge ="
        " (SELECT max(number_customergauge) FROM responses)",
        "UPDATE non_responses SET date_sent = '9999-12-31' WHERE number_customergauge ="
        " (SELECT min(number_customergauge) FROM non_responses)",
    )
    assert {*odd["months"]} <= {*usual["months"]}
    assert (usual["health"]["without_date"], odd["health"]["without_date"]) == (0, 2)
    assert odd["health"]["responses"] == usual["health"]["responses"]
    assert [it for it in odd["rate"] if it[0] is None] == [[None, 1, 0]]


def test_the_loads_of_another_source_are_not_counted(reported: Reported) -> None:
    usual = reported()["health"]
    odd = reported(
        "INSERT INTO _dlt_loads SELECT '9' || load_id, 'another', 0, now() + INTERVAL 1 DAY,"
        " schema_version_hash FROM _dlt_loads"
    )["health"]

    assert {key: odd[key] for key in ("loads", "last_load")} == {
        key: usual[key] for key in ("loads", "last_load")
    }


def test_what_looks_like_a_hash_is_no_name_whatever_the_policy_says_now(
    reported: Reported,
) -> None:
    columns = {
        "responses__tags": "label",
        "responses__selected_drivers": '"primary"',
        "responses__questions": "title",
        "responses__properties": "reference",
        "responses": "account__name",
        "close_loop": "status",
    }
    data = reported(
        *(f"UPDATE {table} SET {column} = '{HASH}'" for table, column in columns.items()),
        "UPDATE responses SET comment__translation = NULL",
    )

    assert HASH not in str(data)
    assert data["comments"]
    assert data["health"]["responses"] == 60


def test_a_long_comment_is_cut(reported: Reported) -> None:
    text = "x" * 300_000
    data = reported(f"UPDATE responses SET comment__original = '{text}'")

    assert {len(it["comment"]) for it in data["comments"]} <= {701, *range(200)}
