"""`reconcile` in a pipeline of somebody's."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
from dlt.common.schema import Schema

from customergauge_source import LoadSummary, reconcile
from customergauge_source.exceptions import (
    ConfigurationError,
    CustomerGaugeError,
    RemovalRefusedError,
)
from customergauge_source.sandbox import Sandbox
from tests.command import Command
from tests.reconciling import (
    KEY,
    cgids,
    contents,
    noted,
)
from tests.support import (
    make_pipeline,
    make_source,
)
from tests.truth import differences, loaded

HAPPY = range(7, 11)


def in_python(folder: Path, source: Any, **arguments: Any) -> Any:
    """Reconciles in a pipeline of somebody's; returns what was found."""
    return reconcile(make_pipeline(folder), source, **arguments)


def hashed(record: dict[str, Any]) -> dict[str, Any]:
    """Returns a record without its e-mail address, as a step of somebody's pipeline might."""
    email = record["email"]
    return record | {"email": email and hashlib.sha256(email.encode()).hexdigest()}


@pytest.mark.long
def test_in_python_a_map_is_applied_and_nothing_changes_twice(
    workdir: Path, command: Command, account: Sandbox
) -> None:
    def source() -> Any:
        made = make_source(account, per_page=20)
        made.responses.add_map(hashed)
        return made

    gone, edited = cgids(account.records)[8:10]
    account.remove(gone)
    first = in_python(workdir, source()).reconcile
    assert first.changed == sum(it["email"] is not None for it in account.records)
    assert first.deleted_ids == [gone]
    again = in_python(workdir, source())
    assert (again.reconcile.changed, again.tables, again.checkpoints) == (0, {}, 0)
    account.edit(edited, email="new@example.com", tags=[])
    assert in_python(workdir, source()).reconcile.changed_ids == [edited]

    assert differences(command.file, [hashed(record) for record in account.records]) == []


def test_in_python_a_filter_removes_nothing_that_is_alive(
    workdir: Path, command: Command, account: Sandbox
) -> None:
    source = make_source(account, per_page=20)
    source.responses.add_filter(lambda record: record["nps"] in HAPPY)
    happy, unhappy = ([it for it in account.records if (it["nps"] in HAPPY) is is_happy]
                      for is_happy in (True, False))  # fmt: skip
    gone = sorted([happy[0][KEY], unhappy[0][KEY]])
    for cgid in gone:
        account.remove(cgid)
    account.edit(happy[1][KEY], tags=[], nps=8)
    account.edit(unhappy[1][KEY], tags=[], nps=2)
    told = in_python(workdir, source).reconcile

    assert told.deleted_ids == gone
    assert told.changed_ids == [happy[1][KEY]]
    assert loaded(command.file) == sorted(cgids(account.records))


def files(folder: Path) -> dict[str, bytes]:
    return {str(it): it.read_bytes() for it in folder.rglob("*") if it.is_file()}


def test_in_python_a_dry_run_leaves_pipeline_and_destination_as_they_were(
    workdir: Path, command: Command, account: Sandbox
) -> None:
    pipeline = make_pipeline(workdir)
    pipeline.sync_destination()
    hashes = {name: pipeline.schemas[name].version_hash for name in pipeline.schemas}
    before = contents(command.file)
    pipeline.extract([{"id": 1}], table_name="pending", schema=Schema("somebody_elses"))
    kept = files(Path(pipeline.working_dir))
    account.remove(account.records[0][KEY])
    account.edit(account.records[0][KEY], tags=[], nps=6, brand_new="field")
    told: list[Any] = []
    summary = reconcile(
        pipeline, make_source(account, per_page=20), dry_run=True, on_checkpoint=told.append
    )

    assert summary.reconcile is not None
    assert (summary.reconcile.deleted, summary.reconcile.changed) == (1, 1)
    assert (told, summary.checkpoints, summary.tables) == ([], 0, {})
    assert contents(command.file) == before
    now = {name: pipeline.schemas[name].version_hash for name in hashes}
    assert now == hashes
    assert files(Path(pipeline.working_dir)) == kept
    assert pipeline.has_pending_data


@pytest.mark.long
def test_in_python_checkpoints_are_told_and_errors_are_ours(
    workdir: Path, command: Command, account: Sandbox
) -> None:
    for record in account.records[:60]:
        account.edit(record[KEY], nps=0, status="edited")
    gone = cgids(account.records)[60:63]
    for cgid in gone:
        account.remove(cgid)
    with pytest.raises(RemovalRefusedError, match="More than 0") as refused:
        in_python(workdir, make_source(account), max_deletes=0)
    told: list[int] = []

    def stop(_: LoadSummary) -> None:
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        in_python(workdir, make_source(account, per_page=20), on_checkpoint=stop)
    in_python(
        workdir,
        make_source(account, per_page=20),
        max_deletes=3,
        checkpoint_pages=1,
        on_checkpoint=lambda summary: told.append(summary.checkpoints),
    )
    with pytest.raises(ConfigurationError) as negative:
        in_python(workdir, make_source(account), max_deletes=-1)
    with Sandbox(responses=0) as empty, pytest.raises(RemovalRefusedError) as nothing:
        in_python(workdir, make_source(empty))

    assert told == [1, 2]  # what had changed is merged by the refused one
    assert noted(command.file) == sorted(gone)
    codes: Collection[int] = [it.value.exit_code for it in (refused, negative, nothing)]
    assert [*codes] == [4, 2, 4]
    assert all(isinstance(it.value, CustomerGaugeError) for it in (refused, negative, nothing))
    assert differences(command.file, account.records) == []
