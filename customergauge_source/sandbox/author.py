"""Makes up the entries of the feeds one after the other, and recalls what follows from them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from .cases import case_of
from .oddities import with_oddities
from .store import Entry
from .surveys import answer, non_response, response

_MOST_OF_A_DETRACTOR = 6


class Author:
    """What is generated from a seed, in the order in which it comes."""

    def __init__(self, seed: int, *, non_responses: int) -> None:
        """Begin with nothing.

        Args:
            seed: Which company it is about.
            non_responses: How many surveys wait for an answer.
        """
        self._seed = seed
        self._written = 0
        self._unanswered = non_responses
        # CGID, date_survey_response and arrival of those whose cases are not made up yet; plain
        # tuples for the reason that the store has.
        self._detractors: list[tuple[int, str, datetime | None]] = []

    def responses(self, count: int, arrived: datetime | None = None) -> Iterator[Entry]:
        """Make up further responses.

        Args:
            count: How many.
            arrived: When they arrive (UTC), if that is after the start of the sandbox.

        Yields:
            The responses, after those that there are.
        """
        first, self._written = self._written, self._written + count
        for index in range(first, first + count):
            record = with_oddities(response(index, self._seed), index, self._seed)
            yield self._noted(record, arrived)

    def non_responses(self) -> Iterator[Entry]:
        """Make up the non-responses the first time, and nothing later."""
        count, self._unanswered = self._unanswered, 0
        for index in range(count):
            yield Entry(non_response(index, self._seed))

    def answer_to(self, record: dict[str, Any], arrived: datetime) -> Entry:
        """Make up the response to a survey.

        Args:
            record: The non-response; what it says stays.
            arrived: When the response arrives (UTC).

        Returns:
            The response.
        """
        answered = answer(record["number_customergauge"], self._seed)
        return self._noted(answered | record | {"status": answered["status"]}, arrived)

    def cases(self) -> Iterator[Entry]:
        """Make up the cases of the responses that are new since the last time."""
        waiting, self._detractors = self._detractors, []
        for cgid, answered, arrived in waiting:
            if case := case_of(cgid, answered, arrived, seed=self._seed):
                yield Entry(*case)

    def _noted(self, record: dict[str, Any], arrived: datetime | None) -> Entry:
        """Take note of a response that may bring a case."""
        score, answered = record["nps"], record["date_survey_response"]
        if answered and isinstance(score, int) and score <= _MOST_OF_A_DETRACTOR:
            cgid = record["number_customergauge"]
            self._detractors.append((cgid, answered, arrived))
        return Entry(record)
