"""What dlt's users do with a resource: it works, or is refused before anything is requested."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import dlt
import pytest

from customergauge_source import (
    LoadSummary,
    customergauge_source,
    explain,
    load_in_checkpoints,
)
from customergauge_source.api.auth import CustomerGaugeCredentials
from customergauge_source.exceptions import ConfigurationError
from customergauge_source.sandbox import Fault, Sandbox
from tests.support import make_pipeline, make_source, query
from tests.truth import differences, loaded, stored_cursor


def refused(run: Callable[[], object], sandbox: Sandbox) -> ConfigurationError:
    """Returns the error of a run that is refused before it asks for anything new."""
    asked = len(sandbox.requests)
    with pytest.raises(Exception, match=r".") as raised:
        run()
    assert len(sandbox.requests) == asked
    error = explain(raised.value)
    assert isinstance(error, ConfigurationError), raised.value
    return error


@pytest.mark.parametrize(
    "disposition", ["replace", "append", {"disposition": "merge", "strategy": "insert-only"}]
)
@pytest.mark.parametrize("place", ["run", "hint"])
def test_a_disposition_that_would_leave_children_behind_is_refused(
    workdir: Path, sandbox: Sandbox, disposition: Any, place: str
) -> None:
    source = make_source(sandbox)
    arguments = {}
    if place == "run":
        arguments["write_disposition"] = disposition
    else:
        source.responses.apply_hints(write_disposition=disposition)

    error = refused(lambda: make_pipeline(workdir).run(source, **arguments), sandbox)

    assert "write disposition" in str(error)


def test_a_merge_strategy_that_replaces_children_is_taken(workdir: Path, sandbox: Sandbox) -> None:
    upsert: Any = {"disposition": "merge", "strategy": "upsert"}
    for _ in range(2):
        make_pipeline(workdir).run(make_source(sandbox), write_disposition=upsert)
        sandbox.redeliver(sandbox.records[0]["number_customergauge"], tags=[], nps=0)

    assert differences(workdir / "customergauge.duckdb", sandbox.records[:-1]) == []


REFRESHES = ("drop_sources", "drop_resources", "drop_data")


@pytest.mark.parametrize("refresh", REFRESHES)
def test_no_refresh_goes_with_a_one_off(
    workdir: Path, loaded_sandbox: Sandbox, refresh: Any
) -> None:
    one = make_source(
        loaded_sandbox, number_customergauge=loaded_sandbox.records[0]["number_customergauge"]
    )

    refused(lambda: make_pipeline(workdir).run(one, refresh=refresh), loaded_sandbox)

    assert len(loaded(workdir / "customergauge.duckdb")) == 300


@pytest.mark.sampled
@pytest.mark.usefixtures("loaded_sandbox")
@pytest.mark.parametrize("refresh", REFRESHES)
def test_a_refresh_forgets_data_and_cursor(workdir: Path, refresh: Any) -> None:
    with Sandbox(responses=20, seed=1) as other:
        make_pipeline(workdir).run(make_source(other), refresh=refresh)

        assert "cursor" not in dict(other.data_requests[0].query)
        assert differences(workdir / "customergauge.duckdb", other.records) == []


def test_other_steps_and_names_are_refused_with_what_to_do(workdir: Path, sandbox: Sandbox) -> None:
    pipeline = make_pipeline(workdir)
    steps = make_source(sandbox)
    steps.responses.add_yield_map(lambda record: [record])
    transformed = make_source(sandbox).responses | dlt.transformer(name="answers")(
        lambda page: page
    )
    renamed = make_source(sandbox).responses.with_name("answers")
    table = make_source(sandbox)
    table.responses.apply_hints(table_name="answers")
    called = make_source(sandbox)
    called.responses.apply_hints(table_name=lambda _: "answers")

    assert "YieldMapItem" in str(refused(lambda: pipeline.run(steps), sandbox))
    assert "ForkPipe" in str(refused(lambda: pipeline.run(transformed), sandbox))
    for data in (renamed, table):
        assert "answers" in str(refused(partial(pipeline.run, data), sandbox))
    assert "fixed names" in str(refused(partial(pipeline.run, called), sandbox))


def test_a_naming_convention_with_other_table_names_is_refused(
    workdir: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCHEMA__NAMING", "direct")

    assert "direct" in str(
        refused(lambda: make_pipeline(workdir).run(make_source(sandbox)), sandbox)
    )


def test_a_limit_in_checkpoints_is_refused(workdir: Path, sandbox: Sandbox) -> None:
    source = make_source(sandbox).add_limit(2)

    error = refused(lambda: load_in_checkpoints(make_pipeline(workdir), source), sandbox)

    assert "max_pages" in error.remedy


def test_a_limit_of_no_pages_reads_none_and_moves_nothing(workdir: Path, sandbox: Sandbox) -> None:
    make_pipeline(workdir).run(make_source(sandbox).add_limit(0))
    assert sandbox.data_requests == []

    make_pipeline(workdir).run(make_source(sandbox))
    assert differences(workdir / "customergauge.duckdb", sandbox.records) == []


@pytest.mark.parametrize("step", [lambda _record: {"email": "x"}, lambda _record: "x"])
def test_a_map_that_loses_the_key_is_told(
    workdir: Path, sandbox: Sandbox, step: Callable[[Any], Any]
) -> None:
    source = make_source(sandbox)
    source.responses.add_map(step)
    with pytest.raises(Exception, match="number_customergauge") as raised:
        make_pipeline(workdir).run(source)

    assert isinstance(explain(raised.value), ConfigurationError)


@pytest.mark.long
def test_a_filter_changes_neither_pages_nor_checkpoints_nor_the_cursor(
    workdir: Path, sandbox: Sandbox
) -> None:
    first = sandbox.records[0]["number_customergauge"]
    committed: list[int] = []

    def load(max_pages: int | None) -> LoadSummary:
        source = make_source(sandbox, per_page=20)
        source.responses.add_filter(lambda record: record["number_customergauge"] == first)
        return load_in_checkpoints(
            make_pipeline(workdir),
            source,
            checkpoint_pages=2,
            max_pages=max_pages,
            on_checkpoint=lambda state: committed.append(state.resources["responses"].pages),
        )

    assert not load(max_pages=5).caught_up
    summary = load(max_pages=None)
    assert summary.caught_up
    assert committed == [2, 4, 5, 2, 4, 6, 8, 10]
    assert summary.resources["responses"].cursor == sandbox.keys[-1]
    assert stored_cursor(workdir / "customergauge.duckdb") == sandbox.keys[-1]
    assert loaded(workdir / "customergauge.duckdb") == [first]


@pytest.mark.sampled
@pytest.mark.parametrize("in_checkpoints", [False, True])
def test_what_is_rejected_stays_when_a_filter_leaves_nothing_of_its_page(
    workdir: Path, sandbox: Sandbox, *, in_checkpoints: bool
) -> None:
    sandbox.append("no object", {"status": "response"})
    source = make_source(sandbox, per_page=50)
    source.responses.add_filter(lambda _record: False)
    if in_checkpoints:
        summary = load_in_checkpoints(make_pipeline(workdir), source, checkpoint_pages=7)
        assert summary.resources["responses"].rejected == 2
    else:
        make_pipeline(workdir).run(source)

    rows = query(workdir / "customergauge.duckdb", "SELECT reason FROM rejected_records")
    assert sorted(rows) == [("no number_customergauge",), ("not an object",)]


@pytest.mark.sampled
@pytest.mark.parametrize("in_checkpoints", [False, True])
def test_a_source_may_be_used_again_retries_included(
    workdir: Path, sandbox: Sandbox, *, in_checkpoints: bool
) -> None:
    source = make_source(sandbox, per_page=100)
    for _ in range(2):
        if in_checkpoints:
            load_in_checkpoints(make_pipeline(workdir), source)
        else:
            make_pipeline(workdir).run(source)
        sandbox.arrive(10)
        sandbox.inject(Fault("503", page=sandbox.pages_served + 1, times=2))

    assert differences(workdir / "customergauge.duckdb", sandbox.records[:-10]) == []


def test_credentials_that_two_sources_share_are_each_sent_to_their_own_host(
    workdir: Path, sandbox: Sandbox
) -> None:
    shared = CustomerGaugeCredentials()
    shared.client_id, shared.client_secret = sandbox.client_id, sandbox.client_secret
    with Sandbox(responses=20, seed=1) as other:
        first = make_source(sandbox, credentials=shared)
        make_source(other, credentials=shared)

        make_pipeline(workdir).run(first)

        assert other.requests == []
    assert differences(workdir / "customergauge.duckdb", sandbox.records) == []


@pytest.mark.long
def test_other_resources_of_the_source_are_read_once(workdir: Path, sandbox: Sandbox) -> None:
    times = []

    def orders() -> Any:
        times.append(1)
        yield [{"id": 1}]

    source = make_source(sandbox, per_page=50)
    source.resources.add(dlt.resource(orders, name="orders"))
    load_in_checkpoints(make_pipeline(workdir), source, checkpoint_pages=2)

    assert len(times) == 1
    assert query(workdir / "customergauge.duckdb", "SELECT id FROM orders") == [(1,)]
    assert differences(workdir / "customergauge.duckdb", sandbox.records) == []


def test_a_response_that_two_sources_bring_in_one_run_is_there_once(
    workdir: Path, sandbox: Sandbox
) -> None:
    one = sandbox.records[0]["number_customergauge"]
    sources = [make_source(sandbox, per_page=50), make_source(sandbox, number_customergauge=one)]
    make_pipeline(workdir).run(sources)

    assert differences(workdir / "customergauge.duckdb", sandbox.records) == []


def test_a_limit_of_rows_is_refused_as_pages_are_counted(workdir: Path, sandbox: Sandbox) -> None:
    source = make_source(sandbox)
    source.responses.add_limit(5, count_rows=True)

    error = refused(lambda: make_pipeline(workdir).run(source), sandbox)

    assert "count_rows" in str(error)
    assert "per_page" in error.remedy


def test_load_in_checkpoints_says_what_it_takes(workdir: Path, sandbox: Sandbox) -> None:
    pipeline, source = make_pipeline(workdir), make_source(sandbox)
    for given, got in {
        "a list": ([source], "list"),
        "a resource": (source.responses, "DltResource"),
        "a source that was not called": (customergauge_source, "DltSourceFactoryWrapper"),
        "nothing": (None, "NoneType"),
    }.values():
        error = refused(partial(load_in_checkpoints, pipeline, given), sandbox)
        assert f"The source has to be what customergauge_source(…) returns, not {got}." in str(
            error
        )

    swapped: Any = pipeline
    error = refused(partial(load_in_checkpoints, source, swapped), sandbox)
    assert "The pipeline has to be what dlt.pipeline(…) returns, not DltSource." in str(error)
