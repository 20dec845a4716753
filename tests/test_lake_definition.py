"""The present state of a lake is what its page says, in words that other engines read, too."""

from __future__ import annotations

from pathlib import Path

import dlt
import duckdb
import pytest

from customergauge_source import load_in_checkpoints, reconcile
from customergauge_source.sandbox import Sandbox
from tests.docs import blocks
from tests.support import DATASET, EMPTY, make_source

(DEFINITION,) = (text for text, _ in blocks("SQL") if "latest_responses" in text)


@pytest.fixture
def lake(workdir: Path) -> Path:
    """The DuckDB file over a lake with edits, deletions and a load that is not done."""

    def pipeline() -> dlt.Pipeline:
        made: dlt.Pipeline = dlt.pipeline(
            "customergauge",
            destination=dlt.destinations.filesystem(str(workdir / "lake")),
            dataset_name=DATASET,
            pipelines_dir=str(workdir / "pipelines"),
        )
        return made

    with Sandbox(responses=60) as sandbox:
        first, second, third = (it["number_customergauge"] for it in sandbox.records[:3])
        load_in_checkpoints(pipeline(), make_source(sandbox))
        sandbox.redeliver(first, nps=0, **EMPTY)
        load_in_checkpoints(pipeline(), make_source(sandbox))
        sandbox.edit(second, nps=1)
        sandbox.remove(third)
        reconcile(pipeline(), make_source(sandbox))
        sandbox.redeliver(first, nps=10)
        load_in_checkpoints(pipeline(), make_source(sandbox), views=True)
    newest = max((workdir / "lake" / DATASET / "_dlt_loads").iterdir())
    newest.unlink()
    return workdir / "customergauge-lake.duckdb"


def test_the_definition_of_the_docs_is_the_present_state(lake: Path) -> None:
    with duckdb.connect(str(lake)) as connection:
        connection.execute(f"USE {DATASET}_versions")
        connection.execute(DEFINITION)
        for table in ("responses", "responses__tags"):
            here, there = f"current_{table}", f"{DATASET}.{table}"
            for one, other in ((here, there), (there, here)):
                rest = connection.execute(f"FROM {one} EXCEPT ALL FROM {other}").fetchall()
                assert rest == []
        ((versions, present),) = connection.execute(
            f"SELECT (SELECT count(*) FROM responses), count(*) FROM {DATASET}.responses"
        ).fetchall()
        assert (versions, present) == (63, 59)
