"""Every view, computed in plain Python from the records that the API sends.

It follows the definitions of the views alone, and shares no code with the package and no SQL.
What a column of the tables cannot take is NULL here, too, as `docs/tables.md` says.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from math import isclose, sqrt
from typing import Any, Final
from zoneinfo import ZoneInfo

Row = dict[str, Any]

KEY: Final = "number_customergauge"
_SCORES: Final = ("responses", "scored", "promoters", "passives", "detractors")
_FIGURES: Final = (*_SCORES, "nps", "margin", "nps_portal")
_ANSWER: Final = (KEY, "date_survey_response", "nps", "nps_category")
_GROUPS: Final = ("responses", "promoters", "passives", "detractors")
_SENTIMENTS: Final = ("positive", "neutral", "mixed", "negative")
COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "nps_by_month": ("month", *_FIGURES),
    "nps_by_segment": ("field", "reference", *_FIGURES),
    "nps_by_account": ("account__number", "account__name", *_FIGURES, "last_response"),
    "driver_impact": ("driver", *_GROUPS, "nps_contribution"),
    "driver_reasons": ("driver", "reason", *_GROUPS),
    "topic_sentiment": (
        *("label", "type", "responses"),
        *_SENTIMENTS,
        *("without", "net_sentiment"),
    ),
    "question_scores": ("title", "answers", "numeric", "average", "lowest", "highest"),
    "response_drivers": (KEY, "nps_category", "driver", "reason", "is_first_of_driver"),
    "response_topics": (KEY, "nps_category", "label", "type", "sentiment", "sentiment_score"),
    "response_answers": (KEY, "title", "answer", "answer_number"),
    "customer_changes": (
        *("number_customer", *_ANSWER),
        *(f"previous_{name}" for name in _ANSWER),
        "movement",
    ),
    "response_rate_by_month": ("month", "delivered", "responded", "rate"),
}
"""The columns of each view but `responses_wide`, whose segments are the account's own."""
OF_RESPONSES: Final = {
    KEY: "bigint",
    "status": "text",
    "number_customer": "text",
    "number_order": "text",
    "email": "text",
    "phone": "text",
    "date_creation": "timestamp",
    "date_order": "timestamp",
    "date_sent": "timestamp",
    "language": "text",
    "locale": "text",
    "nps": "bigint",
    "date_survey_response": "timestamp",
    "contact__first_name": "text",
    "contact__last_name": "text",
    "account__name": "text",
    "account__number": "text",
    "comment__original": "text",
    "comment__translation": "text",
    "follow_up__requested": "bool",
    "follow_up__details": "text",
}
"""The columns of the table `responses`, less those that are dlt's and our own."""
OF_DLT: Final = ("id", "load_id", "cg_digest", "cg_scope", "cg_deleted")
"""What stands behind `_dlt_` in the names of the other columns of `responses`."""
VIEWS: Final = (*COLUMNS, "responses_wide")

_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,15}([.][0-9]{1,15})?([eE][+-]?[0-9]{1,2})?")
_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,19}")
_TIME: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[ T](\d\d)(?::(\d\d)(?::(\d\d)(?:\.(\d{1,6})\d{0,3})?)?)?)?"
    r"\s*(?:(Z)|([+-]\d\d):?(\d\d))?"
)
_EXACT: Final = 1e-9


@dataclass(frozen=True)
class Response:
    """A record, put right: what its rows say.

    Attributes:
        row: Columns of `responses`.
        category: promoter, passive, detractor or None.
        month: The first day of the month of its answer, on the clock of the account.
        segments: Field and reference of each segment.
        reasons: The different reasons below each driver that was chosen.
        tags: Label, type and sentiment of each tag.
        answers: Title and answer of each question.
    """

    row: Row
    category: str | None
    month: date | None
    segments: list[tuple[str | None, str | None]]
    reasons: dict[str, list[str]]
    tags: list[tuple[str | None, str | None, str | None]]
    answers: list[tuple[str | None, str | None]]

    @property
    def cgid(self) -> int:
        """The CGID."""
        return int(self.row[KEY])

    @property
    def weight(self) -> int:
        """What it adds to the score: 1, 0 or -1."""
        return {"promoter": 1, "detractor": -1}.get(self.category or "", 0)


