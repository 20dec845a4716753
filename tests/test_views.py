"""The views: every figure as plain Python has it from the records, and what may become of them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from math import isclose
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from customergauge_source import load_in_checkpoints
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
from tests import figures
from tests.command import Command
from tests.figures import COLUMNS, KEY, OF_RESPONSES, Row, differences, segment_columns
from tests.support import DATASET, Finished, make_pipeline, make_source
from tests.viewing import (
    EVERYTHING,
    FAR,
    NON_RESPONSES,
    ask,
    bring_oddities,
    load_views,
    view_columns,
    view_rows,
    views_in,
)

ZONES = ("UTC", "Europe/Amsterdam", "Asia/Tokyo")
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
# Names of segments that tempt into mistakes; two pairs are one name in every warehouse.
ODD_NAMES = (
    *("\N{SLIGHTLY SMILING FACE}", "日本", "nps", "NPS", "Status", "number_customergauge"),
    *("nps_category", "Comment text", "Account: Name", "1st wave"),
    *("Key Contact", "key_contact", "key_contact_2", "a-b", "a b", "select", "primary", "x" * 300),
    *('it\'s "quoted" `so` \\ \\n', "'); DROP TABLE responses; --", "%s {0} $1 :x ?", "a\nb"),
    *("</script><b>", "Ünïcode é", "before\0after", " blanks ", "trailing_", "CamelCase"),
)


class Loaded(NamedTuple):
    """A DuckDB file with the views, and what they have to say."""

    file: Path
    figures: dict[str, list[Row]]
    ended: Finished


@pytest.fixture(scope="module", params=ZONES)
def loaded(
    request: pytest.FixtureRequest,
    fork_server: subprocess.Popen[str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Loaded:
    """The sandbox's 2,500 responses, every ninth of them odd, by the clock of a zone."""
    command = Command(fork_server, tmp_path_factory.mktemp("views"))
    with Sandbox() as sandbox:
        bring_oddities(sandbox)
        ended = load_views(command, sandbox, "--timezone", request.param)
        return Loaded(command.file, told(sandbox, request.param), ended)


@pytest.fixture
def small() -> Iterator[Sandbox]:
    """A CustomerGauge with 60 responses, every ninth of them odd."""
    with Sandbox(responses=60) as sandbox:
        bring_oddities(sandbox)
        yield sandbox


def told(sandbox: Sandbox, zone: str = "UTC") -> dict[str, list[Row]]:
    """Returns what the views have to say of an account."""
    return figures.figures(sandbox.records, sandbox.records_of(NON_RESPONSES), zone)


def wrong(file: Path, wanted: dict[str, list[Row]]) -> list[str]:
    """Returns how the views of a DuckDB file differ from what they have to say."""
    return [
        line
        for view, rows in wanted.items()
        for line in differences(view, rows, view_rows(file, view))
    ]


@pytest.mark.parametrize("session", ["UTC", FAR])
@pytest.mark.parametrize("view", figures.VIEWS)
def test_a_view_says_what_plain_python_says(loaded: Loaded, view: str, session: str) -> None:
    wanted = loaded.figures[view]

    assert wanted
    assert differences(view, wanted, view_rows(loaded.file, view, session)) == []


def test_the_views_are_those_that_are_declared_and_the_summary_names_them(loaded: Loaded) -> None:
    assert {*VIEWS} == {*figures.VIEWS}
    assert views_in(loaded.file) == sorted(VIEWS)
    assert sorted(loaded.ended.summary["views"]) == sorted(VIEWS)


def test_the_contributions_of_the_drivers_add_up_to_the_score(loaded: Loaded) -> None:
    ((contributions,),) = ask(loaded.file, "SELECT sum(nps_contribution) FROM driver_impact")
    ((score,),) = ask(
        loaded.file,
        "SELECT 100.0 * sum(promoters - detractors) / sum(scored) FROM nps_by_month",
    )

    assert isclose(contributions, score, abs_tol=1e-9)


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


def test_an_empty_account_has_every_view_and_no_row(command: Command) -> None:
    with Sandbox(responses=0) as nothing:
        ended = load_views(command, nothing)

    assert sorted(ended.summary["views"]) == views_in(command.file) == sorted(VIEWS)
    assert {view: view_rows(command.file, view) for view in VIEWS} == {view: [] for view in VIEWS}
    assert tuple(view_columns(command.file, "driver_impact")) == COLUMNS["driver_impact"]


