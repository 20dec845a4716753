"""The views of drivers, the reasons that respondents gave for their scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from customergauge_source.views.figures import CATEGORY, CGID, GROUPS, NPS_COLUMNS
from customergauge_source.views.view import View

_GROUP_COLUMNS = {
    "responses": "Number of responses, those without a score included.",
    "promoters": NPS_COLUMNS["promoters"],
    "passives": NPS_COLUMNS["passives"],
    "detractors": NPS_COLUMNS["detractors"],
}

DRIVERS: Final[Mapping[str, View]] = {
    "driver_impact": View(
        "What each driver contributes to the NPS; the contributions add up to it. A response that"
        " chose several drivers is shared out among them.",
        {
            "driver": "The driver; NULL: of all responses that chose none.",
            **_GROUP_COLUMNS,
            "nps_contribution": "Points of NPS that the driver adds or takes away.",
        },
        f"""
        WITH counted AS (
            SELECT
                driver, COUNT(*) AS responses, {GROUPS}, SUM(share) AS shares,
                SUM(COUNT(CASE WHEN is_first THEN nps END)) OVER () AS scored
            FROM shared_drivers
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
            reason IS NULL OR reason = first_reason AS is_first_of_driver
        FROM (
            SELECT
                *, MIN(reason) OVER (PARTITION BY number_customergauge, driver) AS first_reason
            FROM (
                SELECT DISTINCT
                    r.number_customergauge, r.nps_category, d."primary" AS driver,
                    s.value AS reason
                FROM scores AS r
                JOIN responses__selected_drivers AS d
                    ON d.number_customergauge = r.number_customergauge
                LEFT JOIN responses__selected_drivers__secondary AS s
                    ON s._dlt_parent_id = d._dlt_id
                WHERE d."primary" IS NOT NULL
            ) AS each_once
        ) AS compared
        WHERE reason IS NOT NULL OR first_reason IS NULL
        """,
    ),
}
