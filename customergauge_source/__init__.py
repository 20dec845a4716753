"""A dlt source for CustomerGauge survey responses."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from customergauge_source.checkpoints import load_in_checkpoints
    from customergauge_source.source import customergauge_source
    from customergauge_source.summary import LoadSummary

__all__ = ["LoadSummary", "customergauge_source", "load_in_checkpoints"]

_PLACES = {
    "LoadSummary": "summary",
    "customergauge_source": "source",
    "load_in_checkpoints": "checkpoints",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - what the public names are
    """Imports a public name when it is first used: the sandbox works without dlt."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
