"""Entries of a page, sorted out: records that load, and the rest."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from customergauge_source.tables.encoding import to_json
from customergauge_source.tables.privacy import Policy
from customergauge_source.tables.values import BIGINT, UnfitError, to_bigint

JsonObject = dict[str, Any]


@dataclass(frozen=True)
class RejectedRecord:
    """An entry of a page's `data` that is not a loadable record: JSON, why, and its place in it.

    A privacy policy leaves out what it names, and all of an entry that it cannot see into.

    Attributes:
        digest: What tells entries apart that came at the same place, made of what is told.
        identity: What tells them apart as they came; it is written nowhere.
    """

    record: str | None
    reason: str
    position: int
    digest: str
    identity: str


def sort_out(
    entries: Iterable[tuple[int, Any]],
    key: str,
    put_right: Callable[[JsonObject], JsonObject],
    policy: Policy | None = None,
    *,
    all_versions: bool = False,
) -> tuple[list[JsonObject], list[RejectedRecord]]:
    """Parts entries, each with its place in a page, into records that load and those that do not.

    Of records with the same key, a whole number, the later one stays, whole, or with
    `all_versions` each of them; `put_right` brings it from an older shape into the declared one. Of
    an entry that does not load is told what the privacy policy lets be told.
    """
    accepted: dict[int, JsonObject] = {}
    rejected: list[RejectedRecord] = []
    for position, entry in entries:
        try:
            number = _number(entry, key)
        except UnfitError as unfit:
            rejected.append(_rejected(entry, str(unfit), position, policy, rejected))
            continue
        place = position if all_versions else number
        accepted.pop(place, None)  # so that the later one also takes the later place
        accepted[place] = put_right({**entry, key: number})
    return list(accepted.values()), rejected


def is_record(entry: object, key: str) -> bool:
    """Says whether something is a record with a key that needs no putting right."""
    return isinstance(entry, dict) and type(entry.get(key)) is int and entry[key] in BIGINT


def _rejected(
    entry: object,
    reason: str,
    position: int,
    policy: Policy | None,
    before: Sequence[RejectedRecord],
) -> RejectedRecord:
    text = to_json(entry)
    identity = _digest(text)
    if policy is None:
        return RejectedRecord(text, reason, position, identity, identity)
    if isinstance(entry, dict):
        told, reason = to_json(policy.blanked(entry)), f"{reason}; blanked, by the privacy policy"
    else:
        told, reason = None, f"{reason}; left out, by the privacy policy"
    alike = sum(it.record == told for it in before)  # which may have been different entries
    return RejectedRecord(told, reason, position, _digest(f"{told}#{alike}"), identity)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _number(entry: object, key: str) -> int:
    if not isinstance(entry, dict):
        raise UnfitError("not an object")
    value = entry.get(key)
    if value is None:
        raise UnfitError(f"no {key}")
    try:
        return to_bigint(value)
    except UnfitError:
        raise UnfitError(f"{key} is not a whole number of 64 bits") from None
