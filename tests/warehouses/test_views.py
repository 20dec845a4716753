"""The views in every warehouse: each figure is what plain Python has from the records."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from customergauge_source import load_in_checkpoints, reconcile
from customergauge_source.exceptions import CredentialsRefusedError, DestinationError
from customergauge_source.resources import RESPONSES
from customergauge_source.sandbox import Sandbox
from customergauge_source.views import VIEWS
from tests import figures
from tests.figures import COLUMNS, KEY, OF_RESPONSES, Row, differences
from tests.support import make_source
from tests.viewing import FAR, NON_RESPONSES, ODD_NAMES, bring_oddities, with_segments
from tests.warehouses.target import Target
from tests.warehouses.trial import ZONE, Loaded, Trial

# The emulators take minutes on a busy machine.
pytestmark = pytest.mark.timeout(900)

RESOURCES = ["responses", "non_responses"]
# Of a view and a column of it, what describes the two.
Descriptions = dict[tuple[str, str], tuple["str | None", "str | None"]]
# The answers of the Snowflake emulator cannot hold a timestamp that is NULL.
NO_TIME = "1900-01-01 00:00:01+00:00"
TIMES = {
    *(name for name, kind in OF_RESPONSES.items() if kind == "timestamp"),
    *("last_response", "previous_date_survey_response"),
}
NOBODY = {"client_id": "nobody", "client_secret": "of this account"}
# Where a session has a time zone that a test can set.
SESSIONS = {
    "postgres": f"SET TIME ZONE '{FAR}'",
    "duckdb": f"SET TimeZone = '{FAR}'",
    "ducklake": f"SET TimeZone = '{FAR}'",
}


@pytest.fixture
def trial(warehouse: Target, dataset_name: str, tmp_path: Path) -> Trial:
    """A dataset of its own in the warehouse."""
    return Trial(
        destination=warehouse.destination, dataset=dataset_name, folder=tmp_path / "pipelines"
    )


def load(trial: Trial, sandbox: Sandbox, *, zone: str = ZONE, **how: Any) -> list[str]:
    """Loads what is new, and makes the views unless told otherwise; returns which were made."""
    source: Any = make_source(sandbox, timezone=zone, resources=RESOURCES)
    summary = load_in_checkpoints(trial.pipeline(), source, **{"views": True, **how})
    return sorted(summary.views or [])


def view_rows(trial: Trial, view: str, columns: Iterable[str] = ()) -> list[Row]:
    """Returns the rows of a view by column, in a session far away from UTC if that can be."""
    with trial.pipeline().sql_client() as client:
        if trial.destination in SESSIONS:
            client.execute_sql(SESSIONS[trial.destination])
        selected = ", ".join(selected_column(client, trial, name) for name in columns) or "*"
        name = client.make_qualified_table_name(view)
        with client.execute_query(f"SELECT {selected} FROM {name}") as cursor:
            names = [column[0].lower() for column in cursor.description]
            rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return [
        {name: None if str(value) == NO_TIME else value for name, value in row.items()}
        for row in rows
    ]


def selected_column(client: Any, trial: Trial, name: str) -> str:
    """Returns what to select of a column: a stand-in for NULL where an emulator needs one."""
    column = str(client.escape_column_name(name))
    if trial.destination == "snowflake" and name in TIMES:
        return f"COALESCE({column}, '{NO_TIME}'::TIMESTAMP_TZ) AS {column}"
    return column


def wrong(trial: Trial, sandbox: Sandbox, zone: str = ZONE) -> list[str]:
    """Returns how the views differ from what they have to say of an account."""
    wanted = figures.figures(sandbox.records, sandbox.records_of(NON_RESPONSES), zone)
    return [
        line
        for view, rows in wanted.items()
        for line in differences(view, rows, view_rows(trial, view, rows[0]))
    ]


@pytest.mark.usefixtures("warehouse")
def test_every_view_says_what_plain_python_says_and_is_described(whole_account: Loaded) -> None:
    trial = whole_account.trial
    assert wrong(trial, whole_account.sandbox) == []

    if trial.destination == "postgres":
        assert_described(described_by_postgres(trial))
    if trial.destination == "bigquery":
        assert_described(described_by_bigquery(trial))


@pytest.mark.long
def test_views_that_are_made_again_have_a_column_for_a_new_segment(trial: Trial) -> None:
    with Sandbox(responses=60) as sandbox:
        bring_oddities(sandbox)
        assert load(trial, sandbox) == load(trial, sandbox) == sorted(VIEWS)
        sandbox.arrive(20)
        country = {"field": "Country", "reference": "NL"}
        wave = {"field": "Survey Wave", "reference": "7"}
        sandbox.append(sandbox.records[0] | {KEY: 7, "properties": [country, wave]})
        assert load(trial, sandbox) == sorted(VIEWS)
        assert wrong(trial, sandbox) == []


@pytest.mark.long
def test_views_are_in_nobodys_way(trial: Trial) -> None:
    with Sandbox(responses=60) as sandbox:
        bring_oddities(sandbox)
        load(trial, sandbox)
        sandbox.append(sandbox.records[6] | {KEY: 7, "loyalty": "gold"})
        load(trial, sandbox, views=False)
        assert wrong(trial, sandbox) == []
        load(trial, sandbox)
        rows = view_rows(trial, "responses_wide", [KEY, "loyalty", "country"])
        assert [row["loyalty"] for row in rows if row[KEY] == 7] == ["gold"]

        sandbox.remove(7)
        sandbox.edit(sandbox.records[10][KEY], nps=0, tags=[])
        source = make_source(sandbox, timezone=ZONE, resources=RESOURCES)
        reconcile(trial.pipeline(), source)
        rows = view_rows(trial, "nps_by_month")
        wanted = figures.figures(sandbox.records, timezone=ZONE)["nps_by_month"]
        assert differences("nps_by_month", wanted, rows) == []

        load(trial, sandbox, views=False, full_refresh=True)
        assert load(trial, sandbox, zone="Asia/Tokyo", full_refresh=True) == sorted(VIEWS)
        assert wrong(trial, sandbox, "Asia/Tokyo") == []


@pytest.mark.long
def test_an_empty_account_has_every_view_and_no_row(trial: Trial) -> None:
    with Sandbox(responses=0) as nothing:
        assert load(trial, nothing) == sorted(VIEWS)

    for view in COLUMNS:
        assert view_rows(trial, view, COLUMNS[view]) == []
    assert view_rows(trial, "responses_wide", OF_RESPONSES) == []


@pytest.mark.long
def test_segments_of_any_name_are_columns_each_of_its_own(trial: Trial) -> None:
    names = (*ODD_NAMES, *(f"{'x' * 300}{n}" for n in range(3)), *(f"Tier {n}" for n in range(200)))
    with with_segments(names, responses=3) as sandbox:
        load(trial, sandbox)
        cgids = [record[KEY] for record in sandbox.records]

    with trial.pipeline().sql_client() as client:
        shown = [selected_column(client, trial, name) for name in OF_RESPONSES]
        name = client.make_qualified_table_name("responses_wide")
        with client.execute_query(f"SELECT * FROM {name} WHERE 1 = 0") as cursor:
            columns = [column[0].lower() for column in cursor.description]
    assert len({*columns}) == len(columns) == len(shown) + 2 + len(names)
    rows = {row[KEY]: row for row in view_rows(trial, "responses_wide", columns)}
    for place, cgid in enumerate(cgids):
        found = [rows[cgid][column] for column in columns[len(shown) + 2 :]]
        assert sorted(found) == sorted(f"{place} of {number}" for number in range(len(names)))


def described_by_postgres(trial: Trial) -> Descriptions:
    with trial.pipeline().sql_client() as client:
        found = client.execute_sql(
            "SELECT c.relname, a.attname, obj_description(c.oid, 'pg_class'),"
            " col_description(c.oid, a.attnum) FROM pg_class c"
            " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0"
            f" WHERE c.relnamespace = '{trial.dataset}'::regnamespace AND c.relkind = 'v'"
        )
    return {(view, column): (of, it) for view, column, of, it in found or ()}


def described_by_bigquery(trial: Trial) -> Descriptions:
    found: Descriptions = {}
    with trial.pipeline().sql_client() as client:
        for view in VIEWS:
            name = client.make_qualified_table_name(view, quote=False)
            table = client.native_connection.get_table(name)
            for field in table.schema:
                found[view, field.name] = (table.description, field.description)
    return found


def assert_described(found: Descriptions) -> None:
    """Fails unless views, and columns of views, have the descriptions that are declared."""
    assert {view for view, _ in found} == {*VIEWS}
    assert [place for place, told in found.items() if not all(told)] == []
    for name, view in VIEWS.items():
        for column, description in view.columns.items():
            assert found[name, column] == (view.description, description)
    for column, field in RESPONSES.record.columns():
        assert found["responses_wide", column] == (
            VIEWS["responses_wide"].description,
            field.description,
        )


def granted(trial: Trial) -> list[Any]:
    """Returns the rights that were granted on the views."""
    with trial.pipeline().sql_client() as client:
        rows = client.execute_sql(
            "SELECT relname, relacl::text FROM pg_class WHERE relkind = 'v' AND relnamespace ="
            " %s::regnamespace AND relacl IS NOT NULL ORDER BY relname",
            trial.dataset,
        )
    return list(rows or ())


@pytest.mark.parametrize("running_warehouse", ["postgres"], indirect=True)
def test_postgresql_keeps_rights_and_views_of_others_and_gets_back_what_made_way(
    trial: Trial,
) -> None:
    # Others replace a view whatever is over it.
    with Sandbox(responses=20) as sandbox:
        load(trial, sandbox)
        with trial.pipeline().sql_client() as client:
            wide, mine = (client.make_qualified_table_name(it) for it in ("responses_wide", "mine"))
            client.execute_sql(f"GRANT SELECT ON {wide} TO PUBLIC")
            client.execute_sql(f"CREATE VIEW {mine} AS SELECT country FROM {wide}")
        before = granted(trial)
        assert before
        segment = {"field": "A first one", "reference": "x"}
        sandbox.append(sandbox.records[0] | {KEY: 7, "properties": [segment], "wave": "2"})
        assert load(trial, sandbox) == sorted(VIEWS)
        assert granted(trial) == before

        # A view of somebody else is over one of them, so that nothing can make way.
        with pytest.raises(DestinationError, match="depend"):
            load(trial, sandbox, views=False, full_refresh=True)
        assert wrong(trial, sandbox) == []

        with trial.pipeline().sql_client() as client:
            client.execute_sql(f"DROP VIEW {mine}")
        source = make_source(sandbox, timezone=ZONE, resources=RESOURCES, credentials=NOBODY)
        with pytest.raises(CredentialsRefusedError):
            load_in_checkpoints(trial.pipeline(), source, full_refresh=True)
        assert wrong(trial, sandbox) == []
