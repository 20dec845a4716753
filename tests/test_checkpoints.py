"""Checkpoints: data and cursor are committed together, every so many pages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from dlt.common.exceptions import DltException

from customergauge_source import CustomerGaugeError, LoadSummary, load_in_checkpoints
from customergauge_source.exceptions import (
    ApiRefusedError,
    ConfigurationError,
    DestinationError,
)
from customergauge_source.sandbox import Fault, Sandbox
from tests.command import Command
from tests.support import DATASET, asked_cursors, at_length, make_pipeline, make_source
from tests.truth import as_after_a_crash, differences, loaded, stored_cursor

PER_PAGE = 20
EVER = {"period_field": "date_sent", "start_date": "2000-01-01", "end_date": "2099-12-31"}


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


def test_what_is_committed_is_in_the_file_and_in_no_log_that_takes_memory(workdir: Path) -> None:
    logged: list[int] = []

    def look(_summary: LoadSummary) -> None:
        logs = workdir.glob("*.wal")
        logged.append(sum(it.stat().st_size for it in logs))

    with Sandbox(responses=6000) as sandbox:
        source = make_source(sandbox, per_page=1000)
        load_in_checkpoints(make_pipeline(workdir), source, checkpoint_pages=2, on_checkpoint=look)

    assert len(logged) > 1
    assert max(logged) < 2**20


@pytest.mark.sampled
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
        with pytest.raises(ApiRefusedError, match=r"responses: .*unauthorized"):
            load_in_checkpoints(make_pipeline(workdir), source, checkpoint_pages=every)

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
    period = [f"--{name.replace('_', '-')}={value}" for name, value in EVER.items()]
    with Sandbox(responses=120) as sandbox:
        ended = command(sandbox, *period, "--per-page", "20", "--max-pages", "2")

    assert ended.code == 0, ended.err
    assert "run it again without --max-pages" in ended.out
    assert "cursor of" not in ended.out
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


def test_a_refresh_that_would_drop_each_package_is_refused(
    workdir: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REFRESH", "drop_resources")
    with pytest.raises(ConfigurationError, match="refresh is drop_resources"):
        load_in_checkpoints(make_pipeline(workdir), make_source(sandbox))
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


@pytest.mark.long
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


@pytest.mark.long
def test_a_one_off_in_many_packages_warns_once(
    workdir: Path, loaded_sandbox: Sandbox, told: Callable[[], list[str]]
) -> None:
    source = make_source(loaded_sandbox, per_page=50, include=["tags"], **EVER)

    summary = load_in_checkpoints(make_pipeline(workdir), source, checkpoint_pages=1)

    assert summary.checkpoints == 6
    (warning,) = told()
    assert warning.startswith("include lacks properties, questions, selected_drivers: ")


def spoil_file(file: Path) -> None:
    """Puts something else in the place of a DuckDB file."""
    file.write_bytes(b"these are the minutes of a meeting " * 1000)


def drop_table(file: Path) -> None:
    """Takes a table away that dlt takes to be there."""
    with duckdb.connect(str(file)) as connection:
        connection.execute(f"DROP TABLE {DATASET}.responses__tags")


def drop_state(file: Path) -> None:
    """Takes the tables away that dlt keeps its own notes in."""
    with duckdb.connect(str(file)) as connection:
        connection.execute(f"ALTER TABLE {DATASET}._dlt_version RENAME COLUMN schema TO gone")


@pytest.mark.parametrize("spoil", [spoil_file, drop_table, drop_state])
def test_whatever_goes_wrong_at_the_destination_is_an_error_of_ours_with_its_cause(
    workdir: Path, loaded_sandbox: Sandbox, spoil: Callable[[Path], None]
) -> None:
    loaded_sandbox.arrive(5)
    load_in_checkpoints(make_pipeline(workdir), make_source(loaded_sandbox))
    loaded_sandbox.arrive(5)
    spoil(workdir / "customergauge.duckdb")

    with pytest.raises(DestinationError) as raised:
        load_in_checkpoints(make_pipeline(workdir), make_source(loaded_sandbox))

    causes: list[BaseException] = [raised.value]
    while (before := causes[-1].__cause__ or causes[-1].__context__) is not None:
        assert before not in causes, "the causes go round in a circle"
        causes.append(before)
    assert any(isinstance(cause, (DltException, duckdb.Error)) for cause in causes[1:])


def test_a_destination_that_is_lost_behind_the_last_commit_changes_no_outcome(
    workdir: Path, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    def lose(_summary: LoadSummary) -> None:
        file = workdir / "customergauge.duckdb"
        file.rename(workdir / "kept.duckdb")
        file.mkdir()

    source = make_source(sandbox)
    summary = load_in_checkpoints(make_pipeline(workdir), source, on_checkpoint=lose)

    assert summary.caught_up
    assert [it for it in caplog.messages if it.startswith("The pipeline is not up to date")]
    assert differences(workdir / "kept.duckdb", sandbox.records) == []


def test_a_schema_contract_that_is_broken_is_an_error_of_ours(
    workdir: Path, loaded_sandbox: Sandbox
) -> None:
    loaded_sandbox.append(loaded_sandbox.records[0] | {"brand_new": 1})
    source = make_source(loaded_sandbox)
    source.schema_contract = "freeze"

    with pytest.raises(CustomerGaugeError, match="brand_new") as raised:
        load_in_checkpoints(make_pipeline(workdir), source)

    assert raised.value.exit_code == 4
    assert isinstance(raised.value.__cause__, DltException)
