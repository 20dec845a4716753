"""A chart of the report: what it shows, as Vega-Lite and as the columns of its table.

Vega-Lite has been stable for ten years and is kept by more than one hand; it draws SVG, so that a
print is sharp, and it hovers and resizes by itself. Its specs are JSON, so they are plain dicts
here: Altair would be a second language for the same words, and brings a dozen packages. Only
`vl-convert-python` is needed, which holds the JavaScript of Vega, Vega-Lite and vega-embed as one
script, for a page that asks no server for anything.

`page.js` makes the rows. Each has what the spec draws, and under `text` the same figures as a
person reads them: the table and the hover text both show those, so they cannot differ.
"""

from __future__ import annotations

from typing import NamedTuple

from customergauge_source.report.marks import CONFIG, Spec


class Column(NamedTuple):
    """A column of a chart's table, and a line of its hover text."""

    key: str
    """The field of a row."""
    title: str
    kind: str = "count"
    """How it is written: text, count, signed, margin, number, percent."""


class Chart(NamedTuple):
    """A chart and its table."""

    caption: str
    columns: tuple[Column, ...]
    encoding: Spec
    layers: tuple[Spec, ...]
    """The last is what the pointer meets."""
    height: int
    """In pixels; of a chart with a row for each name, of one row."""
    rows: bool = False

    def declared(self) -> Spec:
        """Returns the chart as the page takes it."""
        return {
            "caption": self.caption,
            "columns": [it._asdict() for it in self.columns],
            "step": self.height if self.rows else None,
            "spec": self.spec(),
        }

    def spec(self) -> Spec:
        """Returns the Vega-Lite spec; its rows come from the page, under `rows`."""
        *drawn, target = self.layers
        tooltip = [{"field": f"text.{it.key}", "title": it.title} for it in self.columns]
        return {
            "data": {"name": "rows"},
            "width": 300,
            "height": self.height,
            "autosize": {"type": "fit-x", "contains": "padding"},
            "padding": 4,
            "encoding": self.encoding,
            "layer": [*drawn, target | {"encoding": target["encoding"] | {"tooltip": tooltip}}],
            "config": CONFIG,
        }
