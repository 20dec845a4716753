"""The tables as plain data: one declaration that Arrow (`arrow`) and dlt (`declaration`) are told.

The fields are those of the example response of the GET Responses page (v7).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

DataType = Literal["text", "bigint", "double", "bool", "timestamp"]

RESPONSES: Final = "responses"
REJECTED_RECORDS: Final = "rejected_records"
REJECTED_VALUES: Final = "rejected_values"
REJECTED_VALUES_TABLE: Final = f"{RESPONSES}__{REJECTED_VALUES}"
KEY: Final = "number_customergauge"
SCALAR: Final = "value"
"""The column of a child table whose list holds scalars; dlt's own name for it."""


@dataclass(frozen=True)
class Field:
    """A scalar of the API, and the column it becomes."""

    type: DataType
    description: str


@dataclass(frozen=True)
class Shape:
    """An object of the API: its scalars, the objects in it, and the lists under it.

    Attributes:
        fields: Scalars by their key; each is a column.
        objects: Nested objects by their key; each is flattened into columns `key__field`.
        lists: Lists by their key; each is a child table `parent__key`.
        description: What a row of the table means; of use where the shape is a table.
    """

    fields: Mapping[str, Field] = field(default_factory=dict)
    objects: Mapping[str, Shape] = field(default_factory=dict)
    lists: Mapping[str, Shape] = field(default_factory=dict)
    description: str = ""

    def columns(self, prefix: str = "") -> Iterator[tuple[str, Field]]:
        """Yields the columns of this shape's table, nested objects flattened."""
        for key, column in self.fields.items():
            yield prefix + key, column
        for key, shape in self.objects.items():
            yield from shape.columns(f"{prefix}{key}__")


def _text(description: str) -> Field:
    return Field("text", description)


def _timestamp(description: str) -> Field:
    return Field("timestamp", description)


RESPONSE: Final = Shape(
    description="One row for each survey response.",
    fields={
        KEY: Field("bigint", "CGID: the response's unique id in CustomerGauge."),
        "status": _text("State of the survey record; 'response' once it was answered."),
        "number_customer": _text("Customer number as your own systems know it."),
        "number_order": _text("Order number as your own systems know it."),
        "email": _text("E-mail address of the contact."),
        "phone": _text("Telephone number of the contact."),
        "nps": Field("bigint", "Likelihood to recommend, 0 to 10."),
        "date_creation": _timestamp("When the survey record was created."),
        "date_order": _timestamp("When the order behind the survey was placed."),
        "date_sent": _timestamp("When the survey was sent."),
        "date_survey_response": _timestamp("When the survey was answered."),
        "language": _text("Language of the survey, such as EN."),
        "locale": _text("Locale of the survey, such as en_GB."),
    },
    objects={
        "contact": Shape(
            fields={
                "first_name": _text("First name of the contact."),
                "last_name": _text("Last name of the contact."),
            }
        ),
        "account": Shape(
            fields={
                "name": _text("Name of the account."),
                "number": _text("Number of the account."),
            }
        ),
        "comment": Shape(
            fields={
                "original": _text("The comment as it was written."),
                "translation": _text("The comment translated to the account's language."),
            }
        ),
        "follow_up": Shape(
            fields={
                "requested": Field("bool", "Whether the contact asked for a follow-up."),
                "details": _text("How the contact wants to be reached."),
            }
        ),
    },
    lists={
        "tags": Shape(
            description="Manual tags and text-analytics topics of a response.",
            fields={
                "label": _text("Name of the topic or tag."),
                "type": _text("'topic' for text analytics, 'tag' for manual tags."),
                "sentiment": _text("Sentiment of a topic; empty on manual tags."),
            },
        ),
        "questions": Shape(
            description="Additional questions (CES, CSAT, rating) of a response.",
            fields={
                "title": _text("The question."),
                "answer": _text("The answer; several answers are a JSON list."),
            },
        ),
        "selected_drivers": Shape(
            description="Reasons that the respondent gave for the score.",
            fields={"primary": _text("The driver.")},
            lists={
                "secondary": Shape(
                    description="Secondary reasons below a driver.",
                    fields={SCALAR: _text("The secondary reason.")},
                )
            },
        ),
        "properties": Shape(
            description="Segments of the survey record.",
            fields={
                "field": _text("Name of the segment, such as Country."),
                "reference": _text("Its value on this record."),
            },
        ),
    },
)

REJECTED_VALUE_FIELDS: Final[Mapping[str, Field]] = {
    "field": _text("Path of the value in the record as the API sent it."),
    SCALAR: _text("The value as JSON."),
    "reason": _text("Why its column could not take it."),
}

REJECTED_RECORD_FIELDS: Final[Mapping[str, Field]] = {
    "record": _text("The record as JSON."),
    "reason": _text("Why it could not be loaded."),
    "resource": _text("Resource that it was read for."),
    "cursor": Field("bigint", "Cursor that its page came back with."),
    "position": Field("bigint", "Its place in the page, from 0."),
}
