"""Ways out: each error of a destination, a disk or a path names what helps, and that does help.

What somebody has dropped by hand is named, and a full refresh leads out of whatever there is.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest
from dlt.pipeline.exceptions import PipelineStepFailed

from customergauge_source import CustomerGaugeError, load_in_checkpoints
from customergauge_source.exceptions import ConfigurationError
from customergauge_source.sandbox import Sandbox
from tests.command import Command
from tests.killed_at import KILL_AT
from tests.support import (
    DATASET,
    LOAD,
    asked_cursors,
    at_length,
    environment,
    make_pipeline,
    make_source,
    query,
)
from tests.truth import differences, loaded

STAGING = f"{DATASET}_staging"
TAGS = f"{DATASET}.responses__tags"
LOST = {
    f"DROP TABLE {TAGS}": "responses__tags",
    f"DROP TABLE {DATASET}.responses": "responses",
    f"ALTER TABLE {DATASET}.responses DROP COLUMN email": "responses.email",
    f"ALTER TABLE {DATASET}.responses RENAME email TO mail": "responses.email",
    f"ALTER TABLE {TAGS} DROP COLUMN sentiment": "responses__tags.sentiment",
    f"ALTER TABLE {TAGS} DROP COLUMN _dlt_root_id": "responses__tags._dlt_root_id",
    f"DROP TABLE {TAGS}; CREATE VIEW {TAGS} AS SELECT 1 AS one": "responses__tags.label",
    f"DROP TABLE {DATASET}._dlt_loads": "_dlt_loads",
    f"ALTER TABLE {DATASET}._dlt_loads DROP COLUMN schema_name": "_dlt_loads.schema_name",
    f"DROP TABLE {DATASET}._dlt_pipeline_state": "_dlt_pipeline_state",
    f"ALTER TABLE {DATASET}._dlt_pipeline_state DROP COLUMN state": "_dlt_pipeline_state.state",
    f"ALTER TABLE {DATASET}._dlt_version DROP COLUMN schema": "_dlt_version.schema",
}
STAGED = {
    f"DROP TABLE {STAGING}.responses__tags": "responses__tags",
}
UNREADABLE = [
    f"UPDATE {DATASET}._dlt_pipeline_state SET state = 'no state'",
    f"UPDATE {DATASET}._dlt_version SET schema = 'no schema'",
]
TOLD = {
    **{statements: f"The destination lacks {lost}" for statements, lost in LOST.items()},
    **dict.fromkeys(UNREADABLE, "What dlt keeps at the destination cannot be read: "),
}
MADE_AGAIN = [
    f"DROP TABLE {DATASET}._dlt_version",
    f"DELETE FROM {DATASET}._dlt_version",
    f"DELETE FROM {DATASET}._dlt_loads",
    f"DELETE FROM {DATASET}._dlt_pipeline_state",
    f"DROP SCHEMA {DATASET} CASCADE",
    f"DROP SCHEMA {STAGING} CASCADE",
    f"DROP TABLE {STAGING}._dlt_version",
    f"ALTER TABLE {STAGING}.responses DROP email",  # the files of a load package have it
]


def change(file: Path, statements: str) -> None:
    """Does to a file what somebody may do by hand."""
    with closing(duckdb.connect(str(file))) as connection:
        connection.execute(statements)


class Account:
    """An account, and the pipeline that loads it."""

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self.sandbox = sandbox
        self.file = folder / "customergauge.duckdb"
        self.pipeline = make_pipeline(folder)

    def load(self, **options: Any) -> CustomerGaugeError | None:
        """Loads; returns the error, if there was one."""
        try:
            load_in_checkpoints(self.pipeline, make_source(self.sandbox, per_page=20), **options)
        except CustomerGaugeError as error:
            return error
        return None

    def is_right(self) -> bool:
        """Says whether the tables equal the account, and a further run changes nothing."""
        idle = self.load()
        return idle is None and differences(self.file, self.sandbox.records) == []


@pytest.fixture
def account(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An account of 40 responses that is loaded, and of which 10 more have come since."""
    monkeypatch.setenv("LOAD__RAISE_ON_MAX_RETRIES", "1")
    with Sandbox(responses=40) as sandbox:
        account = Account(sandbox, workdir)
        assert account.load() is None
        sandbox.arrive(10)
        yield account


@pytest.mark.sampled
@pytest.mark.parametrize("statements", at_length(TOLD, short=[*LOST][::7] + UNREADABLE[:1]))
def test_what_is_lacking_or_unreadable_is_told_and_a_full_refresh_leads_out(
    account: Account, statements: str
) -> None:
    change(account.file, statements)

    error = account.load()
    assert error is not None
    assert error.exit_code == 5
    assert TOLD[statements] in str(error)
    assert "--full-refresh (full_refresh=True)" in error.remedy

    assert account.load(full_refresh=True) is None
    assert account.is_right()


