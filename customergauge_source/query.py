"""What to ask the API for: parameters of GET Responses (v7), checked before the first request."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, tzinfo
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from customergauge_source.exceptions import ConfigurationError
from customergauge_source.settings import INCLUDES, PER_PAGE, PERIOD_FIELDS, REGIONS

_LOOPBACK = re.compile(r"localhost|127(\.\d{1,3}){3}|::1")


@dataclass(frozen=True)
class Query:
    """The parameters of GET Responses (v7) that stay the same from page to page.

    Attributes:
        per_page: Responses per page, 1 to 1000.
        include: What `with[]` adds to each response.
        outbound_filter: Reference of an outbound filter of the account (`filter`).
        number_customergauge: The one response to read, by its CGID.
        period_field: The date that `start_date` and `end_date` bound.
        start_date: First day, yyyy-mm-dd.
        end_date: Last day, yyyy-mm-dd.
    """

    per_page: int = PER_PAGE
    include: Sequence[str] = INCLUDES
    outbound_filter: str | None = None
    number_customergauge: int | None = None
    period_field: str | None = None
    start_date: str | None = None
    end_date: str | None = None

    def __post_init__(self) -> None:
        """Checks every parameter.

        Raises:
            ConfigurationError: One has a value that the API does not allow.
        """
        if type(self.per_page) is not int or self.per_page not in range(1, 1001):
            raise _not_allowed("per_page", self.per_page, "a whole number from 1 to 1000")
        for name in self.include:
            check_one_of("include", name, INCLUDES)
        cgid = self.number_customergauge
        reference: object = self.outbound_filter  # whatever the caller's program has put there
        if reference is not None and not (isinstance(reference, str) and reference.strip()):
            raise _not_allowed("outbound_filter", reference, "a filter's reference")
        if cgid is not None and (type(cgid) is not int or cgid < 1):
            raise _not_allowed("number_customergauge", cgid, "a whole number from 1 on")
        self._check_period()

    def _check_period(self) -> None:
        period = {
            "period_field": self.period_field,
            "start_date": self.start_date,
            "end_date": self.end_date,
        }
        missing = [name for name, value in period.items() if value is None]
        if len(missing) == len(period):
            return
        if missing:
            raise ConfigurationError(
                f"A period needs period_field, start_date and end_date; missing:"
                f" {', '.join(missing)}.",
                "Set all three or none.",
            )
        check_one_of("period_field", self.period_field, PERIOD_FIELDS)
        start = _check_day("start_date", self.start_date)
        end = _check_day("end_date", self.end_date)
        if start > end:
            raise ConfigurationError(
                f"start_date {start} is after end_date {end}.",
                "Set a start_date that is not after the end_date.",
            )

    @property
    def is_one_off(self) -> bool:
        """Whether the query is bounded, and so neither reads nor writes a cursor."""
        return self.number_customergauge is not None or self.period_field is not None

    def params(self) -> dict[str, Any]:
        """Returns the parameters of the request, without a cursor."""
        asked = {
            "per_page": self.per_page,
            "with[]": list(self.include),
            "filter": self.outbound_filter,
            "number_customergauge": self.number_customergauge,
            "period[field]": self.period_field,
            "period[start]": self.start_date,
            "period[end]": self.end_date,
        }
        return {key: value for key, value in asked.items() if value not in (None, [])}


def zone(name: str) -> tzinfo:
    """Returns an IANA time zone.

    Raises:
        ConfigurationError: There is none of this name.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise _not_allowed("timezone", name, "an IANA zone such as Europe/Amsterdam") from None


def base_url(service: str, region: str | None, url: str | None) -> str:
    """Returns scheme and host of a service, `api` or `auth`.

    Args:
        service: The service; `{service}_url` is the name of the setting.
        region: One of the regions of the Host Region table of GET Responses (v7).
        url: Scheme and host to use in its place.

    Raises:
        ConfigurationError: Neither is given, or one is not allowed.
    """
    if region is not None:
        check_one_of("region", region, REGIONS)
    if url is None:
        if region is None:
            raise ConfigurationError(
                f"region is missing: it says where the account is hosted, as {service}_url would.",
                f"Set region to one of {', '.join(REGIONS)}: in .dlt/secrets.toml or"
                " .dlt/config.toml under [sources.customergauge], as environment variable"
                " SOURCES__CUSTOMERGAUGE__REGION, or with --region.",
            )
        return f"https://{service}.{region}.customergauge.com"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise _not_allowed(f"{service}_url", url, "scheme and host alone") from None
    extra = parts.path.strip("/") or parts.query or parts.fragment or parts.username
    if parts.scheme not in ("http", "https") or not host or extra:
        allowed = f"scheme and host alone, such as https://{service}.eu.customergauge.com"
        raise _not_allowed(f"{service}_url", f"{parts.scheme}://{host}/…", allowed)
    if parts.scheme == "http" and not _LOOPBACK.fullmatch(host):
        raise ConfigurationError(
            f"{service}_url is plain http, and {host} is not this machine.",
            "Use https; the credentials would be readable on the way.",
        )
    where = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{where}" + (f":{port}" if port else "")


def is_loopback(url: str) -> bool:
    """Says whether an address is on this machine."""
    return bool(_LOOPBACK.fullmatch(urlsplit(url).hostname or ""))


def check_one_of(name: str, value: object, allowed: Collection[str]) -> None:
    """Checks that a setting has one of the allowed values.

    Raises:
        ConfigurationError: It has not.
    """
    if value not in allowed:
        raise _not_allowed(name, value, f"one of {', '.join(allowed)}")


def _check_day(name: str, value: object) -> date:
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", str(value)):
            return date.fromisoformat(str(value))
    except ValueError:
        pass  # such as 2026-02-30; the message below says what is allowed
    raise _not_allowed(name, value, "a day as yyyy-mm-dd")


def _not_allowed(name: str, value: object, allowed: str) -> ConfigurationError:
    return ConfigurationError(f"{name} is {value!r}; allowed is {allowed}.")
