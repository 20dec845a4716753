"""The two ways into the tables agree: a page that stays in Arrow, and the same page as objects."""

from __future__ import annotations

import re
from typing import Any

import orjson
import pyarrow as pa
import pytest

from customergauge_source.arrow import decode_as_documented
from customergauge_source.decoding import decode
from customergauge_source.drift import Drift
from customergauge_source.query import zone
from customergauge_source.records import sort_out
from customergauge_source.rows import ObjectRows, Rows, StructRows
from customergauge_source.sandbox import Sandbox
from customergauge_source.schema import RESPONSE
from customergauge_source.tables import ChainBuilder
from tests.support import TABLES

ZONES = ["UTC", "Europe/Amsterdam", "America/St_Johns", "Asia/Kathmandu"]
# When clocks change in Amsterdam: an hour that is not there, and one that is there twice.
ODD_MOMENTS = ["2026-03-29 02:30:00", "2026-10-25 02:30:00", "1937-07-01 00:00:00"]


class Names:
    """dlt's snake_case, as far as declared names need it."""

    def normalize_identifier(self, identifier: str) -> str:
        """Returns a key as an identifier."""
        return re.sub(r"\W", "_", identifier).lower()

    def shorten_fragments(self, *normalized_idents: str) -> str:
        """Returns identifiers joined."""
        return "__".join(normalized_idents)


def build(rows: Rows, name: str) -> dict[str, pa.Table]:
    """Returns the tables of one page."""
    builder = ChainBuilder(Drift(Names(), {}), zone=zone(name), load_id="1.5")
    return builder.build(rows).tables


def as_documented(body: bytes) -> StructRows:
    """Returns a page that must be as documented."""
    decoded = decode_as_documented(body)
    assert decoded is not None
    return StructRows(decoded[0])


def agree(records: list[Any], name: str) -> dict[str, pa.Table]:
    """Builds the tables in both ways and compares all of them, types and nullability included."""
    body = orjson.dumps({"data": records, "cursor": {"next": 51}})
    accepted, rejected = sort_out(decode(body)["data"], 51)
    assert rejected == []
    in_arrow, as_objects = build(as_documented(body), name), build(ObjectRows(accepted), name)

    assert list(in_arrow) == list(as_objects)
    for table, built in in_arrow.items():
        assert built.schema.equals(as_objects[table].schema), table
        assert built.equals(as_objects[table]), table
    return in_arrow


@pytest.fixture(scope="module")
def records() -> list[Any]:
    """Generated responses."""
    with Sandbox(responses=400, seed=5) as sandbox:
        return sandbox.records


@pytest.mark.parametrize("name", ZONES)
def test_generated_pages_become_the_same_tables_in_every_zone(
    records: list[Any], name: str
) -> None:
    tables = agree(records, name)

    assert set(TABLES) <= set(tables)
    for table in TABLES:
        assert tables[table].num_rows


@pytest.mark.parametrize("name", ZONES)
@pytest.mark.parametrize("moment", ODD_MOMENTS)
def test_moments_when_clocks_change_become_the_same(
    records: list[Any], name: str, moment: str
) -> None:
    agree([records[0] | {"date_sent": moment}, records[1]], name)


@pytest.mark.parametrize(
    "changes",
    [
        {"tags": None, "questions": None, "selected_drivers": None, "properties": None},
        {"contact": None, "account": None, "comment": None, "follow_up": None},
        {"contact": {}, "comment": {"original": "alone"}},
        {"nps": None, "date_sent": None, "status": None},
        {"selected_drivers": [{"primary": None, "secondary": None}, {"secondary": [None, ""]}]},
        {"tags": [{}, {"label": None}], "questions": [{"title": "", "answer": "007"}]},
        {"date_sent": "2026-02-30 12:00:00"},
        {"date_sent": ""},
        {"date_sent": "2026-03-01"},
        {"date_sent": "2026-03-01T12:00:00Z"},
        {"date_sent": "2026-03-01 12:00:00.123456"},
        {"date_sent": "0000-00-00 00:00:00"},
        {"comment": {"original": '\U0001f642 \u2028 \u00e9 \\ "', "translation": "\t\n"}},
    ],
)
def test_unusual_but_documented_pages_become_the_same_tables(
    records: list[Any], changes: dict[str, Any]
) -> None:
    for name in ("UTC", "Europe/Amsterdam"):
        agree([records[0], records[1] | changes, records[2]], name)


def test_pages_without_one_list_or_any_become_the_same_tables(records: list[Any]) -> None:
    lists = list(RESPONSE.lists)
    for dropped in ([], *([name] for name in lists), lists):
        agree([{k: v for k, v in r.items() if k not in dropped} for r in records[:20]], "UTC")


@pytest.mark.parametrize(
    "changes",
    [
        {"nps": "9"},
        {"nps": 9.5},
        {"number_customer": 77},
        {"comment": "a plain string"},
        {"tags": {}},
        {"follow_up": {"requested": 1}},
        {"brand_new": None},
        {"contact": {"nickname": "x"}},
        {"number_customergauge": None},
        {"comment": {"original": "\x00"}},
    ],
)
def test_a_page_that_is_not_as_documented_is_not_kept_in_arrow(
    records: list[Any], changes: dict[str, Any]
) -> None:
    body = orjson.dumps({"data": [records[0] | changes], "cursor": {"next": 51}})

    assert decode_as_documented(body) is None


def test_a_page_with_a_cgid_twice_is_not_kept_in_arrow(records: list[Any]) -> None:
    body = orjson.dumps({"data": [records[0], records[0]], "cursor": {"next": 51}})

    assert decode_as_documented(body) is None
