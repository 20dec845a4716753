"""Repeatable chance: the same seed gives the same choices, in every Python version."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

Item = TypeVar("Item")


class Chance:
    """A seeded source of choices.

    Built on ``random()`` alone: it is the one generator that Python promises not to change.
    """

    def __init__(self, seed: int) -> None:
        """Start at a seed."""
        self.share = random.Random(seed).random  # noqa: S311  # made-up data, not cryptography

    def likely(self, probability: float) -> bool:
        """Return True with a probability between 0 and 1."""
        return self.share() < probability

    def below(self, limit: int) -> int:
        """Return a whole number from 0 to ``limit`` - 1."""
        return int(self.share() * limit)

    def pick(self, items: Sequence[Item]) -> Item:
        """Return one of the items."""
        return items[int(self.share() * len(items))]
