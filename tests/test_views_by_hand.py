"""Ten responses whose figures are worked out on paper; and the wrong numbers of the tables.

The account's clock is that of Amsterdam, in winter an hour ahead of UTC. None of the numbers below
is computed by the program that is tested, or by `tests.figures`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timezone
from math import sqrt
from pathlib import Path
from typing import Any

import duckdb
import pytest

from customergauge_source.sandbox import Sandbox
from tests.figures import COLUMNS, VIEWS, differences
from tests.viewing import FAR, NON_RESPONSES, ask, load_here, view_rows

ZONE = "Europe/Amsterdam"
Ask = Callable[[str], list[tuple[Any, ...]]]


def tag(label: str, kind: str, sentiment: str | None = None) -> dict[str, Any]:
    return {"label": label, "type": kind, **({} if sentiment is None else {"sentiment": sentiment})}


def segments(*pairs: tuple[str, str | None]) -> list[dict[str, Any]]:
    return [{"field": field, "reference": reference} for field, reference in pairs]


def questions(**answers: Any) -> list[dict[str, Any]]:
    return [{"title": title, "answer": answer} for title, answer in answers.items()]


def drivers(*chosen: tuple[str, list[str]]) -> list[dict[str, Any]]:
    return [{"primary": name, "secondary": reasons} for name, reasons in chosen]


ACME = {"number": "A1", "name": "Acme"}
BETA = {"number": "A2", "name": "Beta"}
TEN: list[dict[str, Any]] = [
    {
        "number_customergauge": 1,
        "nps": 10,
        "date_survey_response": "2026-01-05 10:00:00",
        "date_sent": "2026-01-04 10:00:00",
        "number_customer": "C1",
        "account": ACME,
        "comment": {"original": "Goed", "translation": "Good"},
        "selected_drivers": drivers(("Product", ["Quality", "Price"])),
        "properties": segments(("Country", "NL"), ("Tier", "Gold")),
        "tags": [tag("Support", "topic", "positive"), tag("Support", "tag")],
        "questions": questions(CSAT="5"),
    },
    {  # at the end of January in Amsterdam, and in UTC; in February further east
        "number_customergauge": 2,
        "nps": "9",
        "date_survey_response": "2026-01-31 23:30:00",
        "date_sent": "2026-01-30 10:00:00",
        "number_customer": "C1",
        "account": ACME,
        "comment": {"original": "Prima", "translation": ""},
        "selected_drivers": drivers(("Product", []), ("Delivery", ["Speed"])),
        "properties": segments(("Country", "NL"), ("Tier", "Silver")),
        "tags": [tag("Support", "topic", "positive")],
        "questions": questions(CSAT="4"),
    },
    {  # in February in Amsterdam, in January in UTC; no driver
        "number_customergauge": 3,
        "nps": 6,
        "date_survey_response": "2026-02-01 00:30:00",
        "date_sent": "2026-01-31 10:00:00",
        "number_customer": "C1",
        "account": BETA,
        "comment": "plain",
        "selected_drivers": [],
        "properties": segments(("Country", "BE")),
        "tags": [tag("Price", "topic", "mixed")],
        "questions": questions(CSAT="Very good"),
    },
    {  # no score
        "number_customergauge": 4,
        "nps": None,
        "date_survey_response": "2026-02-10 10:00:00",
        "date_sent": "2026-02-09 10:00:00",
        "number_customer": "C2",
        "account": BETA,
        "selected_drivers": drivers(("Delivery", ["Speed"])),
        "properties": segments(("Country", None)),
        "tags": [tag("Support", "topic", "neutral")],
        "questions": questions(CSAT=None),
    },
    {  # a driver, a tag and a segment that stand twice; nobody's
        "number_customergauge": 5,
        "nps": 8,
        "date_survey_response": "2026-02-11 12:00:00",
        "date_sent": "2026-02-10 12:00:00",
        "number_customer": "",
        "account": None,
        "selected_drivers": drivers(("Product", ["Quality"]), ("Product", ["Quality"])),
        "properties": segments(("Country", "NL"), ("Country", "BE")),
        "tags": [tag("Support", "topic", "positive"), tag("Support", "topic", "positive")],
        "questions": questions(CSAT=" 10 "),
    },
    {  # no dates
        "number_customergauge": 6,
        "nps": 0,
        "date_survey_response": None,
        "number_customer": "C3",
        "account": ACME,
        "selected_drivers": drivers(("Price", [])),
        "properties": segments(("Country", "NL")),
        "tags": [tag("Churn", "tag", "")],
        "questions": questions(Why="because"),
    },
    {  # comes late, and is the customer's first
        "number_customergauge": 7,
        "nps": 7,
        "date_survey_response": "2026-01-02 10:00:00",
        "date_sent": "2026-01-01 00:00:00",
        "number_customer": "C1",
        "account": ACME,
        "selected_drivers": drivers(("Product", ["Quality"])),
        "questions": questions(Channels=["Chat", "Phone"]),
    },
    {  # a score that is none; in March in Amsterdam, in February in UTC
        "number_customergauge": 8,
        "nps": "n/a",
        "date_survey_response": "2026-03-01 00:15:00",
        "date_sent": "2026-02-28 23:59:00",
        "number_customer": "C3",
        "account": {"number": "A1", "name": "Acme Inc"},
        "selected_drivers": None,
        "properties": segments(("Country", "BE")),
        "tags": [tag("Support", "topic", "delighted")],
        "questions": questions(CSAT="1e1"),
    },
    {  # a score outside of 0 to 10, and a day that there is not
        "number_customergauge": 9,
        "nps": 11,
        "date_survey_response": "2026-02-30 10:00:00",
        "date_sent": "2026-02-12 10:00:00",
        "number_customer": "C4",
        "account": {"number": "A3", "name": None},
        "selected_drivers": drivers(("Delivery", [])),
        "properties": segments(("Country", "NL"), ("Tier", "Gold")),
        "questions": questions(CSAT="-2.5"),
    },
    {  # two drivers; its survey is among the non-responses, too
        "number_customergauge": 10,
        "nps": 3,
        "date_survey_response": "2026-03-15 09:00:00",
        "date_sent": "2026-03-10 10:00:00",
        "number_customer": "C2",
        "account": BETA,
        "selected_drivers": drivers(("Product", ["Price"]), ("Delivery", ["Speed", "Tracking"])),
        "properties": segments(("Country", "BE"), ("Tier", None)),
        "tags": [tag("Support", "topic", "negative")],
        "questions": questions(CSAT="3", Channels=7),
    },
]
SILENT: list[dict[str, Any]] = [
    {"number_customergauge": 10, "date_sent": "2026-03-10 10:00:00"},
    {"number_customergauge": 101, "date_sent": "2026-01-10 10:00:00"},
    {"number_customergauge": 102, "date_sent": "2026-02-01 00:10:00"},
    {"number_customergauge": 103, "date_sent": None},
    {"number_customergauge": 104, "date_sent": "2026-02-20 10:00:00"},
]

JANUARY, FEBRUARY, MARCH = date(2026, 1, 1), date(2026, 2, 1), date(2026, 3, 1)
EVEN = 196 * sqrt(1 / 8)  # one of two is a promoter or a detractor: 196 · √((½ - ¼) / 2)


def utc(*numbers: int) -> datetime:
    return datetime(*numbers, tzinfo=timezone.utc)  # type: ignore[misc,arg-type]


# When 7, 1, 2, 3 and 8 were given; and the four columns of a response before, if there is none.
LATE, FIRST = utc(2026, 1, 2, 9), utc(2026, 1, 5, 9)
SECOND, THIRD = utc(2026, 1, 31, 22, 30), utc(2026, 1, 31, 23, 30)
EIGHTH = utc(2026, 2, 28, 23, 15)
NOBODY = (None, None, None, None)

# responses, scored, promoters, passives, detractors, nps, margin, nps_portal
ON_PAPER: dict[str, list[tuple[Any, ...]]] = {
    "nps_by_month": [
        # 10, 9, 7: p = ⅔, d = 0; 196 · √((⅔ - 4/9) / 3)
        (JANUARY, 3, 3, 2, 1, 0, 200 / 3, 196 * sqrt(2 / 27), 200 / 3),
        (FEBRUARY, 3, 2, 0, 1, 1, -50.0, EVEN, -100 / 3),  # 6, none, 8
        (MARCH, 2, 1, 0, 0, 1, -100.0, 0.0, -50.0),  # none, 3
        (None, 2, 2, 0, 0, 1, -50.0, EVEN, -50.0),  # 0, 11
    ],
    "nps_by_segment": [
        # 10, 9, 8, 0, 11: p = 2/5, d = 1/5; 196 · √((3/5 - 1/25) / 5)
        ("Country", "NL", 5, 5, 2, 1, 1, 20.0, 196 * sqrt(0.112), 20.0),
        # 6, 8, none, 3: d = ⅔
        ("Country", "BE", 4, 3, 0, 1, 2, -200 / 3, 196 * sqrt(2 / 27), -50.0),
        ("Country", None, 2, 1, 0, 1, 0, 0.0, 0.0, 0.0),  # none, 7
        ("Tier", "Gold", 2, 2, 1, 0, 0, 50.0, EVEN, 50.0),  # 10, 11
        ("Tier", "Silver", 1, 1, 1, 0, 0, 100.0, 0.0, 100.0),  # 9
        # 6, none, 8, 0, 7, none, 3: d = 3/5; 196 · √((3/5 - 9/25) / 5)
        ("Tier", None, 7, 5, 0, 2, 3, -60.0, 196 * sqrt(0.048), -300 / 7),
    ],
    "nps_by_account": [
        # 10, 9, 0, 7: p = ½, d = ¼; 196 · √((¾ - 1/16) / 4)
        ("A1", "Acme", 4, 4, 2, 1, 1, 25.0, 196 * sqrt(11 / 64), 25.0, SECOND),
        ("A1", "Acme Inc", 1, 0, 0, 0, 0, None, None, 0.0, EIGHTH),  # none
        ("A2", "Beta", 3, 2, 0, 0, 2, -100.0, 0.0, -200 / 3, utc(2026, 3, 15, 8)),  # 6, none, 3
        ("A3", None, 1, 1, 0, 0, 0, 0.0, 0.0, 0.0, None),  # 11
        (None, None, 1, 1, 0, 1, 0, 0.0, 0.0, 0.0, utc(2026, 2, 11, 11)),  # 8
    ],
    # Eight of the ten have a score: each whole promoter or detractor is 100 / 8 = 12.5.
    "driver_impact": [
        ("Product", 5, 2, 2, 1, 12.5),  # 10, ½ of 9, 8, 7, ½ of 3: 1 + ½ + 0 + 0 - ½
        ("Delivery", 4, 1, 0, 1, 0.0),  # ½ of 9, none, 11, ½ of 3: ½ + 0 + 0 - ½
        ("Price", 1, 0, 0, 1, -12.5),  # 0
        (None, 2, 0, 0, 1, -12.5),  # 6, none
    ],
    "driver_reasons": [
        ("Product", "Quality", 3, 1, 2, 0),  # 1, 5, 7
        ("Product", "Price", 2, 1, 0, 1),  # 1, 10
        ("Product", None, 1, 1, 0, 0),  # 2
        ("Delivery", "Speed", 3, 1, 0, 1),  # 2, 4, 10
        ("Delivery", "Tracking", 1, 0, 0, 1),  # 10
        ("Delivery", None, 1, 0, 0, 0),  # 9
        ("Price", None, 1, 0, 0, 1),  # 6
    ],
    # label, type, responses, positive, neutral, mixed, negative, without, net_sentiment
    "topic_sentiment": [
        ("Support", "topic", 6, 3, 1, 0, 1, 0, 40.0),  # 1 2 5 positive, 4 neutral, 10 negative, 8
        ("Support", "tag", 1, 0, 0, 0, 0, 1, None),  # 1
        ("Price", "topic", 1, 0, 0, 1, 0, 0, 0.0),  # 3
        ("Churn", "tag", 1, 0, 0, 0, 0, 1, None),  # 6
    ],
    # title, answers, numeric, average, lowest, highest
    "question_scores": [
        ("CSAT", 7, 6, 29.5 / 6, -2.5, 10.0),  # 5 + 4 + 10 + 10 - 2.5 + 3, and "Very good"
        ("Why", 1, 0, None, None, None),
        ("Channels", 2, 1, 7.0, 7.0, 7.0),  # a list, and 7
    ],
    "response_drivers": [
        (1, "promoter", "Product", "Quality", True),
        (1, "promoter", "Product", "Price", False),
        (2, "promoter", "Product", None, True),
        (2, "promoter", "Delivery", "Speed", True),
        (4, None, "Delivery", "Speed", True),
        (5, "passive", "Product", "Quality", True),
        (6, "detractor", "Price", None, True),
        (7, "passive", "Product", "Quality", True),
        (9, None, "Delivery", None, True),
        (10, "detractor", "Product", "Price", True),
        (10, "detractor", "Delivery", "Speed", True),
        (10, "detractor", "Delivery", "Tracking", False),
    ],
    "response_topics": [
        (1, "promoter", "Support", "topic", "positive", 1),
        (1, "promoter", "Support", "tag", None, None),
        (2, "promoter", "Support", "topic", "positive", 1),
        (3, "detractor", "Price", "topic", "mixed", 0),
        (4, None, "Support", "topic", "neutral", 0),
        (5, "passive", "Support", "topic", "positive", 1),
        (5, "passive", "Support", "topic", "positive", 1),
        (6, "detractor", "Churn", "tag", None, None),
        (8, None, "Support", "topic", "delighted", None),
        (10, "detractor", "Support", "topic", "negative", -1),
    ],
    "response_answers": [
        (1, "CSAT", "5", 5.0),
        (2, "CSAT", "4", 4.0),
        (3, "CSAT", "Very good", None),
        (4, "CSAT", None, None),
        (5, "CSAT", " 10 ", 10.0),
        (6, "Why", "because", None),
        (7, "Channels", '["Chat","Phone"]', None),
        (8, "CSAT", "1e1", 10.0),
        (9, "CSAT", "-2.5", -2.5),
        (10, "CSAT", "3", 3.0),
        (10, "Channels", "7", 7.0),
    ],
    # number_customer, then CGID, date, score and category of a response, and of the one before
    "customer_changes": [
        ("C1", 7, LATE, 7, "passive", *NOBODY, None),
        ("C1", 1, FIRST, 10, "promoter", 7, LATE, 7, "passive", "passive to promoter"),
        ("C1", 2, SECOND, 9, "promoter", 1, FIRST, 10, "promoter", "promoter to promoter"),
        ("C1", 3, THIRD, 6, "detractor", 2, SECOND, 9, "promoter", "promoter to detractor"),
        ("C2", 4, utc(2026, 2, 10, 9), None, None, *NOBODY, None),
        ("C2", 10, utc(2026, 3, 15, 8), 3, "detractor", 4, utc(2026, 2, 10, 9), None, None, None),
        ("C3", 8, EIGHTH, None, None, *NOBODY, None),
    ],
    # month, delivered, responded, rate
    "response_rate_by_month": [
        (JANUARY, 5, 4, 4 / 5),  # 1, 2, 3, 7 were answered, 101 was not
        (FEBRUARY, 6, 4, 4 / 6),  # 4, 5, 8, 9; 102, 104
        (MARCH, 1, 1, 1.0),  # 10, which is in both tables
        (None, 2, 1, 1 / 2),  # 6; 103
    ],
}
# number_customergauge, nps, nps_category, comment_text, country, tier
WIDE = [
    (1, 10, "promoter", "Good", "NL", "Gold"),
    (2, 9, "promoter", "Prima", "NL", "Silver"),
    (3, 6, "detractor", "plain", "BE", None),
    (4, None, None, None, None, None),
    (5, 8, "passive", None, "NL", None),
    (6, 0, "detractor", None, "NL", None),
    (7, 7, "passive", None, None, None),
    (8, None, None, None, "BE", None),
    (9, 11, None, None, "NL", "Gold"),
    (10, 3, "detractor", None, "BE", None),
]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DuckDB file with the ten responses and the views."""
    folder = tmp_path_factory.mktemp("ten")
    with Sandbox(records=TEN, non_responses=0) as sandbox:
        sandbox.append(*SILENT, feed=NON_RESPONSES)
        load_here(folder, sandbox, timezone=ZONE)
    return folder / "customergauge.duckdb"


