"""From the one text of a view to the statements of an engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import sqlglot
from sqlglot import exp
from sqlglot.errors import ErrorLevel

from customergauge_source.views.figures import BLOCKS
from customergauge_source.views.view import View

DIALECTS: Final = ("duckdb", "postgres", "bigquery", "snowflake")


@dataclass(frozen=True)
class Writer:
    """Writes SQL for one engine and one dataset.

    Attributes:
        dialect: One of `DIALECTS`.
        views: The views, by name.
        zone: IANA name of the zone whose clock months are taken from.
        place: Returns the parts of a table's full name, from the catalog down.
        fold: Returns an identifier as the engine spells it.
        present: Queries for the present state of tables that have every version, by their names.
        versions: Returns the parts of the full name of such a table, with its versions; by default
            as `place`.
    """

    dialect: str
    views: Mapping[str, View]
    zone: str
    place: Callable[[str], list[str]]
    fold: Callable[[str], str]
    present: Mapping[str, str] = field(default_factory=dict)
    versions: Callable[[str], list[str]] | None = None

    @cached_property
    def _sources(self) -> dict[str, Any]:
        texts = {name: view.sql for name, view in self.views.items()}
        texts = {**BLOCKS, **texts, **self.present}
        return {name: _parsed(text) for name, text in texts.items()}

    def expanded(self, text: str) -> Any:  # noqa: ANN401 - as `_parsed`
        """Returns a query over tables alone: what else it names is put in place."""
        return exp.expand(_parsed(text), self._sources)

    def tables(self, text: str) -> set[str]:
        """Returns the names of the tables that a query reads."""
        return {table.name for table in _tables(self.expanded(text))}

    def query(self, text: str) -> str:
        """Returns a query as the engine reads it."""
        tree = exp.replace_placeholders(self.expanded(text), zone=self.zone)
        tables = [*_tables(tree)]
        versions = self.versions or self.place
        places = [(versions if it.db else self.place)(it.name) for it in tables]
        if self.dialect == "bigquery":
            _without_session(tree)
        for identifier in tree.find_all(exp.Identifier):
            identifier.replace(exp.to_identifier(self.fold(identifier.this), quoted=True))
        for table, parts in zip(tables, places, strict=True):
            if not table.alias:
                table.set("alias", exp.TableAlias(this=table.this))
            for part, name in zip(("this", "db", "catalog"), reversed(parts), strict=False):
                table.set(part, exp.to_identifier(name, quoted=True))
        return self._sql(tree)

    def create(self, name: str, *, describes_columns: bool = True) -> Iterator[str]:
        """Yields the statements that create or replace a view, and describe it."""
        view = self.views[name]
        query, place = self.query(view.sql), self.table(name)
        if self.dialect in {"duckdb", "postgres"}:
            yield f"CREATE OR REPLACE VIEW {place} AS {query}"
            texts = view.columns if describes_columns else {}
            yield from self.comments(name, view.description, texts, kind="VIEW")
            return
        words = ("{} COMMENT {}", "COPY GRANTS COMMENT = {}")
        if self.dialect == "bigquery":
            words = ("{} OPTIONS (description = {})", "OPTIONS (description = {})")
        columns = (words[0].format(self.name(it), self.text(of)) for it, of in view.columns.items())
        options = words[1].format(self.text(view.description))
        yield f"CREATE OR REPLACE VIEW {place} ({', '.join(columns)}) {options} AS {query}"

    def comments(
        self, name: str, description: str, columns: Mapping[str, str], *, kind: str = "TABLE"
    ) -> Iterator[str]:
        """Yields the statements that describe a table, or a view, and its columns."""
        place = self.table(name)
        if description:
            yield f"COMMENT ON {kind} {place} IS {self.text(description)}"
        for column, text in columns.items():
            if text:
                yield f"COMMENT ON COLUMN {place}.{self.name(column)} IS {self.text(text)}"

    def drop(self, name: str) -> str:
        """Returns the statement that drops a view."""
        return f"DROP VIEW IF EXISTS {self.table(name)}"

    def table(self, name: str) -> str:
        """Returns the full name of a table or view, quoted."""
        return ".".join(self._sql(exp.to_identifier(it, quoted=True)) for it in self.place(name))

    def name(self, column: str) -> str:
        """Returns the name of a column, quoted."""
        return self._sql(exp.to_identifier(self.fold(column), quoted=True))

    def text(self, value: str) -> str:
        """Returns a text as a literal."""
        return self._sql(exp.Literal.string(value))

    def _sql(self, tree: Any) -> str:  # noqa: ANN401 - as `_parsed`
        text: str = tree.sql(
            dialect=self.dialect, comments=False, unsupported_level=ErrorLevel.RAISE
        )
        return text


def _parsed(text: str) -> Any:  # noqa: ANN401 - sqlglot's classes vary with its releases
    return sqlglot.parse_one(text, read="duckdb")


def _without_session(tree: Any) -> None:  # noqa: ANN401 - as `_parsed`
    """Writes days and months for BigQuery such that its session's zone is not asked."""
    for it in [*tree.find_all(exp.AtTimeZone)]:
        local = exp.Anonymous(this="DATETIME", expressions=[it.this.copy(), it.args["zone"].copy()])
        if isinstance(it.parent, exp.TimestampTrunc):
            unit = it.parent.args["unit"].copy()
            it.parent.replace(exp.DatetimeTrunc(this=local, unit=unit))
        else:
            it.replace(local)


def _tables(tree: Any) -> Iterator[exp.Table]:  # noqa: ANN401 - as `_parsed`
    """Yields the tables of a query, without the names that WITH gives."""
    given = {it.alias for it in tree.find_all(exp.CTE)}
    return (table for table in tree.find_all(exp.Table) if table.name not in given)
