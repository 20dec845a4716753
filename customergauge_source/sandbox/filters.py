"""The filters that an endpoint may know: by CGID, outbound filter, period and day of update."""

from __future__ import annotations

from .parameters import Errors, Parameters, Test, integer, is_day
from .rows import Row

PERIOD_FIELDS = ("date_creation", "date_order", "date_sent", "date_survey_response")
DETRACTORS_FILTER = "147b3662-cd7e-490c-b865-9be3480ca2fd"
PROMOTERS_FILTER = "5b1d9a04-2f6c-4f0e-9d57-0c8a3e7716b2"
# What each outbound filter lets through, as scores.
OUTBOUND_FILTERS = {DETRACTORS_FILTER: range(7), PROMOTERS_FILTER: range(9, 11)}


def by_cgid(given: Parameters, errors: Errors) -> Test | None:
    """Read ``number_customergauge``."""
    cgid = integer(given, "number_customergauge", errors)
    return None if cgid is None else lambda row: row.cgid == cgid


def by_outbound_filter(given: Parameters, errors: Errors) -> Test | None:
    """Read ``filter``, the reference of an outbound filter."""
    reference = given.get("filter")
    if reference is None:
        return None
    scores = OUTBOUND_FILTERS.get(reference, range(0))
    if not scores:
        errors["filter"] = ["The selected filter is invalid."]
    return lambda row: row.member("nps") in scores


def by_period(given: Parameters, errors: Errors) -> Test | None:
    """Read the three parameters of ``period``, all or none; both days are included."""
    parts = {name: given.get(f"period[{name}]") for name in ("field", "start", "end")}
    if all(value is None for value in parts.values()):
        return None
    field, start, end = (value or "" for value in parts.values())
    for name, value in parts.items():
        if value is None:
            errors[f"period.{name}"] = [f"The period.{name} field is required."]
    if field and field not in PERIOD_FIELDS:
        errors["period.field"] = ["The selected period.field is invalid."]
    for name, day in (("start", start), ("end", end)):
        if f"period.{name}" not in errors and not is_day(day):
            errors[f"period.{name}"] = [_not_a_day(f"period.{name}")]
    if not {"period.start", "period.end"} & errors.keys() and end < start:
        text = "The period.end must be a date after or equal to period.start."
        errors["period.end"] = [text]

    def lies_within(row: Row) -> bool:
        day = row.member(field)
        return isinstance(day, str) and start <= day[:10] <= end

    return lies_within


def by_update(given: Parameters, errors: Errors) -> Test | None:
    """Read ``updated_at[start]`` and ``updated_at[end]``, each optional, both days included."""
    days = {name: given.get(f"updated_at[{name}]") for name in ("start", "end")}
    if all(day is None for day in days.values()):
        return None
    for name, day in days.items():
        if day is not None and not is_day(day):
            errors[f"updated_at.{name}"] = [_not_a_day(f"updated_at.{name}")]
    start, end = days["start"] or "", days["end"] or "9999-12-31"
    return lambda row: row.updated is not None and start <= str(row.updated)[:10] <= end


def _not_a_day(name: str) -> str:
    """Say that a parameter is no day."""
    return f"The {name} does not match the format Y-m-d."
