"""From a dataset to what the page shows: one object of counts, small whatever the dataset is."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, Final

from customergauge_source.exceptions import ConfigurationError
from customergauge_source.report import queries
from customergauge_source.report.cells import Cells, Count, month_name, number
from customergauge_source.report.queries import Slice, Span
from customergauge_source.views.hidden import Hidden

Rows = list[tuple[Any, ...]]
Ask = Callable[[str], Rows]

_VALUES: Final = 12
"""Values of a segment that can be chosen, the most frequent ones."""
_SLICES: Final = 150
_MEMBERS: Final = 3_000_000
"""Values of segments that are followed; of an account with more responses only one segment's."""
_ITEMS: Final = 50
"""Drivers, topics and questions that are shown, the most frequent ones of each."""
_COMMENTS: Final = 20
_LETTERS: Final = 700
"""Letters of a comment that are shown."""
_HASH: Final = re.compile("[0-9a-f]{64}")


def collect(
    ask: Ask, source: str, tables: Collection[str], span: Span, hidden: Hidden
) -> dict[str, Any]:
    """Returns the object that the page is made of; `page.render` takes it with what it is about.

    Args:
        ask: Answers a query.
        source: Name of the source that was loaded.
        tables: Names of the tables that are there.
        span: The days to look at, by `date_survey_response`.
        hidden: What the privacy policy has hashed or dropped.

    Raises:
        ConfigurationError: The dataset has not the tables of a load.
    """
    if missing := [table for table in queries.TABLES if table not in tables]:
        raise ConfigurationError(
            f"The dataset has no table {missing[0]}: nothing was loaded into it.",
            "Load first; or name the dataset with --dataset, the destination with --destination.",
        )
    values = _values(ask(queries.values(span)))
    slices = [*_chosen(values)][:_SLICES]
    counts = map(Count.of, ask(queries.cells(span, slices, _ITEMS)))
    # A key of `Item` has a sign before its text.
    named = [it for it in counts if not any(map(_is_hash, (it.item.name[1:], it.item.type[1:])))]
    cells = Cells(named, len(slices))
    slices = slices[: cells.slices]
    return {
        "months": cells.months,
        "slices": [{"field": None, "value": None}, *(it._asdict() for it in slices)],
        "left_out": {**_left_out(values, slices), "items": [*cells.left_out()]},
        **cells.as_json(),
        "rate": _rate(ask(queries.rate(span)), cells) if "non_responses" in tables else None,
        "cases": _cases(ask) if "close_loop" in tables else None,
        **_comments(ask, span, hidden),
        "hashed": sorted(hidden.hashed),
        "dropped": sorted(hidden.dropped),
        "health": _health(ask, source, tables, cells, cells.gaps() if span == Span() else []),
    }


def in_words(data: Mapping[str, Any]) -> str:
    """Returns what a report is of."""
    months = f"{data['months'][0]} to {data['months'][-1]}" if data["months"] else "no month"
    return f"{data['health']['responses']:,} responses, {months}"


def _is_hash(text: str | None) -> bool:
    """Says whether a text is a hash of the privacy policy, or looks like one: it is no name."""
    return text is not None and _HASH.fullmatch(text) is not None


