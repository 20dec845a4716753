"""The answers of an analyst as views over the tables: what each is for, and its SQL."""

from __future__ import annotations

from customergauge_source.views.declared import VIEWS
from customergauge_source.views.view import View

__all__ = ["VIEWS", "View"]
