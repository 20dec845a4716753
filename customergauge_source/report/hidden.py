"""What a report does not show, as the privacy policy has hashed it: a hash is no name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from customergauge_source.tables.privacy import Place, folded

_NAMES: Final = {
    "driver": "selected_drivers.primary",
    "topic": "tags.label",
    "question": "questions.title",
}
"""The fields that name what is counted."""
_COMMENT: Final = ("comment.original", "comment.translation")


@dataclass(frozen=True)
class Hidden:
    """Paths, as the policy that responses were loaded with has them."""

    hashed: frozenset[str] = field(default_factory=frozenset)
    dropped: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def of(cls, policy: dict[str, Iterable[Any]] | None) -> Hidden:
        """Returns what the policy in the state of a resource hides."""
        lists = policy or {}
        return cls(*(frozenset(map(str, lists.get(name, ()))) for name in ("hash", "drop")))

    def is_hashed(self, path: str) -> bool:
        """Says whether a field is hashed."""
        return path in self.hashed

    def hides(self, kind: str) -> bool:
        """Says whether the names of what is counted are hashes."""
        return kind in _NAMES and self.is_hashed(_NAMES[kind])

    def hides_segment(self, name: str) -> bool:
        """Says whether the values of a segment, or the names of all, are hashes."""
        own = str(Place("properties.reference", folded(name)))
        return not self.hashed.isdisjoint({"properties.field", "properties.reference", own})

    def why_no_comments(self) -> str | None:
        """Returns why there are no comments to show; None if there may be some."""
        if any(map(self.is_hashed, _COMMENT)):
            return "Comments are hashed, by the privacy policy."
        if self.dropped.issuperset(_COMMENT):
            return "Comments are not loaded, by the privacy policy."
        return None
