"""Where a resource goes on: what its dlt state keeps, for each thing that is read.

A position belongs to the credential and the outbound filter that it was read under. It is part of
dlt's resource state, which is committed together with the data.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, MutableMapping
from datetime import date, datetime, timedelta, timezone
from functools import cached_property
from typing import Any, ClassVar, Final

from customergauge_source.resources.query import Query

logger = logging.getLogger("customergauge_source")

OVERLAP: Final = timedelta(days=2)
"""What two windows of `updated_at` share: where CustomerGauge's days begin is not documented."""


def scope_of(client_id: str, query: Query) -> str:
    """Returns what is read with one credential and outbound filter, by its name in the state."""
    account = hashlib.sha256(client_id.encode()).hexdigest()[:16]
    return f"{account}/{query.outbound_filter or ''}"


class Position:
    """The cursor of a feed that brings each record once, when it is new.

    Attributes:
        repeats: Whether the feed brings the same entries again, run after run.
        is_kept: Whether it is kept for the next run; a one-off begins anew each time, and so does
            what is read for a comparison.
        scope: What tells it apart from those of other credentials and filters.
    """

    repeats: ClassVar[bool] = False

    def __init__(
        self,
        state: MutableMapping[str, Any],
        client_id: str,
        query: Query,
        *,
        is_kept: bool = True,
    ) -> None:
        self.is_kept = is_kept and not query.is_one_off
        self.scope = scope_of(client_id, query)
        self._include = {*(query.include or ())}
        self._known: Mapping[str, Any] = {**state.get("cursors", {})}
        self._entry: dict[str, Any] = {}
        if self.is_kept:
            self._entry = state.setdefault("cursors", {}).setdefault(self.scope, self._entry)
            self._forget_what_is_to_come()

    def _forget_what_is_to_come(self) -> None:
        """Forgets a moment that a clock noted which was ahead; a cursor has none."""

    @property
    def cursor(self) -> int | None:
        """The cursor that the next page is asked with; None for the oldest record."""
        return self._entry.get("cursor")

    @property
    def told(self) -> int | str | None:
        """What the summary says of where the next run goes on."""
        return self.cursor if self.is_kept else None

    @property
    def params(self) -> dict[str, str]:
        """What a request asks for because of it, beside the cursor."""
        return {}

    def move(self, cursor: int) -> None:
        """Moves to the cursor that a page came with, ahead of its data."""
        self._entry.update(cursor=cursor, include=sorted(self._include))

    def end(self) -> None:
        """Notes that the feed was read to its end."""

    def warn(self) -> None:
        """Warns if rows lack lists, or are about to lose some, or are all read again."""
        loaded = {name for entry in self._known.values() for name in entry.get("include", ())}
        if not self.is_kept and (missing := sorted(loaded - self._include)):
            logger.warning(
                "include lacks %s: the records that are read now will lose theirs. Read them"
                " again with a complete include if that is not what you want.",
                ", ".join(missing),
            )
        account, _, _ = self.scope.partition("/")
        ours = [key for key in self._known if key.startswith(f"{account}/")]
        if self.is_kept and self._known and not ours:
            logger.warning(
                "This client id has no cursor yet: everything is read from the oldest record on,"
                " and merged with what another client id loaded."
            )
        if added := sorted(self._include - {*self._entry.get("include", self._include)}):
            logger.warning(
                "include now has %s: records loaded before came without. Run once with"
                " --full-refresh (full_refresh=True) to load them again, complete.",
                ", ".join(added),
            )


class UpdatedWindows(Position):
    """Windows of `updated_at` that overlap, for records that change after they were delivered.

    The first window has no bounds. Each later one begins `OVERLAP` before the day on which the
    reading of the one before it began; what changed while that was read is in it. Where a day was
    noted that is still to come, by a clock that was ahead, it has no bounds either.
    """

    repeats = True

    def _forget_what_is_to_come(self) -> None:
        last = {"begun": self._today, "since": self._today - OVERLAP}
        if any(self._entry.get(name, "") > day.isoformat() for name, day in last.items()):
            self._entry.clear()

    @cached_property
    def _today(self) -> date:
        return datetime.now(timezone.utc).date()

    @property
    def told(self) -> int | str | None:
        """The day that the window begins at; the cursor inside of the first one."""
        return self._entry.get("since") or self.cursor

    @property
    def params(self) -> dict[str, str]:
        """The bounds of the window; the end leaves room for a zone that is ahead of UTC."""
        if "since" not in self._entry:
            return {}
        end = self._today + timedelta(days=1)
        return {"updated_at[start]": self._entry["since"], "updated_at[end]": end.isoformat()}

    def move(self, cursor: int) -> None:
        """Moves on inside of the window."""
        self._entry.setdefault("begun", self._today.isoformat())
        self._entry["cursor"] = cursor

    def end(self) -> None:
        """Opens the next window."""
        begun = date.fromisoformat(self._entry.pop("begun", self._today.isoformat()))
        self._entry.pop("cursor", None)
        self._entry["since"] = (begun - OVERLAP).isoformat()
