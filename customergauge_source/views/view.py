"""What a view is: a declaration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class View:
    """A query that has a name in the dataset.

    Attributes:
        description: What it is for.
        columns: What each of its columns means, in their order.
        sql: The query, in DuckDB's dialect; it may name tables, other views and `BLOCKS`. `:zone`
            stands for the zone whose clock months are taken from.
    """

    description: str
    columns: Mapping[str, str]
    sql: str