@pytest.fixture
def answer(file: Path) -> Ask:
    """Asks the DuckDB file, in a session in UTC."""
    return lambda sql: ask(file, sql)


def test_there_is_a_figure_on_paper_for_every_view() -> None:
    assert {*ON_PAPER, "responses_wide"} == {*VIEWS}


@pytest.mark.parametrize("zone", ["UTC", FAR])
@pytest.mark.parametrize("view", ON_PAPER)
def test_a_view_says_what_was_worked_out_on_paper(file: Path, view: str, zone: str) -> None:
    wanted = [dict(zip(COLUMNS[view], row, strict=True)) for row in ON_PAPER[view]]

    assert differences(view, wanted, view_rows(file, view, zone)) == []


def test_responses_wide_has_a_row_a_response_and_a_column_a_segment(answer: Ask) -> None:
    names = "number_customergauge, nps, nps_category, comment_text, country, tier"

    assert answer(f"SELECT {names} FROM responses_wide ORDER BY 1") == WIDE


def test_contributions_add_up_to_the_score(answer: Ask) -> None:
    ((contributions,),) = answer("SELECT sum(nps_contribution) FROM driver_impact")

    assert contributions == 100 * (2 - 3) / 8


# From here on: wrong numbers that the tables invite to, each beside the view with the right one.


