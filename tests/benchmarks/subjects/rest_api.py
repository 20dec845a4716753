"""dlt's `rest_api` source, configured for the same feed, in one run.

It cannot keep this feed's cursor, which is in the envelope and not in the records. For an idle
run it is handed the cursor, as by a user who keeps it elsewhere: the case in its favour.
"""

from __future__ import annotations

import argparse
from typing import Any

import dlt
from dlt.sources.helpers.rest_client.auth import OAuth2ClientCredentials
from dlt.sources.helpers.rest_client.paginators import JSONResponseCursorPaginator
from dlt.sources.rest_api import rest_api_source
from dlt.sources.rest_api.typing import RESTAPIConfig


def configuration(url: str, cursor: int | None) -> RESTAPIConfig:
    """Returns the declaration of the feed.

    Args:
        url: Scheme, host and port of the server.
        cursor: Where to begin; None for the oldest response.
    """
    params: dict[str, Any] = {"per_page": 1000}
    if cursor is not None:
        params["cursor"] = cursor
    return {
        "client": {
            "base_url": url,
            "auth": OAuth2ClientCredentials(
                access_token_url=f"{url}/oauth2/token",
                client_id="benchmark",
                client_secret="made-up",
            ),
            "paginator": JSONResponseCursorPaginator(
                cursor_path="cursor.next", cursor_param="cursor", stop_after_empty_page=True
            ),
        },
        "resources": [
            {
                "name": "responses",
                "primary_key": "number_customergauge",
                "write_disposition": "merge",
                "endpoint": {
                    "path": "v7/rest/sync/responses",
                    "data_selector": "data",
                    "params": params,
                },
            }
        ],
    }


def main() -> None:
    """Loads the feed in one run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--parquet", action="store_true", help="in place of insert_values")
    parser.add_argument("--cursor", type=int)
    options = parser.parse_args()
    pipeline = dlt.pipeline(
        "benchmark",
        destination=dlt.destinations.duckdb("responses.duckdb"),
        dataset_name="benchmark",
    )
    # insert_values is what dlt takes for DuckDB if it is not told otherwise.
    pipeline.run(
        rest_api_source(configuration(options.url, options.cursor), name="customergauge"),
        loader_file_format="parquet" if options.parquet else "insert_values",
    )


if __name__ == "__main__":
    main()