@pytest.mark.sampled
@pytest.mark.parametrize("refresh", [False, True])
@pytest.mark.parametrize("statements", at_length(MADE_AGAIN, short=MADE_AGAIN[:1]))
def test_what_can_be_made_again_without_loss_is(
    account: Account, statements: str, *, refresh: bool
) -> None:
    change(account.file, statements)

    assert account.load(full_refresh=refresh) is None
    assert account.is_right()


@pytest.mark.long
@pytest.mark.parametrize("statements", STAGED)
def test_a_staging_dataset_that_was_changed_is_named_and_may_be_dropped(
    account: Account, statements: str
) -> None:
    change(account.file, statements)

    error = account.load()
    assert error is not None
    assert str(error).startswith(f"The staging dataset lacks {STAGED[statements]}, ")
    assert error.remedy.startswith("Drop the whole staging dataset")

    change(account.file, f"DROP SCHEMA {STAGING} CASCADE")
    assert account.is_right()


def test_what_no_load_has_made_is_not_said_to_be_lacking(command: Command) -> None:
    change(command.file, f"CREATE SCHEMA {DATASET}; CREATE VIEW {DATASET}.responses AS SELECT 1 a")
    with Sandbox(responses=20) as sandbox:
        ended = command(sandbox)

    assert ended.code == 5
    assert "earlier loads" not in ended.err
    assert "Error: Step load failed: " in ended.err


@pytest.mark.long
def test_a_full_refresh_makes_the_table_of_rejected_records_again(account: Account) -> None:
    change(account.file, f"DROP TABLE {DATASET}.rejected_records")

    assert account.load(full_refresh=True) is None
    assert query(account.file, "SELECT count(*) FROM rejected_records") == [(0,)]
    assert account.is_right()


@pytest.mark.long
def test_a_full_refresh_over_tables_that_dlt_has_forgotten_merges_and_says_so(
    account: Account, full: dict[str, Any], told: Callable[[], list[str]]
) -> None:
    account.sandbox.append(full | {"number_customergauge": 7, "scalars": [1, 2, 3]})
    assert account.load() is None
    change(account.file, f"DROP TABLE {DATASET}._dlt_version")

    assert account.load(full_refresh=True) is None

    assert query(account.file, "SELECT count(*) FROM responses__scalars") == [(3,)]
    keys = sorted(record["number_customergauge"] for record in account.sandbox.records)
    assert loaded(account.file) == keys
    rows = query(account.file, "SELECT count(*), count(DISTINCT _dlt_id) FROM responses__tags")
    assert rows[0][0] == rows[0][1] == sum(len(it["tags"]) for it in account.sandbox.records)
    assert any("dlt does not know the tables of responses any more" in it for it in told())


@pytest.mark.long
def test_a_full_refresh_that_is_killed_before_it_begins_is_no_loss(command: Command) -> None:
    with Sandbox(responses=40) as sandbox:
        assert command(sandbox).code == 0
        sandbox.arrive(5)
        moment = rf'sql> .*UPDATE "{DATASET}"\."_dlt_version"'
        assert command(sandbox, "--full-refresh", **{KILL_AT: moment}).code == -signal.SIGKILL
        assert command(sandbox).code == 0

        assert asked_cursors(sandbox)[0] == str(sandbox.keys[39])
        assert differences(command.file, sandbox.records) == []


def test_a_first_full_refresh_drops_nothing_that_is_not_ours(command: Command) -> None:
    theirs = f"CREATE SCHEMA {DATASET}; CREATE TABLE {DATASET}.responses AS SELECT 'theirs' AS id"
    change(command.file, theirs)
    with Sandbox(responses=5) as sandbox:
        command(sandbox, "--full-refresh")

    assert ("theirs",) in query(command.file, "SELECT id FROM responses")


@pytest.mark.long
def test_a_dropped_table_is_not_made_again_empty_because_a_field_is_new(
    account: Account, full: dict[str, Any]
) -> None:
    change(account.file, f"DROP TABLE {DATASET}.responses")
    account.sandbox.append(full | {"number_customergauge": 7, "wave": "first"})

    error = account.load()
    assert error is not None
    assert str(error).startswith("The destination lacks responses, which earlier loads made.")

    assert account.load(full_refresh=True) is None
    assert len(loaded(account.file)) == len(account.sandbox.records)


@pytest.mark.long
def test_what_another_source_appends_is_not_missed_in_the_staging_dataset(
    account: Account,
) -> None:
    account.pipeline.run([{"event": 1}], table_name="events")
    change(account.file, f"ALTER TABLE {DATASET}.responses ALTER language TYPE INT USING 1")

    error = account.load()
    assert error is not None
    assert str(error).startswith("Load package ")


