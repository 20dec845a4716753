"""What the dlt schema and the user's settings say of fields that are not declared."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import tzinfo
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final

import dlt
from dlt.common.normalizers.naming import NamingConvention
from dlt.common.schema import Schema
from dlt.extract import DltResource

from customergauge_source.dlt_bridge import extraction
from customergauge_source.exceptions import UnknownFieldError
from customergauge_source.resources.resource import Resource
from customergauge_source.secrecy import IDENTIFIER
from customergauge_source.tables.privacy import Policy, leaves_of
from customergauge_source.tables.shape import rejected_values_table

if TYPE_CHECKING:  # only a run that has something to load pays for Arrow
    from customergauge_source.tables.catalog import Path
    from customergauge_source.tables.read import Reader

logger = logging.getLogger("customergauge_source")

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
        admit = _admission(unknown_fields, policy, schema.naming)
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


def barred_columns(schema: Schema, resource: Resource, named: Collection[Path]) -> Iterator[str]:
    """Yields undeclared columns of a resource's tables that a policy does not let in.

    Args:
        schema: The schema, with the tables.
        resource: The resource.
        named: What the policy names.
    """
    naming, is_barred = schema.naming, _bar(named, schema.naming)
    declared = {
        (_name_of(naming, (resource.name, *it.table)), _name_of(naming, it.column))
        for it in leaves_of(resource.record)
    }
    root, beside = resource.name, rejected_values_table(resource.name)
    for table, properties in schema.tables.items():
        if table == beside or not (table == root or table.startswith(f"{root}__")):
            continue
        for column in properties["columns"]:
            is_open = (table, column) not in declared and column != resource.key
            name = f"{table}__{column}".removeprefix(f"{root}__")
            if is_open and not column.startswith("_dlt") and is_barred(_parts(name.split("__"))):
                yield name


def _parts(path: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yields a path, and each piece of it."""
    ends = range(1, len(path) + 1)
    return (path[start:end] for end in ends for start in range(end))


def _bar(
    named: Collection[Path], naming: NamingConvention
) -> Callable[[Iterable[Sequence[str]]], bool]:
    """Returns what says whether nothing undeclared is let in under any of some paths.

    That is so for what is named, whatever stands above it, and for the objects and lists that it
    stands in. Names are compared without case, and as they would be if they had come as one key.
    """
    ways = {path[:end] for path in named for end in range(1, len(path) + 1)}
    names = {_flat(_name_of(naming, way)) for way in ways}

    def is_barred(paths: Iterable[Sequence[str]]) -> bool:
        return any(_flat(_name_of(naming, path)) in names for path in paths)

    return is_barred


def _flat(name: str) -> str:
    return re.sub("_+", "_", name).casefold()


def _admission(
    unknown_fields: str, policy: Policy | None, naming: NamingConvention
) -> Callable[[Path], bool]:
    """Returns what says whether an undeclared field, by its path, is loaded.

    With a privacy policy what it bars is not, nor what is left of an older shape; and no key is
    told that could be a value, as where people are the keys of an object.
    """

    @cache  # so that it warns once
    def decide(field: str, mode: str) -> bool:
        if mode == "fail":
            raise UnknownFieldError(f"CustomerGauge sent a field that is not declared: {field}")
        if mode == "ignore":
            logger.warning("Field %s is not declared and was left out (unknown_fields).", field)
        return mode == "evolve"

    if policy is None:
        return lambda path: decide(".".join(path), unknown_fields)
    is_barred = _bar(policy.named, naming)

    def admit(path: Path) -> bool:
        mode = unknown_fields
        if mode == "evolve" and (path[0] in policy.shape.older or is_barred(_parts(path))):
            mode = "ignore"
        top = path[0] if IDENTIFIER.fullmatch(path[0]) else "…"
        return decide(top if len(path) == 1 else f"{top}.…", mode)

    return admit
