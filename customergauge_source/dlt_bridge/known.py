"""Releases of dlt: those that are known to work; any other is tried before it is trusted.

Between the releases that are known nothing differs that this package calls. What it leans on and
dlt does not promise is the merge of a chain of Arrow tables; see `trial`.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Final

KNOWN: Final = ((1, 28), (1, 31))
"""The oldest and the newest release that all tests have passed with."""


def is_known() -> bool:
    """Says whether the installed release of dlt is one of those that are known to work."""
    major, minor, *_ = version("dlt").split(".")
    return KNOWN[0] <= (int(major), int(minor)) <= KNOWN[1]


def remedy() -> str:
    """Returns what to do if an unknown release does not work."""
    (major, oldest), (_, newest) = KNOWN
    allowed = f"dlt>={major}.{oldest},<{major}.{newest + 1}"
    return f"Install one that is known to work: pip install '{allowed}'"


def lacks(error: ImportError) -> tuple[str, str] | None:
    """Returns what happened and what to do, if an unknown release of dlt lacks what is imported."""
    if (error.name or "").partition(".")[0] != "dlt" or is_known():
        return None
    return f"dlt {version('dlt')} does not work with this release: {error.msg}.", remedy()


def check_dlt() -> None:
    """Tries a release of dlt that is not known to work; that takes two seconds, each time.

    Raises:
        ConfigurationError: It does not work.
    """
    if not is_known():
        from customergauge_source.dlt_bridge import trial  # noqa: PLC0415 - mostly not needed

        trial.merge_a_chain(f"dlt {version('dlt')}", remedy())