def figures(
    records: Iterable[Any], non_responses: Iterable[Any] | None = None, timezone: str = "UTC"
) -> dict[str, list[Row]]:
    """Returns the rows of every view, in any order.

    Args:
        records: All responses that the API has delivered, oldest first; of two with the same CGID
            the later one counts.
        non_responses: The same of non-responses; None if they are not loaded.
        timezone: The zone of the API's timestamps.
    """
    zone = ZoneInfo(timezone)
    responses = [_response(record, zone) for record in _latest(records)]
    views = {
        "nps_by_month": _grouped(responses, ("month",), lambda it: {(it.month,)}),
        "nps_by_segment": _by_segment(responses),
        "nps_by_account": _by_account(responses),
        "driver_impact": _driver_impact(responses),
        "driver_reasons": _driver_reasons(responses),
        "topic_sentiment": _topic_sentiment(responses),
        "question_scores": _question_scores(responses),
        "responses_wide": _wide(responses),
        "response_drivers": _response_drivers(responses),
        "response_topics": _response_topics(responses),
        "response_answers": _response_answers(responses),
        "customer_changes": _customer_changes(responses),
    }
    if non_responses is not None:
        views["response_rate_by_month"] = _rates(responses, _latest(non_responses), zone)
    return views


def _latest(records: Iterable[Any]) -> list[Row]:
    """Returns the records that load; of two with the same CGID the later one."""
    found: dict[int, Row] = {}
    for record in records:
        if isinstance(record, dict) and (cgid := _whole(record.get(KEY))) is not None:
            found[cgid] = record
    return [*found.values()]


def _response(record: Row, zone: ZoneInfo) -> Response:
    record = dict(record)
    if isinstance(record.get("comment"), str):
        record["comment"] = {"original": record["comment"]}
    drivers = _items(record.get("selected_drivers")) or [
        {"primary": it.get("label"), **it} for it in _items(record.get("drivers"))
    ]
    row = {name: _column(record, name, zone) for name in OF_RESPONSES}
    reasons: dict[str, list[str]] = {}
    for driver in drivers:
        if (primary := _text(driver.get("primary"))) is not None:
            found = (_text(it) for it in _listed(driver.get("secondary")))
            below = reasons.setdefault(primary, [])
            below += {it: None for it in found if it is not None and it not in below}
    return Response(
        row=row,
        category=_category(row["nps"]),
        month=_month(row["date_survey_response"], zone),
        segments=[_two(it, "field", "reference") for it in _items(record.get("properties"))],
        reasons=reasons,
        tags=[
            (*_two(it, "label", "type"), _text(it.get("sentiment")))
            for it in _items(record.get("tags"))
        ],
        answers=[_two(it, "title", "answer") for it in _items(record.get("questions"))],
    )


def _two(item: Row, first: str, second: str) -> tuple[str | None, str | None]:
    return _text(item.get(first)), _text(item.get(second))


def _listed(value: Any) -> list[Any]:
    """Returns a list, also one with gaps as PHP sends it; an empty one for anything else."""
    if isinstance(value, dict) and all(map(str.isdecimal, value)):
        return [*value.values()]
    return value if isinstance(value, list) else []


def _items(value: Any) -> list[Row]:
    """Returns the items of a list of objects; an item that is none has no fields."""
    return [item if isinstance(item, dict) else {} for item in _listed(value)]


def _column(record: Row, name: str, zone: ZoneInfo) -> Any:
    *above, key = name.split("__")
    for part in above:
        inner = record.get(part)
        record = inner if isinstance(inner, dict) else {}
    value, kind = record.get(key), OF_RESPONSES[name]
    if kind == "timestamp":
        return _moment(value, zone)
    return {"bigint": _whole, "text": _text, "bool": _flag}[kind](value)


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        value = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return re.sub("[\0\ud800-\udfff]", "\ufffd", value)


def _whole(value: Any) -> int | None:
    is_whole = _WHOLE.fullmatch(value.strip()) if isinstance(value, str) else None
    if is_whole or (isinstance(value, float) and value.is_integer()):
        value = int(value)
    return value if type(value) is int and -(2**63) <= value < 2**63 else None


def _flag(value: Any) -> bool | None:
    return {"1": True, "true": True, "0": False, "false": False}.get(str(value).strip().lower())


def _moment(value: Any, zone: ZoneInfo) -> datetime | None:
    """Returns a timestamp of the API in UTC; None if it is none."""
    match = _TIME.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(it or 0) for it in match.groups()[:6])
    micros = int((match[7] or "").ljust(6, "0"))
    local: Any = zone
    if match[8] or match[9]:
        sign = -1 if (match[9] or "").startswith("-") else 1
        minutes = abs(int(match[9] or 0)) * 60 + int(match[10] or 0)
        local = timezone(sign * timedelta(minutes=minutes))
    try:
        moment = datetime(year, month, day, hour, minute, second, micros, tzinfo=local)
        return moment.astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return None


