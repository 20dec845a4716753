"""What to ask the API for: its parameters, checked before the first request.

Names and rules are those of GET Responses (v7); what breaks one is a `ConfigurationError`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from customergauge_source.settings import PER_PAGE, PERIOD_FIELDS
from customergauge_source.tables.values import UnfitError, to_date

if TYPE_CHECKING:
    from customergauge_source.exceptions import ConfigurationError

PARAMETERS: Final = {
    "outbound_filter": "filter",
    "number_customergauge": "number_customergauge",
    "period_field": "period[field]",
    "start_date": "period[start]",
    "end_date": "period[end]",
}
"""What the API calls them, by argument of the source."""
BOUNDS: Final = ("number_customergauge", "period_field")
"""With one of these a query is a one-off, which neither reads nor writes a cursor."""
_DAY: Final = timedelta(days=1)
_MARGIN: Final = timedelta(days=2)


@dataclass(frozen=True)
class Query:
    """The parameters that are the same on every page; `customergauge_source` describes them."""

    per_page: int = PER_PAGE
    include: Sequence[str] | None = None
    outbound_filter: str | None = None
    number_customergauge: int | None = None
    period_field: str | None = None
    start_date: str | None = None
    end_date: str | None = None

    def __post_init__(self) -> None:
        """Checks every parameter."""
        if type(self.per_page) is not int or self.per_page not in range(1, 1001):
            raise not_allowed("per_page", self.per_page, "a whole number from 1 to 1000")
        cgid = self.number_customergauge
        reference: object = self.outbound_filter  # whatever the caller's program has put there
        if reference is not None and not (isinstance(reference, str) and reference.strip()):
            raise not_allowed("outbound_filter", reference, "a filter's reference")
        if cgid is not None and (type(cgid) is not int or cgid < 1):
            raise not_allowed("number_customergauge", cgid, "a whole number, 1 or more")
        self._check_period()

    def _check_period(self) -> None:
        names = ("period_field", "start_date", "end_date")
        missing = [name for name in names if getattr(self, name) is None]
        if len(missing) == len(names):
            return
        if missing:
            raise mistake(
                f"A period needs {', '.join(names)}; missing: {', '.join(missing)}.",
                "Set all three or none.",
            )
        check_one_of("period_field", self.period_field, PERIOD_FIELDS)
        start, end = (_check_day(name, getattr(self, name)) for name in names[1:])
        if start > end:
            raise not_allowed("start_date", str(start), f"a day up to end_date, {end}")

    @property
    def is_one_off(self) -> bool:
        """Whether the query is bounded, and so neither reads nor writes a cursor."""
        return any(getattr(self, name) is not None for name in BOUNDS)

    def widened(self) -> Query:
        """Returns the query with two days more at both ends of its period.

        Where CustomerGauge's days begin, and whether the last one is included, is not documented:
        one day for each.
        """
        if (period := self._period()) is None:
            return self
        start, end = str(period[0] - _MARGIN), str(period[1] + _MARGIN)
        return replace(self, start_date=start, end_date=end)

    def moments(self, clock: tzinfo) -> tuple[datetime, datetime] | None:
        """Returns where the period begins and where it has ended, if there is one."""
        if (period := self._period()) is None:
            return None
        midnights = (datetime.combine(day, time(), clock) for day in (period[0], period[1] + _DAY))
        start, end = (moment.astimezone(timezone.utc) for moment in midnights)
        return start, end

    def everything(self) -> Query:
        """Returns the query without its bounds and its filter."""
        nothing: dict[str, Any] = dict.fromkeys(PARAMETERS)
        return replace(self, **nothing)

    def _period(self) -> tuple[date, date] | None:
        if self.period_field is None:
            return None
        start, end = (to_date(str(day)) for day in (self.start_date, self.end_date))
        return max(start, date.min + _MARGIN), min(end, date.max - _MARGIN)

    def params(self) -> dict[str, Any]:
        """Returns the parameters of a request, without a cursor."""
        asked = {"per_page": self.per_page, "with[]": list(self.include or ())}
        asked |= {parameter: getattr(self, name) for name, parameter in PARAMETERS.items()}
        return {key: value for key, value in asked.items() if value not in (None, [])}


def zone(name: str) -> tzinfo:
    """Returns an IANA time zone."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise not_allowed("timezone", name, "an IANA zone such as Europe/Amsterdam") from None


def check_one_of(name: str, value: object, allowed: Collection[str]) -> None:
    """Checks that a setting has one of the allowed values."""
    if value not in allowed:
        raise not_allowed(name, value, f"one of {', '.join(allowed)}")


def _check_day(name: str, value: object) -> date:
    try:
        return to_date(str(value))
    except UnfitError:  # such as 2026-02-30
        raise not_allowed(name, value, "a day as yyyy-mm-dd") from None


def not_allowed(name: str, value: object, allowed: str) -> ConfigurationError:
    """Returns the error for a setting with a value that is not allowed."""
    return mistake(f"{name} is {value!r}; allowed: {allowed}.")


def mistake(message: str, remedy: str | None = None) -> ConfigurationError:
    """Returns the error for a wrong setting; only then is dlt, which takes a second, imported."""
    from customergauge_source.exceptions import ConfigurationError  # noqa: PLC0415

    return ConfigurationError(message, remedy)
