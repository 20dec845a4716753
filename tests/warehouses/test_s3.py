"""The S3 server of the tests is one for the real clients, and refuses who does not sign."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import dlt
import duckdb
import pytest

from tests.warehouses.extensions import install_extensions
from tests.warehouses.s3 import S3


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB that has httpfs."""
    folder = install_extensions(tmp_path / "extensions", "httpfs")
    with duckdb.connect(config={"extension_directory": str(folder)}) as connection:
        yield connection


def load(s3: S3, folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Loads two rows by dlt's `filesystem`, whose client is s3fs."""
    for name, value in s3.settings("DESTINATION__FILESYSTEM").items():
        patch.setenv(name, value)
    patch.setenv("DESTINATION__FILESYSTEM__BUCKET_URL", f"s3://{s3.bucket}/files")
    pipeline: dlt.Pipeline = dlt.pipeline(
        "s3", destination="filesystem", dataset_name="data", pipelines_dir=str(folder)
    )
    rows: Any = [{"id": 1}, {"id": 2}]
    pipeline.run(rows, table_name="rows", loader_file_format="parquet")


@pytest.mark.usefixtures("workdir")
def test_what_dlt_writes_is_read_by_dlt_and_by_duckdb(
    s3: S3,
    connection: duckdb.DuckDBPyConnection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    load(s3, tmp_path / "pipelines", monkeypatch)

    found = s3.client().list_objects_v2(Bucket=s3.bucket, Prefix="files/data/rows/")["Contents"]
    assert len(found) == 1
    connection.execute(s3.duckdb_secret)
    connection.execute(f"COPY (SELECT 3 AS id) TO 's3://{s3.bucket}/files/by_duckdb.parquet'")
    rows = connection.execute(
        f"SELECT id FROM read_parquet(['s3://{s3.bucket}/files/data/rows/*.parquet', "
        f"'s3://{s3.bucket}/files/by_duckdb.parquet']) ORDER BY id"
    ).fetchall()
    assert rows == [(1,), (2,), (3,)]


def test_another_key_is_refused(s3: S3, connection: duckdb.DuckDBPyConnection) -> None:
    stranger = replace(s3, secret="wrong")

    with pytest.raises(Exception, match="SignatureDoesNotMatch"):
        stranger.client().list_objects_v2(Bucket=s3.bucket)
    connection.execute(stranger.duckdb_secret)
    with pytest.raises(duckdb.HTTPException, match="403"):
        connection.execute(f"COPY (SELECT 1) TO 's3://{s3.bucket}/x.parquet'")
