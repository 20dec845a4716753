"""A destination's client, and what writes SQL for it in the language of the views."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dlt import Pipeline

from customergauge_source.dlt_bridge import lake
from customergauge_source.dlt_bridge.keeping import is_lake, present_of
from customergauge_source.exceptions import ConfigurationError
from customergauge_source.views import VIEWS
from customergauge_source.views.dialects import DIALECTS, Writer
from customergauge_source.views.hidden import Hidden
from customergauge_source.views.wide import SUBJECT


def check_dialect(pipeline: Pipeline, remedy: str = "Leave --views (views) out.") -> None:
    """Checks that views can be made at a destination.

    Args:
        pipeline: The pipeline of the destination.
        remedy: What to do if they cannot.

    Raises:
        ConfigurationError: They cannot.
    """
    if dialect_of(pipeline) not in DIALECTS:
        raise ConfigurationError(
            f"Views cannot be made in {pipeline.destination.destination_name}; they can in"
            f" {', '.join(DIALECTS)}.",
            remedy,
        )


@contextmanager
def opened(
    pipeline: Pipeline,
    source: str,
    lake_file: Path | None = None,
    only: Collection[str] | None = None,
) -> Iterator[tuple[Any, Writer]]:
    """Yields a client of the destination, and what writes its SQL.

    Args:
        pipeline: The pipeline of the destination.
        source: Name of the source, which is that of its schema.
        lake_file: The DuckDB file that keeps the views of a lake; by default nothing does.
        only: The tables that will be asked for, of a lake; by default all.
    """
    known = (source,) if source in pipeline.schemas else ()  # nothing was ever loaded
    is_in_lake = is_lake(pipeline) and known
    with (
        lake.opened(pipeline, source, lake_file, only)
        if is_in_lake
        else pipeline.destination_client(*known)
    ) as it:
        client: Any = it  # dlt has no name for a client with get_storage_tables
        sql = client.sql_client
        present: dict[str, str] = {}
        if not is_in_lake:  # which has views of that
            present = present_of(client.schema, client.schema.data_table_names(seen_data_only=True))

        def place(table: str) -> list[str]:
            return list(sql.make_qualified_table_name_path(table, quote=False))

        fold = sql.capabilities.casefold_identifier
        zone = str(_state(pipeline, source).get("timezone") or "UTC")

        def versions(table: str) -> list[str]:
            return lake.versions(place(table)) if is_in_lake else place(table)

        yield client, Writer(dialect_of(pipeline), VIEWS, zone, place, fold, present, versions)


def hidden(pipeline: Pipeline, source: str) -> Hidden:
    """Returns what the privacy policy has made of the responses that are loaded."""
    return Hidden.of(_state(pipeline, source).get("privacy"))


def _state(pipeline: Pipeline, source: str) -> dict[str, Any]:
    """Returns how what the views are about was loaded."""
    resources = pipeline.state.get("sources", {}).get(source, {}).get("resources", {})
    state: dict[str, Any] = resources.get(SUBJECT, {})
    return state


def execute(sql: Any, statements: Sequence[str]) -> None:  # noqa: ANN401 - dlt's client
    """Executes statements, in as few requests as the destination allows."""
    if statements:
        sql.execute_many([as_sent(sql, it) for it in statements])


def as_sent(sql: Any, statement: str) -> str:  # noqa: ANN401 - dlt's client
    """Returns a statement as dlt's client has to be given it."""
    if sql.capabilities.sqlglot_dialect == "bigquery":
        return statement.replace("%", "%%")  # the vendor's client takes two of them for one
    return statement


def dialect_of(pipeline: Pipeline) -> str:
    """Returns the dialect of a pipeline's destination, as sqlglot calls it."""
    return str(pipeline.destination.capabilities().sqlglot_dialect)
