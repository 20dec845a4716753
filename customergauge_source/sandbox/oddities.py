"""What is odd about some responses: an analyst meets it in an account, and here before that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Record = dict[str, Any]

# One oddity at most befalls a response, and each befalls one in 400 at the same distance: no
# chance is drawn for it, so all other members stay what they are without it.
_PERIOD = 400
_STRIDE = 157
# A loader may have a fast way for values of the declared type, and a careful one for others. The
# latter are among the first responses alone, so that a load of many is as fast as that of an
# account where they are rare.
_UNFIT_BEFORE = 2500
_STATUSES = ("excluded", "test")
_DIVISIONS = ("Europe", "Americas", "Asia Pacific", "Middle East")
_CHANNELS = (["Phone", "Portal"], ["Chat", "E-mail", "Phone"], ["Portal"])
_MARKUP = "<script>alert(1)</script> & <b>bold</b>"


def _score_missing(_record: Record, _turn: int) -> Record:
    return {"nps": None}


def _date_missing(_record: Record, _turn: int) -> Record:
    return {"date_survey_response": None}


def _other_status(_record: Record, turn: int) -> Record:
    return {"status": _STATUSES[turn % len(_STATUSES)]}


def _segment_twice(record: Record, turn: int) -> Record:
    """Have the segment ``Division`` a second time, with another value mostly."""
    again = {"field": "Division", "reference": _DIVISIONS[turn % len(_DIVISIONS)]}
    return {"properties": [*record["properties"], again]}


def _segment_repeated(record: Record, _turn: int) -> Record:
    """Have the first segment a second time, with the same value."""
    return {"properties": [*record["properties"], *record["properties"][:1]]}


def _markup(record: Record, _turn: int) -> Record:
    """Have markup where there is text: it has to be shown as text."""
    segments = [it for it in record["properties"] if it["field"] != "Segment A"]
    return {
        "comment": {"original": _MARKUP, "translation": None},
        "properties": [*segments, {"field": "Segment A", "reference": "R&D <b>Labs</b>"}],
        "questions": [
            *record["questions"],
            {"title": "How are <i>Quotes</i> & <script>alert(2)</script>?", "answer": "4"},
        ],
    }


def _several_answers(record: Record, turn: int) -> Record:
    """Have a question with several answers, which are a list."""
    asked = {"title": "Which channels do you use?", "answer": _CHANNELS[turn % len(_CHANNELS)]}
    return {"questions": [*record["questions"], asked]}


def _unfit(_record: Record, turn: int) -> Record:
    """Have a value that no column of its type can take."""
    return {"date_order": "2026-02-30 10:00:00"} if turn % 2 else {"nps": "n/a"}


_Oddity = Callable[[Record, int], Record]
_ODDITIES: dict[int, _Oddity] = {
    **dict.fromkeys(range(10, 16), _score_missing),
    **dict.fromkeys(range(20, 23), _other_status),
    **dict.fromkeys(range(30, 33), _segment_twice),
    40: _segment_repeated,
    50: _date_missing,
    60: _markup,
}
_UNFIT: dict[int, _Oddity] = {120: _several_answers, 180: _several_answers, 150: _unfit}


def with_oddities(record: Record, index: int, seed: int) -> Record:
    """Make a response odd, if it is its turn.

    Args:
        record: The response as documented.
        index: Its place in the feed, from 0.
        seed: Which made-up company it belongs to.

    Returns:
        The response as the API sends it.
    """
    place = (index * _STRIDE + seed) % _PERIOD
    oddity = _ODDITIES.get(place) or (_UNFIT.get(place) if index < _UNFIT_BEFORE else None)
    return record | oddity(record, index // _PERIOD) if oddity else record
