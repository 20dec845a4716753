"""The source in anybody's own pipeline: `pipeline.run(customergauge_source())`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dlt
import duckdb
import pytest
from dlt.common.runtime import run_context
from dlt.pipeline.exceptions import PipelineStepFailed

from customergauge_source import customergauge_source
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
    assert list(source.resources) == ["responses"]
    table = source.responses.compute_table_schema()
    assert table["write_disposition"] == "merge"
    assert table["columns"]["number_customergauge"]["primary_key"]


def test_nothing_is_requested_until_the_pipeline_runs(sandbox: Sandbox) -> None:
    make_source(sandbox)

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


def test_add_filter_keeps_whole_records(workdir: Path, sandbox: Sandbox) -> None:
    source = make_source(sandbox, per_page=100)
    source.responses.add_filter(lambda record: record["nps"] <= 6)
    make_pipeline(workdir).run(source)

    kept = [record for record in sandbox.records if record["nps"] <= 6]
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


def test_a_limit_and_a_map_go_together(workdir: Path, sandbox: Sandbox) -> None:
    source = make_source(sandbox, per_page=50)
    source.responses.add_limit(1).add_map(lambda record: record | {"status": "mapped"})
    make_pipeline(workdir).run(source)

    mapped = [record | {"status": "mapped"} for record in sandbox.records[:50]]
    assert differences(workdir / "customergauge.duckdb", mapped) == []


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


def test_other_data_in_the_same_pipeline_is_left_alone(workdir: Path, sandbox: Sandbox) -> None:
    orders = dlt.resource([{"id": 1, "items": [{"sku": "a"}]}], name="orders")
    pipeline = make_pipeline(workdir)
    pipeline.run([orders, make_source(sandbox)])
    pipeline.run(make_source(sandbox))

    file = workdir / "customergauge.duckdb"
    assert differences(file, sandbox.records) == []
    assert query(file, "SELECT sku FROM orders__items") == [("a",)]


def test_a_schema_contract_of_the_user_takes_the_declared_tables(
    workdir: Path, sandbox: Sandbox
) -> None:
    make_pipeline(workdir).run(make_source(sandbox))
    sandbox.arrive(10)

    make_pipeline(workdir).run(make_source(sandbox), schema_contract="freeze")

    assert differences(workdir / "customergauge.duckdb", sandbox.records) == []


def test_a_frozen_schema_refuses_a_new_field_and_keeps_the_cursor(
    workdir: Path, sandbox: Sandbox
) -> None:
    make_pipeline(workdir).run(make_source(sandbox))
    before = sandbox.records
    sandbox.append(before[0] | {"brand_new": 1})
    contract: Any = {"columns": "freeze", "tables": "freeze"}

    with pytest.raises(PipelineStepFailed, match="brand_new"):
        make_pipeline(workdir).run(make_source(sandbox), schema_contract=contract)

    assert differences(workdir / "customergauge.duckdb", before) == []
    make_pipeline(workdir).run(make_source(sandbox))
    assert asked_cursors(sandbox)[0] == str(sandbox.keys[-2])
    sql = "SELECT count(*) FROM responses WHERE brand_new = 1"
    assert query(workdir / "customergauge.duckdb", sql) == [(1,)]


def test_the_source_can_be_looked_at_without_a_pipeline(sandbox: Sandbox) -> None:
    items = list(make_source(sandbox, per_page=50).responses.add_limit(2))

    assert items
