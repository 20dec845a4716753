"""dlt 1.31 and Arrow data for nested tables: the one place that knows the obstacle.

After an extraction dlt adds up its metrics by resource and asks every table that received data
for `table["resource"]`. A nested table must not have that key (dlt refuses to merge one that
does), because it belongs to its root's resource. dlt's own normalizer writes nested tables only
after the extraction, so dlt itself never meets the case; Arrow tables written by a resource do.

So nested tables are put into the extraction's schema as dictionaries that answer `["resource"]`
when asked, while the key is not there: not for `in`, not for `get`, not for a copy or a dump.
`tests/test_nested_arrow.py` fails when dlt no longer needs it, or no longer takes it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import yaml
from dlt.common.schema import Schema
from dlt.common.schema.typing import TTableSchema


class NestedTable(dict[str, Any]):
    """A table of a dlt schema that knows the resource it belongs to without saying so."""

    def __missing__(self, key: str) -> str:
        """Answers `table["resource"]` with the root table's name, which is the resource's."""
        if key == "resource":
            return str(self["name"]).split("__", maxsplit=1)[0]
        raise KeyError(key)


class SharedTable(dict[str, Any]):
    """A root table that several resources fill: written down as nobody's, counted for one.

    `get`, a copy or a dump know it as the resource of its own name, so that a refresh of one
    resource does not drop what the others brought.

    Args:
        table: The table.
        resource: The resource that filled it last.
    """

    def __init__(self, table: TTableSchema, resource: str) -> None:
        super().__init__({**table, "resource": table["name"]})
        self._resource = resource

    def __getitem__(self, key: str) -> Any:  # noqa: ANN401 - whatever is in the table
        """Answers `table["resource"]` with the resource that filled it."""
        return self._resource if key == "resource" else super().__getitem__(key)


# A pipeline with import_schema_path or export_schema_path writes its schema as YAML.
for _kind in (NestedTable, SharedTable):
    yaml.add_representer(_kind, lambda dumper, table: dumper.represent_dict(table))


def receive_arrow(schema: Schema, tables: Iterable[str]) -> None:
    """Makes nested tables of the schema under extraction fit to receive Arrow data.

    Args:
        schema: The schema of the source that is being extracted.
        tables: Names of nested tables; those not in the schema yet must come again later.
    """
    for name in tables:
        table = schema.tables.get(name)
        if table is not None and not isinstance(table, NestedTable):
            schema.tables[name] = cast("TTableSchema", NestedTable(table))


def share(schema: Schema, table: str, resource: str) -> None:
    """Makes a root table of the schema under extraction nobody's, after a resource filled it."""
    schema.tables[table] = cast("TTableSchema", SharedTable(schema.tables[table], resource))
