"""`responses_wide`: one row a response, with a column for each segment that there is."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final

from customergauge_source.views.figures import CATEGORY, COMMENT_TEXT, NPS_CATEGORY, literal
from customergauge_source.views.hidden import HASHED, Hidden
from customergauge_source.views.view import View

SUBJECT: Final = "responses"
"""The resource that the views are about."""
WIDE: Final = f"{SUBJECT}_wide"
SEGMENTS: Final = f"{SUBJECT}__properties"
FIELDS: Final = f"SELECT DISTINCT field FROM {SEGMENTS} WHERE field IS NOT NULL ORDER BY field"
"""The query for the names of the segments that there are."""
MOST_SEGMENTS: Final = 1_000
"""Columns of segments: BigQuery takes 256,000 characters, PostgreSQL 1,600 columns in all."""
_DESCRIBED: Final = 100
"""Segments that are described: DuckDB looks through the whole view for each description."""
_OWN: Final = {
    "nps_category": CATEGORY,
    "comment_text": "The comment: its translation, else as it was written.",
}


def wide(
    columns: Mapping[str, str],
    segments: Mapping[str, str],
    hidden: Hidden | None = None,
    order: Sequence[str] = (),
) -> View:
    """Returns the view.

    Args:
        columns: Columns of `responses`, with what each means.
        segments: Names of segments by their columns.
        hidden: What the privacy policy has made of their values.
        order: Columns that the view has already; others come behind them.
    """
    described = dict.fromkeys(segments, "")
    if len(segments) <= _DESCRIBED:
        for column, field in segments.items():
            is_hashed = hidden is not None and hidden.hashes_segment(field)
            described[column] = f"Segment {field}, its first value.{HASHED * is_hashed}"
    own = {"nps_category": NPS_CATEGORY, "comment_text": COMMENT_TEXT}
    chosen = {name: f"r.{_quoted(name)}" for name in columns if name not in own}
    chosen |= own | {name: f"s.c{place}" for place, name in enumerate(segments)}
    meant = {**columns, **_OWN, **described}
    names = [*(it for it in order if it in chosen), *(it for it in chosen if it not in order)]
    listed = ", ".join(f"{chosen[name]} AS {_quoted(name)}" for name in names)
    return View(
        "One row for each response, with its segments as columns; join nothing, count rows.",
        {name: meant[name] for name in names},
        f"SELECT {listed} FROM responses AS r {_join(segments.values())}",
    )


def columns_of_segments(
    fields: Iterable[str], taken: Collection[str], name: Callable[[str, str], str]
) -> dict[str, str]:
    """Returns the names of segments by the columns that they get.

    Args:
        fields: Names of segments.
        taken: Names of columns that are there already.
        name: Returns the column's name for a segment's, with a suffix.
    """
    columns: dict[str, str] = {}
    used = {*taken, *_OWN}
    for field in sorted(fields):
        column, number = name(field, ""), 1
        while column in used:
            number += 1
            column = name(field, f"_{number}")
        used.add(column)
        columns[column] = field
    return columns


def _join(fields: Collection[str]) -> str:
    if not fields:
        return ""
    values = [
        f"MAX(CASE WHEN field = {literal(field)} THEN reference END) AS c{place}"
        for place, field in enumerate(fields)
    ]
    return f"""
        LEFT JOIN (
            SELECT number_customergauge, {", ".join(values)}
            FROM (
                SELECT
                    number_customergauge, field, reference,
                    ROW_NUMBER() OVER (
                        PARTITION BY number_customergauge, field ORDER BY _dlt_list_idx
                    ) AS place
                FROM {SEGMENTS}
            ) AS numbered
            WHERE place = 1
            GROUP BY number_customergauge
        ) AS s ON s.number_customergauge = r.number_customergauge
    """


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
