"""The resources of the sync API, one declaration each; nothing else knows one by name."""

from __future__ import annotations

from typing import Final

from customergauge_source.resources.close_loop import CLOSE_LOOP
from customergauge_source.resources.non_responses import NON_RESPONSES
from customergauge_source.resources.resource import Resource
from customergauge_source.resources.responses import RESPONSES

__all__ = ["CLOSE_LOOP", "DEFAULT", "NON_RESPONSES", "RESOURCES", "RESPONSES", "Resource"]

RESOURCES: Final = (RESPONSES, NON_RESPONSES, CLOSE_LOOP)
DEFAULT: Final = (RESPONSES.name,)
"""What is loaded if nothing is asked for by name."""
