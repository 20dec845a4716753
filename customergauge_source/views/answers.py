"""The views of topics, tags and additional questions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from customergauge_source.views.figures import CATEGORY, CGID, SENTIMENTS
from customergauge_source.views.view import View

# What Python's float() and every engine's cast agree on; bounded, as an overflow is an error.
_NUMBER = "^[+-]?[0-9]{1,15}([.][0-9]{1,15})?([eE][+-]?[0-9]{1,2})?$"

ANSWERS: Final[Mapping[str, View]] = {
    "topic_sentiment": View(
        "Topics and manual tags, with the sentiment of the responses that have them.",
        {
            "label": "Name of the topic or tag.",
            "type": "'topic' for text analytics, 'tag' for manual tags.",
            "responses": "Responses that have it.",
            "positive": "Responses that have it with this sentiment; so are the next three.",
            "neutral": "See positive.",
            "mixed": "See positive.",
            "negative": "See positive.",
            "without": "Responses that have it without a sentiment.",
            "net_sentiment": "100 * (positive - negative) / all with a sentiment; NULL without.",
        },
        f"""
        SELECT
            label, type, responses, positive, neutral, mixed, negative, without,
            100 * CAST(positive - negative AS DOUBLE)
                / NULLIF(positive + neutral + mixed + negative, 0) AS net_sentiment
        FROM (
            SELECT
                label, type, COUNT(DISTINCT number_customergauge) AS responses,
                {SENTIMENTS}
            FROM sentiments
            GROUP BY label, type
        ) AS counted
        """,
    ),
    "question_scores": View(
        "The additional questions, with the average of those answers that are numbers.",
        {
            "title": "The question.",
            "answers": "Answers that were given.",
            "numeric": "Those of them that are numbers; the next three are of these.",
            "average": "Their mean; NULL without.",
            "lowest": "The lowest of them.",
            "highest": "The highest of them.",
        },
        """
        SELECT
            title, COUNT(answer) AS answers, COUNT(answer_number) AS "numeric",
            AVG(answer_number) AS average, MIN(answer_number) AS lowest,
            MAX(answer_number) AS highest
        FROM response_answers GROUP BY title
        """,
    ),
    "response_topics": View(
        "One row for each topic and manual tag of a response; one that stands twice is two rows.",
        {
            "number_customergauge": CGID,
            "nps_category": CATEGORY,
            "label": "Name of the topic or tag.",
            "type": "'topic' for text analytics, 'tag' for manual tags.",
            "sentiment": "Sentiment of a topic; NULL without.",
            "sentiment_score": "1 positive, 0 neutral or mixed, -1 negative; NULL without.",
        },
        """
        SELECT
            number_customergauge, nps_category, label, type, sentiment,
            CASE sentiment
                WHEN 'positive' THEN 1 WHEN 'neutral' THEN 0 WHEN 'mixed' THEN 0
                WHEN 'negative' THEN -1
            END AS sentiment_score
        FROM (
            SELECT
                r.number_customergauge, r.nps_category, t.label, t.type,
                NULLIF(t.sentiment, '') AS sentiment
            FROM scores AS r
            JOIN responses__tags AS t ON t.number_customergauge = r.number_customergauge
        ) AS tagged
        """,
    ),
    "response_answers": View(
        "One row for each additional question that a response was asked.",
        {
            "number_customergauge": CGID,
            "title": "The question.",
            "answer": "The answer as text; NULL: none was given.",
            "answer_number": "The answer as a number; NULL where it is none.",
        },
        f"""
        SELECT
            number_customergauge, title, answer,
            CASE WHEN REGEXP_MATCHES(TRIM(answer, ' '), '{_NUMBER}')
                THEN CAST(TRIM(answer, ' ') AS DOUBLE)
            END AS answer_number
        FROM responses__questions
        """,
    ),
}