def test_an_account_without_a_single_score_has_no_figure_and_no_error(command: Command) -> None:
    with Sandbox(responses=30) as generated:
        records = [record | {"nps": None} for record in generated.records]
    with Sandbox(records=records, non_responses=0) as sandbox:
        load_views(command, sandbox)
        assert wrong(command.file, told(sandbox)) == []

    assert ask(command.file, "SELECT count(nps_contribution) FROM driver_impact") == [(0,)]
    assert ask(command.file, "SELECT count(nps), count(margin) FROM nps_by_month") == [(0, 0)]


@pytest.mark.parametrize(
    "drivers",
    [
        [{"primary": "Price", "secondary": [None, "Fees"]}],
        [{"primary": "Price", "secondary": ["Fees"]}, {"primary": "Price", "secondary": []}],
    ],
    ids=["null among the reasons", "twice, once without reasons"],
)
def test_a_driver_with_a_reason_is_not_among_those_without(
    command: Command, drivers: list[dict[str, Any]]
) -> None:
    record = {KEY: 1, "nps": 9, "selected_drivers": drivers}
    with Sandbox(records=[record], non_responses=0) as sandbox:
        load_views(command, sandbox)

    assert ask(command.file, "SELECT driver, reason FROM driver_reasons") == [("Price", "Fees")]
    assert ask(command.file, "SELECT driver, reason FROM response_drivers") == [("Price", "Fees")]


def test_views_that_are_made_again_are_the_same(command: Command, small: Sandbox) -> None:
    cursors = ("--resources", "responses", "non_responses")  # cases are read again each time
    first = load_views(command, small, *cursors)
    rows = {view: view_rows(command.file, view) for view in VIEWS}
    loads = ask(command.file, "SELECT count(*) FROM _dlt_loads")
    again = load_views(command, small, *cursors)

    assert again.summary["views"] == first.summary["views"]
    assert again.summary["tables"] == {}
    assert ask(command.file, "SELECT count(*) FROM _dlt_loads") == loads
    assert views_in(command.file) == sorted(VIEWS)
    for view, before in rows.items():
        assert differences(view, before, view_rows(command.file, view)) == []


def test_views_follow_what_is_loaded_whether_they_are_made_again_or_not(
    command: Command, small: Sandbox
) -> None:
    load_views(command, small)
    small.arrive(30)
    small.redeliver(small.records[5][KEY], nps=0, selected_drivers=[], tags=[])
    small.append(small.records[6] | {KEY: 7, "loyalty": "gold"})
    small.become_response(small.records_of(NON_RESPONSES)[3][KEY], vanishes=False)

    ended = command(small, "--json", *EVERYTHING)

    assert (ended.code, ended.summary.get("views", [])) == (0, []), ended.err
    assert wrong(command.file, told(small)) == []
    load_views(command, small)
    columns = "loyalty, country"
    (row,) = ask(command.file, f"SELECT {columns} FROM responses_wide WHERE {KEY} = 7")
    assert row[0] == "gold"


def test_a_new_segment_is_a_column_once_the_views_are_made_again(
    command: Command, small: Sandbox
) -> None:
    load_views(command, small)
    country = {"field": "Country", "reference": "NL"}
    wave = {"field": "Survey Wave", "reference": "7"}
    small.append(small.records[0] | {KEY: 7, "properties": [country, wave]})
    command(small, *EVERYTHING)
    before = view_columns(command.file, "responses_wide")
    load_views(command, small)

    assert "survey_wave" not in before
    assert wrong(command.file, told(small)) == []
    rows = ask(command.file, f"SELECT {KEY}, survey_wave FROM responses_wide")
    assert [row for row in rows if row[1] is not None] == [(7, "7")]


def test_segments_of_any_name_are_columns_each_of_its_own(command: Command) -> None:
    with Sandbox(responses=5) as generated:
        records = generated.records
    for place, record in enumerate(records):
        record["properties"] = [
            {"field": name, "reference": f"{place} of {number}"}
            for number, name in enumerate(ODD_NAMES)
        ]
    with Sandbox(records=records, non_responses=0) as sandbox:
        load_views(command, sandbox)
        assert wrong(command.file, told(sandbox)) == []

    columns = view_columns(command.file, "responses_wide")
    assert len(columns) == len(OF_RESPONSES) + 2 + len(ODD_NAMES)
    assert {"status_2", "nps_2", "nps_3", "comment_text_2", "_1st_wave", "x", "x_2"} <= {*columns}
    assert {"key_contact", "key_contact_2", "key_contact_2_2"} <= {*columns}