def _month(moment: datetime | None, zone: ZoneInfo) -> date | None:
    return None if moment is None else moment.astimezone(zone).date().replace(day=1)


def _category(nps: int | None) -> str | None:
    if nps is None or not 0 <= nps <= 10:
        return None
    return "promoter" if nps >= 9 else "passive" if nps >= 7 else "detractor"


def _ratio(above: Fraction | int, below: int) -> float | None:
    return float(Fraction(above) / below) if below else None


def _counted(responses: Sequence[Response]) -> Row:
    """Returns how many responses there are, and how many of each category."""
    categories = [it.category for it in responses]
    kinds = ("promoter", "passive", "detractor")
    return {
        "responses": len(responses),
        **{f"{kind}s": categories.count(kind) for kind in kinds},
    }


def _scores(responses: Sequence[Response]) -> Row:
    counts = _counted(responses)
    scored = sum(it.row["nps"] is not None for it in responses)
    promoters, detractors = counts["promoters"], counts["detractors"]
    margin = None
    if scored:
        net = Fraction(promoters - detractors, scored)
        margin = 1.96 * 100 * sqrt((Fraction(promoters + detractors, scored) - net**2) / scored)
    figures = {
        **counts,
        "scored": scored,
        "nps": _ratio(100 * (promoters - detractors), scored),
        "margin": margin,
        "nps_portal": _ratio(100 * (promoters - detractors), len(responses)),
    }
    return {name: figures[name] for name in _FIGURES}


def _in_groups(
    responses: Iterable[Response], groups: Callable[[Response], Collection[tuple[Any, ...]]]
) -> dict[tuple[Any, ...], list[Response]]:
    """Returns the responses by group; each counts once in every group that it is in."""
    found: dict[tuple[Any, ...], list[Response]] = defaultdict(list)
    for it in responses:
        for group in {*groups(it)}:
            found[group].append(it)
    return found


def _grouped(
    responses: Iterable[Response],
    names: Sequence[str],
    groups: Callable[[Response], Collection[tuple[Any, ...]]],
    measure: Callable[[Sequence[Response]], Row] = _scores,
) -> list[Row]:
    found = _in_groups(responses, groups).items()
    return [{**dict(zip(names, group, strict=True)), **measure(them)} for group, them in found]


def _by_segment(responses: Sequence[Response]) -> list[Row]:
    fields = _fields(responses)

    def references(it: Response) -> Iterator[tuple[str, str | None]]:
        for field in fields:
            given = {reference for name, reference in it.segments if name == field} - {None}
            yield from ((field, reference) for reference in given or {None})

    return _grouped(responses, ("field", "reference"), lambda it: [*references(it)])


def _fields(responses: Iterable[Response]) -> list[str]:
    """Returns the names of the segments, in the order of the alphabet."""
    return sorted({name for it in responses for name, _ in it.segments if name is not None})


def _by_account(responses: Sequence[Response]) -> list[Row]:
    names = ("account__number", "account__name")

    def measure(them: Sequence[Response]) -> Row:
        dates = [it.row["date_survey_response"] for it in them]
        return {**_scores(them), "last_response": max(filter(None, dates), default=None)}

    return _grouped(responses, names, lambda it: {tuple(map(it.row.get, names))}, measure)


def _driver_impact(responses: Sequence[Response]) -> list[Row]:
    scored = sum(it.row["nps"] is not None for it in responses)

    def measure(them: Sequence[Response]) -> Row:
        weight = sum(Fraction(it.weight, len(it.reasons) or 1) for it in them)
        return {**_counted(them), "nps_contribution": _ratio(100 * weight, scored)}

    return _grouped(
        responses, ("driver",), lambda it: {(name,) for name in it.reasons} or {(None,)}, measure
    )


def _pairs(it: Response) -> list[tuple[str, str | None]]:
    """Returns each driver with each of its reasons; with None if it has none."""
    return [
        (driver, reason) for driver, below in it.reasons.items() for reason in (*below,) or (None,)
    ]


def _driver_reasons(responses: Sequence[Response]) -> list[Row]:
    return _grouped(responses, ("driver", "reason"), _pairs, _counted)


