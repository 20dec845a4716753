"""Start and stop the warehouses that stand in for the clouds, one context manager for each.

Each yields a `Target`: the environment variables that point dlt's own destination, through the
vendor's own client, at the running emulator. A warehouse that is not set up on this machine
raises `WarehouseMissingError`, whose message says how to set it up.
"""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.warehouses.credentials import service_account, token_service
from tests.warehouses.ducklake import ducklake, ducklake_s3, ducklake_sqlite
from tests.warehouses.environments import EMULATORS, Emulator
from tests.warehouses.postgres import postgres
from tests.warehouses.processes import free_port, running
from tests.warehouses.target import Target, WarehouseMissingError, require_client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

_PROJECT = "test-project"


@contextmanager
def duckdb() -> Iterator[Target]:
    """Yield DuckDB with a database file of its own."""
    with tempfile.TemporaryDirectory(prefix="duckdb-") as folder:
        file = Path(folder) / "warehouse.duckdb"
        yield Target(
            name="duckdb",
            destination="duckdb",
            env={"DESTINATION__DUCKDB__CREDENTIALS": f"duckdb:///{file}"},
        )


@contextmanager
def snowflake() -> Iterator[Target]:
    """Yield the Snowflake emulator, empty and in memory."""
    require_client("snowflake.connector", extra="snowflake")
    emulator = _ready("snowflake")
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="snowflake-") as name:
        folder = Path(name)
        with running(
            [str(emulator.python), str(emulator.server), str(port)],
            port=port,
            log=folder / "server.log",
            # Its stages lie in the temporary folder, and it leaves them behind.
            env={"TMPDIR": name, "HOME": name},
        ):
            place = f"host=127.0.0.1&port={port}&protocol=http"
            url = f"snowflake://loader:loader@fakeacct/CGDB?warehouse=WH&role=R&{place}"
            yield Target(
                name="snowflake",
                destination="snowflake",
                env={
                    "DESTINATION__SNOWFLAKE__CREDENTIALS": url,
                    # Version 5 of the connector asks the machine's cloud for an identity, needed
                    # or not; a test has no business with it.
                    "AWS_EC2_METADATA_DISABLED": "true",
                },
            )


@contextmanager
def bigquery() -> Iterator[Target]:
    """Yield the BigQuery emulator with an empty project."""
    require_client("google.cloud.bigquery", extra="bigquery")
    emulator = _ready("bigquery")
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="bigquery-") as name:
        folder = Path(name)
        settings = [str(port), str(free_port()), str(folder / "data"), _PROJECT]
        with running(
            [str(emulator.python), str(emulator.server), *settings],
            port=port,
            log=folder / "server.log",
            # DuckDB's extensions are installed into the home folder; the environment keeps them.
            env={"HOME": str(emulator.folder)},
        ):
            yield from _bigquery_target(name="bigquery", port=port)


@contextmanager
def bqemulator() -> Iterator[Target]:
    """Yield a second emulator of BigQuery, by other people, with an empty project."""
    require_client("google.cloud.bigquery", extra="bigquery")
    emulator = _ready("bqemulator")
    port = free_port()
    with (
        tempfile.TemporaryDirectory(prefix="bqemulator-") as name,
        running(
            [str(emulator.python), str(emulator.server), str(port), str(free_port()), _PROJECT],
            port=port,
            log=Path(name) / "server.log",
            env={"TMPDIR": name, "HOME": str(emulator.folder)},
        ),
    ):
        yield from _bigquery_target(name="bqemulator", port=port)


def _bigquery_target(*, name: str, port: int) -> Iterator[Target]:
    """Yield the settings for a server that speaks BigQuery on a port of this machine."""
    with token_service() as token_uri:
        yield Target(
            name=name,
            destination="bigquery",
            env={
                "BIGQUERY_EMULATOR_HOST": f"http://127.0.0.1:{port}",
                "DESTINATION__BIGQUERY__CREDENTIALS": service_account(
                    project=_PROJECT, token_uri=token_uri
                ),
                # Seconds. A statement that cannot succeed shall fail the test soon.
                "DESTINATION__BIGQUERY__RETRY_DEADLINE": "5.0",
                # BigQuery sees by itself that a file is gzipped; the emulator does not.
                "NORMALIZE__DATA_WRITER__DISABLE_COMPRESSION": "true",
            },
        )


def _ready(name: str) -> Emulator:
    """Return an emulator whose environment is built."""
    emulator = EMULATORS[name]
    if emulator.is_ready():
        return emulator
    command = f"python -m tests.warehouses.environments {name}"
    raise WarehouseMissingError(f"{emulator.label} emulator not set up: run `{command}`")


# The slowest first: with several workers the last to begin shall not be the last to end.
WAREHOUSES: dict[str, Callable[[], AbstractContextManager[Target]]] = {
    "bigquery": bigquery,
    "ducklake": ducklake,
    "ducklake_s3": ducklake_s3,
    "ducklake_sqlite": ducklake_sqlite,
    "snowflake": snowflake,
    "bqemulator": bqemulator,
    "postgres": postgres,
    "duckdb": duckdb,
}