def test_drivers_joined_to_reasons_by_the_cgid_multiply(answer: Ask) -> None:
    naive = """
        SELECT count(*) FROM responses__selected_drivers d
        JOIN responses__selected_drivers__secondary s USING (number_customergauge)
        WHERE d."primary" = 'Delivery' AND s.value = 'Price'
    """
    assert answer(naive) == [(1,)]  # 10 gave that reason for the product

    own = "WHERE driver = 'Delivery' AND reason = 'Price'"
    assert answer(f"SELECT count(*) FROM driver_reasons {own}") == [(0,)]
    assert answer(f"SELECT count(*) FROM response_drivers {own}") == [(0,)]


def test_counting_drivers_after_a_join_with_their_reasons_doubles_them(answer: Ask) -> None:
    naive = """
        SELECT count(*) FROM responses__selected_drivers d
        LEFT JOIN responses__selected_drivers__secondary s ON s._dlt_parent_id = d._dlt_id
        WHERE d."primary" = 'Product'
    """
    assert answer(naive) == [(7,)]  # two reasons of 1, and 5 has it twice

    right = "SELECT count(*) FROM response_drivers WHERE driver = 'Product' AND is_first_of_driver"
    assert answer(right) == [(5,)]
    assert answer("SELECT responses FROM driver_impact WHERE driver = 'Product'") == [(5,)]


