"""What a fault makes of a good answer, as far as it concerns the answer and not the wire."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from email.utils import format_datetime
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from .encoding import to_json
from .exchange import Answer, html, invalid, message, unauthenticated
from .pages import Page, envelope
from .tokens import refused_client

if TYPE_CHECKING:
    from .exchange import Request
    from .faults import Fault

# Nothing listens there, and it is a host that a token must not be sent to.
_ELSEWHERE = "http://127.0.0.2:9"
_ERRORS = {
    "429": message(429, "Too Many Attempts."),
    "500": message(500, "Server Error"),
    "502": html(502, "502 Bad Gateway"),
    "503": message(503, "Service Unavailable"),
    "504": html(504, "504 Gateway Time-out"),
    "400": message(400, "Bad Request"),
    "401": unauthenticated(),
    "403": message(403, "This action is unauthorized."),
    "404": message(404, "Not Found."),
    "422": invalid({"filter": ["The selected filter is invalid."]}),
    "html": html(200, "Sign in to CustomerGauge"),
    "refused": refused_client(),
    "missing": Answer(200, to_json({"token_type": "Bearer", "expires_in": 3600})),
}


def broken(fault: Fault, good: Answer, request: Request) -> Answer:
    """Return what a fault makes of a good answer.

    Args:
        fault: The fault.
        good: The answer that the request would get without it.
        request: The request.

    Returns:
        The answer to send; the good one for faults of the wire, such as ``reset``.
    """
    effect = fault.effect
    if effect in _ERRORS:
        return replace(_ERRORS[effect], headers=_retry_after(fault))
    if effect == "redirect":
        return _redirect(fault, request)
    if effect.startswith("leak"):
        return _leak(effect, request)
    if good.page is not None:
        return _broken_page(effect, good, good.page)
    # Half a token answer could hold half a token, which no client could recognise.
    return Answer(200, b'{"token_type": "Bearer" ') if effect == "invalid-json" else good


def _retry_after(fault: Fault) -> dict[str, str]:
    """Return the ``Retry-After`` header of a 429 or 503, if it has one."""
    if fault.effect not in {"429", "503"}:
        return {}
    wait = fault.retry_after
    if wait is None:
        wait = 1 if fault.effect == "429" else ""
    if isinstance(wait, datetime):
        wait = format_datetime(wait.astimezone(timezone.utc), usegmt=True)
    return {} if wait == "" else {"Retry-After": str(wait)}


def _redirect(fault: Fault, request: Request) -> Answer:
    """Lead elsewhere; a token request keeps its method and body, so that both would leak."""
    query = f"?{urlencode(request.query)}" if request.query else ""
    location = fault.location or f"{_ELSEWHERE}{request.path}{query}"
    status = 307 if fault.endpoint == "token" else 302
    return replace(html(status, "Redirecting"), headers={"Location": location})


def _leak(effect: str, request: Request) -> Answer:
    """Repeat the secrets of a request, as careless error pages do."""
    secrets = f"Authorization: {request.header('authorization')} {request.body}"
    if effect == "leak-403":
        return message(403, f"Forbidden for {secrets}")
    return html(200 if effect == "leak-html" else 500, f"Debug: {secrets}")


def _broken_page(effect: str, good: Answer, page: Page) -> Answer:
    """Break the envelope of a page."""
    sent = page.sent or 0
    last = sent if page.last is None else page.last
    first = b'{"0":' + page.rows[0] + b"}" if page.rows else b"{}"
    bodies = {
        "invalid-json": good.body[: len(good.body) // 2],
        "no-data": to_json({"message": "ok"}),
        "null-data": envelope(b"null", cursor={"next": last}),
        "object-data": envelope(first, cursor={"next": last}),
        "cursor-absent": envelope(page.data),
    }
    if effect in bodies:
        return Answer(200, bodies[effect])
    cursors: dict[str, object] = {
        "cursor-text": "abc",
        "cursor-still": sent,
        "cursor-back": sent - 1,
        "cursor-null": None,
        "cursor-string": str(last),
        "cursor-float": last + 0.5,
        "cursor-bool": True,
    }
    if effect in cursors:
        return Answer(200, envelope(page.data, cursor={"next": cursors[effect]}))
    return good
