"""A Google service account that exists on this machine only, and the token service it trusts.

dlt refuses anonymous credentials for BigQuery, so the vendor's client signs in for real: with a
key made a moment ago, at an address that is a stub.
"""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_TOKEN = json.dumps({"access_token": "t", "expires_in": 3600, "token_type": "Bearer"}).encode()


class _TokenHandler(BaseHTTPRequestHandler):
    """Answers every request for a token with the same token."""

    def do_POST(self) -> None:
        """Read the signed request and answer it."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(_TOKEN)))
        self.end_headers()
        self.wfile.write(_TOKEN)

    def log_message(self, *_: object) -> None:
        """Say nothing; the base class would write to stderr."""


@contextmanager
def token_service() -> Iterator[str]:
    """Run the stub of a token service and yield its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _TokenHandler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/token"
        finally:
            server.shutdown()
            thread.join()


def service_account(*, project: str, token_uri: str) -> str:
    """Return a service-account file for a project, with a fresh key.

    Args:
        project: The project's id.
        token_uri: Where the vendor's client gets its tokens.

    Returns:
        The JSON text, in the form of a key file downloaded from Google Cloud.
    """
    # Here, not at the top: the package comes with the clients of the warehouses, and without them
    # the tests are to be skipped, not to fail while they are collected.
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return json.dumps(
        {
            "type": "service_account",
            "project_id": project,
            "private_key_id": "0" * 40,
            "private_key": pem.decode(),
            "client_email": f"loader@{project}.iam.gserviceaccount.com",
            "client_id": "1",
            "token_uri": token_uri,
        }
    )
