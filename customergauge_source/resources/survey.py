"""What every survey record has, answered or not (GET Responses, v7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from customergauge_source.tables.shape import Field, Shape, text, timestamp

BASE: Final[Mapping[str, Field]] = {
    "number_customer": text("Customer number as your own systems know it."),
    "number_order": text("Order number as your own systems know it."),
    "email": text("E-mail address of the contact."),
    "phone": text("Telephone number of the contact."),
    "date_creation": timestamp("When the survey record was created."),
    "date_order": timestamp("When the order behind the survey was placed."),
    "date_sent": timestamp("When the survey was sent."),
    "language": text("Language of the survey, such as EN."),
    "locale": text("Locale of the survey, such as en_GB."),
}

BASE_OBJECTS: Final[Mapping[str, Shape]] = {
    "contact": Shape(
        fields={
            "first_name": text("First name of the contact."),
            "last_name": text("Last name of the contact."),
        }
    ),
    "account": Shape(
        fields={"name": text("Name of the account."), "number": text("Number of the account.")}
    ),
}

PROPERTIES: Final = Shape(
    description="Segments of the survey record.",
    named=("field", "reference"),
    fields={
        "field": text("Name of the segment, such as Country."),
        "reference": text("Its value on this record."),
    },
)
