"""The token endpoint, ``POST /oauth2/token`` (KB/5000846993)."""

from __future__ import annotations

import math
import secrets
import threading
import time
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from .encoding import to_json
from .exchange import Answer, message

if TYPE_CHECKING:
    from .exchange import Request

TOKEN_PATH = "/oauth2/token"  # noqa: S105  # a path, not a password
CLIENT_ID = "sandbox-client-id"
# Long and unlike anything else, so that a test can search for it in what a program wrote.
CLIENT_SECRET = "sandbox-client-secret-7c1f0b52e9a84d63"  # noqa: S105  # opens nothing but this
_FORM = "application/x-www-form-urlencoded"


class Tokens:
    """Issues bearer tokens and knows which ones are good."""

    def __init__(self, life: float) -> None:
        """Start without tokens.

        Args:
            life: Seconds for which a token is good.
        """
        self._life = life
        self._lock = threading.Lock()
        self._expiry: dict[str, float] = {}

    @property
    def issued(self) -> list[str]:
        """Every token issued so far, expired ones too."""
        with self._lock:
            return list(self._expiry)

    def answer(self, request: Request) -> Answer:
        """Answer a request for a token.

        Credentials count in the form body only: in a URL they would end up in logs.

        Args:
            request: The request.

        Returns:
            200 with the token, 400 for a request of another form or grant, 401 for wrong
            credentials, 405 for another method than POST.
        """
        if request.method != "POST":
            text = f"The {request.method} method is not supported for this route."
            return message(405, text)
        if request.query or not request.header("content-type").lower().startswith(_FORM):
            return _refused(400, "invalid_request", f"Send the parameters as {_FORM}")
        form = {name: values[-1] for name, values in parse_qs(request.body).items()}
        if form.get("grant_type") != "client_credentials":
            return _refused(400, "unsupported_grant_type", "The grant type is not supported")
        given = form.get("client_id"), form.get("client_secret")
        if given != (CLIENT_ID, CLIENT_SECRET):
            return refused_client()
        return Answer(200, to_json(self._issue()))

    def accepts(self, authorization: str) -> bool:
        """Tell whether an ``Authorization`` header holds a token that is good now."""
        scheme, _, token = authorization.partition(" ")
        with self._lock:
            expiry = self._expiry.get(token.strip(), -math.inf)
        return scheme.lower() == "bearer" and time.monotonic() < expiry

    def expire(self) -> None:
        """Make every token issued so far invalid."""
        with self._lock:
            self._expiry = dict.fromkeys(self._expiry, -math.inf)

    def _issue(self) -> dict[str, object]:
        """Issue a token."""
        token = f"sandbox-token-{secrets.token_hex(20)}"
        with self._lock:
            self._expiry[token] = time.monotonic() + self._life
        expires_in = math.ceil(self._life)
        return {"access_token": token, "token_type": "Bearer", "expires_in": expires_in}


def _refused(status: int, error: str, text: str) -> Answer:
    """Return an OAuth2 error."""
    return Answer(status, to_json({"error": error, "message": text}))


def refused_client() -> Answer:
    """Return the answer to wrong credentials."""
    return _refused(401, "invalid_client", "Client authentication failed")
