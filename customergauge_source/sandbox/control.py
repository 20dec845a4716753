"""``POST /_control/<order>``: changes of the data, for whoever is in another process.

The body is a JSON object with the order's arguments, those of the method of ``Company`` that it
names. No token is needed: it is not a part of the API.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .encoding import to_json
from .exchange import Answer, Request, message

if TYPE_CHECKING:
    from .company import Company

CONTROL_PATH = "/_control/"


class Control:
    """Takes orders to change a company's data."""

    def __init__(self, company: Company) -> None:
        """Name the orders."""
        self._orders: dict[str, Callable[..., object]] = {
            "arrive": company.arrive,
            "edit": company.edit,
            "remove": company.remove,
            "empty_day": company.empty_day,
            "become_response": company.become_response,
        }

    def answer(self, request: Request) -> Answer:
        """Carry out an order.

        Args:
            request: The request.

        Returns:
            200 with what the order returned, 404 for an unknown order or CGID, 405 for another
            method than POST, 422 for arguments that the order does not take.
        """
        order = self._orders.get(request.path.removeprefix(CONTROL_PATH))
        if request.method != "POST":
            return message(405, f"The {request.method} method is not supported for this route.")
        if order is None:
            return message(404, f"Unknown order; known: {', '.join(self._orders)}.")
        try:
            arguments: Any = json.loads(request.body or "{}")
            return Answer(200, to_json({"done": order(**arguments)}))
        except KeyError as unknown:
            return message(404, f"There is no {unknown}.")
        except (TypeError, ValueError) as error:
            return message(422, str(error))
