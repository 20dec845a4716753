"""`non_responses`: surveys that nobody answered, and what becomes of those that are answered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from customergauge_source import load_in_checkpoints
from customergauge_source.resources import NON_RESPONSES
from customergauge_source.sandbox import DETRACTORS_FILTER, Sandbox
from customergauge_source.sandbox import tokens as sandbox_tokens
from customergauge_source.tables.shape import REJECTED_VALUES, Shape
from tests.command import Command
from tests.support import make_pipeline, make_source, query

FEED = "non-responses"
FILE = "customergauge.duckdb"
KEY = NON_RESPONSES.key
TYPES = {"text": "VARCHAR", "bigint": "BIGINT", "timestamp": "TIMESTAMP WITH TIME ZONE"}
TABLES: dict[str, Shape] = {
    **{name: shape for name, _, shape in NON_RESPONSES.record.tables(NON_RESPONSES.name)},
    "non_responses__rejected_values": REJECTED_VALUES,
}
BOUNDS = {
    "number_customergauge": ["--number-customergauge", "11000000"],
    "period_field": [
        *("--period-field", "date_sent"),
        *("--start-date", "2026-01-01", "--end-date", "2026-02-01"),
    ],
}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A CustomerGauge with 40 responses, and 60 surveys that nobody answered."""
    with Sandbox(responses=40, non_responses=60) as running:
        yield running


def load(folder: Path, sandbox: Sandbox, *resources: str, **arguments: Any) -> list[str | None]:
    """Loads, and returns the cursors that non-responses were asked for with."""
    before = len(sandbox.requests_to(FEED))
    chosen = {"resources": resources or ("non_responses",), "per_page": 20}
    load_in_checkpoints(make_pipeline(folder), make_source(sandbox, **chosen, **arguments))
    return [dict(request.query).get("cursor") for request in sandbox.requests_to(FEED)[before:]]


