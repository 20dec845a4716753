"""The views of scores: NPS by this and that, customers who changed, the response rate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from customergauge_source.views.figures import CATEGORY, CGID, COUNTS, NPS, NPS_COLUMNS
from customergauge_source.views.view import View

_MONTH = "First day of the month, on the clock of the source's timezone; NULL without a date."
# There are no NULLs; older releases of sqlglot cannot write the other order for BigQuery's LAG.
_BEFORE = """
    OVER (
        PARTITION BY number_customer
        ORDER BY date_survey_response NULLS FIRST, number_customergauge NULLS FIRST
    )
"""

SCORES: Final[Mapping[str, View]] = {
    "nps_by_month": View(
        "NPS by month of the answer. A change between two months is clear if it exceeds the root of"
        " the sum of their squared margins.",
        {"month": _MONTH, **NPS_COLUMNS},
        f"SELECT month, {NPS} FROM (SELECT month, {COUNTS} FROM scores GROUP BY month) AS counted",
    ),
    "nps_by_segment": View(
        "NPS by segment. The rows of a field cover all responses: those without a value of it are"
        " the row whose reference is NULL. With two values a response is in two rows.",
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
}