def _topic_sentiment(responses: Sequence[Response]) -> list[Row]:
    found: dict[tuple[Any, Any], set[tuple[int, str | None]]] = defaultdict(set)
    for it in responses:
        for label, kind, sentiment in it.tags:
            found[label, kind].add((it.cgid, sentiment or None))
    rows = []
    for (label, kind), them in found.items():
        given = [sentiment for _, sentiment in them]
        counts = {name: given.count(name) for name in _SENTIMENTS}
        net = 100 * (counts["positive"] - counts["negative"])
        rows.append(
            {
                "label": label,
                "type": kind,
                "responses": len({cgid for cgid, _ in them}),
                **counts,
                "without": given.count(None),
                "net_sentiment": _ratio(net, sum(counts.values())),
            }
        )
    return rows


def _number(answer: str | None) -> float | None:
    text = (answer or "").strip(" ")
    return float(text) if _NUMBER.fullmatch(text) else None


def _question_scores(responses: Sequence[Response]) -> list[Row]:
    found: dict[str | None, list[str]] = defaultdict(list)
    for it in responses:
        for title, answer in it.answers:
            found[title] += [] if answer is None else [answer]
    rows = []
    for title, answers in found.items():
        numbers = [Fraction(n) for answer in answers if (n := _number(answer)) is not None]
        rows.append(
            {
                "title": title,
                "answers": len(answers),
                "numeric": len(numbers),
                "average": _ratio(Fraction(sum(numbers)), len(numbers)),
                "lowest": float(min(numbers)) if numbers else None,
                "highest": float(max(numbers)) if numbers else None,
            }
        )
    return rows


def _wide(responses: Sequence[Response]) -> list[Row]:
    names = segment_columns(_fields(responses))
    rows = []
    for it in responses:
        first: dict[str | None, str | None] = {}
        for field, reference in it.segments:
            first.setdefault(field, reference)
        rows.append(
            {
                **it.row,
                "nps_category": it.category,
                "comment_text": it.row["comment__translation"] or it.row["comment__original"],
                **{name: first.get(field) for field, name in names.items()},
            }
        )
    return rows


def segment_columns(fields: Iterable[str], more: Iterable[str] = ()) -> dict[str, str]:
    """Returns the names that segments have as columns of `responses_wide`.

    Args:
        fields: The names of the segments.
        more: Columns of `responses` that nobody declared.
    """
    taken = {*OF_RESPONSES, "nps_category", "comment_text", *more}
    taken |= {f"_dlt_{name}" for name in OF_DLT}
    names: dict[str, str] = {}
    for field in sorted(fields):
        base = name = _snake_case(field) or "segment"
        number = 2
        while name in taken:
            name, number = f"{base}_{number}", number + 1
        taken.add(name)
        names[field] = name
    return names


def _snake_case(field: str) -> str:
    """Returns a name by dlt's naming convention, where names may be of any length."""
    name = field.strip().translate(str.maketrans("+-*@|", "x_xal"))
    name = re.sub("[^a-zA-Z0-9_]+", "_", name)
    name = re.sub("([^_])([A-Z][a-z]+)", r"\1_\2", name)
    name = re.sub("([a-z0-9])([A-Z])", r"\1_\2", name).lower()
    name = f"_{name}" if name[:1].isdigit() else name
    stripped = name.rstrip("_")
    return re.sub("__+", "_", stripped + "x" * (len(name) - len(stripped)))


def _response_drivers(responses: Sequence[Response]) -> list[Row]:
    return [
        {
            KEY: it.cgid,
            "nps_category": it.category,
            "driver": driver,
            "reason": reason,
            "is_first_of_driver": place == 0,
        }
        for it in responses
        for driver, below in it.reasons.items()
        for place, reason in enumerate(below or [None])
    ]


def _response_topics(responses: Sequence[Response]) -> list[Row]:
    scores = {"positive": 1, "neutral": 0, "mixed": 0, "negative": -1}
    return [
        {
            KEY: it.cgid,
            "nps_category": it.category,
            "label": label,
            "type": kind,
            "sentiment": sentiment or None,
            "sentiment_score": scores.get(sentiment or ""),
        }
        for it in responses
        for label, kind, sentiment in it.tags
    ]


def _response_answers(responses: Sequence[Response]) -> list[Row]:
    return [
        {KEY: it.cgid, "title": title, "answer": answer, "answer_number": _number(answer)}
        for it in responses
        for title, answer in it.answers
    ]