def rows(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    return query(folder / FILE, sql)


def cgids(folder: Path, table: str = "non_responses") -> list[int]:
    return [cgid for (cgid,) in rows(folder, f"SELECT {KEY} FROM {table} ORDER BY 1")]


def sent(sandbox: Sandbox, feed: str = FEED) -> list[int]:
    """Returns the CGIDs of a feed, sorted."""
    return sorted(record[KEY] for record in sandbox.records_of(feed))


def test_the_tables_are_those_that_are_declared(workdir: Path) -> None:
    with Sandbox(responses=0) as nothing:
        load(workdir, nothing)

    for table, shape in TABLES.items():
        columns = rows(
            workdir,
            "SELECT column_name, data_type FROM information_schema.columns"
            f" WHERE table_schema = current_schema() AND table_name = '{table}'"
            " AND column_name[:4] <> '_dlt'",
        )
        declared = {name: TYPES[column.type] for name, column in shape.columns()}
        assert dict(columns) == {**declared, KEY: "BIGINT"}, table
        assert rows(workdir, f"SELECT * FROM {table}") == []


def test_surveys_are_rows_and_their_segments_are_rows_below_them(
    workdir: Path, sandbox: Sandbox
) -> None:
    assert len(load(workdir, sandbox)) == 4

    records = sandbox.records_of(FEED)
    assert len(records) == 60
    surveys = (
        f"SELECT {KEY}, status, email, contact__first_name, account__number, date_sent, date_order"
        " FROM non_responses ORDER BY 1"
    )
    assert rows(workdir, surveys) == sorted(
        (
            record[KEY],
            record["status"],
            record["email"],
            record["contact"]["first_name"],
            record["account"]["number"],
            moment(record["date_sent"]),
            moment(record["date_order"]),
        )
        for record in records
    )
    segments = (
        f"SELECT survey.{KEY}, _dlt_list_idx, field, reference FROM non_responses__properties"
        " JOIN non_responses survey ON _dlt_parent_id = survey._dlt_id ORDER BY 1, 2"
    )
    assert rows(workdir, segments) == sorted(
        (record[KEY], place, segment["field"], segment["reference"])
        for record in records
        for place, segment in enumerate(record["properties"])
    )


def moment(text: str | None) -> datetime | None:
    """Returns a timestamp of the API, which is in UTC."""
    return None if text is None else datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


@pytest.mark.sampled
@pytest.mark.parametrize("include", [None, ["tags", "properties"], ["tags"]])
def test_of_the_lists_it_asks_for_properties_alone(
    workdir: Path, sandbox: Sandbox, include: list[str] | None
) -> None:
    load(workdir, sandbox, "responses", "non_responses", include=include)

    is_asked_for = include is None or "properties" in include
    for request in sandbox.requests_to(FEED):
        lists = [value for name, value in request.query if name.startswith("with")]
        assert lists == (["properties"] if is_asked_for else [])
    segments = sum(len(record["properties"]) for record in sandbox.records_of(FEED))
    assert rows(workdir, "SELECT count(*) FROM non_responses__properties") == [
        (segments if is_asked_for else 0,)
    ]


def test_a_list_that_only_responses_have_is_a_mistake_without_them(
    command: Command, sandbox: Sandbox
) -> None:
    ended = command(sandbox, "--resources", "non_responses", "--include", "tags")

    assert ended.code == 2
    assert "include is 'tags'; allowed: one of properties" in ended.err
    assert sandbox.requests == []


def test_the_next_run_reads_what_is_new_and_nothing_twice(workdir: Path, sandbox: Sandbox) -> None:
    first = load(workdir, sandbox)
    assert load(workdir, sandbox) == [first[-1]]
    late = {**sandbox.records_of(FEED)[0], KEY: 5, "properties": []}
    sandbox.append(late, feed=FEED)
    (again, last) = load(workdir, sandbox)

    assert (first[0], again) == (None, first[-1])
    assert last != again
    assert cgids(workdir) == sent(sandbox)
    assert len(cgids(workdir)) == 61


@pytest.mark.long
def test_each_credential_has_a_cursor_of_its_own(
    workdir: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = load(workdir, sandbox)[-1]
    with monkeypatch.context() as patch:
        patch.setattr(sandbox_tokens, "CLIENT_ID", "a-division")
        patch.setattr(Sandbox, "client_id", "a-division")
        with Sandbox(responses=0, non_responses=90, seed=1) as division:
            of_division = load(workdir, division)
            assert of_division[0] is None
            assert load(workdir, division) == [of_division[-1]]

            assert cgids(workdir) == sorted({*sent(sandbox), *sent(division)})
    assert load(workdir, sandbox) == [last]


@pytest.mark.sampled
@pytest.mark.parametrize("vanishes", [True, False])
def test_a_survey_that_is_answered_is_a_response_too_and_an_anti_join_tells_them_apart(
    workdir: Path, sandbox: Sandbox, *, vanishes: bool
) -> None:
    before = sent(sandbox)
    load(workdir, sandbox, "responses", "non_responses")
    answered = before[7]
    sandbox.become_response(answered, vanishes=vanishes)
    load(workdir, sandbox, "responses", "non_responses")

    assert cgids(workdir, "responses") == sent(sandbox, "responses")
    assert cgids(workdir) == before
    response = next(record for record in sandbox.records if record[KEY] == answered)
    as_response = f"SELECT nps, comment__original FROM responses WHERE {KEY} = {answered}"
    assert rows(workdir, as_response) == [(response["nps"], response["comment"]["original"])]
    segments = f"SELECT count(*) FROM responses__properties WHERE {KEY} = {answered}"
    assert rows(workdir, segments) == [(len(response["properties"]),)]
    unanswered = f"SELECT {KEY} FROM non_responses ANTI JOIN responses USING ({KEY}) ORDER BY 1"
    assert rows(workdir, unanswered) == [(cgid,) for cgid in before if cgid != answered]


def test_what_is_not_declared_is_text(workdir: Path, sandbox: Sandbox) -> None:
    sandbox.append(
        {KEY: 5, "nps": 8, "comment": {"original": "Hm"}, "reminders": 2.5, "channels": ["sms"]},
        {KEY: 6, "properties": [{"field": "Country", "reference": "NL", "rank": 1}]},
        {KEY: 7, "date_sent": "never"},
        feed=FEED,
    )
    load(workdir, sandbox)

    found = f"SELECT nps, comment__original, reminders FROM non_responses WHERE {KEY} = 5"
    assert rows(workdir, found) == [("8", "Hm", "2.5")]
    assert rows(workdir, f"SELECT {KEY}, value FROM non_responses__channels") == [(5, "sms")]
    ranks = f"SELECT {KEY}, reference, rank FROM non_responses__properties WHERE rank IS NOT NULL"
    assert rows(workdir, ranks) == [(6, "NL", "1")]
    assert rows(workdir, f"SELECT {KEY}, field, value FROM non_responses__rejected_values") == [
        (7, "date_sent", '"never"')
    ]


@pytest.mark.parametrize("bound", BOUNDS)
@pytest.mark.parametrize("beside", [[], ["responses"]])
def test_a_one_off_is_refused_by_name_before_anything_is_read(
    command: Command, sandbox: Sandbox, bound: str, beside: list[str]
) -> None:
    ended = command(sandbox, "--resources", *beside, "non_responses", *BOUNDS[bound])

    assert ended.code == 2
    assert f"non_responses does not take {bound}" in ended.err
    assert sandbox.requests == []


@pytest.mark.long
def test_an_outbound_filter_is_not_sent_and_that_is_said(
    command: Command, sandbox: Sandbox
) -> None:
    packages = ("--per-page", "20", "--checkpoint-pages", "1")
    resources = ("--resources", "responses", "non_responses", "--json", *packages)
    ended = command(sandbox, *resources, "--outbound-filter", DETRACTORS_FILTER)

    assert ended.code == 0, ended.err
    assert ended.err.count("non_responses takes no outbound_filter; it is read whole") == 1
    assert all("filter" not in dict(request.query) for request in sandbox.requests_to(FEED))
    assert all("filter" in dict(request.query) for request in sandbox.requests_to("responses"))
    assert cgids(command.folder) == sent(sandbox)
    scores = rows(command.folder, "SELECT max(nps) <= 6 FROM responses")
    assert scores == [(True,)]
    unfiltered = command(sandbox, *resources)
    assert unfiltered.summary["resources"]["non_responses"]["records"] == 0
    assert unfiltered.summary["resources"]["responses"]["records"] == 40
    assert "takes no" not in unfiltered.err


def test_more_include_and_another_client_are_warned_of(
    workdir: Path, sandbox: Sandbox, told: Callable[[], list[str]]
) -> None:
    load(workdir, sandbox, include=[])
    assert told() == []
    load(workdir, sandbox, include=["properties"])

    (warning,) = told()
    assert warning.startswith("include now has properties")
