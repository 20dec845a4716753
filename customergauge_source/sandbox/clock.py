"""Moments in UTC."""

from __future__ import annotations

from datetime import datetime, timezone


def now() -> datetime:
    """Return the present moment."""
    return datetime.now(timezone.utc)


def utc(moment: datetime | None) -> datetime:
    """Return a moment in UTC, which it is in already if it has no zone; None is now."""
    if moment is None:
        return now()
    return moment.astimezone(timezone.utc) if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
