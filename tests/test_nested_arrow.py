"""A canary: dlt still needs `nested_arrow`, and still takes it."""

from __future__ import annotations

from pathlib import Path

import pytest
from dlt.pipeline.exceptions import PipelineStepFailed

from customergauge_source.dlt_bridge import tables_step
from customergauge_source.sandbox import Sandbox
from tests.support import TABLES, make_pipeline, make_source


def test_dlt_still_needs_it(
    workdir: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables_step, "receive_arrow", lambda *_: None)

    with pytest.raises(PipelineStepFailed) as failed:
        make_pipeline(workdir).run(make_source(sandbox))

    # If this fails: dlt takes Arrow data for nested tables by itself; remove nested_arrow.py.
    assert isinstance(failed.value.__context__, KeyError)
    assert failed.value.__context__.args == ("resource",)


def test_dlt_still_takes_it_and_credits_the_rows_to_the_resource_without_storing_its_name(
    workdir: Path, sandbox: Sandbox
) -> None:
    pipeline = make_pipeline(workdir)
    info = pipeline.extract(make_source(sandbox))

    packages = [package for steps in info.metrics.values() for package in steps]
    package = next(one for one in packages if "responses" in one["resource_metrics"])
    rows = sum(package["table_metrics"][table].items_count for table in TABLES)
    assert package["resource_metrics"]["responses"].items_count == rows
    assert rows > len(sandbox.records)
    stored = pipeline.default_schema.to_dict()["tables"]
    assert stored["responses"]["resource"] == "responses"
    for table in TABLES[1:]:
        assert "resource" not in stored[table]
        assert stored[table]["parent"] == table.rpartition("__")[0]
