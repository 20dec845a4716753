"""A format that is hinted of the resource is taken, as one that is set."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import dlt
import pytest

from customergauge_source import load_in_checkpoints
from customergauge_source.sandbox import Sandbox
from tests.support import make_source

LOGS = {"delta": "_delta_log", "iceberg": "metadata"}


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("table_format", LOGS)
def test_all_tables_have_a_hinted_format_in_each_load(
    workdir: Path, table_format: Any, *, plain: bool
) -> None:
    lake = dlt.destinations.filesystem(str(workdir / "lake"))
    with Sandbox(responses=20) as sandbox:
        for _ in range(2):
            pipeline = dlt.pipeline("mine", destination=lake, dataset_name="data")
            source = make_source(sandbox)
            source.responses.apply_hints(table_format=table_format)
            load: Any = pipeline.run if plain else partial(load_in_checkpoints, pipeline)
            load(source)
            sandbox.arrive(3)
    logs = [it.parent.name for it in workdir.glob(f"lake/data/*/{LOGS[table_format]}")]
    assert {"responses", "responses__tags", "deleted_responses"} <= {*logs}
