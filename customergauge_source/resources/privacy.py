"""The privacy policy as it is set: paths of fields to hash and to drop, and the key of the hashes.

A path is spelled as in the API: `email`, `contact.first_name`, `questions.answer` for that field of
every item; a path of an object or a list, such as `comment`, means all fields in it. Of a segment
or a question that is named, such as `properties["Key Contact"]`, it is the value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from customergauge_source.resources.query import mistake, not_allowed
from customergauge_source.resources.resource import Resource
from customergauge_source.tables.privacy import Leaf, Place, Policy, folded, leaves_of

SHORTEST_KEY: Final = 32
"""Characters that the key of the hashes has at least: a short one could be guessed."""
_NAMED: Final = re.compile(r'([^\[\]"]+)\[(".*")\]', re.DOTALL)


@dataclass(frozen=True)
class Privacy:
    """What is set, checked against the fields that there are.

    Args:
        hash: Paths of what is hashed; text alone.
        drop: Paths of what is NULL in the tables.
        key: The key of the hashes.
        resources: The resources that the paths are looked up in.

    Raises:
        ConfigurationError: A path is unknown, in both lists or not allowed; the key is missing or
            too short.
    """

    hash: Sequence[str]
    drop: Sequence[str]
    key: str | None = field(repr=False)
    resources: Collection[Resource] = field(repr=False)

    def __post_init__(self) -> None:
        """Checks all of it, whichever resources are read."""
        if self.key is not None and len(self.key) < SHORTEST_KEY:
            raise mistake(
                f"The key of privacy has {len(self.key)} characters; allowed: {SHORTEST_KEY} or"
                " more.",
                'Make one, such as with python -c "import secrets; print(secrets.token_hex(32))".',
            )
        if self.hash and self.key is None:
            raise mistake(
                "privacy has something to hash, and no key to hash it with.",
                "Set key under privacy to a secret of 32 characters or more, in .dlt/secrets.toml"
                " or the environment, and keep it: another key makes other hashes.",
            )
        hashed = {place: path for path in self.hash for place in self._checked("hash", path)}
        for path in self.drop:
            for place in self._checked("drop", path):
                for other, same in hashed.items():
                    if place.path == other.path and (
                        place.name == other.name or not (place.name and other.name)
                    ):
                        raise mistake(
                            f"privacy would hash {same} and drop {path}: both name the same"
                            " values.",
                            "Leave one of them out.",
                        )

    def of(self, resource: Resource) -> Policy:
        """Returns what it says of a resource."""
        hashed, dropped = (
            frozenset(_place(path, leaf) for path in paths for leaf in _leaves(path, resource))
            for paths in (self.hash, self.drop)
        )
        named = (
            leaf.keys
            for path in (*self.hash, *self.drop)
            for it in self.resources
            for leaf in _leaves(path, it)
        )
        key = (self.key or "").encode()
        return Policy(resource.record, hashed, dropped, frozenset(named), key)

    def _checked(self, what: str, path: str) -> Iterator[Place]:
        """Yields what a path names in any of the resources."""
        found = [(it, leaf) for it in self.resources for leaf in _leaves(path, it)]
        if not found:
            # As short as any path, or with a name in it: whoever mistakes the key for one of them
            # is not to see it in a log.
            is_short = len(path) < SHORTEST_KEY or _NAMED.fullmatch(path)
            shown = path if is_short else f"{path[:3]}…"
            raise not_allowed(
                what,
                shown,
                "the path of a field, as the API spells it, such as email, contact.first_name,"
                ' questions.answer or properties["Key Contact"]; docs/privacy.md has more',
            )
        for resource, leaf in found:
            if leaf.path == resource.key:
                raise mistake(f"{what} is {path!r}, which tells records apart and has to stay.")
            if what == "hash" and leaf.field.type != "text":
                raise mistake(
                    f"hash is {path!r}, and {leaf.path} is no text but a {leaf.field.type}: a hash"
                    " would hide little of it.",
                    f"Leave {leaf.path} as it is, or drop it.",
                )
            yield _place(path, leaf)


def _place(path: str, leaf: Leaf) -> Place:
    return Place(leaf.path, folded(_parted(path)[1]))


def _leaves(path: str, resource: Resource) -> Iterator[Leaf]:
    """Yields the fields of a resource that a path names."""
    place, name = _parted(path)
    for leaf in leaves_of(resource.record):
        if name:
            if leaf.shape.named and leaf.path == f"{place}.{leaf.shape.named[1]}":
                yield leaf
        elif leaf.path == place or leaf.path.startswith(f"{place}."):
            yield leaf


def _parted(path: str) -> tuple[str, str]:
    """Returns the path of a field or list, and the name of an item of that; "" if there is none."""
    if not (match := _NAMED.fullmatch(path)):
        return path, ""
    try:
        name: str = json.loads(match[2])
        name.encode()  # or it has half a surrogate pair, which no name of a segment has
    except ValueError:
        return path, ""
    return (match[1], name) if folded(name) else (path, "")
