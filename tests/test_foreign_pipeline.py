"""The source in anybody's own pipeline: `pipeline.run(customergauge_source())`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dlt
import duckdb
import pytest
from dlt.common.runtime import run_context
from dlt.extract import DltSource
from dlt.pipeline.exceptions import PipelineStepFailed

from customergauge_source import customergauge_source, load_in_checkpoints
from customergauge_source.sandbox import Sandbox
from tests.support import TABLES, asked_cursors, make_pipeline, make_source, query
from tests.truth import differences, loaded


@pytest.fixture
def configured(workdir: Path, sandbox: Sandbox) -> Iterator[Sandbox]:
    """A sandbox that .dlt/secrets.toml in the working directory leads to."""
    secrets = workdir / ".dlt" / "secrets.toml"
    secrets.parent.mkdir()
    secrets.write_text(
        "[sources.customergauge]\n"
        f'api_url = "{sandbox.url}"\nauth_url = "{sandbox.url}"\nper_page = 100\n'
        "[sources.customergauge.credentials]\n"
        f'client_id = "{sandbox.client_id}"\nclient_secret = "{sandbox.client_secret}"\n',
        encoding="utf-8",
    )
    # dlt reads the files once in a process, when a setting is first asked for.
    run_context.active().reload()
    yield sandbox
    secrets.unlink()
    run_context.active().reload()


def test_dlt_injects_the_configuration(workdir: Path, configured: Sandbox) -> None:
    make_pipeline(workdir, "somebody_elses").run(customergauge_source())

    assert dict(configured.data_requests[0].query)["per_page"] == "100"
    assert differences(workdir / "somebody_elses.duckdb", configured.records) == []


def test_source_and_resource_have_the_names_of_the_contract(sandbox: Sandbox) -> None:
    source = make_source(sandbox)

    assert source.name == "customergauge"
    assert {"responses", "non_responses", "close_loop"} <= source.resources.keys()
    assert list(source.selected_resources) == ["responses"]
    table = source.responses.compute_table_schema()
    assert table["write_disposition"] == "merge"
    assert table["columns"]["number_customergauge"]["primary_key"]
    assert sandbox.requests == []


def test_add_limit_counts_pages_and_the_next_run_goes_on_exactly_there(
    workdir: Path, sandbox: Sandbox
) -> None:
    file = workdir / "customergauge.duckdb"
    for pages in (2, 1):
        make_pipeline(workdir).run(make_source(sandbox, per_page=50).add_limit(pages))
    assert differences(file, sandbox.records[:150]) == []

    make_pipeline(workdir).run(make_source(sandbox, per_page=50))

    assert asked_cursors(sandbox)[0] == str(sandbox.keys[149])
    assert differences(file, sandbox.records) == []


def test_add_map_gets_plain_records_as_the_api_sent_them(workdir: Path, sandbox: Sandbox) -> None:
    seen: list[Any] = []

    def hide(record: dict[str, Any]) -> dict[str, Any]:
        seen.append(record)
        return record | {"email": "hidden"}

    source = make_source(sandbox, per_page=100)
    source.responses.add_map(hide)
    make_pipeline(workdir).run(source)

    assert seen == sandbox.records
    hidden = [record | {"email": "hidden"} for record in sandbox.records]
    assert differences(workdir / "customergauge.duckdb", hidden) == []


def test_add_filter_keeps_whole_records_and_goes_with_a_limit(
    workdir: Path, sandbox: Sandbox
) -> None:
    source = make_source(sandbox, per_page=50)
    source.responses.add_limit(4).add_filter(lambda record: record["nps"] in range(7))
    make_pipeline(workdir).run(source)

    kept = [record for record in sandbox.records[:200] if record["nps"] in range(7)]
    assert differences(workdir / "customergauge.duckdb", kept) == []


def test_a_page_of_which_a_filter_leaves_nothing_moves_the_cursor(
    workdir: Path, sandbox: Sandbox
) -> None:
    source = make_source(sandbox, per_page=100)
    source.responses.add_filter(lambda _record: False)
    make_pipeline(workdir).run(source)

    make_pipeline(workdir).run(make_source(sandbox))

    assert asked_cursors(sandbox)[0] == str(sandbox.keys[-1])
    assert loaded(workdir / "customergauge.duckdb") == []


@pytest.mark.sampled
@pytest.mark.parametrize("form", ["with_resources", "resource"])
def test_the_resource_may_be_chosen_or_run_alone(
    workdir: Path, sandbox: Sandbox, form: str
) -> None:
    source = make_source(sandbox)
    data = {
        "with_resources": source.with_resources("responses"),
        "resource": source.responses,
    }[form]
    make_pipeline(workdir).run(data)

    assert differences(workdir / "customergauge.duckdb", sandbox.records) == []
    again = {"resource": make_source(sandbox).responses}.get(form, make_source(sandbox))
    make_pipeline(workdir).run(again)
    assert len(asked_cursors(sandbox)) == 1


def test_another_dataset_has_data_and_cursor_of_its_own(workdir: Path, sandbox: Sandbox) -> None:
    file = workdir / "shared.duckdb"
    for name, dataset in (("one", "first"), ("two", "second")):
        pipeline = dlt.pipeline(
            name,
            destination=dlt.destinations.duckdb(str(file)),
            dataset_name=dataset,
            pipelines_dir=str(workdir / "pipelines"),
        )
        pipeline.run(make_source(sandbox))
        assert asked_cursors(sandbox)[0] is None

    with duckdb.connect(str(file), read_only=True) as connection:
        for table in TABLES:
            first, second = (
                connection.sql(f"SELECT count(*) FROM {dataset}.{table}").fetchall()
                for dataset in ("first", "second")
            )
            assert first == second != [(0,)]


def shop(number: int) -> DltSource:
    """Returns another source, with one order."""
    orders = dlt.resource(
        [{"id": number, "items": [{"sku": f"a{number}"}]}],
        name="orders",
        write_disposition="append",
    )
    return DltSource(dlt.Schema("shop"), "shop", [orders])


def test_other_data_in_the_same_pipeline_is_left_alone(workdir: Path, sandbox: Sandbox) -> None:
    pipeline = make_pipeline(workdir)
    pipeline.run([shop(1), make_source(sandbox)])
    pipeline.run(make_source(sandbox))
    load_in_checkpoints(pipeline, make_source(sandbox), full_refresh=True)

    file = workdir / "customergauge.duckdb"
    assert differences(file, sandbox.records) == []
    assert query(file, "SELECT sku FROM orders__items") == [("a1",)]


@pytest.mark.sampled
@pytest.mark.parametrize("is_loaded", [False, True], ids=["pending", "loaded"])
def test_an_older_copy_of_the_destination_costs_neither_ours_nor_what_another_source_has_new(
    workdir: Path, sandbox: Sandbox, *, is_loaded: bool
) -> None:
    file = workdir / "customergauge.duckdb"
    pipeline = make_pipeline(workdir)
    pipeline.run(shop(1))
    load_in_checkpoints(pipeline, make_source(sandbox))
    copy = shutil.copy(file, workdir / "older")
    sandbox.arrive(20)
    load_in_checkpoints(pipeline, make_source(sandbox))
    if not is_loaded:
        pipeline.extract(shop(2))
    shutil.copy(copy, file)
    if is_loaded:  # which tells the destination of a cursor whose data it has lost
        pipeline.run(shop(2))

    load_in_checkpoints(make_pipeline(workdir), make_source(sandbox))

    assert differences(file, sandbox.records) == []
    assert query(file, "SELECT sku FROM orders__items ORDER BY sku") == [("a1",), ("a2",)]


@pytest.mark.long
def test_what_is_pending_in_the_pipeline_is_loaded_first(workdir: Path, sandbox: Sandbox) -> None:
    pipeline = make_pipeline(workdir)
    load_in_checkpoints(pipeline, make_source(sandbox, per_page=100), max_pages=1)
    pending = make_source(sandbox, per_page=100).add_limit(1)
    for source in (pending, shop(1), shop(2)):
        pipeline.extract(source)
        pipeline.normalize() if source.name == "shop" else None
    sandbox.redeliver(sandbox.records[150]["number_customergauge"], nps=0, tags=[])

    load_in_checkpoints(pipeline, make_source(sandbox, per_page=100))

    file = workdir / "customergauge.duckdb"
    assert asked_cursors(sandbox)[0] == str(sandbox.keys[199])
    assert differences(file, sandbox.records) == []
    assert query(file, "SELECT sku FROM orders__items ORDER BY sku") == [("a1",), ("a2",)]


def test_a_transaction_of_ones_own_in_the_same_file_stops_no_load(
    workdir: Path, sandbox: Sandbox
) -> None:
    with duckdb.connect(str(workdir / "customergauge.duckdb")) as own:
        own.begin()
        own.execute("CREATE TABLE notes AS SELECT 1 AS note")
        load_in_checkpoints(make_pipeline(workdir), make_source(sandbox))
        own.commit()

    assert query(workdir / "customergauge.duckdb", "SELECT * FROM notes") == [(1,)]
    assert differences(workdir / "customergauge.duckdb", sandbox.records) == []


@pytest.mark.long
def test_the_pipeline_knows_afterwards_what_was_loaded(workdir: Path, sandbox: Sandbox) -> None:
    pipeline = make_pipeline(workdir)
    load_in_checkpoints(pipeline, make_source(sandbox))
    assert "responses" in pipeline.dataset().tables

    pipeline.run(shop(1))
    sandbox.arrive(10)
    load_in_checkpoints(pipeline, make_source(sandbox))
    pipeline.run(make_source(sandbox))

    assert asked_cursors(sandbox) == [str(sandbox.keys[-1])]
    assert dlt.current.pipeline() is pipeline


def test_a_schema_contract_of_the_user_takes_the_declared_tables(
    workdir: Path, loaded_sandbox: Sandbox
) -> None:
    loaded_sandbox.arrive(10)

    make_pipeline(workdir).run(make_source(loaded_sandbox), schema_contract="freeze")

    assert differences(workdir / "customergauge.duckdb", loaded_sandbox.records) == []


def test_a_frozen_schema_refuses_a_new_field_and_keeps_the_cursor(
    workdir: Path, loaded_sandbox: Sandbox
) -> None:
    before = loaded_sandbox.records
    loaded_sandbox.append(before[0] | {"brand_new": 1})
    contract: Any = {"columns": "freeze", "tables": "freeze"}

    with pytest.raises(PipelineStepFailed, match="brand_new"):
        make_pipeline(workdir).run(make_source(loaded_sandbox), schema_contract=contract)

    assert differences(workdir / "customergauge.duckdb", before) == []
    make_pipeline(workdir).run(make_source(loaded_sandbox))
    assert asked_cursors(loaded_sandbox)[0] == str(loaded_sandbox.keys[-2])
    sql = "SELECT count(*) FROM responses WHERE brand_new = '1'"
    assert query(workdir / "customergauge.duckdb", sql) == [(1,)]


def test_the_source_can_be_looked_at_without_a_pipeline(sandbox: Sandbox) -> None:
    items = list(make_source(sandbox, per_page=50).responses.add_limit(2))

    assert items
