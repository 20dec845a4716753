"""What a test needs to know of a warehouse."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.util import find_spec


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
