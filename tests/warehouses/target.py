"""What a test needs to know of a warehouse."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import duckdb
import pytest

from tests.support import LOAD
from tests.warehouses import quick_ducklake


class WarehouseMissingError(RuntimeError):
    """A warehouse is not set up here; the message says how to set it up."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """A running warehouse, and the dlt configuration that points at it.

    Attributes:
        name: What tests call the warehouse.
        destination: The name of dlt's destination.
        env: dlt's and the vendors' settings as environment variables.
        program: The command, for tests that load often.
    """

    name: str
    destination: str
    env: dict[str, str] = field(default_factory=dict, repr=False)
    program: Path = LOAD

    def point_at(self, patch: pytest.MonkeyPatch) -> None:
        """Let pipelines of this process load into it, and commands that are started.

        Args:
            patch: What undoes it.
        """
        for key, value in self.env.items():
            patch.setenv(key, value)
        patch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
        if self.destination == "ducklake":
            patch.setattr(duckdb, "connect", quick_ducklake.connect)


def require_client(module: str, *, extra: str) -> None:
    """Make sure that a vendor's client is installed.

    Args:
        module: The client's module.
        extra: The extra of dlt that brings it.

    Raises:
        WarehouseMissingError: It is not.
    """
    try:
        found = find_spec(module)
    except ModuleNotFoundError:
        # A parent package is missing.
        found = None
    if found is None:
        raise WarehouseMissingError(
            f"{module} not installed: run `pip install 'dlt[{extra}]'`, or install the extra "
            "`warehouses` of this project"
        )
