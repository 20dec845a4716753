"""Ours beside dlt's `rest_api` and `sql_database`: one pipeline, one dataset, one script."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from customergauge_source import explain, load_in_checkpoints, reconcile
from customergauge_source.exceptions import ConfigurationError
from customergauge_source.sandbox import Sandbox
from tests.other_sources import Others, news, wrong
from tests.support import asked_cursors, at_length, make_pipeline, make_source, query
from tests.truth import differences

FILE = "customergauge.duckdb"
REFRESHES = ("drop_sources", "drop_resources", "drop_data")
FORMATS = ("jsonl", "insert_values", "parquet")


@pytest.mark.sampled
@pytest.mark.parametrize("at_once", [False, True], ids=["one after another", "at once"])
def test_three_sources_are_loaded_again_and_again(
    workdir: Path, small: Sandbox, beside: Others, *, at_once: bool
) -> None:
    for run in range(2):
        data = [beside.shop(), make_source(small), beside.crm()]
        for part in [data] if at_once else data:
            make_pipeline(workdir).run(part)
        assert wrong(workdir, small, beside) == []
        assert (asked_cursors(small)[0] is None) == (run == 0)
        news(small, beside)


@pytest.mark.parametrize("refresh", at_length(REFRESHES, short=["drop_resources"]))
def test_a_refresh_of_one_source_leaves_the_others_tables_and_cursors(
    workdir: Path, small: Sandbox, beside: Others, refresh: Any
) -> None:
    pipeline = make_pipeline(workdir)
    pipeline.run([make_source(small), *beside.both()])
    rows = query(workdir / FILE, "FROM orders SELECT _dlt_load_id ORDER BY ALL")

    pipeline.run(make_source(small), refresh=refresh)

    assert asked_cursors(small)[0] is None
    assert query(workdir / FILE, "FROM orders SELECT _dlt_load_id ORDER BY ALL") == rows
    news(small, beside)
    pipeline.run(beside.both(), refresh=refresh)
    pipeline.run(make_source(small))
    assert asked_cursors(small)[0] == str(small.keys[-7])
    assert wrong(workdir, small, beside) == []


def test_loads_in_checkpoints_and_reconciliations_leave_other_sources_alone(
    workdir: Path, small: Sandbox, beside: Others
) -> None:
    pipeline = make_pipeline(workdir)
    pipeline.run([*beside.both(), make_source(small)])
    news(small, beside)
    load_in_checkpoints(pipeline, make_source(small, per_page=5), checkpoint_pages=1)
    pipeline.run(beside.both())
    gone = small.records[7]["number_customergauge"]
    small.remove(gone)

    summary = reconcile(pipeline, make_source(small))

    assert summary.reconcile
    assert summary.reconcile.deleted_ids == [gone]
    assert wrong(workdir, small, beside) == []
    load_in_checkpoints(pipeline, make_source(small), full_refresh=True)
    assert wrong(workdir, small, beside) == []
    pipeline.run([*beside.both(), make_source(small)])
    assert wrong(workdir, small, beside) == []


def test_a_write_disposition_is_for_other_sources_alone(
    workdir: Path, small: Sandbox, beside: Others
) -> None:
    pipeline = make_pipeline(workdir)
    pipeline.run([make_source(small), *beside.both()])
    asked = len(small.requests)

    pipeline.run(beside.both(), write_disposition="append")

    assert query(workdir / FILE, "SELECT count(*) FROM orders__items") == [(12,)]
    with pytest.raises(Exception, match="write disposition 'replace'") as raised:
        pipeline.run([make_source(small), *beside.both()], write_disposition="replace")
    assert isinstance(explain(raised.value), ConfigurationError)
    assert len(small.requests) == asked
    pipeline.run([make_source(small), *beside.both()], write_disposition="merge")
    pipeline.run(beside.both(), write_disposition="replace")
    assert wrong(workdir, small, beside) == []


@pytest.mark.parametrize("format_", at_length(FORMATS, short=["jsonl"]))
def test_a_file_format_is_for_other_sources_alone(
    workdir: Path, small: Sandbox, beside: Others, told: Any, format_: Any
) -> None:
    """An empty table cannot be sent as jsonl, and a package that fails is in the way of all."""
    for _ in range(2):
        data = [make_source(small), *beside.both()]
        make_pipeline(workdir).run(data, loader_file_format=format_)
        assert wrong(workdir, small, beside) == []
        news(small, beside)

    heard = [it for it in told() if it.startswith("responses is loaded as parquet")]
    assert bool(heard) == (format_ != "parquet")


def test_extract_normalize_and_load_may_be_steps_of_their_own(
    workdir: Path, small: Sandbox, beside: Others
) -> None:
    pipeline = make_pipeline(workdir, progress="log")
    pipeline.extract([make_source(small), *beside.both()], workers=3)
    pipeline.normalize(workers=1)
    pipeline.load(workers=3)
    assert wrong(workdir, small, beside) == []
    for _ in range(2):
        news(small, beside)
        pipeline.extract(make_source(small))
        pipeline.normalize()
        pipeline.extract(beside.both())
    pipeline.normalize()
    pipeline.load()

    assert wrong(workdir, small, beside) == []


def test_a_resource_alone_a_chosen_one_and_a_limit_go_with_others(
    workdir: Path, small: Sandbox, beside: Others
) -> None:
    pipeline = make_pipeline(workdir)
    pipeline.run([make_source(small, per_page=10).add_limit(2), *beside.both()])
    assert differences(workdir / FILE, small.records[:20]) == []
    pipeline.run([make_source(small).with_resources("responses"), beside.shop()])
    assert wrong(workdir, small, beside) == []
    small.arrive(4)
    pipeline.run([make_source(small).responses, beside.shop().orders])

    assert wrong(workdir, small, beside) == []
    assert set(pipeline.schema_names) == {"customergauge", "shop", "sql_database"}
