"""The cursor: it moves with the data that it covers, and with nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from dlt.pipeline.exceptions import PipelineStepFailed

from customergauge_source.sandbox import Fault, Sandbox
from customergauge_source.sandbox.feed import EMPTY_CURSORS, EmptyCursor
from tests.support import asked_cursors, at_length, make_pipeline, make_source, query
from tests.truth import differences, loaded


def load(folder: Path, sandbox: Sandbox, **arguments: Any) -> list[str | None]:
    """Runs the pipeline, and returns the cursors that the API was asked with, page by page."""
    make_pipeline(folder).run(make_source(sandbox, **arguments))
    return asked_cursors(sandbox)


@pytest.mark.sampled
@pytest.mark.parametrize("empty_cursor", at_length(EMPTY_CURSORS, short=["null", "same"]))
def test_an_empty_page_never_moves_the_cursor(workdir: Path, empty_cursor: EmptyCursor) -> None:
    with Sandbox(responses=0, empty_cursor=empty_cursor) as sandbox:
        assert load(workdir, sandbox) == [None]
        sandbox.arrive(30)
        last = str(sandbox.keys[-1])
        assert load(workdir, sandbox) == [None, last]
        assert load(workdir, sandbox) == [last]
        assert differences(workdir / "customergauge.duckdb", sandbox.records) == []


def test_a_run_that_fails_half_way_keeps_the_old_cursor(workdir: Path) -> None:
    with Sandbox(responses=40) as sandbox:
        load(workdir, sandbox)
        last = str(sandbox.keys[-1])
        sandbox.arrive(60)
        sandbox.inject(Fault("403", page=sandbox.pages_served + 3))
        with pytest.raises(PipelineStepFailed, match="403"):
            load(workdir, sandbox, per_page=20)
        assert len(loaded(workdir / "customergauge.duckdb")) == 40

        assert load(workdir, sandbox, per_page=20)[0] == last
        assert differences(workdir / "customergauge.duckdb", sandbox.records) == []


def test_a_fresh_working_directory_gets_the_cursor_back(workdir: Path, sandbox: Sandbox) -> None:
    load(workdir, sandbox)
    shutil.rmtree(workdir / "pipelines")  # all that dlt keeps outside of the destination
    sandbox.arrive(10)

    assert load(workdir, sandbox)[0] == str(sandbox.keys[299])
    assert differences(workdir / "customergauge.duckdb", sandbox.records) == []


def test_data_and_cursor_are_in_the_same_load_package(workdir: Path, sandbox: Sandbox) -> None:
    load(workdir, sandbox)

    rows = query(
        workdir / "customergauge.duckdb",
        "SELECT DISTINCT r._dlt_load_id = s._dlt_load_id FROM responses r, _dlt_pipeline_state s",
    )
    assert rows == [(True,)]