def test_tags_properties_and_questions_joined_at_once_multiply(answer: Ask) -> None:
    naive = """
        SELECT count(*) FROM responses r
        LEFT JOIN responses__tags t USING (number_customergauge)
        LEFT JOIN responses__properties p USING (number_customergauge)
        LEFT JOIN responses__questions q USING (number_customergauge)
        WHERE t.label = 'Support' AND t.type = 'topic' AND t.sentiment = 'positive'
    """
    assert answer(naive) == [(8,)]  # 1 · 2 · 1, 1 · 2 · 1, 2 · 2 · 1

    right = "SELECT positive FROM topic_sentiment WHERE label = 'Support' AND type = 'topic'"
    assert answer(right) == [(3,)]


def test_an_inner_join_on_a_segment_loses_who_has_none(answer: Ask) -> None:
    naive = """
        SELECT count(DISTINCT number_customergauge) FROM responses
        JOIN responses__properties USING (number_customergauge) WHERE field = 'Tier'
    """
    assert answer(naive) == [(4,)]

    right = "SELECT sum(responses) FROM nps_by_segment WHERE field = 'Tier'"
    assert answer(right) == [(10,)]
    assert answer("SELECT count(*) FROM responses_wide WHERE tier IS NULL") == [(7,)]


def test_a_pivot_without_care_has_a_row_a_segment(answer: Ask) -> None:
    naive = """
        SELECT count(*) FROM (
            SELECT r.*, CASE WHEN field = 'Country' THEN reference END AS country,
                   CASE WHEN field = 'Tier' THEN reference END AS tier
            FROM responses r LEFT JOIN responses__properties USING (number_customergauge)
        )
    """
    assert answer(naive) == [(15,)]

    assert answer("SELECT count(*) FROM responses_wide") == [(10,)]


