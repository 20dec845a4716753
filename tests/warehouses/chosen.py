"""Which warehouses a test runs in: usually, and with `--long`."""

from __future__ import annotations

import pytest

from tests.support import at_length
from tests.warehouses.emulators import WAREHOUSES

# DuckDB is what the others are compared with: that it equals itself is shown with --long.
_ENGINES = ["postgres", "ducklake", "ducklake_s3", "snowflake"]

_OF_SCENARIO = [name for name in WAREHOUSES if name != "bqemulator"]

EACH = at_length(_OF_SCENARIO, short=[*_ENGINES, "bigquery"])
"""For the scenario, and for what is asked of the tables: BigQuery is its first emulator."""

of_each_loaded_often = pytest.mark.parametrize(
    "running_warehouse", at_length(WAREHOUSES, short=["postgres", "snowflake"]), indirect=True
)
"""For tests of many load packages: usually where they are quick. DuckLake merges as DuckDB does."""

of_the_quickest = pytest.mark.parametrize(
    "running_warehouse", at_length(_OF_SCENARIO, short=["postgres"]), indirect=True
)
"""For what is the same in each of them: usually PostgreSQL."""
