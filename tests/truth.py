"""What the tables must hold: told from the API's records alone, and compared by value.

It knows the API page (GET Responses, v7) and the table names of the README, and imports nothing
of the package.
"""

from __future__ import annotations

import base64
import json
import shutil
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import duckdb

from tests.support import DATASET

Row = tuple[Any, ...]

_TEXTS = ("status", "number_customer", "number_order", "email", "phone", "language", "locale")
_DATES = ("date_creation", "date_order", "date_sent", "date_survey_response")
_NESTED = (
    ("contact", "first_name"),
    ("contact", "last_name"),
    ("account", "name"),
    ("account", "number"),
    ("comment", "original"),
    ("comment", "translation"),
    ("follow_up", "requested"),
    ("follow_up", "details"),
)
_COLUMNS = (*_TEXTS, "nps", *_DATES, *("__".join(path) for path in _NESTED))
_CHILDREN = {
    "responses__tags": ("tags", ("label", "type", "sentiment")),
    "responses__questions": ("questions", ("title", "answer")),
    "responses__selected_drivers": ("selected_drivers", ("primary",)),
    "responses__properties": ("properties", ("field", "reference")),
}
_SECONDARY = "responses__selected_drivers__secondary"


def differences(file: Path, records: Iterable[dict[str, Any]]) -> list[str]:
    """Returns how the tables of a DuckDB file differ from the API's records; nothing if equal.

    Args:
        file: The DuckDB file; nobody else holds it open.
        records: All records that the API has delivered, oldest first; the later of two with the
            same CGID counts.
    """
    latest = {record["number_customergauge"]: record for record in records}
    with duckdb.connect(str(file), read_only=True) as connection:
        connection.execute(f"USE {DATASET}")
        connection.execute("SET TimeZone = 'UTC'")
        return [*_in_values(connection, list(latest.values())), *_in_links(connection)]


def loaded(file: Path) -> list[int]:
    """Returns the CGIDs in a DuckDB file, sorted; none if nothing was ever loaded."""
    if not file.exists():
        return []
    with duckdb.connect(str(file), read_only=True) as connection:
        try:
            rows = connection.execute(
                f"SELECT number_customergauge FROM {DATASET}.responses ORDER BY ALL"
            ).fetchall()
        except duckdb.CatalogException:
            return []
    return [cgid for (cgid,) in rows]


def as_after_a_crash(file: Path) -> Path:
    """Returns a copy of a DuckDB file in use: what would be there if its process died now."""
    copy = file.with_name(f"{file.stem}-copied.duckdb")
    for suffix in ("", ".wal"):
        copied = copy.with_name(copy.name + suffix)
        copied.unlink(missing_ok=True)
        if (original := file.with_name(file.name + suffix)).exists():
            shutil.copyfile(original, copied)
    return copy


def stored_cursor(file: Path) -> int | None:
    """Returns the cursor in the state that was committed last to a DuckDB file."""
    with duckdb.connect(str(file), read_only=True) as connection:
        ((text,),) = connection.execute(
            f"SELECT state FROM {DATASET}._dlt_pipeline_state ORDER BY version DESC LIMIT 1"
        ).fetchall()
    state = json.loads(zlib.decompress(base64.b64decode(text)))
    cursors = state["sources"]["customergauge"]["resources"]["responses"]["cursors"]
    (entry,) = cursors.values()
    cursor: int | None = entry.get("cursor")
    return cursor


def _in_values(connection: Any, records: list[dict[str, Any]]) -> Iterator[str]:
    queries = {
        "responses": f"SELECT number_customergauge, {', '.join(_COLUMNS)} FROM responses",
        **{table: _select(table, columns) for table, (_, columns) in _CHILDREN.items()},
        _SECONDARY: (
            "SELECT child.number_customergauge, parent._dlt_list_idx, child._dlt_list_idx, value"
            f" FROM {_SECONDARY} child JOIN responses__selected_drivers parent"
            " ON child._dlt_parent_id = parent._dlt_id"
        ),
        "rejected_records": "SELECT record FROM rejected_records",
        "responses__rejected_values": "SELECT value FROM responses__rejected_values",
    }
    for table, sql in queries.items():
        there = Counter(connection.execute(sql).fetchall())
        wanted = Counter(_expected(table, records))
        for kind, rows in (("missing", wanted - there), ("too many", there - wanted)):
            if rows:
                yield f"{table}: {rows.total()} {kind}, such as {next(iter(rows))}"


def _select(table: str, columns: Iterable[str]) -> str:
    quoted = ", ".join(f'"{column}"' for column in columns)  # primary is a word of SQL
    return f"SELECT number_customergauge, _dlt_list_idx, {quoted} FROM {table}"


def _expected(table: str, records: list[dict[str, Any]]) -> Iterator[Row]:
    for record in records:
        cgid = record["number_customergauge"]
        if table == "responses":
            yield (
                cgid,
                *(record[name] for name in (*_TEXTS, "nps")),
                *(_moment(record[name]) for name in _DATES),
                *(record[outer][inner] for outer, inner in _NESTED),
            )
        elif table == _SECONDARY:
            for place, driver in enumerate(record["selected_drivers"]):
                for index, value in enumerate(driver["secondary"]):
                    yield cgid, place, index, value
        elif table in _CHILDREN:
            key, columns = _CHILDREN[table]
            for index, item in enumerate(record[key]):
                yield cgid, index, *(item.get(column) for column in columns)


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=timezone.utc)


def _in_links(connection: Any) -> Iterator[str]:
    """Tells of rows whose dlt keys are not unique, or lead to no row or to another response."""
    parents = {**dict.fromkeys(_CHILDREN, "responses"), _SECONDARY: "responses__selected_drivers"}
    for table in ("responses", *parents):
        key = "number_customergauge" if table == "responses" else "_dlt_id"
        for column in {key, "_dlt_id"}:
            sql = f"SELECT count(*) - count(DISTINCT {column}) FROM {table}"
            if again := connection.execute(sql).fetchone()[0]:
                yield f"{table}: {again} times a {column} that is there already"
    for table, parent in parents.items():
        for key, target in (("_dlt_parent_id", parent), ("_dlt_root_id", "responses")):
            sql = (
                f"SELECT count(*) FROM {table} child ANTI JOIN {target} up ON child.{key} ="
                " up._dlt_id AND child.number_customergauge = up.number_customergauge"
            )
            if orphans := connection.execute(sql).fetchone()[0]:
                yield f"{table}: {orphans} rows whose {key} leads nowhere"
