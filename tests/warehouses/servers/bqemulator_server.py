"""Run bqemulator; started by the Python of the `bqemulator` environment.

bqemulator 1.4.0 differs from BigQuery in two ways that dlt notices, one of them dangerous: it
reports a failed query as a success. Both are mended on the emulator's side; dlt and the vendor's
client stay as they are. Usage: bqemulator_server.py PORT GRPC_PORT PROJECT
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import bqemulator.api.app as web
import bqemulator.server as serving
from bqemulator.cli import main
from duckdb_extensions import import_extension

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Message = dict[str, Any]
    Send = Callable[[Message], Awaitable[None]]
    Application = Callable[[Message, Callable[[], Awaitable[Message]], Send], Awaitable[None]]


def corrected(content: dict[str, Any], *, status: int, asks_for_results: bool) -> tuple[int, Any]:
    """Return the status and the body that BigQuery would have answered to a query.

    Args:
        content: The emulator's body.
        status: The emulator's status.
        asks_for_results: Whether the request polls a query that runs.
    """
    # BigQuery sends no rows with the answer to a poll. The client takes an empty list for the
    # first page, and the result for empty.
    if asks_for_results and content.get("rows") == []:
        del content["rows"]
    # BigQuery answers a failing query with an error; the client ignores a list of errors in a
    # success.
    failed = content.get("errors") and content.get("schema") == {"fields": []}
    if status != 200 or not failed:
        return status, content
    error = content["errors"][0]
    message = error.get("message", "")
    if "does not exist" in message or "Not found" in message:
        error["reason"] = "notFound"
    code = 404 if error.get("reason") == "notFound" else 400
    return code, {"error": {"code": code, "message": message, "errors": [error]}}


class CorrectedQueries:
    """Middleware that corrects the answers to queries and passes everything else on."""

    def __init__(self, app: Application) -> None:
        """Wrap an ASGI application."""
        self.app = app

    async def __call__(
        self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Send
    ) -> None:
        """Serve one request."""
        path = scope.get("path", "")
        is_poll = "/queries/" in path and b"maxResults=0" in scope.get("query_string", b"")
        starts_query = scope.get("method") == "POST" and path.endswith("/queries")
        if not (is_poll or starts_query):
            await self.app(scope, receive, send)
            return
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        await self.app(scope, receive, keep)
        start, *parts = messages
        body = b"".join(part.get("body", b"") for part in parts)
        status, content = corrected(
            json.loads(body), status=start["status"], asks_for_results=is_poll
        )
        body = json.dumps(content).encode()
        headers = [header for header in start["headers"] if header[0].lower() != b"content-length"]
        headers.append((b"content-length", str(len(body)).encode()))
        await send(start | {"status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def patch_answers() -> None:
    """Put the middleware around every application that the emulator creates."""
    create = web.create_app

    def create_corrected(context: Any) -> Any:
        app = create(context)
        app.add_middleware(CorrectedQueries)
        return app

    web.create_app = create_corrected
    # The server module imported the function by name.
    serving.create_app = create_corrected


def serve(port: str, grpc_port: str, project: str) -> None:
    """Serve BigQuery's REST interface, in memory, until killed."""
    # DuckDB would download the extension; installed from its package it works without a network.
    import_extension("spatial")
    patch_answers()
    ports = ["--rest-port", port, "--grpc-port", grpc_port]
    main(["start", *ports, "--project", project, "--ephemeral"])


if __name__ == "__main__":
    serve(*sys.argv[1:])
