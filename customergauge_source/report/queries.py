"""What the report asks for, in the language of the views: few queries, counts alone.

All counts are such that they can be added up: a response is in one month, and once in each slice,
which is everybody or one value of a segment.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final, NamedTuple

from customergauge_source.views.figures import literal

FEELINGS: Final = ("positive", "neutral", "mixed", "negative")
TABLES: Final = (
    "responses",
    "responses__tags",
    "responses__questions",
    "responses__selected_drivers",
    "responses__properties",
)
"""The tables that a report cannot do without."""


class Span(NamedTuple):
    """The days to look at, both included; None: there is no bound."""

    start: date | None = None
    end: date | None = None

    def of(self, day: str) -> str:
        """Returns the condition that a day is in it; without bounds a day may be missing, too."""
        bounds = [
            f"{day} {sign} CAST('{bound}' AS DATE)"
            for sign, bound in ((">=", self.start), ("<=", self.end))
            if bound
        ]
        return " AND ".join(bounds) or "1 = 1"


class Slice(NamedTuple):
    """The responses that have a value of a segment; with None as the value, those without one."""

    field: str
    value: str | None


def values(span: Span) -> str:
    """Returns the query for the values of segments, and how often each stands in a response."""
    joined = ""
    if span != Span():
        joined = f"""
            JOIN ({_spanned(span)}) AS s ON s.number_customergauge = p.number_customergauge
        """
    return f"""
        SELECT p.field, p.reference, COUNT(*) AS responses
        FROM responses__properties AS p {joined}
        WHERE p.field IS NOT NULL GROUP BY p.field, p.reference
    """


def _spanned(span: Span) -> str:
    return f"SELECT number_customergauge, month, nps FROM scores WHERE {span.of('day')}"


_MARKS: Final = " || ".join(
    f"COALESCE(MAX(CASE WHEN COALESCE(sentiment, '') {test} THEN '+{mark}' END), '')"
    for mark, test in {**{it: f"= '{it}'" for it in FEELINGS}, "without": "= ''"}.items()
)

# One row for each thing that a response says: its score, a driver, a topic, an answer. What it is
# stands in texts that are never NULL, so that they can be joined: "" is NULL, "=x" is x.
_FACTS: Final = f"""
    SELECT
        number_customergauge, 'score' AS kind, '' AS name, '' AS type,
        COALESCE('=' || CAST(nps AS TEXT), '') AS mark, CAST(NULL AS DOUBLE) AS value
    FROM spanned
    UNION ALL
    SELECT
        number_customergauge, 'driver', COALESCE('=' || driver, ''), '',
        CASE
            WHEN promoter = 1 THEN 'promoter' WHEN passive = 1 THEN 'passive'
            WHEN detractor = 1 THEN 'detractor' ELSE ''
        END,
        share
    FROM shared_drivers
    UNION ALL
    SELECT
        number_customergauge, 'topic', COALESCE('=' || label, ''), COALESCE('=' || type, ''),
        {_MARKS},
        NULL
    FROM responses__tags GROUP BY number_customergauge, label, type
    UNION ALL
    SELECT
        number_customergauge, 'question', COALESCE('=' || title, ''), '',
        CASE WHEN answer IS NULL THEN '' ELSE 'answered' END, answer_number
    FROM response_answers
