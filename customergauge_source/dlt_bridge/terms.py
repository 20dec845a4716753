"""On which terms records are loaded, and whether they can stand beside what was loaded before."""

from __future__ import annotations

import logging
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Final

from dlt.common.schema import Schema

from customergauge_source.dlt_bridge.catalog import barred_columns
from customergauge_source.dlt_bridge.keeping import Keeping
from customergauge_source.exceptions import ConfigurationError
from customergauge_source.resources.resource import Resource
from customergauge_source.tables.privacy import Policy

logger = logging.getLogger("customergauge_source")

_ZONE: Final = "timezone"
"""Key of a resource's state: the zone that its tables' timestamps were read in."""
_PRIVACY: Final = "privacy"
"""The same: what was hashed and dropped as they were loaded, and a digest of all of the policy."""
_HISTORY: Final = "history"
"""The same: whether they have all versions of a record."""


@dataclass(frozen=True)
class Terms:
    """How records of a resource are read and kept.

    Attributes:
        resource: The resource.
        timezone: IANA zone of its timestamps.
        policy: What becomes of personal data; None if nothing does.
        keeping: How records are kept.
    """

    resource: Resource
    timezone: str
    policy: Policy | None
    keeping: Keeping

    def check(self, state: Mapping[str, Any], schema: Schema | None) -> None:
        """Checks that what is loaded now can stand beside what was loaded before.

        Args:
            state: The resource's state.
            schema: The source's schema, with the tables that there are; None if there are none.

        Raises:
            ConfigurationError: It cannot.
        """
        name, before = self.resource.name, state.get(_ZONE, self.timezone)
        if before != self.timezone:
            raise ConfigurationError(
                f"timezone is {self.timezone}, but {name} was loaded with {before}:"
                " its timestamps would be those of two clocks.",
                f"Set timezone to {before}; or load everything again with --full-refresh"
                " (full_refresh=True).",
            )
        if _is_loaded(state):
            self.keeping.check_before(name, history=bool(state.get(_HISTORY)), schema=schema)
        if self.policy is None:
            return
        known: Mapping[str, Any] = state.get(_PRIVACY) or {}
        added = self.policy.added_to(known) if _is_loaded(state) else []
        named = {it for it in self.policy.named if ".".join(it) not in known.get("named", ())}
        if named and schema is not None:
            added += barred_columns(schema, self.resource, named)
        if added:
            raise ConfigurationError(
                f"privacy now covers {', '.join(added)}, and {name} was loaded"
                " without: the values that are in its tables would stay there.",
                "Load everything again with --full-refresh (full_refresh=True), which drops them;"
                " or take it out of privacy.",
            )

    def note(self, state: MutableMapping[str, Any]) -> None:
        """Notes in the resource's state how records are loaded now."""
        state[_ZONE] = self.timezone
        if self.keeping.history:
            state[_HISTORY] = True
        if self.policy or _PRIVACY in state:
            state[_PRIVACY] = self.policy and self.policy.as_state()

    def warn(self, state: Mapping[str, Any]) -> None:
        """Warns if rows that are loaded now are hashed, or dropped from, in another way."""
        before: dict[str, Any] = state.get(_PRIVACY) or {}
        now = self.policy.as_state() if self.policy else {}
        known, kept = ({*it.get("hash", ()), *it.get("drop", ())} for it in (before, now))
        is_same = known == kept and (not known or before["digest"] == now["digest"])
        if is_same or not _is_loaded(state):
            return
        gone = ", ".join(sorted(known - kept))
        logger.warning(
            "privacy has changed since %s was loaded%s. Rows that are there keep what they have:"
            " gaps, or hashes, of another key maybe. If that is meant, run once with --reconcile or"
            " --full-refresh (full_refresh=True), which loads them again; if not, put it back.",
            self.resource.name,
            f", and has no {gone} any more: new rows have it as it comes" if gone else "",
        )


def _is_loaded(state: Mapping[str, Any]) -> bool:
    """Says whether anything was loaded that a resource's state tells of."""
    return _ZONE in state or any("cursor" in it for it in state.get("cursors", {}).values())
