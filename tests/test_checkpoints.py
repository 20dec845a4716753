"""Checkpoints: data and cursor are committed together, every so many pages."""

from __future__ import annotations

from pathlib import Path

import pytest

from customergauge_source import LoadSummary, load_in_checkpoints
from customergauge_source.exceptions import ApiRefusedError, ConfigurationError
from customergauge_source.sandbox import Fault, Sandbox
from tests.command import Command
from tests.support import asked_cursors, at_length, make_pipeline, make_source
from tests.truth import as_after_a_crash, differences, loaded, stored_cursor

PER_PAGE = 20


def test_each_checkpoint_commits_data_and_cursor_together(workdir: Path) -> None:
    file = workdir / "customergauge.duckdb"
    seen = []
    with Sandbox(responses=200) as sandbox:

        def look(summary: LoadSummary) -> None:
            total = summary.resources["responses"]
            now = as_after_a_crash(file)
            assert len(loaded(now)) == total.records
            assert stored_cursor(now) == total.cursor == sandbox.keys[total.records - 1]
            seen.append((total.pages, total.records, summary.caught_up))

        summary = load_in_checkpoints(
            make_pipeline(workdir),
            make_source(sandbox, per_page=PER_PAGE),
            checkpoint_pages=3,
            on_checkpoint=look,
        )

        assert seen == [(3, 60, False), (6, 120, False), (9, 180, False), (10, 200, True)]
        assert summary.checkpoints == 4
        assert differences(file, sandbox.records) == []


def test_progress_names_each_checkpoint_and_no_other(command: Command) -> None:
    with Sandbox(responses=80) as sandbox:
        ended = command(sandbox, "--per-page", "20", "--checkpoint-pages", "2")

    told = [line for line in ended.err.splitlines() if "committed" in line]
    assert len(told) == 2
    assert told[0].startswith("checkpoint 1 committed: ")
    assert told[1].startswith("checkpoint 2 committed: 4 pages, 80 responses")


@pytest.mark.parametrize(
    "failing_page_and_every",
    at_length([(1, 2), (2, 2), (5, 2), (6, 4), (7, 1)], short=[(1, 2), (5, 2), (6, 4)]),
)
def test_the_pages_before_a_failure_are_committed_and_the_next_run_goes_on(
    workdir: Path, failing_page_and_every: tuple[int, int]
) -> None:
    failing_page, every = failing_page_and_every
    file = workdir / "customergauge.duckdb"
    with Sandbox(responses=160, faults=[Fault("403", page=failing_page)]) as sandbox:
        source = make_source(sandbox, per_page=PER_PAGE)
        with pytest.raises(Exception, match="unauthorized") as raised:
            load_in_checkpoints(make_pipeline(workdir), source, checkpoint_pages=every)

        assert any(isinstance(e, ApiRefusedError) for e in _causes(raised.value))
        kept = (failing_page - 1) * PER_PAGE
        assert len(loaded(file)) == kept
        load_in_checkpoints(make_pipeline(workdir), make_source(sandbox, per_page=PER_PAGE))
        pages_left = (160 - kept) // PER_PAGE + 1
        assert len(asked_cursors(sandbox)) == pages_left
        assert differences(file, sandbox.records) == []


@pytest.mark.parametrize("every", at_length([2, 25], short=[2]))
def test_max_pages_stops_there_and_the_next_run_goes_on(command: Command, every: int) -> None:
    options = ("--json", "--per-page", "20", "--checkpoint-pages", str(every), "--max-pages")
    with Sandbox(responses=120) as sandbox:
        first = command(sandbox, *options, "3").summary
        assert first["resources"]["responses"]["pages"] == 3
        assert first["resources"]["responses"]["cursor"] == sandbox.keys[59]
        assert not first["caught_up"]
        assert differences(command.file, sandbox.records[:60]) == []
        assert len(sandbox.data_requests) == 3

        second = command(sandbox, *options, "9").summary
        assert asked_cursors(sandbox)[0] == str(sandbox.keys[59])
        assert second["resources"]["responses"]["pages"] == 3
        assert second["caught_up"]
        assert second["tables"]["responses"] == 60
        assert differences(command.file, sandbox.records) == []


def test_a_one_off_that_stops_early_does_not_promise_a_cursor(command: Command) -> None:
    period = ("--period-field", "date_sent", "--start-date", "2000-01-01")
    with Sandbox(responses=120) as sandbox:
        ended = command(
            sandbox, *period, "--end-date", "2099-12-31", "--per-page", "20", "--max-pages", "2"
        )

    assert ended.code == 0, ended.err
    assert "run it again without --max-pages" in ended.out
    assert "goes on at the cursor" not in ended.out


@pytest.mark.parametrize("setting", ["checkpoint_pages", "max_pages"])
@pytest.mark.parametrize("value", [0, -1])
def test_a_bound_below_one_is_refused(
    workdir: Path, sandbox: Sandbox, setting: str, value: int
) -> None:
    bounds = {setting: value}
    with pytest.raises(ConfigurationError, match=f"{setting} is {value}"):
        load_in_checkpoints(make_pipeline(workdir), make_source(sandbox), **bounds)  # type: ignore[arg-type]
    assert sandbox.requests == []


def test_a_script_of_ones_own_loads_in_checkpoints(workdir: Path, sandbox: Sandbox) -> None:
    told: list[int] = []
    summary = load_in_checkpoints(
        make_pipeline(workdir, "mine"),
        make_source(sandbox, per_page=100),
        checkpoint_pages=1,
        max_pages=2,
        on_checkpoint=lambda state: told.append(state.checkpoints),
    )
    assert (told, summary.caught_up) == ([1, 2], False)

    summary = load_in_checkpoints(
        make_pipeline(workdir, "mine"), make_source(sandbox, per_page=100), full_refresh=True
    )
    assert summary.resources["responses"].records == 300
    assert differences(workdir / "mine.duckdb", sandbox.records) == []


def test_what_a_script_raises_between_checkpoints_costs_nothing(workdir: Path) -> None:
    def fail(_summary: LoadSummary) -> None:
        raise RuntimeError("the script's own")

    with Sandbox(responses=100) as sandbox:
        for _ in range(2):
            source = make_source(sandbox, per_page=PER_PAGE)
            with pytest.raises(RuntimeError, match="own"):
                load_in_checkpoints(
                    make_pipeline(workdir), source, checkpoint_pages=2, on_checkpoint=fail
                )
        assert len(loaded(workdir / "customergauge.duckdb")) == 80
        load_in_checkpoints(make_pipeline(workdir), make_source(sandbox, per_page=PER_PAGE))
        assert differences(workdir / "customergauge.duckdb", sandbox.records) == []


def _causes(error: BaseException) -> list[BaseException]:
    chain = [error]
    while (before := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(before)
    return chain
