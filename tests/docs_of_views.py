"""What the docs say of the views, generated from their declarations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from sqlglot import exp

from customergauge_source.resources import RESPONSES
from customergauge_source.views import VIEWS, View
from customergauge_source.views.dialects import Writer
from customergauge_source.views.figures import NPS_COLUMNS
from customergauge_source.views.wide import WIDE, wide

PAGE: Final = "docs/views.md"
_OF_RESPONSES = {name: column.description for name, column in RESPONSES.record.columns()}
_OF_ACCOUNT = {**VIEWS, WIDE: wide(_OF_RESPONSES, {"…": "…"})}
_WRITER = Writer("duckdb", VIEWS, "UTC", lambda table: [table], str)
_STEPS = {
    exp.Join: "join",
    exp.Distinct: "distinct",
    exp.Window: "window",
    exp.Group: "aggregation",
}


def written() -> Iterator[tuple[str, str, str]]:
    """Yields page, marker and text of each generated part."""
    yield PAGE, "figures of NPS", "\n".join(_rows(NPS_COLUMNS))
    yield PAGE, "what the views read", "\n".join(_costs())
    yield PAGE, "columns of the views", "\n".join(_column_tables())


def tables_read() -> dict[str, list[str]]:
    """Returns by view the tables in its text, each as often as it stands there."""
    return {name: [*_tables(view)] for name, view in _OF_ACCOUNT.items()}


def _tables(view: View) -> Iterator[str]:
    named = _WRITER.tables(view.sql)
    tables = _WRITER.expanded(view.sql).find_all(exp.Table)
    return (table.name for table in tables if table.name in named)


def _costs() -> Iterator[str]:
    yield from ("", "| view | tables | work |", "|---|---|---|")
    for name, tables in tables_read().items():
        tree = _WRITER.expanded(_OF_ACCOUNT[name].sql)
        work = ", ".join(word for step, word in _STEPS.items() if tree.find(step))
        read = ", ".join(f"`{table}`" for table in sorted(tables))
        yield f"| `{name}` | {read} | {work or 'row by row'} |"


def _column_tables() -> Iterator[str]:
    for name, view in _OF_ACCOUNT.items():
        columns, left_out = dict(view.columns), ""
        if columns.items() >= NPS_COLUMNS.items():
            columns = {it: text for it, text in columns.items() if it not in NPS_COLUMNS}
            left_out = " Its columns are these and [the figures of NPS](#the-figures):"
        elif name == WIDE:
            columns = {it: text for it, text in columns.items() if it not in _OF_RESPONSES}
            left_out = " Its columns are those of [`responses`](tables.md#responses), and these:"
        yield from ("", f"**`{name}`**: {view.description}{left_out}")
        yield from _rows(columns)


def _rows(columns: Mapping[str, str]) -> Iterator[str]:
    yield from ("", "| column | |", "|---|---|")
    yield from (f"| `{name}` | {text} |" for name, text in columns.items())
