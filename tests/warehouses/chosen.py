"""Which warehouses a test runs in: usually, and with `--long`."""

from __future__ import annotations

import pytest

from tests.support import at_length
from tests.warehouses.emulators import WAREHOUSES

# DuckDB is what the others are compared with: that it equals itself is shown with --long.
_ENGINES = ["postgres", "ducklake", "snowflake"]

# A catalogue of SQLite's takes several times as long: the scenario is enough.
_OFTEN = [name for name in WAREHOUSES if name != "ducklake_sqlite"]
_OF_SCENARIO = [name for name in _OFTEN if name != "bqemulator"]

EACH = at_length(_OF_SCENARIO, short=[*_ENGINES, "bigquery"])
"""For what is asked of the tables: BigQuery is its first emulator."""

of_each_and_s3 = pytest.mark.parametrize(
    "running_warehouse",
    at_length([*_OF_SCENARIO, "ducklake_sqlite"], short=[*_ENGINES, "ducklake_s3", "bigquery"]),
    indirect=True,
    scope="session",
)
"""For the scenario. In DuckLake a query is the same, wherever catalogue and files are."""

of_each_loaded_often = pytest.mark.parametrize(
    "running_warehouse", at_length(_OFTEN, short=["postgres", "snowflake"]), indirect=True
)
"""For tests of many load packages: usually where they are quick. DuckLake merges as DuckDB does."""

of_the_quickest = pytest.mark.parametrize(
    "running_warehouse", at_length(_OF_SCENARIO, short=["postgres"]), indirect=True
)
"""For what is the same in each of them: usually PostgreSQL."""