@pytest.mark.long
def test_the_command_names_the_option_that_leads_out(command: Command) -> None:
    with Sandbox(responses=40) as sandbox:
        assert command(sandbox).code == 0
        change(command.file, f"DROP TABLE {DATASET}.responses__tags")
        sandbox.arrive(5)

        ended = command(sandbox)
        assert ended.code == 5
        what, remedy = ended.err.splitlines()[-2:]
        assert what.startswith("Error: The destination lacks responses__tags, which earlier loads ")
        assert remedy.startswith("What to do: Run once with --full-refresh ")

        assert command(sandbox, "--full-refresh").code == 0
        assert differences(command.file, sandbox.records) == []


@pytest.mark.long
@pytest.mark.parametrize("limit", at_length([256, 64], short=[64]))
def test_what_does_not_fit_into_the_memory_of_duckdb_names_the_options_that_load_it(
    command: Command, limit: int
) -> None:
    """A thousand comments of 100 KB on a page, and 256 MB for them; or a quarter of both."""
    count = 1000 * limit // 256
    config = {"memory_limit": f"{limit}MB"}
    env = {"DESTINATION__DUCKDB__CREDENTIALS__GLOBAL_CONFIG": json.dumps(config)}
    with Sandbox(records=[with_long_comment(key) for key in range(1, count + 1)]) as sandbox:
        ended = command(sandbox, **env)

        assert ended.code == 5, ended.err
        what, remedy = ended.err.splitlines()[-2:]
        assert (
            f"DuckDB's memory, {limit / 1.048576:.1f} MiB, does not hold what is loaded at once."
            in what
        )
        assert "--per-page 50 --checkpoint-pages 1" in remedy
        assert "memory_limit" in remedy

        ended = command(sandbox, "--per-page", "50", "--checkpoint-pages", "1", **env)
        assert ended.code == 0, ended.err
        assert loaded(command.file) == [*range(1, count + 1)]


def with_long_comment(key: int) -> dict[str, Any]:
    comment = os.urandom(50_000).hex()  # of which DuckDB can spare nothing
    return {"number_customergauge": key, "comment": {"original": comment}}


def with_many_fields(key: int) -> dict[str, Any]:
    return {"number_customergauge": key} | {f"extra_{n}": key * n for n in range(300)}


@pytest.mark.parametrize(("record", "count"), [(with_long_comment, 250), (with_many_fields, 2000)])
def test_duckdb_gets_as_much_memory_as_an_account_needs(
    command: Command, record: Callable[[int], dict[str, Any]], count: int
) -> None:
    with Sandbox(records=[record(key) for key in range(1, count + 1)]) as sandbox:
        ended = command(sandbox)

        assert ended.code == 0, ended.err
        assert "exception" not in ended.err
        assert loaded(command.file) == [*range(1, count + 1)]


def test_a_full_disk_below_dlts_folder_is_told_with_the_folder(tmp_path: Path) -> None:
    """Files of more than 40 KB cannot be written, as on a disk with no more room."""
    with Sandbox(responses=1000) as sandbox:
        ended = subprocess.run(
            [sys.executable, str(LOAD)],
            cwd=tmp_path,
            env=environment(tmp_path, sandbox),
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000)),
        )

    assert ended.returncode == 2, ended.stderr
    what, remedy = ended.stderr.splitlines()[-2:]
    folder = tmp_path / "dlt" / "pipelines" / "customergauge"
    assert what == f"Error: dlt cannot work in {folder}: File too large."
    assert "DLT_DATA_DIR" in remedy


def test_an_apostrophe_in_dlts_path_is_refused_before_anything_is_requested(
    command: Command, workdir: Path
) -> None:
    folder = workdir / "it's"
    folder.mkdir()
    with Sandbox(responses=20) as sandbox:
        ended = command(sandbox, DLT_DATA_DIR=str(folder))
        assert ended.code == 2, ended.err
        what, remedy = ended.err.splitlines()[-2:]
        assert f"dlt's folder {folder}" in what
        assert "apostrophe" in what
        assert "DLT_DATA_DIR" in remedy

        pipeline = make_pipeline(folder)
        with pytest.raises(ConfigurationError, match="apostrophe"):
            load_in_checkpoints(pipeline, make_source(sandbox))
        with pytest.raises(PipelineStepFailed, match="apostrophe"):
            pipeline.run(make_source(sandbox))
        assert sandbox.requests == []


def test_an_apostrophe_in_the_path_of_the_file_is_none_of_dlts_business(command: Command) -> None:
    folder = command.folder / "it's"
    folder.mkdir()
    with Sandbox(responses=20) as sandbox:
        file = folder / "customergauge.duckdb"
        ended = command(sandbox, DESTINATION__DUCKDB__CREDENTIALS=str(file))

        assert ended.code == 0, ended.err
        assert differences(file, sandbox.records) == []
    told = ended.out.splitlines()[-2].removeprefix("look at it: ")
    env = {"PATH": str(Path(sys.executable).parent)}
    looked = subprocess.run(
        ["/bin/sh", "-c", told],
        cwd=command.folder,
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "5 rows" in looked.stdout
