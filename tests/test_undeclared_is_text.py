"""An undeclared scalar is text from its first day, so that nothing ever changes its type.

Who wants it typed says so with dlt's own `columns` hint: what fits is stored typed.
"""

from __future__ import annotations

import shutil
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from customergauge_source import LoadSummary, load_in_checkpoints
from customergauge_source.sandbox import Sandbox
from tests.read_back import KEY, read_back
from tests.support import at_length, make_pipeline, make_source, query

FILE = "customergauge.duckdb"
SPELLED: list[tuple[Any, str]] = [
    (5, "5"),
    (12.5, "12.5"),
    (100.0, "100.0"),
    (-0.0, "-0.0"),
    (1e-7, "1e-7"),
    (True, "true"),
    (False, "false"),
    (2**63 - 1, str(2**63 - 1)),
    (2**70, str(2**70)),
    ("gold", "gold"),
    ("", ""),
    ("007", "007"),
    ("2024-05-01", "2024-05-01"),
    ("2024-05-01T12:34:56Z", "2024-05-01T12:34:56Z"),
    ("2024-05-01 12:34:56.5", "2024-05-01 12:34:56.5"),
    ("a\0\ud83d", "a\ufffd\ufffd"),
]


def load(folder: Path, sandbox: Sandbox, **options: Any) -> LoadSummary:
    hints = options.pop("hints", {})
    source = make_source(sandbox, per_page=options.pop("per_page", 1000))
    source.responses.apply_hints(columns={key: {"data_type": it} for key, it in hints.items()})
    return load_in_checkpoints(make_pipeline(folder), source, **options)


def column(folder: Path, name: str, table: str = "responses") -> tuple[str, list[Any]]:
    """Returns a column's type, and its values in the order of the CGIDs."""
    kind = read_back(folder / FILE).types[table, name]
    rows = query(folder / FILE, f'SELECT "{name}" FROM {table} ORDER BY {KEY}, _dlt_id')
    return kind, [value for (value,) in rows]


def rejected(folder: Path) -> list[tuple[Any, ...]]:
    sql = f"SELECT {KEY}, field, value FROM responses__rejected_values ORDER BY ALL"
    return query(folder / FILE, sql)


def test_each_scalar_is_text_in_its_json_spelling_wherever_it_stands(workdir: Path) -> None:
    records = [
        {
            KEY: n,
            "wave": value,
            "contact": {"title": value},
            "meta": {"a": {"b": value}},
            "tags": [{"label": "a", "weight": value}],
            "history": [value],
        }
        for n, (value, _) in enumerate(SPELLED)
    ]
    texts = ("VARCHAR", [text for _, text in SPELLED])
    with Sandbox(records=records) as sandbox:
        load(workdir, sandbox, per_page=1)

    for name in ("wave", "contact__title", "meta__a__b"):
        assert column(workdir, name) == texts, name
    assert column(workdir, "weight", "responses__tags") == texts
    assert column(workdir, "value", "responses__history") == texts
    assert rejected(workdir) == []


@pytest.mark.sampled
@pytest.mark.parametrize("per_page", at_length([1, 3, 1000], short=[1, 1000]))
def test_it_stays_one_column_whatever_comes_on_later_pages_and_in_later_runs(
    workdir: Path, per_page: int
) -> None:
    later: list[tuple[Any, str]] = [
        ([1, "a", None], '[1,"a",null]'),
        ({"a": {"b": 1.5}}, '{"a":{"b":1.5}}'),
    ]
    changes = [*SPELLED, *later, (7, "7")]
    third = len(changes) // 3
    with Sandbox(records=[]) as sandbox:
        for start in range(0, len(changes), third):
            for n, (value, _) in enumerate(changes[start : start + third], start):
                sandbox.append({KEY: n, "wave": value, "waves": [{"of": value}]})
            load(workdir, sandbox, per_page=per_page, checkpoint_pages=5)
            shutil.rmtree(workdir / "pipelines")  # the destination remembers

    tables = read_back(workdir / FILE)
    texts = [text for _, text in changes]
    assert column(workdir, "wave") == ("VARCHAR", texts)
    assert column(workdir, "of", "responses__waves") == ("VARCHAR", texts)
    assert tables.faults == []
    assert {name for _, name in tables.types if name.startswith(("wave", "of"))} == {"wave", "of"}


