"""What a test needs to know of a warehouse."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

import duckdb
import pytest


class WarehouseMissingError(RuntimeError):
    """A warehouse is not set up here; the message says how to set it up."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """A running warehouse, and the dlt configuration that points at it.

    Attributes:
        name: What tests call the warehouse.
        destination: The name of dlt's destination.
        env: dlt's and the vendors' settings as environment variables.
    """

    name: str
    destination: str
    env: dict[str, str] = field(default_factory=dict, repr=False)

    def point_at(self, patch: pytest.MonkeyPatch) -> None:
        """Let pipelines of this process load into it, and commands that are started.

        Args:
            patch: What undoes it.
        """
        for key, value in self.env.items():
            patch.setenv(key, value)
        patch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
        if self.name == "ducklake":
            patch.setattr(duckdb, "connect", _connect_for_a_moment)


def _connect_for_a_moment(*arguments: Any, config: Any = None, **more: Any) -> Any:
    """Connect to a DuckDB that takes an extension as it is, and does one thing at a time.

    dlt makes a database for each of its connections to DuckLake, twenty in a first load. Each
    spends 0.15 s on the signature of the extension, and has threads that wait for each other.
    """
    quick = {"allow_unsigned_extensions": "true", "threads": 1} | (config or {})
    return _CONNECT(*arguments, config=quick, **more)


_CONNECT: Any = duckdb.connect


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
