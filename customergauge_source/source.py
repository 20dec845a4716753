"""The dlt source: from arguments and configuration to resources."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields
from functools import partial
from typing import Any, Final

import dlt
from dlt.common.configuration.exceptions import ConfigValueCannotBeCoercedException
from dlt.common.configuration.specs import BaseConfiguration, configspec
from dlt.extract import DltResource

from customergauge_source.api.auth import CustomerGaugeCredentials
from customergauge_source.api.client import CustomerGaugeClient, base_url
from customergauge_source.dlt_bridge import settings
from customergauge_source.dlt_bridge.known import check_dlt
from customergauge_source.exceptions import ConfigurationError
from customergauge_source.reading import ResourceReader
from customergauge_source.resources import DEFAULT, RESOURCES, Resource
from customergauge_source.resources.privacy import SHORTEST_KEY, Privacy
from customergauge_source.resources.query import Query, check_one_of, mistake, not_allowed, zone
from customergauge_source.secrecy import remember
from customergauge_source.settings import MAX_ANSWER_BYTES, UNKNOWN_FIELDS

logger = logging.getLogger("customergauge_source")

_LISTS: Final = ("resources", "include")
_NUMBERS: Final = ("per_page", "number_customergauge", "max_answer_bytes")
_SWITCHES: Final = ("history",)
_SECTIONS: Final = ("credentials", "privacy")
_POLICY: Final = ("hash", "drop", "key")
_QUERY: Final = [field.name for field in fields(Query)]


@configspec
class _FromItsPlaceAlone(BaseConfiguration):
    """Has no fields: dlt injects nothing, and `settings` looks where it may."""


@dlt.source(name="customergauge", section="customergauge", spec=_FromItsPlaceAlone)
def customergauge_source(  # noqa: PLR0913 - they are the API's parameters
    credentials: CustomerGaugeCredentials | Mapping[str, str] | None = None,
    *,
    resources: Sequence[str | Resource] | None = None,
    region: str | None = None,
    api_url: str | None = None,
    auth_url: str | None = None,
    include: Sequence[str] | None = None,
    per_page: int | None = None,
    outbound_filter: str | None = None,
    number_customergauge: int | None = None,
    period_field: str | None = None,
    start_date: str | None = None,
    end_date: str | None = None,
    timezone: str | None = None,
    unknown_fields: str | None = None,
    privacy: Mapping[str, Any] | None = None,
    history: bool | None = None,
    table_format: str | None = None,
    max_answer_bytes: int | None = None,
) -> Iterator[DltResource]:
    """The sync API of a CustomerGauge account: responses, non-responses, close-loop cases.

    Every argument can also be set as a key of `[sources.customergauge]`, or as an environment
    variable `SOURCES__CUSTOMERGAUGE__…`; nothing else is looked at.

    Args:
        credentials: Client id and secret of a connected app.
        resources: What to load: `responses` (the default), `non_responses`, `close_loop`, or
            declarations of your own. `with_resources` of the source does the same.
        region: Where the account is hosted: `eu`, `us` or `au`.
        api_url: Scheme and host of the API, instead of the region's.
        auth_url: Scheme and host of the token endpoint, instead of the region's.
        include: What to load with each record (`with[]`): any of `selected_drivers`, `tags`,
            `questions`, `properties`. By default all that the resource offers.
        per_page: Records per page, 1 to 1000; by default 1000.
        outbound_filter: Reference of an outbound filter (`filter`). It has a cursor of its own.
        number_customergauge: CGID of the one response to read; a one-off without a cursor.
        period_field: `date_creation`, `date_order`, `date_sent` or `date_survey_response`: the
            date that `start_date` and `end_date` bound; a one-off without a cursor.
        start_date: First day of the period, yyyy-mm-dd.
        end_date: Last day of the period, yyyy-mm-dd.
        timezone: IANA zone of the API's timestamps, which carry no offset; by default UTC.
        unknown_fields: What to do with fields that are not declared: `evolve` loads them as text,
            `ignore` leaves them out with a warning, `fail` raises before the page is loaded. By
            default `evolve`; with `privacy` it is `ignore`.
        privacy: What becomes of personal data before anything is written: `hash` and `drop`, lists
            of paths as the API spells them, and `key`, the key of the hashes (HMAC-SHA256), 32
            characters or more. By default everything is kept.
        history: Whether every version of a record is appended, instead of merged: a lake of files
            keeps a history, and nothing else; an SQL destination does if it is asked to.
        table_format: Format of the tables in a lake of files: `delta` or `iceberg`; by default they
            are plain Parquet.
        max_answer_bytes: How large an answer may be, decoded; by default 256 MiB, a hundred times
            a page of 1,000 records.

    Returns:
        The source, with a resource for each endpoint.

    Raises:
        ConfigurationError: An argument is missing, or has a value that is not allowed; or the
            installed release of dlt does not work.
    """
    arguments = {name: it for name, it in locals().items() if name not in _SECTIONS}
    check_dlt()
    settings.keep_no_files()
    given = settings.fill_in(arguments, lists=_LISTS, numbers=_NUMBERS, switches=_SWITCHES)
    for name in _LISTS:
        if isinstance(given[name], str):
            raise not_allowed(name, given[name], 'a list, such as ["…", "…"]')
    asked = _declarations(DEFAULT if given["resources"] is None else given["resources"])
    offered = {name: None for resource in asked for name in resource.include}
    for name in given["include"] or ():
        if not offered:
            raise mistake(
                f"include is {name!r}; these resources have no lists that could be included.",
                "Leave include out, or give --include without names (include=[]).",
            )
        check_one_of("include", name, offered)
    query = Query(**{name: given[name] for name in _QUERY if given[name] is not None})
    clock: str = given["timezone"] or "UTC"
    zone(clock)
    policy = _privacy(privacy, dict.fromkeys([*RESOURCES, *asked]))
    mode: str = given["unknown_fields"] or ("evolve" if policy is None else "ignore")
    check_one_of("unknown_fields", mode, UNKNOWN_FIELDS)
    max_bytes: int = given["max_answer_bytes"] or MAX_ANSWER_BYTES
    if max_bytes < 1:
        raise not_allowed("max_answer_bytes", max_bytes, "a whole number, 1 or more")
    connected_app = _credentials(credentials)
    remember(connected_app.client_secret)
    client_id = str(connected_app.client_id)
    connect = partial(
        CustomerGaugeClient,
        base_url("api", given["region"], given["api_url"]),
        base_url("auth", given["region"], given["auth_url"]),
        connected_app,
        max_bytes,
    )
    kept = (given["history"], given["table_format"])
    for resource in dict.fromkeys([*RESOURCES, *asked]):
        reader = ResourceReader(resource, connect, client_id, query, clock, mode, policy, *kept)
        yield reader.as_dlt_resource(selected=resource in asked)


def _declarations(asked: Sequence[str | Resource]) -> list[Resource]:
    known = {resource.name: resource for resource in RESOURCES}
    if not asked:
        raise ConfigurationError(f"resources is empty; known: {', '.join(known)}.")
    for it in asked:
        if not isinstance(it, Resource):
            check_one_of("resources", it, known)
        elif known.get(it.name, it) is not it:
            raise ConfigurationError(
                f"resources declares a {it.name}, but the source has its own.",
                "Give the declaration another name.",
            )
    return [known[it] if isinstance(it, str) else it for it in asked]


def _privacy(given: Mapping[str, Any] | None, resources: Collection[Resource]) -> Privacy | None:
    """Returns the policy, each key of it as it is given or configured; None if there is none."""
    if not isinstance(given, Mapping | None):
        raise ConfigurationError(f"privacy is no object with {', '.join(_POLICY)}.")
    parts = {**dict.fromkeys(_POLICY), **(given or {})}
    configured = settings.keys_below("privacy")
    if wrong := sorted({*map(str, parts), *(configured or ())}.difference(_POLICY)):
        shown = wrong[0] if len(wrong[0]) < SHORTEST_KEY else "…"  # it may be the key, misplaced
        raise not_allowed("A key of privacy", shown, f"one of {', '.join(_POLICY)}")
    key = parts.pop("key") or settings.secret("privacy.key")
    if not isinstance(key, str | None) or not _is_utf8(key or ""):
        raise ConfigurationError("The key of privacy is no text in UTF-8.")
    remember(key)
    policy = Privacy(**_paths(parts), key=key, resources=resources)
    if policy.hash or policy.drop:
        return policy
    if given is not None or configured is not None:
        logger.warning("privacy is set, and names nothing to hash or drop: everything is kept.")
    return None


def _paths(given: Mapping[str, Any]) -> dict[str, Sequence[str]]:
    """Returns what is hashed and what is dropped, as it is given or configured."""
    with suppress(ConfigValueCannotBeCoercedException):
        lists = settings.fill_in(given, lists=given.keys(), below="privacy")
        paths = {name: () if it is None else it for name, it in lists.items()}
        if all(isinstance(it, (list, tuple)) for it in paths.values()) and all(
            isinstance(path, str) for it in paths.values() for path in it
        ):
            return paths
    # Not with its value, which may be the key, misplaced.
    raise ConfigurationError('hash and drop of privacy have to be lists, such as ["email"].')


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _credentials(
    given: CustomerGaugeCredentials | Mapping[str, str] | None,
) -> CustomerGaugeCredentials:
    """Returns the credentials, as they are given or configured; both parts have to be."""
    if isinstance(given, CustomerGaugeCredentials):
        return given.copy()
    pair: dict[str, Any] = {
        name: (given or {}).get(name) or settings.secret(f"credentials.{name}") or ""
        for name in ("client_id", "client_secret")
    }
    if missing := [name for name, value in pair.items() if not value]:
        names, place = " and ".join(missing), f"{settings.section()}.credentials"
        variables = " and ".join(f"{place}.{name}".replace(".", "__").upper() for name in missing)
        raise ConfigurationError(
            f"Missing from the configuration: {names}.",
            f"Set {names} under [{place}] in .dlt/secrets.toml, or {variables} in the environment.",
        )
    return CustomerGaugeCredentials(**pair)