HINTED: dict[str, tuple[str, list[tuple[Any, Any]]]] = {
    "double": ("DOUBLE", [(12.5, 12.5), (7, 7.0), ("0.5", None), (2**60 + 1, None), (True, None)]),
    "bigint": ("BIGINT", [(5, 5), ("9", 9), (2.5, None), (7.0, 7), ("many", None), ([1], None)]),
    "bool": ("BOOLEAN", [(True, True), (0, False), ("maybe", None)]),
    "date": ("DATE", [("2024-05-01", date(2024, 5, 1)), ("2024-02-30", None), ("soon", None)]),
    "decimal": (
        "DECIMAL(38,9)",
        [
            (12.5, Decimal("12.5")),
            (10**29 - 1, Decimal(10**29 - 1)),
            (1e-9, Decimal("1e-9")),
            (1e-10, None),
            (10**29, None),
            ("1.5", None),
        ],
    ),
    "text": ("VARCHAR", [(2.5, "2.5"), ({"a": 1}, '{"a":1}')]),
}


@pytest.mark.sampled
@pytest.mark.parametrize("per_page", [1, 1000])
def test_a_hinted_column_takes_what_fits_and_the_rest_is_among_the_rejected_values(
    workdir: Path, per_page: int
) -> None:
    hints: dict[str, Any] = {f"revenue_{kind}": kind for kind in HINTED}
    longest = max(len(values) for _, values in HINTED.values())
    sent = [
        {f"revenue_{kind}": it[n][0] for kind, (_, it) in HINTED.items() if n < len(it)} | {KEY: n}
        for n in range(longest)
    ]
    wrong: set[tuple[int, str]] = {
        (n, f"revenue_{kind}")
        for kind, (_, values) in HINTED.items()
        for n, (_, stored) in enumerate(values)
        if stored is None
    }
    with Sandbox(records=sent[:1]) as sandbox:
        load(workdir, sandbox, hints=hints)
        sandbox.append(*sent[1:])
        summary = load(workdir, sandbox, hints=hints, per_page=per_page)

    for kind, (stored_as, values) in HINTED.items():
        stored = [value for _, value in values] + [None] * (longest - len(values))
        assert column(workdir, f"revenue_{kind}") == (stored_as, stored)
    assert {(cgid, field) for cgid, field, _ in rejected(workdir)} == wrong
    assert (0, "revenue_double", "12.5") not in rejected(workdir)
    assert summary.resources["responses"].rejected_values == len(wrong)


def test_a_hinted_timestamp_is_read_as_a_declared_one(workdir: Path) -> None:
    texts = ("2024-05-01", "2024-05-01 12:34:56", "soon")
    with Sandbox(records=[{KEY: n, "renewal": it} for n, it in enumerate(texts)]) as sandbox:
        load(workdir, sandbox, hints={"renewal": "timestamp"}, per_page=2)

    sql = f"SELECT renewal::TEXT FROM responses ORDER BY {KEY}"
    assert query(workdir / FILE, sql) == [
        ("2024-05-01 00:00:00+00",),
        ("2024-05-01 12:34:56+00",),
        (None,),
    ]
    assert rejected(workdir) == [(2, "renewal", '"soon"')]


def test_a_column_that_was_loaded_with_another_type_keeps_it_without_the_hint(
    workdir: Path,
) -> None:
    with Sandbox(records=[{KEY: 1, "wave": 5}]) as sandbox:
        load(workdir, sandbox, hints={"wave": "bigint"})
        for n, value in enumerate((6, "7", "abc", {"deep": [1]}), start=2):
            sandbox.append({KEY: n, "wave": value})
        shutil.rmtree(workdir / "pipelines")
        load(workdir, sandbox)

    assert column(workdir, "wave") == ("BIGINT", [5, 6, 7, None, None])
    assert rejected(workdir) == [(4, "wave", '"abc"'), (5, "wave", '{"deep":[1]}')]


@pytest.mark.long
def test_a_full_refresh_makes_it_text_again(workdir: Path) -> None:
    with Sandbox(records=[{KEY: 1, "wave": 5}]) as sandbox:
        load(workdir, sandbox, hints={"wave": "bigint"})
        load(workdir, sandbox, full_refresh=True)

    assert column(workdir, "wave") == ("VARCHAR", ["5"])
