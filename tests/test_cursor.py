"""The cursor: it moves with the data that it covers, and with nothing else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from dlt.pipeline.exceptions import PipelineStepFailed

from customergauge_source.exceptions import ApiContractError
from customergauge_source.sandbox import Fault, Sandbox
from customergauge_source.sandbox.feed import EMPTY_CURSORS, EmptyCursor
from tests.scripted import TOKEN, Reply, scripted
from tests.support import asked_cursors, at_length, make_pipeline, make_source, query, read
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


LONG = "x" * 300
"""Makes an answer one that has to have records, by its size."""
ENVELOPES = {
    "as documented": b'{"data":%s,"cursor":{"next":%d}}',
    "with space": b'{ "data" : %s ,\n "cursor" : { "next" : %d } }\n',
    "as a text": b'{"data":%s,"cursor":{"next":"%d"}}',
    "with more beside it": b'{"data":%s,"cursor":{"next":%d,"previous":99999}}',
    "ahead of more": b'{"data":%s,"cursor":{"next":%d},"total":99999}',
    "ahead of one alike": b'{"data":%s,"cursor":{"next":%d},"x":{"cursor":{"next":9}}}',
    "ahead of a key alike": b'{"data":%s,"cursor":{"next":%d},",\\"cursor":{"next":9}}',
    "ahead of a text alike": (
        b'{"data":%s,"cursor":{"next":%d},"x":",\\"cursor\\":{\\"next\\":9}}"}'
    ),
}


@pytest.mark.parametrize("data", ["", LONG])
@pytest.mark.parametrize("envelope", ENVELOPES.values(), ids=ENVELOPES)
def test_a_cursor_is_the_one_of_its_page_wherever_it_stands(envelope: bytes, data: str) -> None:
    def answer(path: str, *_: str) -> Reply:
        if "oauth2" in path:
            return TOKEN
        at = int(path.partition("cursor=")[2] or 0)
        record = {"number_customergauge": at + 1, "status": data}
        return Reply(envelope % (json.dumps([record] if at < 6 else []).encode(), at + 2))

    with scripted(answer) as server:
        assert [it["number_customergauge"] for it in read(server)] == [1, 3, 5]
        assert [path.partition("cursor=")[2] for path in server.paths[1:]] == ["", "2", "4", "6"]


@pytest.mark.parametrize("cursor", [1, 2, 9])
def test_a_page_without_data_is_the_end_however_large_it_is(cursor: int) -> None:
    def answer(path: str, *_: str) -> Reply:
        if "oauth2" in path:
            return TOKEN
        is_end = "cursor=" in path
        data = [] if is_end else [{"number_customergauge": 1}]
        told = {"data": data, "note": LONG, "cursor": {"next": cursor if is_end else 2}}
        return Reply(json.dumps(told).encode())

    with scripted(answer) as server:
        assert [it["number_customergauge"] for it in read(server)] == [1]


@pytest.mark.parametrize("cursor", [1, 2])
def test_a_cursor_that_does_not_grow_breaks_the_contract_wherever_it_stands(cursor: int) -> None:
    def answer(path: str, *_: str) -> Reply:
        if "oauth2" in path:
            return TOKEN
        record = {"number_customergauge": 1, "status": LONG}
        following = cursor if "cursor=" in path else 2
        return Reply(json.dumps({"data": [record], "cursor": {"next": following}}).encode())

    with scripted(answer) as server:
        with pytest.raises(ApiContractError, match=f"greater than 2, not {cursor}"):
            read(server)
        assert len(server.paths) == 3
