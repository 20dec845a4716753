"""The present state of tables that have every version of a record: of each the latest.

One definition, whatever the tables lie in: the latest version of each record among the loads that
are done, its children with it, unless it was noticed later that the record is gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from customergauge_source.tables.shape import deleted_table
from customergauge_source.views.view import View

VERSIONS: Final = "versions"
"""Qualifies a table in a definition: the one that has all versions."""

CURRENT: Final = "current_"
"""How the name of the view of a table's present state begins, beside the table."""

_DONE: Final = f"SELECT load_id FROM {VERSIONS}._dlt_loads WHERE status = 0"
_LATEST = "latest_{}"


def definitions(keys: Mapping[str, str], roots: Mapping[str, str]) -> dict[str, str]:
    """Returns queries, in DuckDB's dialect, for the present state of tables, by their names.

    Args:
        keys: The column that tells the records of each root table apart.
        roots: Of each table the root table that it hangs under; of a root table itself.
    """
    found = {}
    for root, key in keys.items():
        deleted = deleted_table(root) if deleted_table(root) in keys else ""
        found[_LATEST.format(root)] = _latest(root, _quoted(key), deleted)
    for table, root in roots.items():
        row = "_dlt_id" if table == root else "_dlt_root_id"
        found[table] = f"""
            SELECT present.*
            FROM {VERSIONS}.{_quoted(table)} AS present
            JOIN {_quoted(_LATEST.format(root))} AS latest
                ON latest._dlt_load_id = present._dlt_load_id AND latest._dlt_id = present.{row}
        """
    return found


def view_of(table: str, description: str, columns: Mapping[str, str]) -> View:
    """Returns the view of a table's present state.

    Args:
        table: Its name.
        description: What it is.
        columns: What each of its columns means; they stay those of the view when it gets others.
    """
    selected = ", ".join(map(_quoted, columns))
    text = f"The present state of {table}. {description}".strip()
    return View(text, columns, f"SELECT {selected} FROM {_quoted(table)}")


def _latest(root: str, key: str, deleted: str) -> str:
    """Returns the query for load and id of the latest version of each record."""
    ranked = f"""
        SELECT
            {key} AS record, _dlt_load_id, _dlt_id,
            ROW_NUMBER() OVER (
                PARTITION BY {key} ORDER BY _dlt_load_id DESC, _dlt_id DESC
            ) AS place
        FROM {VERSIONS}.{_quoted(root)}
        WHERE _dlt_load_id IN ({_DONE})
    """
    if not deleted:
        return f"SELECT _dlt_load_id, _dlt_id FROM ({ranked}) AS ranked WHERE place = 1"
    return f"""
        SELECT ranked._dlt_load_id, ranked._dlt_id
        FROM ({ranked}) AS ranked
        LEFT JOIN (
            SELECT {key} AS record, MAX(_dlt_load_id) AS noticed
            FROM {VERSIONS}.{_quoted(deleted)}
            WHERE _dlt_load_id IN ({_DONE})
            GROUP BY {key}
        ) AS gone ON gone.record = ranked.record
        WHERE ranked.place = 1
            AND (gone.noticed IS NULL OR gone.noticed <= ranked._dlt_load_id)
    """


def _quoted(name: str) -> str:
    return f'"{name}"'
