"""`non_responses`: surveys that were sent and not answered (GET Non-Responses, KB/5000877703).

No public page shows a body: the base fields are those of a response less what an answer brings.
Whatever else comes is loaded as undeclared fields are.
"""

from __future__ import annotations

from typing import Final

from customergauge_source.resources.resource import KEY, Resource
from customergauge_source.resources.survey import BASE, BASE_OBJECTS, PROPERTIES
from customergauge_source.tables.shape import Field, Shape, text

NON_RESPONSES: Final = Resource(
    name="non_responses",
    path="v7/rest/sync/non-responses",
    include=("properties",),
    partition="date_sent",
    record=Shape(
        description="One row for each survey that was sent and, when it was read, not answered.",
        fields={
            KEY: Field("bigint", "CGID: the survey record's unique id in CustomerGauge."),
            "status": text("State of the survey record."),
            **BASE,
        },
        objects=BASE_OBJECTS,
        lists={"properties": PROPERTIES},
    ),
)
