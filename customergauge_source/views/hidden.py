"""What the privacy policy has made of fields that are shown: a hash is no name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from customergauge_source.tables.privacy import Place, folded

_PATHS: Final = {
    "driver": "selected_drivers.primary",
    "reason": "selected_drivers.secondary",
    "label": "tags.label",
    "type": "tags.type",
    "sentiment": "tags.sentiment",
    "title": "questions.title",
    "answer": "questions.answer",
    "field": "properties.field",
    "reference": "properties.reference",
}
"""The fields behind columns of views; of all others the name says it, as `account__name`."""
HASHED: Final = " Hashed, by the privacy policy."
_COMMENT: Final = ("comment.original", "comment.translation")


@dataclass(frozen=True)
class Hidden:
    """Paths, as the policy that responses were loaded with has them."""

    hashed: frozenset[str] = field(default_factory=frozenset)
    dropped: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def of(cls, policy: Mapping[str, Iterable[Any]] | None) -> Hidden:
        """Returns what the policy in the state of a resource hides."""
        lists = policy or {}
        return cls(*(frozenset(map(str, lists.get(name, ()))) for name in ("hash", "drop")))

    def hashes(self, column: str) -> bool:
        """Says whether a column, of a view or of `responses`, holds hashes."""
        if column == "comment_text":
            return not self.hashed.isdisjoint(_COMMENT)
        return _PATHS.get(column, column.replace("__", ".")) in self.hashed

    def hashes_segment(self, name: str) -> bool:
        """Says whether the values of a segment, or the names of all, are hashes."""
        own = str(Place(_PATHS["reference"], folded(name)))
        return self.hashes("field") or self.hashes("reference") or own in self.hashed

    def told(self, columns: Mapping[str, str]) -> dict[str, str]:
        """Returns what columns mean, and of which of them the values are hashes."""
        return {it: text + HASHED * self.hashes(it) for it, text in columns.items()}

    def drops_comments(self) -> bool:
        """Says whether no comment is loaded."""
        return self.dropped.issuperset(_COMMENT)