def test_a_topic_and_a_tag_of_the_same_name_are_two_things(answer: Ask) -> None:
    naive = "SELECT count(*) FROM responses__tags WHERE label = 'Support'"
    assert answer(naive) == [(8,)]

    right = "SELECT type, responses FROM topic_sentiment WHERE label = 'Support' ORDER BY type"
    assert answer(right) == [("tag", 1), ("topic", 6)]


def test_answers_are_text_of_which_some_is_a_number(answer: Ask) -> None:
    asked = "FROM responses__questions WHERE title = 'CSAT'"
    assert answer(f"SELECT max(answer) {asked}") == [("Very good",)]
    with pytest.raises(duckdb.BinderException):
        answer(f"SELECT avg(answer) {asked}")
    with pytest.raises(duckdb.ConversionException):
        answer(f"SELECT avg(CAST(answer AS DOUBLE)) {asked}")

    right = "FROM response_answers WHERE title = 'CSAT'"
    assert answer(f"SELECT max(answer_number), sum(answer_number) {right}") == [(10, 29.5)]
    assert answer("SELECT highest FROM question_scores WHERE title = 'CSAT'") == [(10,)]


def test_months_do_not_move_with_the_time_zone_of_the_session(file: Path) -> None:
    naive = """
        SELECT count(*) FROM responses
        WHERE date_trunc('month', date_survey_response) = TIMESTAMPTZ '2026-01-01'
    """
    assert [ask(file, naive, zone) for zone in ("UTC", ZONE, FAR)] == [[(4,)], [(3,)], [(2,)]]

    right = "SELECT responses FROM nps_by_month WHERE month = DATE '2026-01-01'"
    assert [ask(file, right, zone) for zone in ("UTC", ZONE, FAR)] == 3 * [[(3,)]]


def test_a_missing_score_is_no_detractor_and_no_zero(answer: Ask) -> None:
    naive = """
        SELECT count(*) FILTER (WHERE category = 'detractor') FROM (
            SELECT CASE WHEN nps >= 9 THEN 'promoter' WHEN nps >= 7 THEN 'passive'
                   ELSE 'detractor' END AS category
            FROM responses
        )
    """
    assert answer(naive) == [(5,)]
    zero = "SELECT avg(coalesce(nps, 0)) FROM responses WHERE number_customergauge IN (4, 10)"
    assert answer(zero) == [(1.5,)]

    assert answer("SELECT sum(detractors), sum(scored) FROM nps_by_month") == [(3, 8)]
    right = "SELECT count(*) FROM responses_wide WHERE nps_category = 'detractor'"
    assert answer(right) == [(3,)]
