"""Reports to draw: the data of a page, counted from made-up responses, awkward ones included."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

MARKUP = "<script>alert('x')</script><b>&amp;</b>"
ARABIC = "الدعم الفني ممتاز لكن التسليم بطيء جدا هذه المرة"
LONG = "A very long name that somebody pasted 🎉 " * 7
DRIVERS = ["Support", "Delivery", "Price", "Product quality", "Invoicing", MARKUP, LONG, ARABIC]
TOPICS = [("Support", "topic"), ("Support", "tag"), ("Delivery", "topic"), (MARKUP, "topic")]
SENTIMENTS = ("positive", "neutral", "mixed", "negative", None)
QUESTIONS = ["How satisfied are you with our support?", "Your name?", LONG]
COUNTRIES = ["NL", "DE", "FR", "UK", "US", MARKUP, ARABIC, LONG, None]
BRANCHES = ["Retail", "Industry", "Public", None]


@dataclass
class Response:
    """A response, as far as a report counts it; `month` is an index, or -1 without a date."""

    month: int
    score: int | None
    segments: dict[str, str | None] = field(default_factory=dict)
    drivers: list[str] = field(default_factory=list)
    topics: list[tuple[str, str, str | None]] = field(default_factory=list)
    answers: list[tuple[str, int | None]] = field(default_factory=list)


def month_names(count: int, *, last: tuple[int, int] = (2026, 11)) -> list[str]:
    """Returns so many months, the last of which is the one the page is made in."""
    end = last[0] * 12 + last[1] - 1
    return [f"{at // 12}-{at % 12 + 1:02}" for at in range(end - count + 1, end + 1)]


def make_responses(count: int = 2500, *, months: int = 19, seed: int = 7) -> list[Response]:
    """Returns made-up responses; the fifth month has none, a few have no date or no score."""
    chance = random.Random(seed)  # noqa: S311 - data for a test
    made = []
    for _ in range(count):
        month = chance.choice([it for it in range(months) if it != 4 or months < 6])
        mood = 0.5 + 0.012 * month
        low, high = ((9, 10), (7, 8), (0, 6))[
            chance.choices(range(3), (mood, 0.25, max(0.05, 0.75 - mood)))[0]
        ]
        score = chance.randint(max(low, high - 4), high)
        unknown = chance.random()
        tilt = [1.0 + (score - 5) * slope for slope in (0.15, -0.12, -0.1, 0.12, 0, 0, 0, 0)]
        made.append(
            Response(
                month=-1 if unknown < 0.002 else month,
                score=None if unknown > 0.99 else score,
                segments={
                    "Country": chance.choices(COUNTRIES, (30, 20, 12, 8, 9, 1, 3, 2, 4))[0],
                    "Branch": chance.choice(BRANCHES),
                },
                drivers=sorted({*chance.choices(DRIVERS, tilt, k=chance.randint(0, 3))}),
                topics=[
                    (*topic, None if topic[1] == "tag" else _sentiment(chance, score, topic[0]))
                    for topic in chance.sample(TOPICS, chance.randint(0, 2))
                ],
                answers=[(QUESTIONS[0], chance.randint(1, 5)), (QUESTIONS[1], None)]
                + ([(QUESTIONS[2], chance.randint(0, 10))] if chance.random() < 0.3 else []),
            )
        )
    return made


def _sentiment(chance: random.Random, score: int, topic: str) -> str | None:
    """Returns a sentiment that goes with the score, the worse for deliveries."""
    glad = score / 2 - (2 if topic == "Delivery" else 0)
    return chance.choices(SENTIMENTS, (max(0.3, glad), 1.5, 0.7, max(0.3, 5 - glad), 0.3))[0]


def nps(responses: Iterable[Response]) -> float | None:
    """Returns the NPS of responses, straight from the scores."""
    scores = [it.score for it in responses if it.score is not None]
    if not scores:
        return None
    return 100 * (sum(it >= 9 for it in scores) - sum(it <= 6 for it in scores)) / len(scores)


def slices_of(responses: Sequence[Response]) -> list[dict[str, str | None]]:
    """Returns everybody, and each value of each segment."""
    found: list[dict[str, str | None]] = [{"field": None, "value": None}]
    for name in sorted({name for it in responses for name in it.segments}):
        values = sorted({it.segments.get(name) for it in responses}, key=lambda it: it or "~~")
        found += [{"field": name, "value": value} for value in values]
    return found


def report(responses: Sequence[Response], *, months: int = 19, **more: Any) -> dict[str, Any]:
    """Returns the data of the page of these responses."""
    slices = slices_of(responses)
    drivers: list[str | None] = [*DRIVERS, None]
    data = _around(month_names(months), responses) | {
        "slices": slices,
        "drivers": drivers,
        "topics": [{"label": label, "type": kind} for label, kind in TOPICS],
        "questions": QUESTIONS,
    }
    scores: Counter[Any] = Counter()
    cells: dict[str, dict[tuple[int, ...], list[float]]] = defaultdict(dict)
    answered: dict[tuple[int, ...], list[int | None]] = defaultdict(list)
    for it in responses:
        for at, part in enumerate(slices):
            if part["field"] is not None and it.segments.get(part["field"]) != part["value"]:
                continue
            scores[at, it.month, it.score] += 1
            _count(cells, answered, it, at, drivers)
    data["scores"] = [[*key, count] for key, count in scores.items()]
    for kind, found in cells.items():
        data[kind] = [[*key, *sums] for key, sums in found.items()]
    data["question_cells"] = [[*key, *_answers(found)] for key, found in answered.items()]
    return data | more


def _count(cells: Any, answered: Any, it: Response, at: int, drivers: list[str | None]) -> None:
    """Adds a response to the cells of a slice."""
    groups = [it.score is not None and low <= it.score <= high for low, high in _GROUPS]
    sign = groups[0] - groups[2]
    chosen: list[str | None] = [*it.drivers] or [None]
    for driver in chosen:
        sums = cells["driver_cells"].setdefault((at, it.month, drivers.index(driver)), [0] * 5)
        for place, value in enumerate((1, *groups, sign / len(chosen))):
            sums[place] += value
    for label, kind, sentiment in it.topics:
        key = (at, it.month, TOPICS.index((label, kind)))
        sums = cells["topic_cells"].setdefault(key, [0] * 6)
        sums[0] += 1
        sums[1 + SENTIMENTS.index(sentiment)] += 1
    for title, answer in it.answers:
        answered[at, it.month, QUESTIONS.index(title)].append(answer)


_GROUPS = ((9, 10), (7, 8), (0, 6))


def _answers(found: list[int | None]) -> list[int | None]:
    """Returns the columns of a question's cell."""
    numbers = [it for it in found if it is not None]
    if not numbers:
        return [len(found), 0, None, None, None]
    return [len(found), len(numbers), sum(numbers), min(numbers), max(numbers)]


