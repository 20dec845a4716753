"""The views: every figure as plain Python has it from the records."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from math import isclose
from pathlib import Path
from typing import NamedTuple

import duckdb
import pytest

from customergauge_source.resources import RESOURCES, RESPONSES
from customergauge_source.sandbox import Sandbox
from customergauge_source.tables.shape import (
    DELETED_RECORDS,
    REJECTED_RECORDS,
    REJECTED_VALUES,
    Shape,
    deleted_table,
    rejected_values_table,
)
from customergauge_source.views import VIEWS
from customergauge_source.views.wide import MOST_SEGMENTS
from tests import figures
from tests.figures import COLUMNS, KEY, OF_RESPONSES, Row, differences, segment_columns
from tests.support import DATASET, at_length
from tests.viewing import (
    FAR,
    ODD_NAMES,
    ask,
    bring_oddities,
    load_here,
    told,
    view_columns,
    view_rows,
    views_in,
    with_segments,
    wrong,
)

ZONES = at_length(("UTC", "Europe/Amsterdam", "Asia/Tokyo"), short=["Europe/Amsterdam"])
COUNTS = {
    *("responses", "scored", "promoters", "passives", "detractors", "answers", "numeric"),
    *("positive", "neutral", "mixed", "negative", "without", "delivered", "responded"),
}
TYPES = {
    **dict.fromkeys(COUNTS | {KEY, "nps", f"previous_{KEY}", "previous_nps"}, "BIGINT"),
    **dict.fromkeys(("margin", "nps_portal", "nps_contribution", "net_sentiment"), "DOUBLE"),
    **dict.fromkeys(("average", "lowest", "highest", "answer_number", "rate"), "DOUBLE"),
    **dict.fromkeys(
        ("last_response", "date_survey_response", "previous_date_survey_response"),
        "TIMESTAMP WITH TIME ZONE",
    ),
    "month": "DATE",
    "is_first_of_driver": "BOOLEAN",
    "sentiment_score": "INTEGER",
}


class Loaded(NamedTuple):
    """A DuckDB file with the views, and what they have to say."""

    file: Path
    records: list[Row]
    figures: dict[str, list[Row]]
    made: list[str]


@pytest.fixture(scope="module", params=ZONES)
def loaded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """The sandbox's 2,500 responses, every ninth of them odd, by the clock of a zone."""
    folder = tmp_path_factory.mktemp("views")
    with Sandbox() as sandbox:
        bring_oddities(sandbox)
        summary = load_here(
            folder,
            sandbox,
            resources=["responses", "non_responses", "close_loop"],
            timezone=request.param,
        )
        wanted = told(sandbox, request.param)
        made = sorted(summary.views or [])
        return Loaded(folder / "customergauge.duckdb", sandbox.records, wanted, made)


@pytest.mark.parametrize("session", at_length(["UTC", FAR], short=[FAR]))
@pytest.mark.parametrize("view", figures.VIEWS)
def test_a_view_says_what_plain_python_says(loaded: Loaded, view: str, session: str) -> None:
    wanted = loaded.figures[view]

    assert wanted
    assert differences(view, wanted, view_rows(loaded.file, view, session)) == []


def test_the_views_are_those_that_are_declared_and_the_summary_names_them(loaded: Loaded) -> None:
    assert {*VIEWS} == {*figures.VIEWS}
    assert views_in(loaded.file) == loaded.made == sorted(VIEWS)


def test_the_contributions_of_the_drivers_add_up_to_the_score(loaded: Loaded) -> None:
    ((contributions,),) = ask(loaded.file, "SELECT sum(nps_contribution) FROM driver_impact")
    ((score,),) = ask(
        loaded.file,
        "SELECT 100.0 * sum(promoters - detractors) / sum(scored) FROM nps_by_month",
    )

    assert isclose(contributions, score, abs_tol=1e-9)


@pytest.mark.parametrize("driver", ["Nulled", "Twice"])
def test_a_driver_with_a_reason_is_not_among_those_without(loaded: Loaded, driver: str) -> None:
    rows = f"SELECT DISTINCT driver, reason FROM {{}} WHERE driver = '{driver}'"

    assert ask(loaded.file, rows.format("driver_reasons")) == [(driver, "Fees")]
    assert ask(loaded.file, rows.format("response_drivers")) == [(driver, "Fees")]


@pytest.mark.parametrize("view", COLUMNS)
def test_the_columns_of_a_view_are_named_typed_and_in_their_order(
    loaded: Loaded, view: str
) -> None:
    types = dict(TYPES)
    if view.startswith("nps_by"):
        types["nps"] = "DOUBLE"
    columns = view_columns(loaded.file, view)

    assert tuple(columns) == COLUMNS[view] == tuple(VIEWS[view].columns)
    assert columns == {name: types.get(name, "VARCHAR") for name in COLUMNS[view]}


def test_responses_wide_has_the_columns_of_responses_with_their_types(loaded: Loaded) -> None:
    columns = view_columns(loaded.file, "responses_wide")
    base = {
        name: kind
        for name, kind in view_columns(loaded.file, "responses").items()
        if not name.startswith("_dlt")
    }
    more = ("nps_category", "comment_text")

    assert {*base} == {*OF_RESPONSES}
    assert {name: columns[name] for name in base} == base
    assert [*columns][: len(base) + 2] == [*base, *more]
    assert {kind for name, kind in columns.items() if name not in base} == {"VARCHAR"}


