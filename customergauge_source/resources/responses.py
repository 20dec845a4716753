"""`responses`: the answers to surveys (GET Responses, v7).

The fields are those of the page's example response.
"""

from __future__ import annotations

from typing import Any, Final

from customergauge_source.resources.query import PARAMETERS
from customergauge_source.resources.resource import KEY, Resource
from customergauge_source.resources.survey import BASE, BASE_OBJECTS, PROPERTIES
from customergauge_source.tables.shape import SCALAR, Field, Shape, text, timestamp
from customergauge_source.tables.values import as_list


def _put_right(record: dict[str, Any]) -> dict[str, Any]:
    """Returns a record in the documented shape, whichever older shape it was sent in.

    A comment may come as a plain string, and selected drivers as `drivers: [{"label": …}]`.
    """
    if isinstance(comment := record.get("comment"), str):
        record = {**record, "comment": {"original": comment}}
    if "drivers" in record and record.get("selected_drivers") in (None, [], {}):
        drivers = as_list(record["drivers"])
        if drivers is not None:
            record = {key: value for key, value in record.items() if key != "drivers"}
            record["selected_drivers"] = [_driver(item) for item in drivers]
    return record


def _driver(item: object) -> object:
    if isinstance(item, dict) and "label" in item and "primary" not in item:
        rest = dict(item)
        return {"primary": rest.pop("label"), **rest}
    return item


RESPONSES: Final = Resource(
    name="responses",
    path="v7/rest/sync/responses",
    include=("selected_drivers", "tags", "questions", "properties"),
    takes=frozenset(PARAMETERS),
    partition="date_survey_response",
    put_right=_put_right,
    record=Shape(
        description="One row for each survey response.",
        older=frozenset({"drivers"}),
        fields={
            KEY: Field("bigint", "CGID: the response's unique id in CustomerGauge."),
            "status": text("State of the survey record; 'response' once it was answered."),
            **BASE,
            "nps": Field("bigint", "Likelihood to recommend, 0 to 10."),
            "date_survey_response": timestamp("When the survey was answered."),
        },
        objects={
            **BASE_OBJECTS,
            "comment": Shape(
                fields={
                    "original": text("The comment as it was written."),
                    "translation": text("The comment translated to the account's language."),
                }
            ),
            "follow_up": Shape(
                fields={
                    "requested": Field("bool", "Whether the contact asked for a follow-up."),
                    "details": text("How the contact wants to be reached."),
                }
            ),
        },
        lists={
            "tags": Shape(
                description="Manual tags and text-analytics topics of a response.",
                fields={
                    "label": text("Name of the topic or tag."),
                    "type": text("'topic' for text analytics, 'tag' for manual tags."),
                    "sentiment": text("Sentiment of a topic; empty on manual tags."),
                },
            ),
            "questions": Shape(
                description="Additional questions (CES, CSAT, rating) of a response.",
                named=("title", "answer"),
                fields={
                    "title": text("The question."),
                    "answer": text("The answer; several answers are a JSON list."),
                },
            ),
            "selected_drivers": Shape(
                description="Reasons that the respondent gave for the score.",
                fields={"primary": text("The driver.")},
                lists={
                    "secondary": Shape(
                        description="Secondary reasons below a driver.",
                        fields={SCALAR: text("The secondary reason.")},
                    )
                },
            ),
            "properties": PROPERTIES,
        },
    ),
)
