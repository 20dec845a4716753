"""Where a feed goes on: cursors in dlt's resource state, one for each thing that is read.

A cursor belongs to the credential and the outbound filter that it was read under. A query that
is bounded by a period or by a CGID is a one-off and has none.
"""

from __future__ import annotations

import hashlib
from collections.abc import MutableMapping
from typing import Any

from dlt.common import logger

from customergauge_source.query import Query


class Position:
    """The cursor of one query.

    Args:
        state: The resource's dlt state, which is committed with the data.
        query: What is read.
        client_id: Whose token it is read with; only its hash is kept.

    Attributes:
        is_kept: Whether it is kept for the next run; a one-off begins anew each time.
    """

    def __init__(self, state: MutableMapping[str, Any], query: Query, client_id: str) -> None:
        self._query = query
        self._entry: dict[str, Any] = {}
        self._is_other_account = False
        self._loaded_lists = {
            name for entry in state.get("cursors", {}).values() for name in entry.get("include", ())
        }
        self.is_kept = not query.is_one_off
        if self.is_kept:
            digest = hashlib.sha256(client_id.encode()).hexdigest()[:16]
            scope = f"{digest}/{query.outbound_filter or ''}"
            cursors = state.setdefault("cursors", {})
            self._is_other_account = bool(cursors) and not any(
                known.startswith(f"{digest}/") for known in cursors
            )
            self._entry = cursors.setdefault(scope, self._entry)

    @property
    def cursor(self) -> int | None:
        """The cursor that the next page is asked with; None for the oldest response."""
        return self._entry.get("cursor")

    def move(self, cursor: int | None) -> None:
        """Moves to the cursor that a page came with, ahead of the page's data."""
        if cursor is None:
            self._entry.clear()
        else:
            self._entry.update(cursor=cursor, include=sorted(self._query.include))

    def warn_of_gaps(self) -> None:
        """Warns if rows lack lists, or are about to lose some, or are all read again."""
        if self._is_other_account:
            logger.warning(
                "This client id has no cursor yet: everything is read from the oldest response on,"
                " and merged with what an other client id loaded."
            )
        missing = sorted(self._loaded_lists - set(self._query.include))
        if missing and not self.is_kept:
            logger.warning(
                "include lacks %s: the responses that are read now will lose theirs. Read them"
                " again with a complete include if that is not what you want.",
                ", ".join(missing),
            )
        before = self._entry.get("include")
        added = sorted(set(self._query.include) - set(before if before is not None else ()))
        if before is not None and added:
            logger.warning(
                "include now has %s: responses loaded before came without. Run once with"
                " --full-refresh (refresh='drop_sources') to load them again, complete.",
                ", ".join(added),
            )
