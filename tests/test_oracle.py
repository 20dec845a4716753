"""dlt's own relational normalizer over the same records: the same six tables but for dlt's keys."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import dlt
from dlt.common.normalizers.json.relational import DataItemNormalizer

from customergauge_source.records import sort_out
from customergauge_source.sandbox import Sandbox
from customergauge_source.schema import KEY, RESPONSE, Shape
from tests.support import DATASET, TABLES, make_pipeline, make_source, query

PATHS = [
    ("tags",),
    ("questions",),
    ("selected_drivers",),
    ("selected_drivers", "secondary"),
    ("properties",),
]


def columns(shape: Shape) -> dict[str, Any]:
    """Returns the columns of a shape as a dlt user would declare them."""
    return {
        name: {
            "name": name,
            "data_type": column.type,
            **({"timezone": True, "precision": 6} if column.type == "timestamp" else {}),
        }
        for name, column in shape.columns()
    }


def nested_hints() -> dict[Any, Any]:
    """Returns the columns of the nested tables as a dlt user would declare them."""
    hints: dict[Any, Any] = {}
    for path in PATHS:
        shape = RESPONSE
        for key in path:
            shape = shape.lists[key]
        hints[path] = dlt.mark.make_nested_hints(columns=list(columns(shape).values()))
    return hints


def load_with_dlt_alone(folder: Path, *pages: list[Any]) -> Path:
    """Loads records as dicts, a package for each page, and returns the DuckDB file."""

    @dlt.source(name="oracle")
    def source(page: list[Any]) -> Any:
        return dlt.resource(
            deepcopy(page),
            name="responses",
            primary_key=KEY,
            write_disposition="merge",
            columns=columns(RESPONSE),
            nested_hints=nested_hints(),
        )

    pipeline = make_pipeline(folder, "oracle")
    for page in pages:
        told = source(page)
        propagation: Any = {"tables": {"responses": {KEY: KEY}}}
        DataItemNormalizer.update_normalizer_config(told.schema, {"propagation": propagation})
        pipeline.run(told, loader_file_format="parquet")
    return folder / "oracle.duckdb"


def content(file: Path, table: str) -> tuple[list[Any], list[Any]]:
    """Returns names and types of a table's columns, and its rows; dlt's keys as what they mean."""
    described = query(
        file,
        "SELECT column_name, data_type FROM information_schema.columns"
        f" WHERE table_schema = '{DATASET}' AND table_name = '{table}'"
        " AND column_name[:5] <> '_dlt_' ORDER BY ALL",
    )
    names = ", ".join(f'child."{name}"' for name, _ in described)
    parent = table.rpartition("__")[0]
    if parent:
        index = "parent._dlt_list_idx" if "__" in parent else f"parent.{KEY}"
        names += f", child._dlt_list_idx, {index}"
        join = f"JOIN {parent} parent ON child._dlt_parent_id = parent._dlt_id"
    else:
        join = ""
    return described, query(file, f"SELECT {names} FROM {table} child {join} ORDER BY ALL")


def compare(ours: Path, oracle: Path) -> None:
    """Compares the six tables."""
    for table in TABLES:
        (our_columns, our_rows), (columns_, rows) = content(ours, table), content(oracle, table)
        assert our_columns == columns_, table
        assert our_rows == rows, table
        assert rows, table


def test_the_six_tables_are_those_of_dlt_after_each_of_two_runs(workdir: Path) -> None:
    with Sandbox(responses=60, seed=3) as sandbox:
        first = sandbox.records
        make_pipeline(workdir).run(make_source(sandbox, per_page=40))
        oracle = load_with_dlt_alone(workdir, first)
        compare(workdir / "customergauge.duckdb", oracle)

        empty: dict[str, Any] = {"tags": [], "questions": [], "properties": []}
        for record in first[:9]:
            sandbox.redeliver(record[KEY], nps=0, **empty, selected_drivers=[])
        sandbox.redeliver(first[9][KEY], selected_drivers=[{"primary": "A", "secondary": ["b"]}])
        make_pipeline(workdir).run(make_source(sandbox))
        load_with_dlt_alone(workdir, sandbox.records[60:])

    compare(workdir / "customergauge.duckdb", oracle)


def test_records_that_are_put_right_first_become_the_tables_of_dlt(workdir: Path) -> None:
    with Sandbox(responses=30) as generated:
        records = generated.records
    records[0]["comment"] = "a plain string"
    records[1]["drivers"] = [{"label": "Old"}, {"label": "Shape"}]
    records[1]["selected_drivers"] = None
    records[2][KEY] = str(records[2][KEY])
    records[3] = {KEY: records[3][KEY]}
    records[4] |= {"tags": None, "contact": None, "questions": [{"title": "alone"}]}
    records.append(records[5] | {"nps": 0, "tags": []})
    with Sandbox(records=records) as sandbox:
        make_pipeline(workdir).run(make_source(sandbox))
    right, rejected = sort_out(records, 0)

    assert rejected == []
    compare(workdir / "customergauge.duckdb", load_with_dlt_alone(workdir, right))
