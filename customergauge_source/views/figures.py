"""The figures that several views have, each defined once.

NPS Summary of CustomerGauge divides by all responses (KB/5000782949), NPS Value Trend by those with
a score (KB/5000887919): hence two figures.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_PROMOTER, _PASSIVE, _DETRACTOR = "BETWEEN 9 AND 10", "BETWEEN 7 AND 8", "BETWEEN 0 AND 6"
NPS_CATEGORY: Final = f"""
    CASE
        WHEN nps {_PROMOTER} THEN 'promoter'
        WHEN nps {_PASSIVE} THEN 'passive'
        WHEN nps {_DETRACTOR} THEN 'detractor'
    END
"""
COMMENT_TEXT: Final = "COALESCE(NULLIF(comment__translation, ''), comment__original)"
_DAY = "CAST({} AT TIME ZONE :zone AS DATE)"
_MONTH = "CAST(DATE_TRUNC('month', {} AT TIME ZONE :zone) AS DATE)"

BLOCKS: Final[Mapping[str, str]] = {
    "scores": f"""
        SELECT
            number_customergauge, number_customer, account__number, account__name,
            language, {COMMENT_TEXT} AS comment_text,
            date_survey_response, {_DAY.format("date_survey_response")} AS day,
            {_MONTH.format("date_survey_response")} AS month,
            nps, {NPS_CATEGORY} AS nps_category,
            CASE WHEN nps {_PROMOTER} THEN 1 END AS promoter,
            CASE WHEN nps {_PASSIVE} THEN 1 END AS passive,
            CASE WHEN nps {_DETRACTOR} THEN 1 END AS detractor
        FROM responses
    """,
    "surveys": f"""
        SELECT
            answered, {_DAY.format("date_sent")} AS day, {_MONTH.format("date_sent")} AS month
        FROM (
            SELECT
                r.number_customergauge AS answered,
                CASE WHEN r.number_customergauge IS NULL THEN n.date_sent ELSE r.date_sent END
                    AS date_sent
            FROM responses AS r
            FULL JOIN non_responses AS n ON n.number_customergauge = r.number_customergauge
        ) AS joined
    """,
    # One row for each driver of a response, and one for a response without any. Its sign is shared
    # out among its drivers; `is_first` is true in one row of each response.
    "shared_drivers": """
        SELECT
            number_customergauge, nps, promoter, passive, detractor, driver,
            driver IS NULL OR driver = first_driver AS is_first,
            CASE WHEN promoter = 1 THEN 1 WHEN detractor = 1 THEN -1 ELSE 0 END
                / CAST(GREATEST(drivers, 1) AS DOUBLE) AS share
        FROM (
            SELECT
                *, COUNT(driver) OVER (PARTITION BY number_customergauge) AS drivers,
                MIN(driver) OVER (PARTITION BY number_customergauge) AS first_driver
            FROM (
                SELECT DISTINCT
                    r.number_customergauge, r.nps, r.promoter, r.passive, r.detractor,
                    d."primary" AS driver
                FROM scores AS r
                LEFT JOIN responses__selected_drivers AS d
                    ON d.number_customergauge = r.number_customergauge
            ) AS chosen
        ) AS numbered
        WHERE driver IS NOT NULL OR drivers = 0
    """,
    "sentiments": """
        SELECT DISTINCT number_customergauge, label, type, NULLIF(sentiment, '') AS sentiment
        FROM responses__tags
    """,
}
"""Queries that views are made of, and that are no views themselves, by name."""

GROUPS: Final = """
    COUNT(promoter) AS promoters, COUNT(passive) AS passives, COUNT(detractor) AS detractors
"""
"""Counts the rows of `scores` by group."""

COUNTS: Final = f"COUNT(*) AS responses, COUNT(nps) AS scored, {GROUPS}"
"""Counts them, one row a response."""

SENTIMENTS: Final = """
    COUNT(CASE WHEN sentiment = 'positive' THEN 1 END) AS positive,
    COUNT(CASE WHEN sentiment = 'neutral' THEN 1 END) AS neutral,
    COUNT(CASE WHEN sentiment = 'mixed' THEN 1 END) AS mixed,
    COUNT(CASE WHEN sentiment = 'negative' THEN 1 END) AS negative,
    COUNT(CASE WHEN sentiment IS NULL THEN 1 END) AS without
"""
"""Counts the rows of `sentiments`."""

_SHARE = "CAST(promoters - detractors AS DOUBLE) / NULLIF(scored, 0)"
NPS: Final = f"""
    responses, scored, promoters, passives, detractors,
    100 * {_SHARE} AS nps,
    196 * SQRT(
        (CAST(promoters + detractors AS DOUBLE) / NULLIF(scored, 0) - ({_SHARE}) * ({_SHARE}))
        / NULLIF(scored, 0)
    ) AS margin,
    100 * CAST(promoters - detractors AS DOUBLE) / NULLIF(responses, 0) AS nps_portal
"""
"""The figures of NPS, of rows that `COUNTS` made."""

NPS_COLUMNS: Final[Mapping[str, str]] = {
    "responses": "Number of responses, those without a score included.",
    "scored": "Responses with a score; nps and margin are of these.",
    "promoters": "Responses with a score of 9 or 10.",
    "passives": "Responses with a score of 7 or 8.",
    "detractors": "Responses with a score of 0 to 6.",
    "nps": "100 * (promoters - detractors) / scored; from -100 to 100. NULL without scores.",
    "margin": "Half the width of the 95 % confidence interval of nps: it is nps +/- margin.",
    "nps_portal": "100 * (promoters - detractors) / responses, as in CustomerGauge's NPS Summary.",
}
"""What those figures mean."""

CATEGORY: Final = "promoter (9, 10), passive (7, 8) or detractor (0 to 6); NULL without a score."
CGID: Final = "CGID of the response."


def literal(text: str) -> str:
    """Returns a text as a literal in the language of the views."""
    return "'" + text.replace("'", "''") + "'"
