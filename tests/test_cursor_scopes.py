"""A cursor belongs to what it was read under: filter, client id; one-offs have none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from customergauge_source.sandbox import DETRACTORS_FILTER, PROMOTERS_FILTER, Sandbox
from customergauge_source.sandbox import tokens as sandbox_tokens
from tests.support import make_pipeline, make_source
from tests.test_cursor import load
from tests.truth import differences, loaded


def cgids(sandbox: Sandbox, scores: range) -> list[int]:
    """Returns the CGIDs of responses with these scores, sorted."""
    return sorted(r["number_customergauge"] for r in sandbox.records if r["nps"] in scores)


@pytest.mark.long
def test_a_filter_has_a_cursor_of_its_own_and_leaves_the_others_alone(
    workdir: Path, sandbox: Sandbox
) -> None:
    detractors = {"outbound_filter": DETRACTORS_FILTER}
    promoters = {"outbound_filter": PROMOTERS_FILTER}
    file = workdir / "customergauge.duckdb"
    last = {
        scores: str(
            next(
                key
                for key, record in list(zip(sandbox.keys, sandbox.records, strict=True))[::-1]
                if record["nps"] in scores
            )
        )
        for scores in (range(7), range(9, 11), range(11))
    }

    assert load(workdir, sandbox, **detractors) == [None, last[range(7)]]
    assert {dict(it.query)["filter"] for it in sandbox.data_requests} == {DETRACTORS_FILTER}
    assert loaded(file) == cgids(sandbox, range(7))
    assert load(workdir, sandbox, **promoters) == [None, last[range(9, 11)]]
    assert load(workdir, sandbox) == [None, last[range(11)]]
    assert differences(file, sandbox.records) == []
    assert load(workdir, sandbox, **detractors) == [last[range(7)]]
    assert load(workdir, sandbox, **promoters) == [last[range(9, 11)]]
    assert load(workdir, sandbox) == [last[range(11)]]


@pytest.mark.sampled
@pytest.mark.parametrize("bound", ["period", "number_customergauge"])
def test_a_one_off_neither_reads_nor_writes_a_cursor(
    workdir: Path, sandbox: Sandbox, bound: str
) -> None:
    chosen = sandbox.records[200]
    cgid, day = chosen["number_customergauge"], chosen["date_survey_response"][:10]
    of_period = {"period_field": "date_survey_response", "start_date": day, "end_date": day}
    arguments: dict[str, Any] = of_period if bound == "period" else {bound: cgid}
    file = workdir / "customergauge.duckdb"

    assert load(workdir, sandbox, **arguments)[0] is None
    assert cgid in loaded(file)
    assert len(loaded(file)) < 20
    assert load(workdir, sandbox)[0] is None
    last = str(sandbox.keys[-1])
    sandbox.edit(cgid, nps=0, tags=[])
    assert load(workdir, sandbox, **arguments)[0] is None

    assert differences(file, sandbox.records) == []
    assert load(workdir, sandbox) == [last]


def test_a_one_off_under_a_filter_has_no_cursor_either(workdir: Path, sandbox: Sandbox) -> None:
    detractors = {"outbound_filter": DETRACTORS_FILTER}
    cgid = cgids(sandbox, range(7))[0]

    load(workdir, sandbox, number_customergauge=cgid, **detractors)

    assert load(workdir, sandbox, **detractors)[0] is None


def test_another_client_id_does_not_use_the_cursor_and_says_so(
    workdir: Path, monkeypatch: pytest.MonkeyPatch, told: Callable[[], list[str]]
) -> None:
    with Sandbox(responses=30) as account:
        load(workdir, account)
        last = str(account.keys[-1])
    monkeypatch.setattr(sandbox_tokens, "CLIENT_ID", "a-division")
    monkeypatch.setattr(Sandbox, "client_id", "a-division")
    with Sandbox(responses=50) as division:
        assert load(workdir, division)[0] is None
        assert differences(workdir / "customergauge.duckdb", division.records) == []
    (warning,) = told()
    assert "from the oldest record" in warning
    monkeypatch.undo()
    with Sandbox(responses=30) as account:
        pipeline = make_pipeline(workdir)
        pipeline.run(make_source(account))
        assert dict(account.data_requests[0].query)["cursor"] == last


def test_the_stored_state_names_neither_client_id_nor_secret(
    workdir: Path, sandbox: Sandbox
) -> None:
    pipeline = make_pipeline(workdir)
    pipeline.run(make_source(sandbox))

    state = str(pipeline.state)
    assert "cursors" in state
    assert sandbox.client_id not in state
    assert sandbox.client_secret not in state


@pytest.mark.long
def test_a_longer_include_is_warned_of_with_its_cure_which_cures(
    workdir: Path, sandbox: Sandbox, told: Callable[[], list[str]]
) -> None:
    load(workdir, sandbox, include=["tags"])
    assert told() == []

    load(workdir, sandbox, include=["tags", "questions", "properties"])
    (warning,) = told()
    assert "properties, questions" in warning
    assert "--full-refresh" in warning

    make_pipeline(workdir).run(make_source(sandbox), refresh="drop_sources")
    load(workdir, sandbox)
    assert told() == [warning]
    assert differences(workdir / "customergauge.duckdb", sandbox.records) == []


def test_a_shorter_include_is_no_reason_to_warn(
    workdir: Path, sandbox: Sandbox, told: Callable[[], list[str]]
) -> None:
    load(workdir, sandbox)
    load(workdir, sandbox, include=[])

    assert told() == []


@pytest.mark.long
def test_a_one_off_that_takes_lists_away_says_so(
    workdir: Path, sandbox: Sandbox, told: Callable[[], list[str]]
) -> None:
    one = {"number_customergauge": sandbox.records[0]["number_customergauge"]}
    load(workdir, sandbox)
    load(workdir, sandbox, **one)
    assert told() == []

    load(workdir, sandbox, include=["tags", "properties"], **one)

    (warning,) = told()
    assert "questions, selected_drivers" in warning
