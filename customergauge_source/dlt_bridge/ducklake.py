"""The bucket of a DuckLake is looked into before its catalogue notes where it is.

A new catalogue keeps the address of its files as soon as it is opened, before a file is written. So
a bucket's name that is mistyped would stay there, and the right one be refused.
"""

from __future__ import annotations

from typing import Any, Final

from dlt import Pipeline

from customergauge_source.exceptions import DestinationError
from customergauge_source.secrecy import hide

_NO_FILE: Final = "customergauge-check-"
"""What no file's name begins with, so that a large bucket is not listed."""
_MAY_NOT_LIST: Final = "AccessDenied"
"""What S3 says to a key that it knows: one that may write and not list is enough for a lake."""


def check_bucket(pipeline: Pipeline) -> None:
    """Asks for a list of files, if a pipeline loads into a DuckLake on S3.

    Raises:
        DestinationError: There is no such bucket, or its server lets nobody in with these
            credentials, or cannot be reached.
    """
    if not pipeline.destination.destination_type.endswith(".ducklake"):
        return
    client: Any = pipeline.sql_client()
    storage = client.credentials.storage
    if storage.protocol != "s3":
        return
    import duckdb  # noqa: PLC0415 - for this destination alone
    from dlt.destinations.impl.duckdb.sql_client import DuckDbSqlClient  # noqa: PLC0415 - the same

    # DuckLake's own client would open the catalogue.
    connection = DuckDbSqlClient.open_connection(client)
    try:
        client.create_secret(storage.bucket_url, storage.credentials)
        connection.execute("FROM glob(?)", [f"{storage.bucket_url.rstrip('/')}/{_NO_FILE}*"])
    except duckdb.Error as error:
        told = hide(" ".join(str(error).partition("LINE 1:")[0].split()))
        if _MAY_NOT_LIST not in told:
            raise DestinationError(
                f"DuckLake's files at {storage.bucket_url} cannot be reached: {told:.400}",
                "Check bucket_url and credentials of [destination.ducklake.credentials.storage];"
                " nothing was requested, and nothing is written into the catalogue.",
            ) from error
    finally:
        DuckDbSqlClient.close_connection(client)
