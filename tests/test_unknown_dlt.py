"""A release of dlt that nobody has tried: what it breaks is told before the first request."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import dlt
import pytest
from dlt.destinations import sql_jobs
from dlt.destinations.impl.duckdb.sql_client import DuckDbSqlClient

from customergauge_source import CustomerGaugeError
from customergauge_source.dlt_bridge import duckdb_merge, known, tables_step
from customergauge_source.sandbox import Sandbox
from tests.support import LOAD, ROOT, environment, make_pipeline, make_source, query

RANGE = "pip install 'dlt>=1.28,<1.32'"
# What Python runs before anything else, in a process that is to see another dlt.
ANOTHER = """\
import importlib.metadata, sys
real = importlib.metadata.version
importlib.metadata.version = lambda name: "1.99.0" if name == "dlt" else real(name)
"""
LACKING = f"{ANOTHER}import dlt.extract.items_transform as it\ndel it.MetricsItem\n"


@pytest.fixture
def another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "version", lambda _: "1.99.0")


@pytest.mark.usefixtures("another")
def test_one_that_works_is_used_and_the_pipeline_at_hand_stays_the_active_one(
    workdir: Path, sandbox: Sandbox
) -> None:
    pipeline = make_pipeline(workdir)
    pipeline.run(make_source(sandbox))

    assert dlt.current.pipeline().pipeline_name == pipeline.pipeline_name
    assert query(workdir / "customergauge.duckdb", "SELECT count(*) FROM responses") == [
        (len(sandbox.records),)
    ]


MERGE = sql_jobs.SqlMergeFollowupJob.gen_merge_sql


def appended(*args: Any, **more: Any) -> Any:
    """Merges without deleting anything first."""
    return [it for it in MERGE(*args, **more) if not it.lstrip().startswith("DELETE")]


@pytest.mark.parametrize(
    ("place", "instead", "what"),
    [
        (f"{tables_step.__name__}.receive_arrow", lambda *_: None, "KeyError: 'resource'"),
        (f"{sql_jobs.__name__}.SqlMergeFollowupJob.gen_merge_sql", appended, "2 rows, its list 1"),
        (
            f"{duckdb_merge.__name__}._FilesAsStaging.get_qualified_table_names",
            DuckDbSqlClient.get_qualified_table_names,
            "0 rows, its list 0",
        ),
    ],
    ids=["metrics", "merge", "files that are not read"],
)
@pytest.mark.usefixtures("another")
def test_one_that_breaks_the_nested_chain_is_refused(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, place: str, instead: Any, what: str
) -> None:
    monkeypatch.setattr(place, instead)

    with pytest.raises(CustomerGaugeError) as refused:
        make_source(sandbox)

    assert str(refused.value).startswith("dlt 1.99.0 does not merge a record together with its")
    assert what in str(refused.value)
    assert RANGE in refused.value.remedy
    assert refused.value.exit_code == 2
    assert sandbox.requests == []


def test_one_that_lacks_a_name_ends_the_command_with_2(workdir: Path, sandbox: Sandbox) -> None:
    (workdir / "sitecustomize.py").write_text(LACKING, encoding="utf-8")
    ended = run(workdir, sandbox, str(LOAD))

    assert ended.returncode == 2, ended.stderr
    told, remedy = ended.stderr.splitlines()
    assert told.startswith("Error: dlt 1.99.0 does not work with this release: cannot import name")
    assert remedy.startswith("What to do: ")
    assert RANGE in remedy
    assert sandbox.requests == []


def test_a_script_that_imports_the_source_is_told_the_range(
    workdir: Path, sandbox: Sandbox
) -> None:
    (workdir / "sitecustomize.py").write_text(LACKING, encoding="utf-8")
    ended = run(workdir, sandbox, "-c", "from customergauge_source import customergauge_source")

    assert ended.returncode == 1
    assert "ImportError: dlt 1.99.0 does not work with this release" in ended.stderr
    assert RANGE in ended.stderr


def run(folder: Path, sandbox: Sandbox, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs Python, which first imports the `sitecustomize` of a folder."""
    env = environment(folder, sandbox, PYTHONPATH=f"{folder}:{ROOT}")
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
