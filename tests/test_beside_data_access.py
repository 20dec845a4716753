"""What dlt offers to look at what was loaded, and to drop it: `dataset()`, `dlt pipeline …`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import dlt
import pytest

from customergauge_source.sandbox import Sandbox
from tests.other_sources import Others
from tests.support import DATASET, asked_cursors, make_source, query
from tests.truth import differences

NAME = "beside"


@pytest.fixture
def file(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The DuckDB file, which dlt finds in its configuration, as a script and its commands do."""
    file = workdir / f"{NAME}.duckdb"
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(file))
    return file


@pytest.fixture
def pipeline(workdir: Path, file: Path, small: Sandbox, beside: Others) -> dlt.Pipeline:
    """A pipeline that has loaded all three sources."""
    assert file.parent == workdir
    made: dlt.Pipeline = dlt.pipeline(NAME, destination="duckdb", dataset_name=DATASET)
    made.run([make_source(small), *beside.both()])
    return made


def need(folder: Path, way: str) -> None:
    """Skips a test if dlt's own dataset does not serve here, of a pipeline without our source."""
    plain = dlt.pipeline(
        "plain",
        destination=dlt.destinations.duckdb(str(folder / "plain.duckdb")),
        pipelines_dir=str(folder / "plain"),
    )
    plain.run([{"id": 1}], table_name="things")
    try:
        getattr(plain.dataset()["things"], way)()
    except Exception as error:  # noqa: BLE001 - whatever the versions make of it
        pytest.skip(f"dlt's own dataset()[…].{way}() fails with these versions: {str(error)[:100]}")


def test_the_dataset_reads_tables_of_all_sources(
    workdir: Path, pipeline: dlt.Pipeline, small: Sandbox
) -> None:
    need(workdir, "fetchall")
    dataset = pipeline.dataset()
    assert {"responses", "responses__tags", "orders", "accounts"} <= {*dataset.tables}
    counts = dict(dataset.row_counts().fetchall())
    assert counts["responses"] == 40
    assert counts["responses__tags"] == sum(len(it["tags"]) for it in small.records)
    keys = dataset["responses"].select("number_customergauge", "nps").fetchall()
    assert sorted(keys) == sorted((it["number_customergauge"], it["nps"]) for it in small.records)
    joined = dataset("SELECT count(*) FROM responses JOIN orders ON true").fetchall()
    assert joined == [(120,)]
    assert len(pipeline.dataset(schema="customergauge").responses.limit(7).fetchall()) == 7


@pytest.mark.parametrize("way", ["arrow", "df"])
def test_the_dataset_gives_frames(
    workdir: Path, pipeline: dlt.Pipeline, small: Sandbox, way: str
) -> None:
    if way == "df":
        pytest.importorskip("pandas")
    need(workdir, way)
    frame = getattr(pipeline.dataset()["responses"], way)()
    emails = frame["email"].to_pylist() if way == "arrow" else [*frame["email"]]
    given = {it["email"] for it in small.records} - {None}
    assert {it for it in emails if isinstance(it, str)} == given


def test_schema_sql_client_and_trace_tell_of_the_load(pipeline: dlt.Pipeline) -> None:
    with pipeline.sql_client("customergauge") as sql:
        assert sql.execute_sql("SELECT count(*) FROM responses") == [(40,)]
    schema = pipeline.schemas["customergauge"]
    assert "responses__tags" in schema.data_table_names()
    assert "responses__tags" in schema.to_pretty_yaml()
    trace: Any = pipeline.last_trace
    counts = trace.last_normalize_info.row_counts
    assert (counts["responses"], counts["orders"], counts["accounts"]) == (40, 3, 3)
    kept = dlt.pipeline("traces", destination="duckdb", dataset_name="traces")
    kept.run([trace], table_name="trace")  # a habit of dlt's docs
    with kept.sql_client() as sql:
        assert sql.execute_sql("SELECT count(*) FROM trace") == [(1,)]


def test_an_attached_pipeline_goes_on(
    workdir: Path, file: Path, pipeline: dlt.Pipeline, small: Sandbox, beside: Others
) -> None:
    pipeline.deactivate()
    attached = dlt.attach(NAME)
    small.arrive(3)
    attached.run(make_source(small))
    assert asked_cursors(small)[0] is not None
    assert attached.schema_names == pipeline.schema_names

    attached.drop()  # the working directory; what is at the destination stays
    attached.deactivate()
    small.arrive(3)
    anew = dlt.pipeline(NAME, destination="duckdb", dataset_name=DATASET)
    anew.run(make_source(small))

    assert asked_cursors(small)[0] == str(small.keys[-4])
    assert workdir in file.parents
    assert differences(file, small.records) + beside.differences(file) == []


def command(*arguments: str) -> str:
    """Returns what the `dlt` command says, with every question answered with yes."""
    ended = subprocess.run(
        [str(Path(sys.executable).with_name("dlt")), "-y", "pipeline", *arguments],
        env=os.environ | {"RUNTIME__DLTHUB_TELEMETRY": "false"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_the_command_shows_what_there_is(pipeline: dlt.Pipeline) -> None:
    assert pipeline.first_run is False
    assert "Resources in schema: customergauge" in command(NAME, "info")
    assert "COMPLETED" in command(NAME, "trace")
    assert "responses__selected_drivers__secondary" in command(NAME, "schema")


@pytest.mark.long
def test_the_command_shows_packages_and_fetches_from_the_destination(
    pipeline: dlt.Pipeline, small: Sandbox, beside: Others, file: Path
) -> None:
    assert "LOADED" in command(NAME, "load-package")
    assert "No failed jobs found" in command(NAME, "failed-jobs")
    assert "Restoring from destination" in command(NAME, "sync")
    small.arrive(3)
    pipeline.deactivate()
    dlt.attach(NAME).run(make_source(small))

    assert asked_cursors(small)[0] is not None
    assert differences(file, small.records) + beside.differences(file) == []


DROPS = {
    "responses": (["responses"], True),
    "the state alone": (["--state-paths", "resources.responses.cursors"], False),
    "all": (["--drop-all"], True),
}


@pytest.mark.sampled
@pytest.mark.parametrize(
    "what", [pytest.param(it, marks=[] if it == "responses" else pytest.mark.long) for it in DROPS]
)
def test_after_a_drop_by_command_the_next_run_starts_over(
    pipeline: dlt.Pipeline, small: Sandbox, beside: Others, file: Path, what: str
) -> None:
    small.append("no object")
    pipeline.run(make_source(small))
    pipeline.deactivate()
    options, drops_tables = DROPS[what]
    command(NAME, "drop", *options, "--schema", "customergauge")
    (there,) = query(file, "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'responses'")
    assert (there[0] > 1) != drops_tables  # that of the staging dataset stays
    assert beside.differences(file) == []

    dlt.attach(NAME).run(make_source(small))

    assert asked_cursors(small)[0] is None
    records = [it for it in small.records if isinstance(it, dict)]
    assert not [it for it in differences(file, records) if not it.startswith("rejected: ")]
    assert query(file, "SELECT DISTINCT record FROM rejected_records") == [('"no object"',)]