"""


class Item(NamedTuple):
    """What is counted: columns of `cells`."""

    kind: str
    name: str
    type: str
    mark: str


def cells(span: Span, slices: Sequence[Slice], most: int) -> str:
    """Returns the query for all that is counted by slice and month.

    Its columns: slice (0 is everybody, the others count from 1), those of `Item`, how many items
    there are of the kind, month, number of responses; and of the values that some have (a
    driver's share of the score's sign, an answer that is a number) their number, sum, least and
    greatest. Of each kind there are so many items at most, those that most responses have.
    """
    return f"""
        WITH spanned AS ({_spanned(span)}), facts AS ({_FACTS}), counted AS (
            SELECT kind, name, type, mark, COUNT(*) AS number FROM facts
            GROUP BY kind, name, type, mark
        ), ranked AS (
            SELECT
                kind, name, type, COUNT(*) OVER (PARTITION BY kind) AS items,
                ROW_NUMBER() OVER (PARTITION BY kind ORDER BY SUM(number) DESC, name, type) AS place
            FROM counted GROUP BY kind, name, type
        ), item AS (
            SELECT
                c.kind, c.name, c.type, c.mark, r.items,
                ROW_NUMBER() OVER (ORDER BY c.kind, c.name, c.type, c.mark) AS item
            FROM counted AS c
            JOIN ranked AS r ON r.kind = c.kind AND r.name = c.name AND r.type = c.type
            WHERE r.place <= {most}
        ), placed AS (
            SELECT s.number_customergauge, i.item, s.month, f.value
            FROM facts AS f
            JOIN item AS i
                ON i.kind = f.kind AND i.name = f.name AND i.type = f.type AND i.mark = f.mark
            JOIN spanned AS s ON s.number_customergauge = f.number_customergauge
        ), member AS ({_members(slices)}), summed AS (
            SELECT
                m.slice, p.item, p.month, COUNT(*) AS responses, COUNT(p.value) AS valued,
                SUM(p.value) AS total, MIN(p.value) AS lowest, MAX(p.value) AS highest
            FROM placed AS p JOIN member AS m ON m.number_customergauge = p.number_customergauge
            GROUP BY m.slice, p.item, p.month
        )
        SELECT
            s.slice, i.kind, i.name, i.type, i.mark, i.items, s.month,
            s.responses, s.valued, s.total, s.lowest, s.highest
        FROM summed AS s JOIN item AS i ON i.item = s.item
    """


def _members(slices: Sequence[Slice]) -> str:
    """Returns the query for responses by slice."""
    valued, without = (
        ", ".join(
            f"({literal(it.field)}, {literal(it.value or '')}, {place})"
            for place, it in enumerate(slices, 1)
            if (it.value is None) == is_none
        )
        for is_none in (False, True)
    )
    parts = ["SELECT number_customergauge, 0 AS slice FROM spanned"]
    if valued:
        parts.append(f"""
            SELECT DISTINCT p.number_customergauge, c.slice
            FROM responses__properties AS p
            JOIN (VALUES {valued}) AS c(field, reference, slice)
                ON c.field = p.field AND c.reference = p.reference
        """)
    if without:
        parts.append(f"""
            SELECT r.number_customergauge, c.slice
            FROM spanned AS r CROSS JOIN (VALUES {without}) AS c(field, reference, slice)
            LEFT JOIN (
                SELECT number_customergauge, field FROM responses__properties
                WHERE reference IS NOT NULL
            ) AS p ON p.number_customergauge = r.number_customergauge AND p.field = c.field
            WHERE p.field IS NULL
        """)
    return " UNION ALL ".join(parts)


def rate(span: Span) -> str:
    """Returns the query for surveys by the month that they were sent in."""
    return f"""
        SELECT month, COUNT(*) AS delivered, COUNT(answered) AS responded
        FROM surveys WHERE {span.of("day")} GROUP BY month
    """


CASES: Final = """
    SELECT status, COUNT(*) AS cases, AVG(time_to_follow_up) AS hours_to_follow_up,
        AVG(time_to_close) AS hours_to_close
    FROM close_loop GROUP BY status
"""


def comments(span: Span, most: int) -> str:
    """Returns the query for what detractors said last."""
    return f"""
        SELECT number_customergauge, day, nps, account__name, comment_text, language
        FROM scores
        WHERE detractor = 1 AND comment_text <> '' AND {span.of("day")}
        ORDER BY day DESC NULLS LAST, number_customergauge DESC LIMIT {most}
    """


def loads(source: str) -> str:
    """Returns the query for the loads of a source; other sources may share the dataset."""
    return f"""
        SELECT MAX(inserted_at) AS last_load, COUNT(*) AS loads FROM _dlt_loads
        WHERE status = 0 AND schema_name = {literal(source)}
    """


REJECTED_RECORDS: Final = """
    SELECT resource, reason, COUNT(*) AS records FROM rejected_records GROUP BY resource, reason
"""


def rejected_values(tables: Sequence[str]) -> str:
    """Returns the query for values that their columns could not take."""
    rows = " UNION ALL ".join(f"SELECT field, reason FROM {table}" for table in tables)
    return f"SELECT field, reason, COUNT(*) AS number FROM ({rows}) AS r GROUP BY field, reason"


def counts(tables: Sequence[str]) -> str:
    """Returns the query for the rows of tables."""
    return " UNION ALL ".join(
        f"SELECT '{table}' AS name, COUNT(*) AS number FROM {table}" for table in tables
    )