def test_a_segment_named_like_a_column_of_responses_that_is_not_shown_has_a_number(
    command: Command, small: Sandbox
) -> None:
    dlts = [{"field": name, "reference": "ours"} for name in ("_dlt_id", "_dlt_load_id")]
    small.append(small.records[0] | {KEY: 7, "properties": dlts})
    load_views(command, small)

    assert wrong(command.file, told(small)) == []


def test_segments_without_a_name_keep_no_view_from_being_right(
    command: Command, small: Sandbox
) -> None:
    nameless = [{"field": it, "reference": f"of {it!r}"} for it in ("", " ")]
    country = {"field": "Country", "reference": "NL"}
    small.append(small.records[0] | {KEY: 7, "properties": [*nameless, country]})
    load_views(command, small)

    wide = view_rows(command.file, "responses_wide")
    (named,) = (row for row in wide if row[KEY] == 7)
    for value in ("of ''", "of ' '"):
        (column,) = (column for column, it in named.items() if it == value)
        assert [row[KEY] for row in wide if row[column] is not None] == [7]
    wanted = told(small)
    del wanted["responses_wide"]
    assert wrong(command.file, wanted) == []


def test_a_thousand_segments_are_a_thousand_columns(command: Command, small: Sandbox) -> None:
    many = [{"field": f"Segment {n}", "reference": str(n)} for n in range(1000)]
    small.append(small.records[0] | {KEY: 7, "properties": many})
    load_views(command, small)

    assert wrong(command.file, told(small)) == []
    (row,) = (row for row in view_rows(command.file, "responses_wide") if row[KEY] == 7)
    assert [row[f"segment_{n}"] for n in range(1000)] == [*map(str, range(1000))]


def test_a_view_whose_tables_are_not_loaded_is_left_out_and_told(
    command: Command, small: Sandbox
) -> None:
    alone = command(small, "--json", "--views")
    made = sorted({*VIEWS} - {"response_rate_by_month"})

    assert alone.code == 0, alone.err
    assert sorted(alone.summary["views"]) == views_in(command.file) == made
    assert "response_rate_by_month" in alone.out + alone.err
    assert "response_rate_by_month" in command(small, "--views").out + command(small, "--views").err
    assert wrong(command.file, figures.figures(small.records)) == []
    load_views(command, small)
    assert views_in(command.file) == sorted(VIEWS)
    assert wrong(command.file, told(small)) == []


def test_no_view_is_made_of_non_responses_alone(command: Command, small: Sandbox) -> None:
    ended = command(small, "--json", "--views", "--resources", "non_responses")

    assert ended.code == 0, ended.err
    assert ended.summary["views"] == views_in(command.file) == []
    assert all(view in ended.out + ended.err for view in VIEWS)


def test_a_full_refresh_leaves_no_broken_view_and_can_make_them_for_another_clock(
    command: Command, small: Sandbox
) -> None:
    load_views(command, small)
    refreshed = command(small, "--full-refresh", *EVERYTHING)

    assert refreshed.code == 0, refreshed.err
    wanted = told(small)
    assert wrong(command.file, {view: wanted[view] for view in views_in(command.file)}) == []
    load_views(command, small, "--full-refresh", "--timezone", "Asia/Tokyo")
    assert wrong(command.file, told(small, "Asia/Tokyo")) == []


def test_views_follow_a_reconciliation_which_can_make_them(
    command: Command, small: Sandbox
) -> None:
    load_views(command, small)
    cgids = [record[KEY] for record in small.records]
    small.edit(cgids[10], nps=0, properties=[{"field": "Edited", "reference": "yes"}])
    small.remove(cgids[11])
    ended = load_views(command, small, "--reconcile")

    assert sorted(ended.summary["views"]) == sorted(VIEWS)
    assert wrong(command.file, told(small)) == []


def test_views_can_be_made_in_python(workdir: Path, small: Sandbox) -> None:
    source: Any = make_source(small, resources=["responses", "non_responses"])
    summary = load_in_checkpoints(make_pipeline(workdir), source, views=True)

    assert sorted(summary.views or []) == sorted(VIEWS)
    assert wrong(workdir / "customergauge.duckdb", told(small)) == []


def test_no_view_is_made_unless_it_is_asked_for(command: Command, small: Sandbox) -> None:
    ended = command(small, "--json", *EVERYTHING)

    assert (ended.code, views_in(command.file)) == (0, []), ended.err


def test_the_names_of_segments_here_are_those_of_dlt() -> None:
    assert segment_columns(["Key Contact", "Segment A", "E-mail", "a+b", "9", "x_"]) == {
        "9": "_9",
        "E-mail": "e_mail",
        "Key Contact": "key_contact",
        "Segment A": "segment_a",
        "a+b": "axb",
        "x_": "xx",
    }
