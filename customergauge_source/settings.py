"""Constants: the names and numbers that the rest of the package shares."""

from __future__ import annotations

from typing import Final

__version__ = "0.1.0"

USER_AGENT: Final = f"customergauge-source/{__version__}"

REGIONS: Final = ("eu", "us", "au")
"""Where CustomerGauge hosts accounts (GET Responses, v7: "Host Region")."""

TOKEN_PATH: Final = "oauth2/token"  # noqa: S105 - a path, not a secret
RESPONSES_PATH: Final = "v7/rest/sync/responses"

INCLUDES: Final = ("selected_drivers", "tags", "questions", "properties")
"""What `with[]` can add to a response (GET Responses, v7)."""

PERIOD_FIELDS: Final = ("date_creation", "date_order", "date_sent", "date_survey_response")
"""What `period[field]` can name (GET Responses, v7)."""

PER_PAGE: Final = 1000
"""The API's largest page, and the size it asks for on a first load."""

UNKNOWN_FIELDS: Final = ("evolve", "ignore", "fail")

TOKEN_LIFE: Final = 3600.0
"""Seconds that a token lives when the answer does not say (KB/5000846993)."""

RETRY_TOTAL: Final = 900.0
"""Seconds after which no further try of a request begins, whatever the attempts left."""

EXCERPT: Final = 200
"""Characters of an unexpected answer that an error shows."""

CHECKPOINT_PAGES: Final = 25
"""Pages after which data and cursor are committed.

Measured (README, "Speed"): a package costs 0.7 s however small, which is hidden while the API is
waited for; the last one is not, and a crash costs one at most.
"""

PAGES_PER_ITEM: Final = 10
"""Pages that are handed to dlt together, if they are there already."""
