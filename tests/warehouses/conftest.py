"""Fixtures that run a test against every warehouse.

A warehouse that is not set up skips its tests and says how to set it up. With
`CUSTOMERGAUGE_REQUIRE_EMULATORS=1` it fails them instead, so that CI cannot pass by skipping.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from tests.support import at_length
from tests.warehouses.emulators import WAREHOUSES
from tests.warehouses.target import Target, WarehouseMissingError

if TYPE_CHECKING:
    from collections.abc import Iterator

# The second emulator of BigQuery guards the first; the product's scenario runs on one of them.
# DuckDB is what the others are compared with: that it equals itself is shown with --long.
_NAMES = [name for name in WAREHOUSES if name != "bqemulator"]
_SCENARIO = at_length(_NAMES, short=[name for name in _NAMES if name != "duckdb"])


@pytest.fixture(scope="session")
def running_warehouse(request: pytest.FixtureRequest) -> Iterator[Target]:
    """Start the warehouse named by the parameter, once for all tests of a worker."""
    try:
        with WAREHOUSES[request.param]() as target:
            yield target
    except WarehouseMissingError as missing:
        if os.environ.get("CUSTOMERGAUGE_REQUIRE_EMULATORS") == "1":
            pytest.fail(str(missing), pytrace=False)
        pytest.skip(str(missing))


@pytest.fixture
def warehouse(running_warehouse: Target, monkeypatch: pytest.MonkeyPatch) -> Target:
    """Point dlt at a running warehouse for one test, which runs once for each warehouse.

    A test that starts a command of its own needs nothing more: the settings are environment
    variables. Use `dataset_name` too, because the warehouses are shared by a worker's tests.
    To choose the warehouses, parametrize `running_warehouse` indirectly.
    """
    for key, value in running_warehouse.env.items():
        monkeypatch.setenv(key, value)
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    return running_warehouse


@pytest.fixture
def dataset_name() -> str:
    """Return a dataset name that no other test uses."""
    return f"trial_{uuid4().hex[:12]}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every test that asks for `warehouse` once for each warehouse of the scenario."""
    chosen = [
        argument
        for mark in metafunc.definition.iter_markers("parametrize")
        for argument in str(mark.args[0]).replace(",", " ").split()
    ]
    if "running_warehouse" in metafunc.fixturenames and "running_warehouse" not in chosen:
        metafunc.parametrize("running_warehouse", _SCENARIO, indirect=True, scope="session")
