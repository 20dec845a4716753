"""Into DuckDB, records are merged from the files that have them, and come nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dlt
import pytest
from dlt.destinations.impl.duckdb.sql_client import DuckDbSqlClient

from customergauge_source import load_in_checkpoints
from customergauge_source.sandbox import Sandbox
from tests.command import Command
from tests.killed_at import watching
from tests.support import DATASET, make_pipeline, make_source, query
from tests.truth import differences

FILE = "customergauge.duckdb"


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What DuckDB is sent."""
    sent: list[str] = []
    look = watching(lambda _event, query: sent.append(query))
    monkeypatch.setattr(DuckDbSqlClient, "execute_query", look)
    return sent


def test_nothing_is_copied_into_staging_tables(
    workdir: Path, sandbox: Sandbox, statements: list[str]
) -> None:
    pipeline = make_pipeline(workdir)
    destination = pipeline.destination
    for _ in range(2):
        load_in_checkpoints(pipeline, make_source(sandbox), checkpoint_pages=2)
        sandbox.redeliver(sandbox.records[0]["number_customergauge"], tags=[], nps=0)
        sandbox.arrive(5)
    load_in_checkpoints(pipeline, make_source(sandbox))

    assert differences(workdir / FILE, sandbox.records) == []
    copies = [it for it in statements if f'INTO "{DATASET}_staging"."responses' in it]
    assert copies == []
    assert [it for it in statements if str(workdir) in it] == []  # dlt looks for words in them
    assert pipeline.destination is destination
    assert pipeline.state["destination_type"] == "dlt.destinations.duckdb"


@pytest.mark.sampled
@pytest.mark.parametrize("name", ["this;that", "drop [a] table", "nps=3", "two\nlines"])
def test_a_working_directory_may_be_called_what_it_likes(
    command: Command, sandbox: Sandbox, name: str
) -> None:
    folder = command.folder / name
    for _ in range(2):
        ended = command(sandbox, "--checkpoint-pages", "1", DLT_DATA_DIR=str(folder))
        assert ended.code == 0, ended.err
        sandbox.redeliver(sandbox.records[0]["number_customergauge"], tags=[], nps=0)
        sandbox.arrive(5)
    assert command(sandbox, DLT_DATA_DIR=str(folder)).code == 0
    assert differences(command.file, sandbox.records) == []


@pytest.mark.sampled
@pytest.mark.parametrize("file_format", ["parquet", "jsonl"])
@pytest.mark.parametrize("strategy", ["delete-insert", "upsert", "scd2", "insert-only"])
def test_another_resource_is_merged_by_its_own_strategy(
    workdir: Path, small: Sandbox, strategy: Any, file_format: Any
) -> None:
    orders = {number: {"id": number, "lines": [{"sku": "a"}, {"sku": "b"}]} for number in range(5)}

    @dlt.resource(
        primary_key="id",
        write_disposition={"disposition": "merge", "strategy": strategy},
        file_format=file_format,
    )
    def shop() -> Iterator[Any]:
        yield list(orders.values())

    beside = dlt.pipeline(
        "beside",
        destination=dlt.destinations.duckdb(str(workdir / "beside.duckdb")),
        dataset_name=DATASET,
        pipelines_dir=str(workdir / "pipelines"),
    )
    for number in range(3, 7):
        source = make_source(small)
        source.resources["shop"] = shop()
        load_in_checkpoints(make_pipeline(workdir), source)
        beside.run(shop())
        orders[number] = {"id": number, "note": "new", "lines": [{"sku": f"c{number}"}]}
        del orders[number - 3]

    live = "WHERE shop._dlt_valid_to IS NULL" if strategy == "scd2" else ""
    lines = f"""
        SELECT id, note, sku FROM shop LEFT JOIN shop__lines AS lines
        ON lines._dlt_parent_id = shop._dlt_id {live} ORDER BY ALL
    """
    assert query(workdir / FILE, lines) == query(workdir / "beside.duckdb", lines) != []
    assert differences(workdir / FILE, small.records) == []
