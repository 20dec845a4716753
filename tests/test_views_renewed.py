"""The views as time goes by: made when their tables come, and right whatever is loaded then."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from customergauge_source import LoadSummary, load_in_checkpoints, reconcile
from customergauge_source.resources import RESPONSES
from customergauge_source.sandbox import Sandbox
from customergauge_source.views import VIEWS
from tests import figures
from tests.command import Command
from tests.figures import KEY
from tests.support import DATASET, make_pipeline, make_source
from tests.viewing import (
    NON_RESPONSES,
    ask,
    bring_oddities,
    load_here,
    load_views,
    told,
    view_rows,
    views_in,
    wrong,
)

RESOURCES = ["responses", "non_responses"]


@pytest.fixture
def small() -> Iterator[Sandbox]:
    """A CustomerGauge with 60 responses, every ninth of them odd."""
    with Sandbox(responses=60) as sandbox:
        bring_oddities(sandbox)
        yield sandbox


@pytest.fixture(scope="module")
def first_load(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DuckDB file with all of such an account, and the views."""
    folder = tmp_path_factory.mktemp("small")
    with Sandbox(responses=60) as sandbox:
        bring_oddities(sandbox)
        summary = load_here(folder, sandbox)
    assert sorted(summary.views or []) == sorted(VIEWS)
    return folder / "customergauge.duckdb"


@pytest.fixture
def file(workdir: Path, first_load: Path) -> Path:
    """A copy of it, to go on with: it is the only memory."""
    return Path(shutil.copyfile(first_load, workdir / "customergauge.duckdb"))


@pytest.mark.long
def test_views_that_are_made_again_are_the_same(file: Path, small: Sandbox) -> None:
    rows = {view: view_rows(file, view) for view in VIEWS}
    loads = ask(file, "SELECT count(*) FROM _dlt_loads")
    again = load_here(file.parent, small)

    assert (sorted(again.views or []), again.tables) == (sorted(VIEWS), {})
    assert ask(file, "SELECT count(*) FROM _dlt_loads") == loads
    assert views_in(file) == sorted(VIEWS)
    assert wrong(file, rows) == []


@pytest.mark.long
def test_views_follow_what_is_loaded_and_have_new_columns_once_a_reconciliation_makes_them_again(
    file: Path, small: Sandbox
) -> None:
    country = {"field": "Country", "reference": "NL"}
    wave = {"field": "Survey Wave", "reference": "7"}
    small.arrive(30)
    small.redeliver(small.records[5][KEY], nps=0, selected_drivers=[], tags=[])
    new = {KEY: 7, "loyalty": "gold", "properties": [country, wave]}
    small.append(small.records[6] | new)
    small.become_response(small.records_of(NON_RESPONSES)[3][KEY], vanishes=False)
    summary = load_here(file.parent, small, views=False)

    assert summary.views is None
    wanted = told(small)
    for row in wanted["responses_wide"]:
        del row["survey_wave"]
    assert wrong(file, wanted) == []

    cgids = [record[KEY] for record in small.records]
    small.edit(cgids[10], nps=0, properties=[{"field": "Edited", "reference": "yes"}])
    small.remove(cgids[11])
    source = make_source(small, resources=RESOURCES)
    summary = reconcile(make_pipeline(file.parent), source, views=True)
    assert sorted(summary.views or []) == sorted(VIEWS)
    wanted = told(small)
    del wanted["responses_wide"]  # which has the loyalty, too
    assert wrong(file, wanted) == []
    rows = ask(file, f"SELECT {KEY}, loyalty, survey_wave, country FROM responses_wide")
    assert [row for row in rows if row[1] or row[2]] == [(7, "gold", "7", "NL")]
    assert {*ask(file, "SELECT edited FROM responses_wide")} == {("yes",), (None,)}


def test_views_come_with_their_tables_if_they_are_asked_for(
    command: Command, small: Sandbox
) -> None:
    unasked = command(small, "--json")
    assert (unasked.code, views_in(command.file)) == (0, []), unasked.err

    without = command(small, "--views")
    made = sorted({*VIEWS} - {"response_rate_by_month"})
    assert (without.code, views_in(command.file)) == (0, made), without.err
    assert "response_rate_by_month" in without.out + without.err
    assert wrong(command.file, figures.figures(small.records)) == []

    ended = load_views(command, small)
    assert sorted(ended.summary["views"]) == views_in(command.file) == sorted(VIEWS)
    assert wrong(command.file, told(small)) == []


@pytest.mark.long
def test_no_view_is_made_of_non_responses_alone(command: Command, small: Sandbox) -> None:
    ended = command(small, "--json", "--views", "--resources", "non_responses")

    assert (ended.code, ended.summary["views"], views_in(command.file)) == (0, [], []), ended.err
    assert all(view in ended.out + ended.err for view in VIEWS)


@pytest.mark.long
def test_a_full_refresh_makes_the_views_that_there_were_for_its_clock(
    file: Path, small: Sandbox
) -> None:
    tokyo = "Asia/Tokyo"
    load_here(file.parent, small, views=False, full_refresh=True, timezone=tokyo)

    assert sorted(views_in(file)) == sorted(VIEWS)
    assert wrong(file, told(small, tokyo)) == []


def test_tables_of_a_load_that_is_interrupted_are_described(workdir: Path, small: Sandbox) -> None:
    def interrupt(_summary: LoadSummary) -> None:
        raise KeyboardInterrupt

    source = make_source(small, per_page=20)
    how: dict[str, Any] = {"checkpoint_pages": 1, "on_checkpoint": interrupt}
    with pytest.raises(KeyboardInterrupt):
        load_in_checkpoints(make_pipeline(workdir), source, **how)

    with duckdb.connect(str(workdir / "customergauge.duckdb"), read_only=True) as connection:
        ((text,),) = connection.execute(
            "SELECT comment FROM duckdb_tables() WHERE table_name = 'responses'"
            f" AND schema_name = '{DATASET}'"
        ).fetchall()
    assert text == RESPONSES.record.description
