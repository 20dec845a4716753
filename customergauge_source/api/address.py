"""Where the API is."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from customergauge_source.exceptions import ConfigurationError
from customergauge_source.resources.query import check_one_of, not_allowed
from customergauge_source.settings import REGIONS

_LOOPBACK: Final = re.compile(r"localhost|127(\.\d{1,3}){3}|::1")


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
    if url is None and region is None:
        raise ConfigurationError(
            f"region is missing: it says where the account is hosted, as {service}_url would.",
            f"Set region to one of {', '.join(REGIONS)}: in .dlt/secrets.toml or"
            " .dlt/config.toml under [sources.customergauge], as environment variable"
            " SOURCES__CUSTOMERGAUGE__REGION, or with --region.",
        )
    if url is None:
        return f"https://{service}.{region}.customergauge.com"
    allowed = f"scheme and host alone, such as https://{service}.eu.customergauge.com"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise not_allowed(f"{service}_url", url, allowed) from None
    extra = parts.path.strip("/") or parts.query or parts.fragment or parts.username
    if parts.scheme not in ("http", "https") or not host or extra:
        raise not_allowed(f"{service}_url", f"{parts.scheme}://{host}/…", allowed)
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