def _values(rows: Rows) -> dict[str, Counter[str]]:
    """Returns how often each value of each segment stands in a response."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for field, reference, records in rows:
        if not _is_hash(field) and not _is_hash(reference):
            counted = found[field]
            if reference is not None:
                counted[reference] += int(records)
    return {field: counted for field, counted in found.items() if counted}


def _chosen(values: Mapping[str, Counter[str]]) -> Iterator[Slice]:
    """Yields the values that can be chosen, of the segment first whose values cover most."""
    most = {field: _largest(counted) for field, counted in values.items()}
    rows = 0
    for field in sorted(most, key=lambda it: (-sum(most[it].values()), it)):
        rows += sum(most[field].values())
        if rows > _MEMBERS and rows > sum(most[field].values()):
            return
        yield from (Slice(field, value) for value in most[field])
        yield Slice(field, None)


def _largest(counted: Counter[str]) -> dict[str, int]:
    return dict(sorted(counted.items(), key=lambda it: (-it[1], it[0]))[:_VALUES])


def _left_out(values: Mapping[str, Counter[str]], kept: Sequence[Slice]) -> dict[str, list[str]]:
    """Returns of which segments there are more values, and which cannot be chosen."""
    shown = Counter(it.field for it in kept if it.value is not None)
    more = {field: len(counted) - shown[field] for field, counted in values.items()}
    fields = {it.field for it in kept}
    return {
        "values": [f"{it} ({number:,})" for it, number in more.items() if number and it in fields],
        "segments": [it for it in values if it not in fields],
    }


def _rate(rows: Rows, cells: Cells) -> list[list[Any]]:
    """Returns surveys by the month that they were sent in, of which there may be others."""
    added: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for month, *counted in rows:
        sums = added[month_name(month) if cells.is_near(month) else ""]
        for place, it in enumerate(counted):
            sums[place] += int(it)
    return [[month or None, *sums] for month, sums in sorted(added.items())]


def _cases(ask: Ask) -> list[dict[str, Any]]:
    names = ("status", "cases", "hours_to_follow_up", "hours_to_close")
    return [
        dict(zip(names, (status, int(cases), *map(number, hours)), strict=True))
        for status, cases, *hours in sorted(ask(queries.CASES), key=lambda row: (-row[1], str(row)))
        if not _is_hash(status)
    ]


def _comments(ask: Ask, span: Span, hidden: Hidden) -> dict[str, Any]:
    if hidden.hashes("comment_text") or hidden.drops_comments():
        how = "not loaded" if hidden.drops_comments() else "hashed"
        return {"comments": None, "comments_why": f"{how}, by the privacy policy"}
    return {
        "comments": [
            {
                "number_customergauge": int(cgid),
                "date": day and f"{day}",
                "score": int(score),
                "account": None if _is_hash(account) else account,
                "comment": _cut(comment),
                "language": None if _is_hash(language) else language,
            }
            for cgid, day, score, account, comment, language in ask(
                queries.comments(span, _COMMENTS)
            )
            if not _is_hash(comment)
        ]
    }


def _health(
    ask: Ask, source: str, tables: Collection[str], cells: Cells, gaps: list[str]
) -> dict[str, Any]:
    ((last, loads),) = ask(queries.loads(source))
    rejecting = sorted(table for table in tables if table.endswith("__rejected_values"))
    values = ask(queries.rejected_values(rejecting)) if rejecting else []
    records = ask(queries.REJECTED_RECORDS) if "rejected_records" in tables else []
    rows = {name: int(records) for name, records in ask(queries.counts(sorted(tables)))}
    return {
        "last_load": _moment(last),
        "loads": int(loads),
        "responses": cells.total(),
        "tables": rows,
        "rejected_values": [
            {"field": field, "reason": reason, "values": int(times)}
            for field, reason, times in sorted(values, key=_most_first)
        ],
        "rejected_records": [
            {"resource": resource, "reason": reason, "records": int(times)}
            for resource, reason, times in sorted(records, key=_most_first)
        ],
        "deleted": rows.get("deleted_responses", 0),
        "gaps": gaps,
        "without_date": cells.total(without_month=True),
        "without_score": cells.total(without_score=True),
    }


def _cut(comment: str) -> str:
    return comment if len(comment) <= _LETTERS else f"{comment[:_LETTERS]}…"


def _most_first(row: tuple[Any, ...]) -> tuple[int, str]:
    *named, times = row
    return -times, str(named)


def _moment(value: datetime | None) -> str | None:
    """Returns a point in time as text; without an offset it is UTC."""
    if value is None:
        return None
    return f"{value.astimezone(timezone.utc) if value.tzinfo else value:%Y-%m-%d %H:%M} UTC"
