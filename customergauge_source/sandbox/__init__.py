"""A local CustomerGauge: the documented API on a real socket, over seeded survey data.

It follows the API page (GET Responses, v7) and imports nothing of the client, so that it stays
an independent witness. ``python -m customergauge_source.sandbox`` serves it alone.
"""

from __future__ import annotations

from .exchange import Request
from .faults import Fault, parse_fault
from .feed import DATA_PATH
from .parameters import DETRACTORS_FILTER, PROMOTERS_FILTER
from .service import Sandbox
from .tokens import TOKEN_PATH

__all__ = [
    "DATA_PATH",
    "DETRACTORS_FILTER",
    "PROMOTERS_FILTER",
    "TOKEN_PATH",
    "Fault",
    "Request",
    "Sandbox",
    "parse_fault",
]
