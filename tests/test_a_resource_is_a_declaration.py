"""A resource is a declaration: one that nobody heard of is loaded like those that are built in."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import dlt
import pytest

import customergauge_source as package
from customergauge_source import LoadSummary, load_in_checkpoints
from customergauge_source.resources import RESOURCES, Resource
from customergauge_source.sandbox import Sandbox
from customergauge_source.tables.shape import SCALAR, Field, Shape, text, timestamp
from tests.support import make_pipeline, make_source, query

VISITS = Resource(
    name="visits",
    path="v7/rest/sync/visits",
    key="visit_id",
    include=("guests", "topics"),
    partition="started_at",
    record=Shape(
        description="One row for each visit to a customer.",
        fields={
            "visit_id": Field("bigint", "Number of the visit."),
            "purpose": text("Why the customer was visited."),
            "started_at": timestamp("When the visit began."),
            "minutes": Field("bigint", "How long the visit took."),
        },
        objects={
            "place": Shape(
                fields={"city": text("City of the visit.")},
                objects={"room": Shape(fields={"floor": Field("bigint", "Floor of the room.")})},
            )
        },
        lists={
            "guests": Shape(
                description="Who came.",
                fields={"name": text("Name of the guest."), "pays": Field("bool", "Who pays.")},
                lists={"badges": Shape(fields={SCALAR: text("What the guest may open.")})},
            ),
            "topics": Shape(description="What was talked about.", fields={SCALAR: text("Topic.")}),
        },
    ),
)
LISTS = ("guests", "topics")
FILE = "customergauge.duckdb"


def visit(number: int, **changes: Any) -> dict[str, Any]:
    """Returns a visit with two guests, of whom the first has two badges, and two topics."""
    ann = {"name": f"Ann {number}", "pays": True, "badges": ["door", "lift"]}
    return {
        "visit_id": number,
        "purpose": f"renewal {number}",
        "started_at": f"2026-03-{number:02} 10:00:00",
        "minutes": 30 + number,
        "place": {"city": "Amsterdam", "room": {"floor": number % 3}},
        "guests": [ann, {"name": "Bob", "pays": False, "badges": []}],
        "topics": ["price", f"topic {number}"],
        **changes,
    }


def serve(*visits: object, responses: int = 0) -> Sandbox:
    """Returns a sandbox that serves visits beside all else."""
    sandbox = Sandbox(responses=responses)
    sandbox.add_feed("visits", visits, lists=LISTS)
    return sandbox


def in_checkpoints(pipeline: dlt.Pipeline, source: Any) -> None:
    load_in_checkpoints(pipeline, source, checkpoint_pages=2)


def in_one_run(pipeline: dlt.Pipeline, source: Any) -> None:
    pipeline.run(source)


WAYS = pytest.mark.parametrize("run", [in_checkpoints, in_one_run])


def load(folder: Path, sandbox: Sandbox, **arguments: Any) -> LoadSummary:
    source = make_source(sandbox, **{"resources": [VISITS], "per_page": 3, **arguments})
    return load_in_checkpoints(make_pipeline(folder), source)


def asked(sandbox: Sandbox) -> list[str | None]:
    """Returns the cursors that the last run asked for pages of visits with."""
    return [
        dict(request.query).get("cursor")
        for request in sandbox.requests_to("visits")
        if request.header("Authorization") == f"Bearer {sandbox.tokens[-1]}"
    ]


def rows(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    return query(folder / FILE, sql)


def topics(folder: Path, number: int) -> list[str]:
    sql = f"SELECT value FROM visits__topics WHERE visit_id = {number} ORDER BY _dlt_list_idx"
    return [topic for (topic,) in rows(folder, sql)]


def test_its_objects_are_columns_and_its_lists_are_child_tables(workdir: Path) -> None:
    with serve(*map(visit, range(1, 9))) as sandbox:
        summary = load(workdir, sandbox)

        first = sandbox.requests_to("visits")[0]
    assert first.path == "/v7/rest/sync/visits"
    assert sorted(value for name, value in first.query if name.startswith("with")) == [*LISTS]
    assert (summary.resources["visits"].records, summary.resources["visits"].pages) == (8, 3)
    assert rows(workdir, "SELECT COLUMNS('^[^_]') FROM visits ORDER BY 1") == [
        (
            number,
            f"renewal {number}",
            datetime(2026, 3, number, 10, tzinfo=timezone.utc),
            30 + number,
            "Amsterdam",
            number % 3,
        )
        for number in range(1, 9)
    ]
    guests = "SELECT visit_id, _dlt_list_idx, name, pays FROM visits__guests ORDER BY ALL"
    assert rows(workdir, guests) == [
        row
        for number in range(1, 9)
        for row in [(number, 0, f"Ann {number}", True), (number, 1, "Bob", False)]
    ]
    assert [topics(workdir, number) for number in range(1, 9)] == [
        ["price", f"topic {number}"] for number in range(1, 9)
    ]
    badges = "SELECT visit_id, _dlt_list_idx, value FROM visits__guests__badges ORDER BY ALL"
    assert rows(workdir, badges) == [
        (number, place, badge)
        for number in range(1, 9)
        for place, badge in enumerate(["door", "lift"])
    ]


def test_its_children_lead_to_their_parents_and_to_their_visit(workdir: Path) -> None:
    with serve(*map(visit, range(1, 6))) as sandbox:
        load(workdir, sandbox)

    parents = {
        "visits__guests": "visits",
        "visits__topics": "visits",
        "visits__guests__badges": "visits__guests",
    }
    for table, parent in parents.items():
        led = rows(
            workdir,
            f"SELECT count(*), count(DISTINCT child._dlt_id) FROM {table} child"
            f" JOIN {parent} up ON child._dlt_parent_id = up._dlt_id"
            " AND child.visit_id = up.visit_id"
            " JOIN visits ON child._dlt_root_id = visits._dlt_id"
            " AND child.visit_id = visits.visit_id",
        )
        assert led == [(10, 10)], table


@pytest.mark.sampled
@WAYS
def test_its_second_run_asks_from_the_stored_cursor_alone(
    workdir: Path, run: Callable[[dlt.Pipeline, Any], None]
) -> None:
    def cursors() -> list[str | None]:
        run(make_pipeline(workdir), make_source(sandbox, resources=[VISITS], per_page=3))
        return asked(sandbox)

    with serve(*map(visit, range(1, 5))) as sandbox:
        first = cursors()
        sandbox.append(visit(5), feed="visits")
        second = cursors()
        third = cursors()

    assert (first[0], len(first)) == (None, 3)
    assert (second[0], len(second)) == (first[-1], 2)
    assert third == [second[-1]]
    assert rows(workdir, "SELECT visit_id FROM visits ORDER BY 1") == [(n,) for n in range(1, 6)]
    assert rows(workdir, "SELECT count(*) FROM visits__guests__badges") == [(10,)]


def test_a_list_that_is_empty_in_a_later_delivery_has_no_rows_any_more(workdir: Path) -> None:
    with serve(*map(visit, range(1, 6))) as sandbox:
        load(workdir, sandbox)
        left_out = {name: value for name, value in visit(4).items() if name not in LISTS}
        sandbox.append(
            visit(2, purpose="done", guests=[], topics=[]),
            visit(3, purpose="done", guests=None, topics=None),
            left_out | {"purpose": "done"},
            visit(5, guests=[{"name": "Cas", "badges": []}]),
            feed="visits",
        )
        load(workdir, sandbox)

    done = "SELECT visit_id FROM visits WHERE purpose = 'done' ORDER BY 1"
    assert rows(workdir, done) == [(2,), (3,), (4,)]
    left = {
        "visits__guests": [(1, 2), (5, 1)],
        "visits__topics": [(1, 2), (5, 2)],
        "visits__guests__badges": [(1, 2)],
    }
    for table, counted in left.items():
        sql = f"SELECT visit_id, count(*) FROM {table} GROUP BY 1 ORDER BY 1"
        assert rows(workdir, sql) == counted, table


def test_values_that_its_columns_cannot_take_are_kept_until_the_visit_is_put_right(
    workdir: Path,
) -> None:
    kept = "SELECT visit_id, field, value, reason FROM visits__rejected_values ORDER BY ALL"
    with serve(visit(1), visit(2, minutes="long", started_at="soon", topics="none")) as sandbox:
        summary = load(workdir, sandbox)
        rejected = rows(workdir, kept)
        sandbox.append(visit(2), feed="visits")
        load(workdir, sandbox)

    assert summary.resources["visits"].rejected_values == 3
    assert [row[:3] for row in rejected] == [
        (2, "minutes", '"long"'),
        (2, "started_at", '"soon"'),
        (2, "topics", '"none"'),
    ]
    assert all(reason for *_, reason in rejected)
    assert rows(workdir, kept) == []
    assert rows(workdir, "SELECT minutes FROM visits ORDER BY visit_id") == [(31,), (32,)]
    assert topics(workdir, 2) == ["price", "topic 2"]


def test_what_is_no_visit_is_kept_as_a_rejected_record(workdir: Path) -> None:
    nobodys = {"number_customergauge": 7, "purpose": "lost"}  # the key of others is not its key
    with serve(visit(1), nobodys, visit(2)) as sandbox:
        summary = load(workdir, sandbox)

    assert summary.resources["visits"].rejected == 1
    assert rows(workdir, "SELECT resource, reason, position FROM rejected_records") == [
        ("visits", "no visit_id", 1)
    ]
    assert rows(workdir, "SELECT visit_id FROM visits ORDER BY 1") == [(1,), (2,)]


def test_what_it_does_not_declare_is_loaded_as_text(workdir: Path) -> None:
    more = {"score": 12.5, "car": {"doors": 5, "own": True}, "stops": [{"km": 3}, {"km": 4}]}
    with serve(visit(1), visit(2, **more), visit(3)) as sandbox:
        load(workdir, sandbox)

    undeclared = "SELECT visit_id, score, car__doors, car__own FROM visits ORDER BY 1"
    assert rows(workdir, undeclared) == [
        (1, None, None, None),
        (2, "12.5", "5", "true"),
        (3, None, None, None),
    ]
    stops = "SELECT visit_id, km FROM visits__stops ORDER BY _dlt_list_idx"
    assert rows(workdir, stops) == [(2, "3"), (2, "4")]


def test_include_and_timezone_count_for_it_too(workdir: Path) -> None:
    with serve(visit(1), visit(2)) as sandbox:
        load(workdir, sandbox, include=["topics"], timezone="America/New_York")

        assert ("with[]", "topics") in sandbox.requests_to("visits")[0].query
        assert ("with[]", "guests") not in sandbox.requests_to("visits")[0].query
    assert rows(workdir, "SELECT started_at FROM visits WHERE visit_id = 1") == [
        (datetime(2026, 3, 1, 15, tzinfo=timezone.utc),)
    ]
    assert topics(workdir, 1) == ["price", "topic 1"]
    assert rows(workdir, "SELECT * FROM visits__guests") == []


@pytest.mark.sampled
@WAYS
def test_it_is_loaded_beside_another_resource(
    workdir: Path, run: Callable[[dlt.Pipeline, Any], None]
) -> None:
    with serve(*map(visit, range(1, 5)), responses=50) as sandbox:
        records = sandbox.records
        for _ in range(2):
            both = make_source(sandbox, resources=["responses", VISITS], per_page=20)
            run(make_pipeline(workdir), both)
            sandbox.append(visit(5), {"visit_id": "x"}, feed="visits")
            sandbox.append({"nps": 7})

    assert rows(workdir, "SELECT visit_id FROM visits ORDER BY 1") == [(n,) for n in range(1, 6)]
    assert rows(workdir, "SELECT number_customergauge FROM responses ORDER BY 1") == sorted(
        (record["number_customergauge"],) for record in records
    )
    assert rows(workdir, "SELECT count(*) FROM responses__tags") == [
        (sum(len(record["tags"]) for record in records),)
    ]
    assert rows(workdir, "SELECT resource, record FROM rejected_records ORDER BY 1") == [
        ("responses", '{"nps":7}'),
        ("visits", '{"visit_id":"x"}'),
    ]


def test_no_resource_is_known_by_name_but_to_its_declaration() -> None:
    names = "|".join(re.escape(resource.name).replace("_", "[-_]") for resource in RESOURCES)
    known = re.compile(rf"(.*/)?({names})(__.*)?", re.IGNORECASE | re.DOTALL)
    root = Path(package.__file__).parent
    told = [
        f"{path.relative_to(root)}:{line}: {word}"
        for path in sorted(root.rglob("*.py"))
        # Views and report are about the answers to surveys, as the sandbox is.
        if path.relative_to(root).parts[0] not in ("resources", "sandbox", "views", "report")
        for line, word in words(ast.parse(path.read_text("utf-8")))
        if known.fullmatch(word)
    ]

    assert told == []


def words(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yields the identifiers and texts of a module, each with its line.

    Docstrings are left out, and what a function that is called calls its arguments.
    """
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Constant() as docstring):
                docstring.value = None  # it is walked to later
            case ast.keyword():
                continue
        for _, value in ast.iter_fields(node):
            for word in value if isinstance(value, list) else [value]:
                if isinstance(word, str):
                    yield getattr(node, "lineno", 0), word