def _customer_changes(responses: Sequence[Response]) -> list[Row]:
    dated = [it for it in responses if it.row["number_customer"] and it.month]
    dated.sort(key=lambda it: (it.row["date_survey_response"], it.cgid))
    before: dict[str, Response] = {}
    rows = []
    for it in dated:
        earlier = before.get(it.row["number_customer"])
        before[it.row["number_customer"]] = it
        categories = (earlier.category if earlier else None, it.category)
        rows.append(
            {
                "number_customer": it.row["number_customer"],
                **_told(it),
                **{f"previous_{name}": value for name, value in _told(earlier).items()},
                "movement": None if None in categories else "{} to {}".format(*categories),
            }
        )
    return rows


def _told(it: Response | None) -> Row:
    if it is None:
        return dict.fromkeys(_ANSWER)
    return {name: it.category if name == "nps_category" else it.row[name] for name in _ANSWER}


def _rates(responses: Sequence[Response], sent: Iterable[Row], zone: ZoneInfo) -> list[Row]:
    months = [_month(it.row["date_sent"], zone) for it in responses]
    answered = {it.cgid for it in responses}
    silent = [
        _month(_moment(record.get("date_sent"), zone), zone)
        for record in sent
        if _whole(record[KEY]) not in answered
    ]
    return [
        {
            "month": month,
            "delivered": months.count(month) + silent.count(month),
            "responded": months.count(month),
            "rate": _ratio(months.count(month), months.count(month) + silent.count(month)),
        }
        for month in {*months, *silent}
    ]


def differences(view: str, wanted: Iterable[Row], found: Iterable[Row]) -> list[str]:
    """Returns how the rows of a view differ from those that are wanted; nothing if they do not.

    The order of rows does not matter, nor which class a client has for a number, nor the ninth
    decimal. Which row of a driver is the first of it does not matter, as long as it is one.
    """
    here, there = [*map(_plain_row, wanted)], [*map(_plain_row, found)]
    names, others = ({name for row in rows for name in row} for rows in (here, there))
    if here and there and names != others:
        return [f"{view} lacks {sorted(names - others)}, and has {sorted(others - names)}"]
    told = []
    if view == "response_drivers":
        told += _not_first_once(there)
        for row in (*here, *there):
            row.pop("is_first_of_driver", None)
    if len(here) != len(there):
        told.append(f"{view} has {len(there)} rows, not {len(here)}")
    rough = {name for row in here for name, value in row.items() if isinstance(value, float)}
    for rows in (here, there):
        rows.sort(key=lambda row: _place(row, rough))
    pairs = zip(here, there, strict=False)
    unlike = [(ours, its) for ours, its in pairs if not _is_alike(ours, its)]
    return told + [f"{view} has {its}, not {ours}" for ours, its in unlike[:5]]


def _plain_row(row: Row) -> Row:
    return {name: _plain(value) for name, value in row.items()}


def _plain(value: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=timezone.utc)
        return aware.astimezone(timezone.utc)
    return value


def _place(row: Row, rough: Collection[str]) -> list[tuple[bool, str]]:
    """Returns what rows are sorted by: numbers last that may differ a little."""
    exact = [str(value) for name, value in row.items() if name not in rough]
    others = [
        None if row.get(name) is None else round(row[name], 6) + 0.0 for name in sorted(rough)
    ]
    return [(value is not None, str(value)) for value in (*exact, *others)]


def _is_alike(ours: Row, its: Row) -> bool:
    return ours.keys() == its.keys() and all(_is_equal(ours[name], its[name]) for name in ours)


def _is_equal(ours: Any, its: Any) -> bool:
    if isinstance(ours, float) and type(its) in (int, float):
        return isclose(ours, its, rel_tol=_EXACT, abs_tol=_EXACT)
    if isinstance(ours, int) and type(its) is float:
        return its == ours
    if type(ours) is date and isinstance(its, datetime):
        return its == datetime(ours.year, ours.month, ours.day, tzinfo=timezone.utc)
    return type(ours) is type(its) and ours == its


def _not_first_once(rows: Iterable[Row]) -> list[str]:
    """Returns the drivers of which not exactly one row is the first."""
    firsts: dict[tuple[Any, Any], int] = defaultdict(int)
    for row in rows:
        firsts[row[KEY], row["driver"]] += bool(row["is_first_of_driver"])
    return [f"{pair} is {count} times the first" for pair, count in firsts.items() if count != 1]
