"""What the dlt schema and the user's settings say of fields that are not declared."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import tzinfo
from functools import cache, partial
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final

import dlt
from dlt.common.normalizers.naming import NamingConvention
from dlt.common.schema import Schema
from dlt.extract import DltResource

from customergauge_source.dlt_bridge import extraction
from customergauge_source.exceptions import UnknownFieldError
from customergauge_source.resources.resource import Resource
from customergauge_source.tables.privacy import Policy, leaves
from customergauge_source.tables.shape import rejected_values_table

if TYPE_CHECKING:  # only a run that has something to load pays for Arrow
    from customergauge_source.tables.catalog import Path
    from customergauge_source.tables.read import Reader

logger = logging.getLogger("customergauge_source")

_IDENTIFIER: Final = re.compile(r"[A-Za-z_]\w{0,39}", re.ASCII)
_LONGEST_NAME: Final = 150
"""Characters of a name: dlt makes file names of those of tables, which the system limits to 255."""


def reader_maker(
    resource: Resource, zone: tzinfo, unknown_fields: str, policy: Policy | None
) -> Callable[[], Reader]:
    """Returns what makes, once, what makes rows of a resource's records.

    It looks at the extraction that is under way now; it may be called in another thread.
    """
    schema = dlt.current.source_schema()
    known = _column_types(schema, extraction.current_resource())

    @cache
    def make() -> Reader:
        from customergauge_source.tables.catalog import Catalog, Target  # noqa: PLC0415 - see above
        from customergauge_source.tables.read import Reader  # noqa: PLC0415

        name = partial(_name_of, schema.naming)
        is_barred = None if policy is None else _bar(policy, schema.naming)
        admit = _admission(unknown_fields, is_barred, name)
        # With a policy, a field of which there is a column may still be one to leave out.
        catalog = Catalog(name, known, admit, is_strict=policy is not None)
        return Reader(Target(resource.name, resource.key, resource.record, catalog, zone, policy))

    return make


def _column_types(schema: Schema, extracted: DltResource | None) -> dict[str, dict[str, str]]:
    """Returns the types of all columns of a schema and of a user's hints, by table and column."""
    columns: dict[str, Any] = {name: it["columns"] for name, it in schema.tables.items()}
    if extracted is not None and isinstance(extracted.columns, Mapping):
        columns[extracted.name] = {**columns.get(extracted.name, {}), **extracted.columns}
    return {
        table: {name: str(it["data_type"]) for name, it in hints.items() if it.get("data_type")}
        for table, hints in columns.items()
    }


def _name_of(naming: NamingConvention, path: Sequence[str]) -> str:
    """Returns the name of the column or table at a path of keys; "" if it cannot have one."""
    try:
        fragments = [naming.normalize_identifier(key) for key in path]
    except ValueError:
        return ""
    name = naming.shorten_fragments(*fragments)
    if len(name) > _LONGEST_NAME:
        name = naming.shorten_identifier(name, name, _LONGEST_NAME)
    return "" if name.startswith("_dlt") else name  # dlt's own columns begin like this


def barred_columns(schema: Schema, resource: Resource, policy: Policy) -> Iterator[str]:
    """Yields undeclared columns of a resource's tables that the policy would not let in now."""
    naming, is_barred = schema.naming, _bar(policy, schema.naming)
    declared = {
        (_name_of(naming, (resource.name, *it.table)), _name_of(naming, it.column))
        for it in leaves(resource.record)
    }
    prefix, beside = f"{resource.name}__", rejected_values_table(resource.name)
    for table, properties in schema.tables.items():
        if not f"{table}__".startswith(prefix) or table == beside:
            continue
        for column in properties["columns"]:
            is_open = (table, column) not in declared and column != resource.key
            name = f"{table}__{column}".removeprefix(prefix)
            if is_open and not column.startswith("_dlt") and any(map(is_barred, _ways(name))):
                yield name


def _ways(name: str) -> Iterator[str]:
    """Yields a name, and those of all that it stands in."""
    return accumulate(name.split("__"), "{}__{}".format)


def _bar(policy: Policy, naming: NamingConvention) -> Callable[[str], bool]:
    """Returns what says whether nothing undeclared is loaded under a name, or in what has it.

    That is so for the names of what the policy names in any resource, and of the objects and lists
    that it stands in; and for what is left of older shapes.
    """
    named = {_name_of(naming, path) for path in policy.named}
    flat = {_flat(it) for it in named} | policy.shape.older
    return lambda name: _flat(name) in flat or any(it.startswith(f"{name}__") for it in named)


def _flat(name: str) -> str:
    """Returns a name as it would be if it had come as one key."""
    return re.sub("_+", "_", name)


def _admission(
    unknown_fields: str, is_barred: Callable[[str], bool] | None, name: Callable[[Path], str]
) -> Callable[[Path], bool]:
    """Returns what says whether an undeclared field, by its path, is loaded.

    With a privacy policy no key is told that could be a value, as where people are the keys of an
    object.
    """

    def admit(path: Path) -> bool:
        mode = unknown_fields
        if is_barred is not None:
            ways = (name(path[:length]) for length in range(1, len(path) + 1))
            if mode == "evolve" and any(map(is_barred, ways)):
                mode = "ignore"
            if len(path) > 1 or not _IDENTIFIER.fullmatch(path[0]):
                path = (*path[:-1], "…")
        return decide(".".join(path), mode)

    @cache  # so that it warns once
    def decide(field: str, mode: str) -> bool:
        if mode == "fail":
            raise UnknownFieldError(f"CustomerGauge sent a field that is not declared: {field}")
        if mode == "ignore":
            logger.warning("Field %s is not declared and was left out (unknown_fields).", field)
        return mode == "evolve"

    return admit
