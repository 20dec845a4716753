"""dlt and Arrow data for nested tables: the one place that knows the obstacle.

After an extraction dlt adds up its metrics by resource and asks every table that received data
for `table["resource"]`. A nested table must not have that key (dlt refuses to merge one that
does), because it belongs to its root's resource. dlt's own normalizer writes nested tables only
after the extraction, so dlt itself never meets the case; Arrow tables written by a resource do.

So such tables are put into the extraction's schema as dictionaries that answer `["resource"]` when
asked, while the key is not there: not for `in`, not for `get`, not for a copy or a dump. The same
serves a root table that several resources fill: a refresh of one does not drop what others brought.
`tests/test_nested_arrow.py` fails when dlt no longer needs it, or no longer takes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

import yaml
from dlt.common.schema import Schema
from dlt.common.schema.typing import TTableSchema


class NobodysTable(dict[str, Any]):
    """A table of a dlt schema that knows the resource that fills it without saying so."""

    def __init__(self, table: Mapping[str, Any], resource: str) -> None:
        super().__init__({key: value for key, value in table.items() if key != "resource"})
        self._resource = resource

    def __missing__(self, key: str) -> str:
        """Answers `table["resource"]`."""
        if key == "resource":
            return self._resource
        raise KeyError(key)


# A pipeline with import_schema_path or export_schema_path writes its schema as YAML.
yaml.add_representer(NobodysTable, lambda dumper, table: dumper.represent_dict(table))


def receive_arrow(schema: Schema, tables: Iterable[str], resource: str) -> None:
    """Makes tables of the schema under extraction nobody's, after a resource has filled them."""
    for name in schema.tables.keys() & tables:
        table = NobodysTable(schema.tables[name], resource)
        schema.tables[name] = cast("TTableSchema", table)
