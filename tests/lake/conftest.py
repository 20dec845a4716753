"""Fixtures that run a test in each kind of lake.

They need the extra `warehouses`: the clients that dlt writes with, an S3 server, and DuckDB's
extensions as packages.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lake.lakes import KINDS, Lake, LakeTrial
from tests.support import DATASET
from tests.warehouses.extensions import install_extensions
from tests.warehouses.s3 import S3, s3
from tests.warehouses.trial import Trial, duckdb_trial

EXTENSIONS = ("avro", "delta", "httpfs", "iceberg", "icu")


@pytest.fixture(scope="session", autouse=True)
def _home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A home in which DuckDB finds its extensions, and nobody somebody's credentials."""
    home = tmp_path_factory.mktemp("home")
    install_extensions(home / ".duckdb" / "extensions", *EXTENSIONS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        yield


@pytest.fixture(scope="session")
def bucket() -> Iterator[S3]:
    """An S3 server, once for all tests of a worker."""
    with s3() as server:
        yield server


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """A kind of lake; a test may choose some."""
    return str(request.param)


@pytest.fixture
def lake(
    kind: str, request: pytest.FixtureRequest, workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> Lake:
    """An empty lake that dlt is pointed at."""
    server: S3 | None = request.getfixturevalue("bucket") if "s3" in kind else None
    table_format = kind.partition(" ")[0] if kind.startswith(("delta", "iceberg")) else None
    url = f"s3://{server.bucket}/{workdir.name}" if server else str(workdir / "lake")
    lake = Lake(url=url, table_format=table_format, s3=server)
    for name, value in lake.env.items():
        if name != "SOURCES__CUSTOMERGAUGE__TABLE_FORMAT":  # which is not the reference's
            monkeypatch.setenv(name, value)
    return lake


@pytest.fixture
def trial(lake: Lake, workdir: Path) -> LakeTrial:
    """A dataset in the lake."""
    folder = workdir / "pipelines"
    return LakeTrial(destination="filesystem", dataset=DATASET, folder=folder, lake=lake)


@pytest.fixture
def reference(workdir: Path) -> Trial:
    """The merged tables that it is compared with."""
    return duckdb_trial(workdir)
