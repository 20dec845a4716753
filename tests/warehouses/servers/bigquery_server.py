"""Run local-bigquery; started by the Python of the `bigquery` environment.

The emulator answers as it comes; two patches make it quicker, by half for a small load package.
Usage: bigquery_server.py PORT GRPC_PORT FOLDER PROJECT
"""

from __future__ import annotations

import sys
from typing import Any

import duckdb
from duckdb_extensions import import_extension
from local_bigquery.cli import main
from local_bigquery.engine import database

_OBJECTS = """
SELECT table_name, 'TABLE', coalesce(record_count, 0)
FROM {lake}.ducklake_table AS it JOIN {lake}.ducklake_schema AS place USING (schema_id)
LEFT JOIN {lake}.ducklake_table_stats USING (table_id)
WHERE schema_name = $1 AND table_name = coalesce($2, table_name)
AND it.end_snapshot IS NULL AND place.end_snapshot IS NULL
UNION ALL
SELECT view_name, 'VIEW', 0
FROM {lake}.ducklake_view AS it JOIN {lake}.ducklake_schema AS place USING (schema_id)
WHERE schema_name = $1 AND view_name = coalesce($2, view_name)
AND it.end_snapshot IS NULL AND place.end_snapshot IS NULL
ORDER BY 1
"""


def patch_threads() -> None:
    """Let DuckDB use one thread: the statements are tiny, and their threads wait for each other."""
    connect: Any = duckdb.connect

    def connect_with_one_thread(*args: Any, config: Any = None, **kwargs: Any) -> Any:
        return connect(*args, config={"threads": 1} | (config or {}), **kwargs)

    duckdb.connect = connect_with_one_thread


def patch_objects() -> None:
    """Look a table or view up in the catalog of its project's DuckLake.

    The emulator has DuckDB list every table of every dataset, with its size, several times for
    each statement: a quarter of all time, and more with each dataset.
    """
    listed = database.objects

    def objects(project: str, dataset: str, table: str | None = None) -> list[tuple[Any, ...]]:
        if project == "emulator":  # the results of queries, which are in no DuckLake
            found: list[tuple[Any, ...]] = listed(project, dataset, table)
            return found
        lake = database.quote(f"__ducklake_metadata_{project}")
        rows: list[tuple[Any, ...]] = database.fetch(_OBJECTS.format(lake=lake), [dataset, table])
        return rows

    database.objects = objects


def serve(port: str, grpc_port: str, folder: str, project: str) -> None:
    """Serve BigQuery's REST interface on loopback until killed.

    Args:
        port: Port of the REST interface.
        grpc_port: Port of the storage interface, which dlt does not use.
        folder: Where the emulator keeps its data.
        project: The project that exists from the start.
    """
    # The emulator keeps tables in DuckLake, takes time zones from ICU and geography from spatial,
    # and answers no query without all three. DuckDB would download them; installed from packages
    # they work without a network.
    for extension in ("icu", "ducklake", "spatial"):
        import_extension(extension)
    patch_threads()
    patch_objects()
    place = ["--host", "127.0.0.1", "--port", port, "--grpc-port", grpc_port]
    main(["serve", *place, "--data-dir", folder, "--project", project])


if __name__ == "__main__":
    serve(*sys.argv[1:])
