"""A dlt source for the sync API of CustomerGauge."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from customergauge_source.exceptions import CustomerGaugeError
    from customergauge_source.load.checkpoints import load_in_checkpoints
    from customergauge_source.load.explain import explain
    from customergauge_source.load.reconcile import reconcile
    from customergauge_source.load.summary import LoadSummary
    from customergauge_source.resources import Resource
    from customergauge_source.source import customergauge_source

_PLACES = {
    "CustomerGaugeError": "exceptions",
    "LoadSummary": "load.summary",
    "Resource": "resources",
    "customergauge_source": "source",
    "explain": "load.explain",
    "load_in_checkpoints": "load.checkpoints",
    "reconcile": "load.reconcile",
}
__all__ = [
    "CustomerGaugeError",
    "LoadSummary",
    "Resource",
    "customergauge_source",
    "explain",
    "load_in_checkpoints",
    "reconcile",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - what the public names are
    """Imports a public name when it is first used: the sandbox works without dlt."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
    except ImportError as error:
        from customergauge_source.dlt_bridge.known import lacks  # noqa: PLC0415 - seldom

        if lines := lacks(error):
            raise ImportError("\n".join(lines)) from error
        raise


def __dir__() -> list[str]:
    """Lists the public names, also those that were not used yet."""
    return sorted({*globals(), *__all__})