def test_tables_views_and_columns_carry_their_descriptions(loaded: Loaded) -> None:
    where = f"WHERE schema_name = '{DATASET}'"
    objects = dict(
        ask(
            loaded.file,
            f"SELECT view_name, comment FROM duckdb_views() {where} UNION ALL"
            f" SELECT table_name, comment FROM duckdb_tables() {where}",
        )
    )
    columns = {
        (table, name): comment
        for table, name, comment in ask(
            loaded.file, f"SELECT table_name, column_name, comment FROM duckdb_columns() {where}"
        )
    }
    for name, view in VIEWS.items():
        assert objects[name] == view.description != ""
        for column, description in view.columns.items():
            assert columns[name, column] == description != "", (name, column)
    for table, shape in declared():
        assert objects[table] == shape.description != "", table
        for column, field in shape.columns():
            assert columns[table, column] == field.description != "", (table, column)
    for column, field in RESPONSES.record.columns():
        assert columns["responses_wide", column] == field.description
    bare = [place for place, comment in columns.items() if place[0] in VIEWS and not comment]
    assert bare == []
    assert "Key Contact" in columns["responses_wide", "key_contact"]


def declared() -> Iterator[tuple[str, Shape]]:
    """Yields name and shape of every table that is declared."""
    yield "rejected_records", REJECTED_RECORDS
    for resource in RESOURCES:
        yield from ((name, shape) for name, _, shape in resource.record.tables(resource.name))
        yield rejected_values_table(resource.name), REJECTED_VALUES
        yield deleted_table(resource.name), DELETED_RECORDS


@pytest.mark.long
def test_an_empty_account_has_every_view_and_no_row(tmp_path: Path) -> None:
    with Sandbox(responses=0) as nothing:
        made = load_here(tmp_path, nothing).views or []

    file = tmp_path / "customergauge.duckdb"
    assert sorted(made) == views_in(file) == sorted(VIEWS)
    assert {view: view_rows(file, view) for view in VIEWS} == {view: [] for view in VIEWS}
    assert tuple(view_columns(file, "driver_impact")) == COLUMNS["driver_impact"]


def test_an_account_without_a_single_score_has_no_figure_and_no_error(
    loaded: Loaded, tmp_path: Path
) -> None:
    file = tmp_path / "unscored.duckdb"
    shutil.copyfile(loaded.file, file)
    with duckdb.connect(str(file)) as connection:
        connection.execute(f"UPDATE {DATASET}.responses SET nps = NULL")
    records = [record | {"nps": None} for record in loaded.records]
    wanted = figures.figures(records)
    for view in ("nps_by_segment", "driver_impact", "driver_reasons", "topic_sentiment"):
        assert differences(view, wanted[view], view_rows(file, view)) == []

    assert ask(file, "SELECT count(nps_contribution) FROM driver_impact") == [(0,)]
    assert ask(file, "SELECT count(nps), count(margin) FROM nps_by_month") == [(0, 0)]
    assert ask(file, "SELECT DISTINCT nps_portal FROM nps_by_month") == [(0,)]


@pytest.mark.long
@pytest.mark.parametrize("more", at_length([100, MOST_SEGMENTS - len(ODD_NAMES)], short=[100]))
def test_segments_of_any_name_and_number_are_columns_each_of_its_own(
    tmp_path: Path, more: int
) -> None:
    names = [*ODD_NAMES, *(f"Segment {number}" for number in range(more))]
    with with_segments(names, responses=5) as sandbox:
        load_here(tmp_path, sandbox)
        wanted = told(sandbox)
    file = tmp_path / "customergauge.duckdb"
    assert wrong(file, wanted) == []

    columns = view_columns(file, "responses_wide")
    assert len(columns) == len(OF_RESPONSES) + 2 + len(names)
    assert {"status_2", "nps_2", "nps_3", "comment_text_2", "_1st_wave", "x", "x_2"} <= {*columns}
    assert {"key_contact", "key_contact_2", "key_contact_2_2"} <= {*columns}
    assert {"segment", "segment_2", f"segment_{more - 1}"} <= {*columns}


@pytest.mark.long
def test_of_more_segments_than_become_columns_the_first_do_and_a_warning_tells(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names = [f"Segment {number:04}" for number in range(MOST_SEGMENTS + 1)]
    with with_segments(names, responses=5) as sandbox:
        load_here(tmp_path, sandbox)

    file = tmp_path / "customergauge.duckdb"
    columns = [it for it in view_columns(file, "responses_wide") if it.startswith("segment_")]
    assert columns == [f"segment_{number:04}" for number in range(MOST_SEGMENTS)]
    assert caplog.messages == ["There are 1001 segments: responses_wide has the first 1000."]
    assert ask(file, "SELECT count(DISTINCT field) FROM nps_by_segment") == [(len(names),)]


def test_the_names_of_segments_here_are_those_of_dlt() -> None:
    assert segment_columns(["Key Contact", "Segment A", "E-mail", "a+b", "9", "x_"]) == {
        "9": "_9",
        "E-mail": "e_mail",
        "Key Contact": "key_contact",
        "Segment A": "segment_a",
        "a+b": "axb",
        "x_": "xx",
    }
