"""Fixtures that run a test against every warehouse.

A warehouse that is not set up skips its tests and says how to set it up. With
`CUSTOMERGAUGE_REQUIRE_EMULATORS=1` it fails them instead, so that CI cannot pass by skipping.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from xdist.scheduler import LoadScopeScheduling

from customergauge_source.sandbox import Sandbox
from customergauge_source.views import VIEWS
from tests.viewing import bring_oddities
from tests.warehouses.chosen import EACH
from tests.warehouses.emulators import WAREHOUSES
from tests.warehouses.s3 import S3, s3
from tests.warehouses.target import Target, WarehouseMissingError
from tests.warehouses.trial import Loaded, Trial, duckdb_trial

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def running_warehouse(request: pytest.FixtureRequest) -> Iterator[Target]:
    """Start the warehouse named by the parameter, once for all tests of a worker."""
    try:
        with WAREHOUSES[request.param]() as target:
            yield target
    except WarehouseMissingError as missing:
        _leave_out(missing)


@pytest.fixture(scope="session", name="s3")
def running_s3() -> Iterator[S3]:
    """Start an S3 server once for all tests of a worker."""
    try:
        with s3() as server:
            yield server
    except WarehouseMissingError as missing:
        _leave_out(missing)


def _leave_out(missing: WarehouseMissingError) -> None:
    """Skip a test whose warehouse is not set up, or fail it if it has to be."""
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
    running_warehouse.point_at(monkeypatch)
    return running_warehouse


@pytest.fixture
def dataset_name() -> str:
    """Return a dataset name that no other test uses."""
    return f"trial_{uuid4().hex[:12]}"


@pytest.fixture(scope="session")
def whole_account(
    running_warehouse: Target, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Loaded]:
    """Load odd records of every resource once, with views, for all tests that only look at them."""
    trial = Trial(
        destination=running_warehouse.destination,
        dataset=f"whole_{uuid4().hex[:12]}",
        folder=tmp_path_factory.mktemp("whole") / "pipelines",
    )
    with Sandbox(responses=400) as sandbox, pytest.MonkeyPatch.context() as patch:
        running_warehouse.point_at(patch)
        bring_oddities(sandbox)
        loaded = Loaded(trial=trial, sandbox=sandbox)
        assert loaded.load_into(trial, views=True).views == [*VIEWS]
        yield loaded


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every test that asks for `warehouse` once for each warehouse of the scenario."""
    chosen = [
        argument
        for mark in metafunc.definition.iter_markers("parametrize")
        for argument in str(mark.args[0]).replace(",", " ").split()
    ]
    if "running_warehouse" in metafunc.fixturenames and "running_warehouse" not in chosen:
        metafunc.parametrize("running_warehouse", EACH, indirect=True, scope="session")


class _ByWarehouse(LoadScopeScheduling):  # type: ignore[misc]
    """Gives one worker all tests of a warehouse, so that it is started and filled once."""

    def _split_scope(self, nodeid: str) -> str:
        parameters = nodeid.rpartition("[")[2].rstrip("]").split("-")
        return next((it for it in parameters if it in WAREHOUSES), nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Distribute tests by warehouse, if these are all tests of a run: the slowest come first."""
    config.option.loadscopereorder = False
    return _ByWarehouse(config, log)


@pytest.fixture
def trial(warehouse: Target, dataset_name: str, tmp_path: Path) -> Trial:
    """A dataset of its own in the warehouse."""
    return Trial(
        destination=warehouse.destination, dataset=dataset_name, folder=tmp_path / "pipelines"
    )


@pytest.fixture
def reference(tmp_path: Path) -> Trial:
    """What it is compared with."""
    return duckdb_trial(tmp_path)
