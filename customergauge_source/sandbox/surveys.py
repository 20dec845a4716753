"""Surveys as the API sends them, answered or not, made up from a seed and an index.

A survey depends on nothing but these two: asking for more of them extends the list and changes
none of it.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from .accounts import Account, Contact, accounts
from .chance import Chance
from .extras import drivers, properties, questions
from .phrases import PHRASES, THEMES

START = datetime(2025, 5, 1, tzinfo=timezone.utc)
END = datetime(2026, 10, 31, 23, 59, 59, tzinfo=timezone.utc)
# Responses 0..2499 fill most of the eighteen months, the next 2500 the last week; every
# further block of 2500 is an import of older surveys, which comes late with old dates.
_BLOCK = 2500
_FIRST_SHARE = 0.985
_SPAN_DAYS = (END - START).days
# CGIDs are spread by a permutation of 0..PRIME-1: unique, and in no order that the key has.
_PRIME = 9_999_991
_STRIDE = 6_180_341
_FIRST_CGID = 1_000_003
# Surveys without an answer have a range of their own: no number is given twice.
_FIRST_UNANSWERED = _FIRST_CGID + _PRIME
_UNSTRIDE = pow(_STRIDE, -1, _PRIME)
# The lists of with[] (GET Responses, v7), and what else a survey has only once it is answered.
LISTS = ("selected_drivers", "tags", "questions", "properties")
_ANSWER = {"nps", "comment", "follow_up", "date_survey_response", *LISTS} - {"properties"}
_SCORES = (
    (0, 1, 2, 2, 3, 4, 5, 5, 6, 6, 6, 7, 7, 7, 8, 8, 8, 9, 9, 10),
    (0, 2, 4, 5, 6, 6, 7, 7, 8, 8, 8, 8, 9, 9, 9, 9, 10, 10, 10, 10, 10, 10),
    (3, 6, 7, 8, 8, 9, 9, 9, 9, 9, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10),
)
_TOUCHPOINTS = ("Relationship", "Support", "Order", "Relationship", "Support", "Onboarding")
_MANUAL_TAGS = ("Support", "Churn risk", "Reference customer", "Call back", "Sales")
_LEAST_PROMOTER, _LEAST_PASSIVE = 9, 7


def _scattered(index: int, seed: int) -> int:
    """Return the place of an index in the permutation."""
    return (index * _STRIDE + seed * 7919) % _PRIME


def _answered(index: int, chance: Chance) -> datetime:
    """Choose when a response was given."""
    place = (index % _BLOCK + chance.share()) / _BLOCK
    if index < _BLOCK:
        share = place * _FIRST_SHARE
    elif index < 2 * _BLOCK:
        share = _FIRST_SHARE + place * (1 - _FIRST_SHARE)
    else:
        share = place
    if chance.likely(0.02):  # one in fifty comes late
        share *= chance.share()
    # The mean of two draws makes noon busy and midnight quiet.
    second = int((chance.share() + chance.share()) * 43_199)
    return START + timedelta(days=int(share * _SPAN_DAYS), seconds=second)


def _dates(index: int, chance: Chance, *, ordered: bool) -> dict[str, str | None]:
    """Make up the four dates, ``YYYY-MM-DD HH:MM:SS``, in the order in which they happen."""
    answered = _answered(index, chance)
    sent = answered - timedelta(seconds=int(chance.share() ** 2 * 500_000))
    created = sent - timedelta(seconds=int(chance.share() * 7_200))
    order = created - timedelta(seconds=int(chance.share() * 2_500_000)) if ordered else None
    return {
        "date_creation": str(created)[:19],
        "date_order": str(order)[:19] if order else None,
        "date_sent": str(sent)[:19],
        "date_survey_response": str(answered)[:19],
    }


def _comment(
    language: str, nps: int, themes: list[int], chance: Chance
) -> tuple[dict[str, str | None], list[dict[str, str]]]:
    """Write a comment, and name its topics with the sentiment of each."""
    if chance.likely(0.25):  # one in four leaves the field empty
        return {"original": None, "translation": None}, []
    spoken, tags = [], []
    for theme in themes:
        complaint = chance.below(11) >= nps if nps < _LEAST_PROMOTER else 0
        spoken.append((theme, complaint))
        sentiment = "negative" if complaint else "positive"
        if chance.likely(0.12):  # the text analysis is undecided
            sentiment = chance.pick(("mixed", "neutral"))
        tags.append({"label": THEMES[theme].name, "type": "topic", "sentiment": sentiment})
    ending = " 👍" if nps >= _LEAST_PROMOTER and chance.likely(0.1) else ""
    original = " ".join(PHRASES[language][theme][kind] for theme, kind in spoken) + ending
    translated = language != "en" and chance.likely(0.9)
    english = " ".join(PHRASES["en"][theme][kind] for theme, kind in spoken) + ending
    return {"original": original, "translation": english if translated else None}, tags


def _base(account: Account, contact: Contact, chance: Chance, nps: int) -> dict[str, Any]:
    """Make up what a response says about the customer."""
    wanted = chance.likely(0.35 if nps < _LEAST_PASSIVE else 0.04)
    return {
        "contact": {"first_name": contact.first_name, "last_name": contact.last_name},
        "account": {"name": account.name, "number": account.number},
        "number_customer": contact.number_customer,
        "email": contact.email,
        "phone": contact.phone,
        "nps": nps,
        "language": account.country.language.upper(),
        "locale": f"{account.country.language}_{account.country.code}",
        "follow_up": {"requested": wanted, "details": contact.phone if wanted else None},
    }


def response(index: int, seed: int = 0) -> dict[str, Any]:
    """Make up one response with all four lists of ``with[]`` (GET Responses, v7).

    Args:
        index: Its place in the feed, from 0.
        seed: Which made-up company it belongs to.

    Returns:
        The record as the API sends it.
    """
    chance = Chance(seed * 1_000_000_007 + index)
    return _answered_survey(_FIRST_CGID + _scattered(index, seed), index, chance)


def non_response(index: int, seed: int = 0) -> dict[str, Any]:
    """Make up one survey that nobody answered, with its ``properties``.

    Args:
        index: Its place in the feed, from 0.
        seed: Which made-up company it belongs to.

    Returns:
        The record; what it says in ``status`` is a guess, as no public page shows one.
    """
    survey = answer(_FIRST_UNANSWERED + _scattered(index, seed), seed)
    record = {name: value for name, value in survey.items() if name not in _ANSWER}
    return record | {"status": "non-response"}


def answer(cgid: int, seed: int = 0) -> dict[str, Any]:
    """Make up the response that comes if a non-response is answered after all.

    Args:
        cgid: The CGID (``number_customergauge``) of the non-response.
        seed: Which made-up company it belongs to.

    Returns:
        The record with all four lists, and with the CGID, the contact, the dates and whatever
        else the non-response says.
    """
    index = (cgid - _FIRST_UNANSWERED - seed * 7919) * _UNSTRIDE % _PRIME
    chance = Chance(seed * 1_000_000_007 + index + 500_000_003)
    # There are half as many of them: they fill the same months with every other place.
    return _answered_survey(cgid, 2 * index, chance)


def _answered_survey(cgid: int, place: int, chance: Chance) -> dict[str, Any]:
    """Make up a survey and its answer.

    Args:
        cgid: Its CGID: unique, and not its key.
        place: The place among the responses that its dates are those of.
        chance: What decides on all else.

    Returns:
        The record with all four lists.
    """
    companies = accounts()
    account = companies[int(chance.share() ** 1.4 * len(companies))]
    contact = chance.pick(account.contacts)
    nps = chance.pick(_SCORES[account.mood])
    touchpoint = chance.pick(_TOUCHPOINTS)
    first = chance.below(len(THEMES))
    themes = [first, (first + 1 + chance.below(5)) % len(THEMES)][: 1 + chance.likely(0.4)]
    comment, tags = _comment(account.country.language, nps, themes, chance)
    if chance.likely(0.12):  # someone tagged it by hand
        tags.append({"label": chance.pick(_MANUAL_TAGS), "type": "tag"})
    ordered = touchpoint == "Order"
    return {
        "status": "response",
        "number_customergauge": cgid,
        **_base(account, contact, chance, nps),
        "number_order": f"{place * 3 + 10_007:08d}" if ordered else None,
        "comment": comment,
        **_dates(place, chance, ordered=ordered or chance.likely(0.5)),
        "tags": tags,
        "questions": questions(touchpoint, nps, chance),
        "selected_drivers": drivers(themes, nps, chance),
        "properties": properties(account, contact, touchpoint, chance),
    }
