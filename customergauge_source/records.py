"""Entries of a page, sorted out: records that load, in the documented shape, and the rest.

Pure functions; the rules are those that the README lists under "What the tables say".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from customergauge_source.decoding import to_json
from customergauge_source.schema import KEY
from customergauge_source.values import BIGINT, UnfitError, to_bigint

JsonObject = dict[str, Any]


@dataclass(frozen=True)
class RejectedRecord:
    """An entry of a page's `data` that is not a loadable record.

    Attributes:
        record: The entry as JSON text.
        reason: Why it cannot be loaded.
        cursor: The cursor that its page came back with.
        position: Its place in the page, from 0.
    """

    record: str
    reason: str
    cursor: int
    position: int


def sort_out(data: list[Any], cursor: int) -> tuple[list[JsonObject], list[RejectedRecord]]:
    """Parts a page into records that load and entries that do not.

    Of records with the same CGID the later one stays, whole. Older shapes become the documented
    one: a comment that is a plain string, drivers that are labels.

    Args:
        data: The page.
        cursor: The cursor that it came back with.
    """
    accepted: dict[int, JsonObject] = {}
    rejected: list[RejectedRecord] = []
    for position, record in enumerate(data):
        try:
            cgid = _cgid(record)
        except UnfitError as unfit:
            rejected.append(RejectedRecord(to_json(record), str(unfit), cursor, position))
            continue
        accepted.pop(cgid, None)  # so that the later one also takes the later place
        accepted[cgid] = _put_right(record, cgid)
    return list(accepted.values()), rejected


def _cgid(record: object) -> int:
    if not isinstance(record, dict):
        raise UnfitError("not an object")
    value = record.get(KEY)
    if type(value) is int and value in BIGINT:
        return value
    if value is None:
        raise UnfitError(f"no {KEY}")
    try:
        return to_bigint(value)
    except UnfitError:
        raise UnfitError(f"{KEY} is not a whole number") from None


def _put_right(record: JsonObject, cgid: int) -> JsonObject:
    """Returns a record in the documented shape, whichever older shape it was sent in.

    A comment may come as a plain string, and selected drivers as `drivers: [{"label": …}]`.
    """
    if type(record[KEY]) is not int:
        record = {**record, KEY: cgid}
    if isinstance(comment := record.get("comment"), str):
        record = {**record, "comment": {"original": comment}}
    if "drivers" in record and record.get("selected_drivers") in (None, []):
        drivers = record["drivers"]
        if isinstance(drivers, list) or drivers is None:
            record = {key: value for key, value in record.items() if key != "drivers"}
            record["selected_drivers"] = [_driver(item) for item in drivers or ()]
    return record


def _driver(item: object) -> object:
    if isinstance(item, dict) and "label" in item and "primary" not in item:
        rest = dict(item)
        return {"primary": rest.pop("label"), **rest}
    return item
