"""A warehouse that swallows failures would make every other test of it worthless."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dlt
import pytest
from dlt.destinations.exceptions import DatabaseException, DatabaseUndefinedRelation

from tests.support import at_length
from tests.warehouses.emulators import WAREHOUSES

if TYPE_CHECKING:
    from pathlib import Path

    from tests.warehouses.target import Target

# The others are no emulators: between dlt and them nothing is ours.
_EMULATORS = ["bigquery", "snowflake"]
pytestmark = [
    pytest.mark.parametrize(
        "running_warehouse", at_length(WAREHOUSES, short=_EMULATORS), indirect=True
    ),
    # The emulators take minutes on a busy machine.
    pytest.mark.timeout(900),
]

ROWS: list[dict[str, Any]] = [
    {"id": 1, "text": "it's", "tags": [{"label": "a"}, {"label": "b"}]},
    {"id": 2, "text": "2026-01-01", "tags": [{"label": "c"}]},
    {"id": 3, "text": None, "tags": []},
]


@pytest.fixture
def pipeline(warehouse: Target, dataset_name: str, tmp_path: Path) -> dlt.Pipeline:
    return dlt.pipeline(
        "emulators",
        destination=warehouse.destination,
        dataset_name=dataset_name,
        pipelines_dir=str(tmp_path),
    )


def load(pipeline: dlt.Pipeline, rows: list[dict[str, Any]]) -> None:
    pipeline.run(
        rows,
        table_name="records",
        write_disposition="merge",
        primary_key="id",
        loader_file_format="parquet",
    )


def table(pipeline: dlt.Pipeline, name: str) -> str:
    with pipeline.sql_client() as client:
        return client.make_qualified_table_name(name)


def query(pipeline: dlt.Pipeline, statement: str) -> list[tuple[Any, ...]]:
    with pipeline.sql_client() as client:
        return [tuple(row) for row in client.execute_sql(statement) or []]


def test_rows_with_children_merge_and_each_failure_raises(pipeline: dlt.Pipeline) -> None:
    load(pipeline, ROWS)
    edited = {"id": 1, "text": "edited", "tags": [{"label": "d"}]}
    load(pipeline, [edited, {"id": 4, "text": "new", "tags": []}])

    records = query(pipeline, f"SELECT id, text FROM {table(pipeline, 'records')} ORDER BY id")
    tags = query(pipeline, f"SELECT label FROM {table(pipeline, 'records__tags')} ORDER BY label")

    assert records == [(1, "edited"), (2, "2026-01-01"), (3, None), (4, "new")]
    assert tags == [("c",), ("d",)]
    assert_comes_as_arrow(pipeline)

    assert_failing_statements_raise(pipeline)
    assert_a_failure_in_the_middle_raises(pipeline)


def assert_comes_as_arrow(pipeline: dlt.Pipeline) -> None:
    with pipeline.sql_client() as client:
        records = client.make_qualified_table_name("records")
        # Not by way of `pipeline.dataset()`, which dlt 1.31 breaks with sqlglot from 30.22 on.
        with client.execute_query(f"SELECT * FROM {records}") as cursor:
            arrow = cursor.arrow()
    assert arrow is not None
    assert arrow.num_rows == 4


def assert_failing_statements_raise(pipeline: dlt.Pipeline) -> None:
    records = table(pipeline, "records")
    for failing in (
        f"SELECT id FROM {table(pipeline, 'missing_table')}",
        f"SELECT missing_column FROM {records}",
        f"UPDATE {records} SET missing_column = 1 WHERE id = 1",
        f"INSERT INTO {records} (id) VALUES ('not a number')",
        f"INSERT INTO {records} (id) VALUES (5)",  # and none for dlt's own columns
        f"SELECT id FROM {records} WHERE (((",
        f"SELECT id / DATE '2026-01-01' FROM {records}",
    ):
        with pytest.raises(DatabaseException) as caught:
            query(pipeline, failing)
        # dlt goes by this kind to tell a table that is yet to be created from a failure.
        if "missing_table" in failing.lower():
            assert isinstance(caught.value, DatabaseUndefinedRelation)
        # A crash of the server would be another thing: on that, clients retry for a long time.
        assert " 500 " not in str(caught.value)
        # It was the statement that failed, and not the server.
        assert query(pipeline, f"SELECT id FROM {records} WHERE id = 1") == [(1,)]


def assert_a_failure_in_the_middle_raises(pipeline: dlt.Pipeline) -> None:
    records = table(pipeline, "records")
    script = [
        f"UPDATE {records} SET text = 'first' WHERE id = 1",
        f"UPDATE {table(pipeline, 'missing_table')} SET text = 'second' WHERE id = 2",
        f"UPDATE {records} SET text = 'third' WHERE id = 3",
    ]

    with pytest.raises(DatabaseException), pipeline.sql_client() as client:
        client.execute_many(script)

    assert query(pipeline, f"SELECT text FROM {records} WHERE id = 3") == [(None,)]
