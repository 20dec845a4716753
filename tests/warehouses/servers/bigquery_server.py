"""Run local-bigquery; started by the Python of the `bigquery` environment.

The emulator itself is used as it comes. Usage: bigquery_server.py PORT GRPC_PORT FOLDER PROJECT
"""

from __future__ import annotations

import sys

from duckdb_extensions import import_extension
from local_bigquery.cli import main


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
    place = ["--host", "127.0.0.1", "--port", port, "--grpc-port", grpc_port]
    main(["serve", *place, "--data-dir", folder, "--project", project])


if __name__ == "__main__":
    serve(*sys.argv[1:])