def _around(months: list[str], responses: Sequence[Response]) -> dict[str, Any]:
    """Returns what a page tells besides the counts."""
    return {
        "made_at": "2026-11-29 06:40 UTC",
        "destination": "duckdb",
        "dataset": "customergauge_data",
        "timezone": "Europe/Amsterdam",
        "span": {"start": None, "end": None},
        "months": months,
        "left_out": {"values": ["Key Contact (1,310)"], "segments": [], "items": []},
        "scores": [],
        "driver_cells": [],
        "topic_cells": [],
        "question_cells": [],
        "rate": [[it, 200 + at, 60 + 3 * (at % 5)] for at, it in enumerate(months)],
        "cases": [
            {"status": "open", "cases": 70, "hours_to_follow_up": None, "hours_to_close": None},
            {"status": "closed", "cases": 1240, "hours_to_follow_up": 9.5, "hours_to_close": 52.25},
            {"status": None, "cases": 3, "hours_to_follow_up": None, "hours_to_close": None},
        ],
        "comments": [
            _comment(1, 2, "Acme", "Nobody called me back after the second delivery went missing."),
            _comment(2, 6, MARKUP, MARKUP),
            _comment(3, 0, None, ARABIC, language="AR"),
            _comment(4, 5, "Müller & Söhne", "Zu teuer.\nUnd zu spät. " * 20, language="DE"),
        ],
        "hashed": ["account.name", 'properties["Key Contact"]'],
        "dropped": [],
        "health": {
            "last_load": "2026-11-29 06:39 UTC",
            "loads": 12,
            "responses": len(responses),
            "tables": {"responses": len(responses), "responses__tags": 3120},
            "rejected_values": [{"field": MARKUP, "reason": "not a number", "values": 3}],
            "rejected_records": [{"reason": "not an object", "records": 1}],
            "deleted": 0,
            "gaps": months[4:5],
            "without_date": sum(it.month < 0 for it in responses),
            "without_score": sum(it.score is None for it in responses),
        },
    }


def _comment(
    number: int, score: int, account: str | None, comment: str, *, language: str = "EN"
) -> dict[str, Any]:
    """Returns what a detractor said."""
    return {
        "number_customergauge": number,
        "date": "2026-10-30",
        "score": score,
        "account": account,
        "comment": comment,
        "language": language,
    }


def usual() -> dict[str, Any]:
    """Returns the data of an account as there are many, with what is awkward about them."""
    return report(make_responses())


def empty() -> dict[str, Any]:
    """Returns the data of an account without a response, of which nothing else is loaded."""
    nothing: dict[str, Any] = {
        "rate": None,
        "cases": None,
        "comments": None,
        "left_out": {"values": [], "segments": [], "items": []},
        "hashed": [],
        "dropped": [],
    }
    why = "dropped by the privacy policy"
    return report([], months=0, **nothing, comments_why=why) | {
        "drivers": [],
        "topics": [],
        "questions": [],
    }


def unscored() -> dict[str, Any]:
    """Returns the data of responses that all lack a score."""
    made = make_responses(40, months=3)
    for it in made:
        it.score = None
    return report(made, months=3)


def one_month() -> dict[str, Any]:
    """Returns the data of one response in one month, without anything else."""
    return report([Response(month=0, score=3)], months=1)


def large() -> dict[str, Any]:
    """Returns the data of a large account: five years, a hundred slices, every cell taken."""
    chance = random.Random(1)  # noqa: S311 - data for a test
    span, drivers, topics, questions = 60, 20, 15, 5
    slices = [{"field": f"Field {at // 25}", "value": f"Value {at}"} for at in range(100)]
    places = [(at, month) for at in range(101) for month in range(span)]
    data = _around(month_names(span), []) | {
        "slices": [{"field": None, "value": None}, *slices],
        "drivers": [f"Driver {at}" for at in range(drivers)],
        "topics": [{"label": f"Topic {at}", "type": "topic"} for at in range(topics)],
        "questions": [f"Question {at}?" for at in range(questions)],
    }

    def some(count: int) -> list[int]:
        return [int(40 * chance.random()) for _ in range(count)]

    data["scores"] = [[*it, score, *some(1)] for it in places for score in (None, *range(11))]
    data["driver_cells"] = [
        [*it, driver, *some(4), chance.randrange(-60, 60) / 3]
        for it in places
        for driver in range(drivers)
    ]
    data["topic_cells"] = [[*it, topic, *some(6)] for it in places for topic in range(topics)]
    data["question_cells"] = [
        [*it, at, 9, *some(2), 1, 9] for it in places for at in range(questions)
    ]
    return data
