"""The lists of ``with[]``, made up: questions, selected drivers, properties (tags: surveys.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .phrases import THEMES

if TYPE_CHECKING:
    from .accounts import Account, Contact
    from .chance import Chance

_LEAST_PROMOTER = 9
_EFFORT = "We made it easy to solve your support issue."
_SATISFACTION = "How satisfied are you with {}?"
_RATING = "How would you rate our {}?"
_CHANNELS = ("Phone", "Chat", "E-mail", "Portal")


def _grade(nps: int, top: int, chance: Chance) -> str:
    """Return a grade from 1 to ``top`` that mostly agrees with the score."""
    grade = round(1 + nps / 10 * (top - 1) + chance.share() * 2 - 1)
    return str(min(max(grade, 1), top))


def questions(touchpoint: str, nps: int, chance: Chance) -> list[dict[str, Any]]:
    """Answer the additional questions: CES, CSAT, rating, choice; answers are strings."""
    if chance.likely(0.15):
        return []
    asked: list[dict[str, Any]] = []
    if touchpoint == "Support":
        asked.append({"title": _EFFORT, "answer": _grade(nps, 7, chance)})
        asked.append({"title": "How did you reach us?", "answer": chance.pick(_CHANNELS)})
    if touchpoint == "Order":
        rating = {"title": _RATING.format("delivery"), "answer": _grade(nps, 5, chance)}
        asked.append(rating)
    satisfaction = None if chance.likely(0.08) else _grade(nps, 5, chance)
    asked.append({"title": _SATISFACTION.format("our product"), "answer": satisfaction})
    if chance.likely(0.3):
        renewal = "Yes" if nps >= _LEAST_PROMOTER or chance.likely(0.5) else "No, not now"
        asked.append({"title": "Would you buy from us again?", "answer": renewal})
    return asked


def drivers(themes: list[int], nps: int, chance: Chance) -> list[dict[str, Any]]:
    """Choose the reasons of the score: the themes of the comment, more often if extreme."""
    if chance.likely(0.12 if nps >= _LEAST_PROMOTER or nps < _LEAST_PROMOTER - 2 else 0.3):
        return []
    selected = []
    for place in themes:
        theme = THEMES[place]
        # A detractor ticks few boxes; a promoter likes nearly everything.
        eager = 0.2 + nps * 0.06
        ticked = [reason for reason in theme.reasons if chance.likely(eager)]
        selected.append({"primary": theme.name, "secondary": ticked})
    return selected


def properties(
    account: Account, contact: Contact, touchpoint: str, chance: Chance
) -> list[dict[str, Any]]:
    """List the segments of the survey record; a reference is a string or null."""
    if chance.likely(0.03):
        return []
    key_contact = f"{contact.first_name} {contact.last_name}" if chance.likely(0.4) else None
    references = {
        "Country": account.country.code,
        "Division": account.country.division,
        "Touchpoint": touchpoint,
        "Key Contact": key_contact,
        "Segment A": account.segment,
        "Account Manager": account.manager,
        "Contract Renewal": account.renewal,
    }
    return [{"field": field, "reference": value} for field, value in references.items()]
