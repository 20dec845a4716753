"""One request as it came in, and the answer to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus

from .encoding import to_json
from .pages import Page

JSON = "application/json"
HTML = "text/html; charset=UTF-8"


@dataclass(frozen=True)
class Request:
    """A request that the sandbox received.

    Attributes:
        method: ``GET``, ``POST`` …
        path: The path without the query.
        query: The parameters of the query in the order in which they came, decoded.
        status: The status of the answer; None if none was sent, or none yet.
        headers: The header fields as they were spelled.
        body: The body as text.
    """

    method: str
    path: str
    query: list[tuple[str, str]] = field(default_factory=list)
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""

    def header(self, name: str) -> str:
        """Return a header field, whatever its case; empty if it was not sent."""
        values = (value for key, value in self.headers.items() if key.lower() == name.lower())
        return next(values, "")


@dataclass(frozen=True)
class Answer:
    """An answer of the sandbox.

    Attributes:
        status: The HTTP status.
        body: The body.
        content_type: Its media type.
        headers: Further header fields.
        page: The page that the body holds, if it is one.
    """

    status: int
    body: bytes
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)
    page: Page | None = None

    @property
    def ok(self) -> bool:
        """Whether the request was good."""
        return self.status < HTTPStatus.MULTIPLE_CHOICES


def message(status: int, text: str, **members: object) -> Answer:
    """Return a JSON answer with a ``message``, as the API's errors have it."""
    return Answer(status, to_json({"message": text, **members}))


def unauthenticated() -> Answer:
    """Return the documented 401 (GET Responses, v7)."""
    return message(401, "Unauthenticated.")


def invalid(errors: dict[str, list[str]]) -> Answer:
    """Return a 422 in the form of the framework behind the API: the first error, then all."""
    first = next(iter(errors.values()))[0]
    return message(422, first, errors=errors)


def html(status: int, text: str) -> Answer:
    """Return a page for people, as a proxy or a login screen would send it."""
    body = f"<!DOCTYPE html>\n<html><head><title>{text}</title></head><body>{text}</body></html>\n"
    return Answer(status, body.encode(), HTML)
