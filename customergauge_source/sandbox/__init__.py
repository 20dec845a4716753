"""A local CustomerGauge: the documented API on a real socket, over seeded survey data.

It follows the API's pages (GET Responses, v7; KB/5000877703; KB/5000880297) and imports nothing
of the client, so that it stays an independent witness. ``python -m customergauge_source.sandbox``
serves it alone.
"""

from __future__ import annotations

from .exchange import Request
from .faults import Fault, parse_fault
from .feed import DATA_PATH, SYNC_PATH
from .filters import DETRACTORS_FILTER, PROMOTERS_FILTER
from .service import Sandbox
from .tokens import TOKEN_PATH

__all__ = [
    "DATA_PATH",
    "DETRACTORS_FILTER",
    "PROMOTERS_FILTER",
    "SYNC_PATH",
    "TOKEN_PATH",
    "Fault",
    "Request",
    "Sandbox",
    "parse_fault",
]
