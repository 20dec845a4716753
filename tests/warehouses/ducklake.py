"""DuckLake with both kinds of catalogue: a file beside files, and PostgreSQL with an S3 bucket."""

from __future__ import annotations

import json
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.warehouses import quick_ducklake
from tests.warehouses.extensions import install_extensions
from tests.warehouses.postgres import URL, postgres
from tests.warehouses.s3 import s3
from tests.warehouses.target import Target

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = "DESTINATION__DUCKLAKE__CREDENTIALS"
CATALOG, STORAGE = f"{PREFIX}__CATALOG", f"{PREFIX}__STORAGE"
"""Settings: the address of a catalogue, and what the files' are below."""


@contextmanager
def ducklake() -> Iterator[Target]:
    """Yield DuckLake with a DuckDB catalogue and Parquet files in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="ducklake-") as name:
        yield _of_files("ducklake", "duckdb", Path(name))


@contextmanager
def ducklake_sqlite() -> Iterator[Target]:
    """Yield the same with a SQLite catalogue, which is what dlt takes where nothing is set."""
    with tempfile.TemporaryDirectory(prefix="ducklake-") as name:
        yield _of_files("ducklake_sqlite", "sqlite", Path(name), "sqlite")


def _of_files(name: str, driver: str, folder: Path, *extensions: str) -> Target:
    return Target(
        name=name,
        destination="ducklake",
        program=quick_ducklake.PROGRAM,
        env={
            CATALOG: f"{driver}:///{folder / 'catalog'}.{driver}",
            f"{STORAGE}__BUCKET_URL": (folder / "files").as_uri(),
            **_with_extensions(folder, "ducklake", *extensions),
        },
    )


@contextmanager
def ducklake_s3() -> Iterator[Target]:
    """Yield DuckLake with a catalogue in PostgreSQL and Parquet files in an S3 bucket."""
    with (
        tempfile.TemporaryDirectory(prefix="ducklake-") as folder,
        postgres() as catalogue,
        s3() as bucket,
    ):
        yield Target(
            name="ducklake_s3",
            destination="ducklake",
            program=quick_ducklake.PROGRAM,
            env={
                CATALOG: catalogue.env[URL],
                f"{STORAGE}__BUCKET_URL": f"s3://{bucket.bucket}/lake",
                **bucket.settings(STORAGE),
                **_with_extensions(Path(folder), "ducklake", "httpfs", "postgres"),
            },
        )


def _with_extensions(folder: Path, *names: str) -> dict[str, str]:
    """Return the setting that lets DuckDB find extensions in no folder of the user's."""
    place = install_extensions(folder / "extensions", *names)
    settings = {"extension_directory": str(place)}
    return {f"{PREFIX}__GLOBAL_CONFIG": json.dumps(settings)}
