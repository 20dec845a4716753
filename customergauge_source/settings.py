"""Constants: the names and numbers that several rooms share."""

from __future__ import annotations

from typing import Final

__version__ = "0.2.0"
RELEASE: Final = f"customergauge-source {__version__}"
"""Name and version, as commands tell them."""

REGIONS: Final = ("eu", "us", "au")
"""Where CustomerGauge hosts accounts (GET Responses, v7: "Host Region")."""

PERIOD_FIELDS: Final = ("date_creation", "date_order", "date_sent", "date_survey_response")
"""What `period[field]` can name (GET Responses, v7)."""

PER_PAGE: Final = 1000
"""The API's largest page, and the size it asks for on a first load."""

MAX_ANSWER_BYTES: Final = 256 * 1024 * 1024
"""Bytes of an answer, decoded; a documented page of 1,000 records has 1.3 million."""

UNKNOWN_FIELDS: Final = ("evolve", "ignore", "fail")

RETRY_TOTAL: Final = 900.0
"""Seconds after which no further try of a request begins, whatever the attempts left."""

ANSWER_TIMEOUTS: Final = 5
"""How many times `[runtime] request_timeout` an answer may take until it is whole.

By default five minutes, for a page that comes in a second; an answer that drips would keep every
single wait short, and never end.
"""

CHECKPOINT_PAGES: Final = 35
"""Pages after which data and cursor are committed.

Measured (docs/speed.md): a package costs 0.4 s of processor time however small. A crash costs what
is being loaded, and what is extracted meanwhile: two of them at most.
"""
