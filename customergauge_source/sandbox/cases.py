"""Cases of the close loop: what becomes of a detractor's response (KB/5000880297)."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from .chance import Chance

_OWNERS = ("Anna Kowalska", "Bram Visser", "Carla Méndez", "David Chen")
_NOTES = ("Called back.", "Heeft een nieuw aanbod gekregen.", "Waiting for engineering.", None)
_STATUSES = ("closed", "closed", "progress", "open")
_SHARE = 0.5
# Twenty days after the last generated response it is 2026-11-20.
_LEAST_HOURS, _MOST_HOURS = 24, 20 * 24


def case_of(
    cgid: int, answered: str, arrived: datetime | None, *, seed: int
) -> tuple[dict[str, Any], datetime] | None:
    """Make up the case of a detractor's response; every other has none.

    Args:
        cgid: The CGID of the response.
        answered: When it was given, ``YYYY-MM-DD HH:MM:SS``.
        arrived: When it arrived (UTC), if that was after the start of the sandbox: its case is
            open since then. The cases of all others are of the past.
        seed: Which made-up company it belongs to.

    Returns:
        The record, and when it was updated (UTC); or None.
    """
    chance = Chance(seed * 1_000_000_007 + cgid)
    if not chance.likely(_SHARE):
        return None
    if arrived:
        return opened(cgid, arrived), arrived
    hours = _LEAST_HOURS + chance.below(_MOST_HOURS - _LEAST_HOURS)
    start = datetime.fromisoformat(answered).replace(tzinfo=timezone.utc)
    followed_up = start + timedelta(hours=chance.below(hours))
    updated = start + timedelta(hours=hours)
    record = opened(cgid, updated) | {"note": chance.pick(_NOTES)}
    status = chance.pick(_STATUSES)
    if status == "closed":
        record = changed(record, "progress", followed_up, since=answered)
    return changed(record, status, updated, since=answered), updated


def opened(cgid: int, moment: datetime) -> dict[str, Any]:
    """Return a new case.

    Args:
        cgid: The CGID of its response.
        moment: When it is opened (UTC).

    Returns:
        The record. ``owner`` stands for what no public page mentions.
    """
    return {
        "number_customergauge": cgid,
        "status": "open",
        "note": None,
        "happened_at": str(moment)[:19],
        "time_to_follow_up": None,
        "time_to_close": None,
        "owner": _OWNERS[cgid % len(_OWNERS)],
    }


def changed(
    record: dict[str, Any], status: str, moment: datetime, *, since: object
) -> dict[str, Any]:
    """Return a case in another status, with the times that follow (KB/5000883702).

    Args:
        record: The case so far.
        status: ``"progress"`` sets the time to follow up, ``"closed"`` both times, ``"open"``
            clears both; a status of the tenant's own leaves them. A time that is set stays until
            it is cleared.
        moment: When it changes (UTC).
        since: ``date_survey_response``, from which the hours count.

    Returns:
        The changed record.
    """
    record = record | {"status": status, "happened_at": str(moment)[:19]}
    hours = _hours(since, moment)
    followed_up, closed = record.get("time_to_follow_up"), record.get("time_to_close")
    if status == "open":
        followed_up = closed = None
    elif status in {"progress", "closed"}:
        followed_up = hours if followed_up is None else followed_up
        closed = (hours if closed is None else closed) if status == "closed" else None
    return record | {"time_to_follow_up": followed_up, "time_to_close": closed}


def _hours(since: object, until: datetime) -> int:
    """Return the whole hours between, and 0 if the first date is later or no date at all."""
    try:
        start = datetime.fromisoformat(str(since)).replace(tzinfo=until.tzinfo)
    except ValueError:
        return 0
    return max(0, (until - start) // timedelta(hours=1))
