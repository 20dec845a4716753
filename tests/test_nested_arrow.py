"""A canary: dlt still needs `nested_arrow`, and still takes it."""

from __future__ import annotations

from copy import copy, deepcopy
from pathlib import Path

import pytest
from dlt.common.schema import Schema
from dlt.common.schema.typing import TTableSchema
from dlt.pipeline.exceptions import PipelineStepFailed

from customergauge_source import chain
from customergauge_source.nested_arrow import NestedTable, receive_arrow
from customergauge_source.sandbox import Sandbox
from tests.support import TABLES, make_pipeline, make_source

NESTED = "responses__selected_drivers__secondary"


@pytest.fixture
def schema() -> Schema:
    """A schema with a nested table that receives Arrow data."""
    made = Schema("customergauge")
    made.update_table({"name": "responses", "columns": {}, "resource": "responses"})
    middle: TTableSchema = {"name": NESTED.rpartition("__")[0], "columns": {}}
    made.update_table(middle | {"parent": "responses"})
    leaf: TTableSchema = {"name": NESTED, "columns": {}}
    made.update_table(leaf | {"parent": middle["name"]})
    receive_arrow(made, [NESTED])
    return made


def test_dlt_still_needs_it(
    workdir: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain, "receive_arrow", lambda _schema, _tables: None)

    with pytest.raises(PipelineStepFailed) as failed:
        make_pipeline(workdir).run(make_source(sandbox))

    # If this fails: dlt takes Arrow data for nested tables by itself; remove nested_arrow.py.
    assert isinstance(failed.value.__context__, KeyError)
    assert failed.value.__context__.args == ("resource",)


def test_dlt_still_takes_it_and_credits_the_rows_to_the_resource(
    workdir: Path, sandbox: Sandbox
) -> None:
    pipeline = make_pipeline(workdir)
    info = pipeline.extract(make_source(sandbox))

    packages = [package for steps in info.metrics.values() for package in steps]
    package = next(one for one in packages if "responses" in one["resource_metrics"])
    rows = sum(package["table_metrics"][table].items_count for table in TABLES)
    assert package["resource_metrics"]["responses"].items_count == rows
    assert rows > len(sandbox.records)


def test_nested_tables_say_nothing_of_it_in_the_stored_schema(
    workdir: Path, sandbox: Sandbox
) -> None:
    pipeline = make_pipeline(workdir)
    pipeline.run(make_source(sandbox))

    stored = pipeline.default_schema.to_dict()["tables"]
    assert stored["responses"]["resource"] == "responses"
    for table in TABLES[1:]:
        assert "resource" not in stored[table]
        assert stored[table]["parent"] == table.rpartition("__")[0]


def test_a_nested_table_answers_when_asked_and_is_silent_otherwise(schema: Schema) -> None:
    table = schema.tables[NESTED]

    assert isinstance(table, NestedTable)
    assert table["resource"] == "responses"
    assert "resource" not in table
    assert table.get("resource") is None
    assert "resource" not in copy(table)
    assert "resource" not in deepcopy(table)
    assert "resource" not in schema.to_dict()["tables"][NESTED]
    with pytest.raises(KeyError, match="color"):
        table["color"]


def test_receiving_again_and_receiving_what_is_not_there_is_harmless(schema: Schema) -> None:
    table = schema.tables[NESTED]

    receive_arrow(schema, [NESTED, "responses__not_there"])

    assert schema.tables[NESTED] is table
    assert "responses__not_there" not in schema.tables
    assert type(schema.tables["responses"]) is dict
