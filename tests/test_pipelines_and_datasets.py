"""Pipelines and datasets that sources share, and those that keep them apart."""

from __future__ import annotations

from pathlib import Path

import dlt
import duckdb
import pytest

from customergauge_source import (
    customergauge_source,
    explain,
    load_in_checkpoints,
    reconcile,
)
from customergauge_source.exceptions import ConfigurationError
from customergauge_source.sandbox import Sandbox
from tests.other_sources import Others, news, wrong
from tests.support import DATASET, asked_cursors, make_pipeline, make_source
from tests.truth import differences

FILE = "customergauge.duckdb"


def test_two_pipelines_share_a_dataset_each_with_its_own_cursor(
    workdir: Path, small: Sandbox, beside: Others
) -> None:
    one, other = (
        dlt.pipeline(
            name,
            destination=dlt.destinations.duckdb(str(workdir / FILE)),
            dataset_name=DATASET,
            pipelines_dir=str(workdir / "pipelines"),
        )
        for name in ("one", "other")
    )
    one.run(make_source(small))
    other.run(beside.both())
    news(small, beside)
    other.run([make_source(small), *beside.both()])
    assert asked_cursors(small)[0] is None
    assert wrong(workdir, small, beside) == []

    small.arrive(3)
    for pipeline in (one, other):
        pipeline.run(make_source(small))

    assert wrong(workdir, small, beside) == []
    load_in_checkpoints(one, make_source(small), full_refresh=True)
    other.run(make_source(small))
    assert wrong(workdir, small, beside) == []


def test_two_pipelines_share_a_lake_and_leave_the_others_tables_known(
    workdir: Path, small: Sandbox
) -> None:
    resources = {"one": ["responses"], "other": ["close_loop"]}
    one, other = (
        dlt.pipeline(
            name,
            destination=dlt.destinations.filesystem(str(workdir / "lake")),
            dataset_name=DATASET,
            pipelines_dir=str(workdir / "pipelines"),
        )
        for name in resources
    )
    for _ in range(3):
        load_in_checkpoints(one, make_source(small, resources=resources["one"]))
        load_in_checkpoints(other, make_source(small, resources=resources["other"]))
        small.arrive(3)
    load_in_checkpoints(one, make_source(small, resources=resources["one"]))

    for pipeline in (one, other):
        found = reconcile(pipeline, make_source(small, resources=resources[pipeline.pipeline_name]))
        assert found.reconcile is not None
        assert (found.reconcile.added, found.tables) == (0, {})


def test_two_accounts_under_names_of_their_own_go_into_two_datasets(
    workdir: Path, small: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox(responses=30, seed=3) as second:
        for name, it in (("EMEA", small), ("APAC", second)):
            for key, value in {
                "API_URL": it.url,
                "AUTH_URL": it.url,
                "CREDENTIALS__CLIENT_ID": it.client_id,
                "CREDENTIALS__CLIENT_SECRET": it.client_secret,
            }.items():
                monkeypatch.setenv(f"SOURCES__{name}__{key}", value)
        for _ in range(2):
            for name in ("emea", "apac"):
                source = customergauge_source.clone(name=name, section=name)
                pipeline = make_pipeline(workdir, name)
                pipeline.run(source())
                load_in_checkpoints(pipeline, source())
            small.arrive(4)

        assert differences(workdir / "emea.duckdb", small.records[:-4]) == []
        assert differences(workdir / "apac.duckdb", second.records) == []
        assert make_pipeline(workdir, "emea").default_schema_name == "emea"


@pytest.mark.sampled
@pytest.mark.parametrize("at_once", [False, True], ids=["one after another", "at once"])
def test_two_sources_that_would_share_tables_are_refused(
    workdir: Path, small: Sandbox, *, at_once: bool
) -> None:
    surveys = dlt.resource([{"id": 1}], name="responses")
    typeform = dlt.source(lambda: surveys, name="another")()
    pipeline = make_pipeline(workdir)
    if not at_once:
        pipeline.run(typeform)

    with pytest.raises(Exception, match="another of this pipeline has a table responses") as raised:
        pipeline.run([typeform, make_source(small)] if at_once else make_source(small))

    error = explain(raised.value)
    assert isinstance(error, ConfigurationError)
    assert "dataset_name" in error.remedy
    assert small.requests == []
    make_pipeline(workdir, "apart").run(make_source(small))
    assert differences(workdir / "apart.duckdb", small.records) == []


def test_datasets_of_their_own_keep_sources_apart(
    workdir: Path, small: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("USE_SINGLE_DATASET", "false")
    typeform = dlt.source(lambda: dlt.resource([{"id": 1}], name="responses"), name="another")
    pipeline = make_pipeline(workdir)
    pipeline.run(make_source(small))
    pipeline.run(typeform())
    pipeline.run(make_source(small))

    with duckdb.connect(str(workdir / FILE), read_only=True) as connection:
        assert connection.sql(f"SELECT id FROM {DATASET}_another.responses").fetchall() == [(1,)]
    assert differences(workdir / FILE, small.records) == []


def test_in_development_each_run_begins_in_a_dataset_of_its_own(
    workdir: Path, small: Sandbox, beside: Others
) -> None:
    datasets = set()
    for _ in range(2):
        pipeline = make_pipeline(workdir, dev_mode=True)
        pipeline.run([make_source(small), *beside.both()])
        assert asked_cursors(small)[0] is None
        small.arrive(2)
        load_in_checkpoints(pipeline, make_source(small))
        datasets.add(pipeline.dataset_name)
        with pipeline.sql_client() as sql:
            counted = sql.execute_sql("SELECT count(*) FROM responses")
        assert counted == [(len(small.records),)]
        pipeline.deactivate()

    assert len(datasets) == 2


@pytest.mark.parametrize(
    ("variable", "value"), [("DEV_MODE", "true"), ("DATASET_NAME_LAYOUT", "our_%s")]
)
def test_what_is_configured_of_a_dataset_s_name_counts_once_for_all_packages(
    workdir: Path, monkeypatch: pytest.MonkeyPatch, small: Sandbox, variable: str, value: str
) -> None:
    monkeypatch.setenv(f"PIPELINES__{variable}", value)
    pipeline = make_pipeline(workdir)

    load_in_checkpoints(pipeline, make_source(small, per_page=10), checkpoint_pages=1)

    assert pipeline.dataset_name != DATASET
    with duckdb.connect(str(workdir / FILE), read_only=True) as connection:
        counted = connection.sql(f"SELECT count(*) FROM {pipeline.dataset_name}.responses")
        assert counted.fetchall() == [(len(small.records),)]
