"""The views, by name.

Where responses are counted each counts once in a row, whatever its lists hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from customergauge_source.resources import RESPONSES
from customergauge_source.views.answers import ANSWERS
from customergauge_source.views.drivers import DRIVERS
from customergauge_source.views.scores import SCORES
from customergauge_source.views.view import View
from customergauge_source.views.wide import WIDE, wide

_COLUMNS = {name: column.description for name, column in RESPONSES.record.columns()}

VIEWS: Final[Mapping[str, View]] = {**SCORES, **DRIVERS, **ANSWERS, WIDE: wide(_COLUMNS, {})}
"""All views; `responses_wide` as it is of an account without segments."""
