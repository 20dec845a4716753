"""The views, each declared once.

Each response counts once in each row that it belongs to, whatever its lists hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from customergauge_source.resources import RESPONSES
from customergauge_source.views.figures import CATEGORY, CGID, COUNTS, GROUPS, NPS, NPS_COLUMNS
from customergauge_source.views.view import View
from customergauge_source.views.wide import WIDE, wide

_MONTH = "First day of the month, on the clock of the source's timezone; NULL without a date."
_GROUP_COLUMNS = {
    "responses": "Number of responses, those without a score included.",
    "promoters": NPS_COLUMNS["promoters"],
    "passives": NPS_COLUMNS["passives"],
    "detractors": NPS_COLUMNS["detractors"],
}
_BEFORE = "OVER (PARTITION BY number_customer ORDER BY date_survey_response, number_customergauge)"
# What Python's float() and every engine's cast agree on; bounded, as an overflow is an error.
_NUMBER = "^[+-]?[0-9]{1,15}([.][0-9]{1,15})?([eE][+-]?[0-9]{1,2})?$"

VIEWS: Final[Mapping[str, View]] = {
    "nps_by_month": View(
        "NPS by month of the answer, with the margin that a change has to exceed.",
        {"month": _MONTH, **NPS_COLUMNS},
        f"SELECT month, {NPS} FROM (SELECT month, {COUNTS} FROM scores GROUP BY month) AS counted",
    ),
    "nps_by_segment": View(
        "NPS by segment. A field's rows cover all responses: those without a value of it are the"
        " row whose reference is NULL. With two values a response is in two rows.",
        {
            "field": "Name of the segment, such as Country.",
            "reference": "Its value; NULL: of all responses that have none.",
            **NPS_COLUMNS,
        },
        f"""
        WITH given AS (
            SELECT DISTINCT
                r.number_customergauge, r.nps, r.promoter, r.passive, r.detractor,
                s.field, s.reference
            FROM scores AS r
            LEFT JOIN responses__properties AS s
                ON s.number_customergauge = r.number_customergauge
        ), once AS (
            SELECT DISTINCT
                number_customergauge, nps, promoter, passive, detractor,
                field, reference IS NOT NULL AS is_valued
            FROM given
        ), everybody AS (
            SELECT {COUNTS} FROM (
                SELECT DISTINCT number_customergauge, nps, promoter, passive, detractor FROM given
            ) AS each_once
        ), valued AS (
            SELECT
                field, COUNT(valued) AS responses,
                COUNT(CASE WHEN is_valued THEN nps END) AS scored,
                COUNT(CASE WHEN is_valued THEN promoter END) AS promoters,
                COUNT(CASE WHEN is_valued THEN passive END) AS passives,
                COUNT(CASE WHEN is_valued THEN detractor END) AS detractors
            FROM (SELECT *, CASE WHEN is_valued THEN 1 END AS valued FROM once) AS flagged
            WHERE field IS NOT NULL
            GROUP BY field
        ), counted AS (
            SELECT field, reference, {COUNTS} FROM given
            WHERE field IS NOT NULL AND reference IS NOT NULL
            GROUP BY field, reference
            UNION ALL
            SELECT
                v.field, NULL, e.responses - v.responses, e.scored - v.scored,
                e.promoters - v.promoters, e.passives - v.passives, e.detractors - v.detractors
            FROM valued AS v CROSS JOIN everybody AS e
            WHERE e.responses > v.responses
        )
        SELECT field, reference, {NPS} FROM counted
        """,
    ),
    "nps_by_account": View(
        "NPS by account of the customer.",
        {
            "account__number": "Number of the account.",
            "account__name": "Name of the account.",
            **NPS_COLUMNS,
            "last_response": "When the account answered last.",
        },
        f"""
        SELECT account__number, account__name, {NPS}, last_response FROM (
            SELECT
                account__number, account__name, {COUNTS},
                MAX(date_survey_response) AS last_response
            FROM scores GROUP BY account__number, account__name
        ) AS counted
        """,
    ),
    "driver_impact": View(
        "What each driver contributes to the NPS; the contributions add up to it. A response that"
        " chose several drivers is shared out among them.",
        {
            "driver": "The driver; NULL: of all responses that chose none.",
            **_GROUP_COLUMNS,
            "nps_contribution": "Points of NPS that the driver adds or takes away.",
        },
        f"""
        WITH chosen AS (
            SELECT DISTINCT
                r.number_customergauge, r.nps, r.promoter, r.passive, r.detractor,
                d."primary" AS driver
            FROM scores AS r
            LEFT JOIN responses__selected_drivers AS d
                ON d.number_customergauge = r.number_customergauge
        ), weighed AS (
            SELECT
                *, COUNT(driver) OVER (PARTITION BY number_customergauge) AS drivers,
                ROW_NUMBER() OVER (PARTITION BY number_customergauge ORDER BY driver) AS place
            FROM chosen
        ), counted AS (
            SELECT
                driver, COUNT(*) AS responses, {GROUPS},
                SUM(
                    CASE WHEN promoter = 1 THEN 1 WHEN detractor = 1 THEN -1 ELSE 0 END
                    / CAST(GREATEST(drivers, 1) AS DOUBLE)
                ) AS shares,
                SUM(COUNT(CASE WHEN place = 1 THEN nps END)) OVER () AS scored
            FROM weighed
            WHERE driver IS NOT NULL OR drivers = 0
            GROUP BY driver
        )
        SELECT
            driver, responses, promoters, passives, detractors,
            100 * shares / CAST(NULLIF(scored, 0) AS DOUBLE) AS nps_contribution
        FROM counted
        """,
    ),
    "driver_reasons": View(
        "The reasons below each driver. Responses are counted, each once in a row; as it may give"
        " several reasons, rows do not add up.",
        {
            "driver": "The driver.",
            "reason": "The secondary reason; NULL: the driver was chosen without one.",
            **_GROUP_COLUMNS,
        },
        """
        SELECT
            driver, reason, COUNT(*) AS responses,
            COUNT(CASE WHEN nps_category = 'promoter' THEN 1 END) AS promoters,
            COUNT(CASE WHEN nps_category = 'passive' THEN 1 END) AS passives,
            COUNT(CASE WHEN nps_category = 'detractor' THEN 1 END) AS detractors
        FROM response_drivers GROUP BY driver, reason
        """,
    ),
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
        """
        SELECT
            label, type, responses, positive, neutral, mixed, negative, without,
            100 * CAST(positive - negative AS DOUBLE)
                / NULLIF(positive + neutral + mixed + negative, 0) AS net_sentiment
        FROM (
            SELECT
                label, type, COUNT(DISTINCT number_customergauge) AS responses,
                COUNT(CASE WHEN sentiment = 'positive' THEN 1 END) AS positive,
                COUNT(CASE WHEN sentiment = 'neutral' THEN 1 END) AS neutral,
                COUNT(CASE WHEN sentiment = 'mixed' THEN 1 END) AS mixed,
                COUNT(CASE WHEN sentiment = 'negative' THEN 1 END) AS negative,
                COUNT(CASE WHEN sentiment IS NULL THEN 1 END) AS without
            FROM (
                SELECT DISTINCT number_customergauge, label, type, sentiment FROM response_topics
            ) AS each_once
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
    "response_drivers": View(
        "One row for each driver that a response chose and each reason below it.",
        {
            "number_customergauge": CGID,
            "nps_category": CATEGORY,
            "driver": "The driver.",
            "reason": "The secondary reason; NULL: none was given.",
            "is_first_of_driver": "True in one row of each driver of a response: to count drivers.",
        },
        """
        SELECT
            number_customergauge, nps_category, driver, reason,
            ROW_NUMBER() OVER (PARTITION BY number_customergauge, driver ORDER BY reason) = 1
                AS is_first_of_driver
        FROM (
            SELECT DISTINCT
                r.number_customergauge, r.nps_category, d."primary" AS driver, s.value AS reason
            FROM scores AS r
            JOIN responses__selected_drivers AS d
                ON d.number_customergauge = r.number_customergauge
            LEFT JOIN responses__selected_drivers__secondary AS s
                ON s._dlt_parent_id = d._dlt_id
            WHERE d."primary" IS NOT NULL
        ) AS each_once
        """,
    ),
    "response_topics": View(
        "One row for each topic and manual tag of a response.",
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
            CASE WHEN REGEXP_MATCHES(TRIM(answer), '{_NUMBER}')
                THEN CAST(TRIM(answer) AS DOUBLE)
            END AS answer_number
        FROM responses__questions
        """,
    ),
    "customer_changes": View(
        "Each response of a customer beside the one before. Responses without a customer number or"
        " without a date are left out: nothing says what came before them.",
        {
            "number_customer": "Customer number as your own systems know it.",
            "number_customergauge": CGID,
            "date_survey_response": "When it was answered.",
            "nps": "Likelihood to recommend, 0 to 10.",
            "nps_category": CATEGORY,
            "previous_number_customergauge": "CGID of the response before; NULL: it is the first.",
            "previous_date_survey_response": "When that was answered.",
            "previous_nps": "Its likelihood to recommend.",
            "previous_nps_category": "Its category.",
            "movement": "Such as 'promoter to detractor'; NULL if one of both has no category.",
        },
        f"""
        SELECT *, previous_nps_category || ' to ' || nps_category AS movement FROM (
            SELECT
                number_customer, number_customergauge, date_survey_response, nps, nps_category,
                LAG(number_customergauge) {_BEFORE} AS previous_number_customergauge,
                LAG(date_survey_response) {_BEFORE} AS previous_date_survey_response,
                LAG(nps) {_BEFORE} AS previous_nps,
                LAG(nps_category) {_BEFORE} AS previous_nps_category
            FROM scores
            WHERE number_customer <> '' AND date_survey_response IS NOT NULL
        ) AS beside
        """,
    ),
    "response_rate_by_month": View(
        "Response rate by month of sending. A survey that was answered after all counts once, as a"
        " response.",
        {
            "month": _MONTH,
            "delivered": "Surveys that were sent.",
            "responded": "Those of them that were answered.",
            "rate": "responded / delivered, from 0 to 1.",
        },
        """
        SELECT
            month, COUNT(*) AS delivered, COUNT(answered) AS responded,
            CAST(COUNT(answered) AS DOUBLE) / COUNT(*) AS rate
        FROM surveys GROUP BY month
        """,
    ),
    WIDE: wide({name: column.description for name, column in RESPONSES.record.columns()}, {}),
}
"""The views by name. `responses_wide` is here as it is of an account without segments."""
