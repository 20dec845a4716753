"""Fields that no schema declares: loaded, left out or refused, as `unknown_fields` says."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from customergauge_source import LoadSummary, load_in_checkpoints
from customergauge_source.exceptions import UnknownFieldError
from customergauge_source.sandbox import Sandbox
from tests.command import Command
from tests.read_back import read_back
from tests.support import make_pipeline, make_source, query
from tests.truth import loaded

FILE = "customergauge.duckdb"
NEW: list[tuple[dict[str, Any], str]] = [
    ({"wave": 5}, "wave"),
    ({"meta": {"a": {"b": 1}}}, "meta"),
    ({"steps": [1, 2]}, "steps"),
    ({"contact": {"title": "Dr"}}, "contact.title"),
    ({"tags": [{"label": "a", "weight": 3}]}, "tags.weight"),
    ({"tags": ["a"]}, "tags.value"),
    ({"selected_drivers": [{"secondary": [], "rank": 1}]}, "selected_drivers.rank"),
]


def load(folder: Path, *records: Any, **arguments: Any) -> LoadSummary:
    with Sandbox(records=records) as sandbox:
        return load_in_checkpoints(make_pipeline(folder), make_source(sandbox, **arguments))


def record(cgid: int, **fields: Any) -> dict[str, Any]:
    return {"number_customergauge": cgid, **fields}


def names(folder: Path) -> set[tuple[str, str]]:
    """Returns the columns that are there, each with its table."""
    return set(read_back(folder / FILE).types)


def rejected(folder: Path) -> list[tuple[Any, ...]]:
    return query(folder / FILE, "SELECT field, value FROM responses__rejected_values ORDER BY ALL")


def test_ignored_fields_make_nothing_and_warn_once(workdir: Path, command: Command) -> None:
    with Sandbox(records=[record(1)]) as sandbox:
        command(sandbox, "--json")
        before = names(workdir)
        changes = [change for change, _ in NEW] * 2
        emails = [(f"{n}@x.example",) for n in range(100, 100 + len(changes))]
        for n, (change, (email,)) in enumerate(zip(changes, emails, strict=True), start=2):
            sandbox.append(record(n, email=email) | change)
        finished = command(
            sandbox, "--json", "--per-page", "2", SOURCES__CUSTOMERGAUGE__UNKNOWN_FIELDS="ignore"
        )

    assert finished.code == 0
    assert {field: finished.err.count(f"Field {field} ") for _, field in NEW} == {
        field: 1 for _, field in NEW
    }
    assert names(workdir) == before
    assert query(workdir / FILE, "SELECT email FROM responses ORDER BY ALL") == [*emails, (None,)]


@pytest.mark.long
def test_no_field_is_too_small_to_be_refused_before_its_page(workdir: Path) -> None:
    def load_page_by_page(change: dict[str, Any], unknown_fields: str) -> LoadSummary:
        with Sandbox(records=[record(1), record(2), record(3) | change]) as sandbox:
            source = make_source(sandbox, per_page=1, unknown_fields=unknown_fields)
            return load_in_checkpoints(make_pipeline(workdir), source, checkpoint_pages=1)

    for change, field in NEW:
        with pytest.raises(UnknownFieldError, match=f"not declared: {field}$") as refused:
            load_page_by_page(change, "fail")
        assert refused.value.exit_code == 4
        assert "unknown_fields" in refused.value.remedy
        assert loaded(workdir / FILE) == [1, 2]
    # The cursor has not moved: with another setting the page is read after all.
    summary = load_page_by_page({"wave": 5}, "evolve")

    assert summary.resources["responses"].records == 1
    assert query(workdir / FILE, "SELECT max(wave) FROM responses") == [("5",)]


@pytest.mark.sampled
@pytest.mark.parametrize("setting", ["ignore", "fail"])
def test_documented_and_older_shapes_are_no_unknown_fields(
    workdir: Path, told: Callable[[], list[str]], setting: str
) -> None:
    sent = [
        record(1, comment="plain", drivers=[{"label": "Price"}]),
        record(2, nps="9", tags=[{"label": "a"}, None]),
        record(3, tags={"1": {"label": "b"}}, contact=[]),
    ]
    load(workdir, *sent, unknown_fields=setting)

    primary = query(workdir / FILE, 'SELECT "primary" FROM responses__selected_drivers')
    assert primary == [("Price",)]
    labels = query(workdir / FILE, "SELECT label FROM responses__tags ORDER BY ALL")
    assert labels == [("a",), ("b",), (None,)]
    assert told() == []


@pytest.mark.sampled
@pytest.mark.parametrize("per_page", [1, 3])
def test_of_lists_that_would_be_one_table_none_is_lost(workdir: Path, per_page: int) -> None:
    load(
        workdir,
        record(1, meta=[{"steps": [10]}]),
        record(2, meta={"steps": [20]}),
        record(3, waves=[{"steps": [30]}], Waves={"steps": [40]}),
        per_page=per_page,
    )

    union = "FROM responses__meta__steps UNION ALL BY NAME FROM responses__waves__steps"
    kept = query(workdir / FILE, f"SELECT value FROM ({union})")
    refused = [(re.sub(r"\D", "", value),) for _, value in rejected(workdir)]
    assert sorted(kept + refused) == [("10",), ("20",), ("30",), ("40",)]
    assert "waves" in {field.lower() for field, _ in rejected(workdir)}


@pytest.mark.sampled
@pytest.mark.parametrize("per_page", [1, 100])
def test_a_field_without_a_name_of_its_own_is_kept_among_the_rejected_values(
    workdir: Path, per_page: int
) -> None:
    nameless: list[tuple[dict[str, Any], tuple[str, str]]] = [
        ({"NPS": 5, "nps": 7}, ("NPS", "5")),
        ({"": 1}, ("", "1")),
        ({" ": [1]}, (" ", "[1]")),
        ({"_dlt_id": "x"}, ("_dlt_id", '"x"')),
        ({"_dlt_load_id": {"a": 1}}, ("_dlt_load_id.a", "1")),
        ({"_dlt_new": 1}, ("_dlt_new", "1")),
        ({"tags": [{"number_customergauge": 9}]}, ("tags.number_customergauge", "9")),
        ({"Tags": [1]}, ("Tags", "[1]")),
        ({"Contact": {"first_name": "x"}}, ("Contact.first_name", '"x"')),
    ]
    refused = [refused for _, refused in nameless]
    with Sandbox(records=[record(0)]) as sandbox:
        for run in (1, 2):
            for n, (fields, _) in enumerate(nameless):
                sandbox.append(record(100 * run + n, **fields))
            source = make_source(sandbox, per_page=per_page)
            summary = load_in_checkpoints(make_pipeline(workdir), source)
            assert rejected(workdir) == sorted(refused * run)
            assert summary.resources["responses"].rejected_values == len(refused)

    assert query(workdir / FILE, "SELECT count(*) FROM responses") == [(1 + 2 * len(refused),)]


def test_a_list_called_rejected_values_is_not_lost(workdir: Path) -> None:
    load(workdir, record(1, rejected_values=[{"wave": 1}]), record(2, nps="abc"))

    assert ("nps", '"abc"') in rejected(workdir)
    assert ("rejected_values", '[{"wave":1}]') in rejected(workdir)


@pytest.mark.long
def test_names_too_long_for_a_file_are_shortened(workdir: Path) -> None:
    nested: Any = [{"n": 1}]
    for name in "abcd":
        nested = [{name * 60: nested}]
    records = [record(1, **{"k" * 260: [{"n": 1}], "deep": nested})]
    load(workdir, *records)
    load(workdir, *records, record(2, **{"k" * 260: [{"n": 2}]}))

    tables = {table for table, _ in names(workdir)}
    (long,) = (table for table in tables if table.startswith("responses__kkk"))
    assert query(workdir / FILE, f'SELECT n FROM "{long}" ORDER BY ALL') == [("1",), ("2",)]
    assert max(map(len, tables)) <= 150
    assert any(table.startswith("responses__deep__ddd") for table in tables)


@pytest.mark.sampled
@pytest.mark.parametrize("wrap", [lambda inner: [inner], lambda inner: {"a": inner}])
def test_what_is_nested_without_end_is_kept_as_json(
    workdir: Path, wrap: Callable[[Any], Any]
) -> None:
    nested: Any = "core"
    for _ in range(600):
        nested = wrap(nested)
    load(workdir, record(1, deep=nested, tags=[{"deep": nested}]))

    assert str(read_back(workdir / FILE).responses[1]).count("core") == 2


@pytest.mark.sampled
@pytest.mark.parametrize("per_page", [1, 10])
def test_keys_that_make_one_name_share_a_column_whatever_their_page(
    workdir: Path, per_page: int
) -> None:
    load(
        workdir,
        record(1, foo_bar=1),
        record(2, **{"foo bar": 2}),
        record(3, **{"foo_bar": 3, "foo bar": 4}),
        per_page=per_page,
    )

    kept = query(workdir / FILE, "SELECT foo_bar FROM responses ORDER BY number_customergauge")
    assert kept in ([("1",), ("2",), ("3",)], [("1",), ("2",), ("4",)])
    ((field, value),) = rejected(workdir)
    assert {kept[2][0], value} == {"3", "4"}
    assert field == {"3": "foo_bar", "4": "foo bar"}[value]


@pytest.mark.sampled
@pytest.mark.parametrize("mode", ["ignore", "fail"])
def test_fields_that_are_there_already_are_not_unknown(workdir: Path, mode: str) -> None:
    known = {"wave": 1, "meta": {"a": 1}, "steps": [1], "tags": [{"label": "a", "weight": 1}]}
    load(workdir, record(1, **known))
    load(workdir, record(1, **known), record(2, **known), unknown_fields=mode)

    sql = "SELECT wave, meta__a FROM responses"
    assert query(workdir / FILE, sql) == [("1", "1"), ("1", "1")]
    assert query(workdir / FILE, "SELECT count(*) FROM responses__steps") == [(2,)]
    assert query(workdir / FILE, "SELECT count(weight) FROM responses__tags") == [(2,)]


@pytest.mark.sampled
@pytest.mark.parametrize("mode", ["freeze", "discard_row", "discard_value"])
def test_a_schema_contract_on_tables_holds_for_new_lists(workdir: Path, mode: str) -> None:
    with Sandbox(records=[record(1, steps=[1])]) as sandbox:
        load_in_checkpoints(make_pipeline(workdir), make_source(sandbox))
        sandbox.append(record(2, steps=[2], fresh=[{"inner": [1]}], wave=1))
        source = make_source(sandbox)
        source.schema_contract = {"tables": mode}
        if mode == "freeze":
            with pytest.raises(UnknownFieldError, match="responses__fresh"):
                load_in_checkpoints(make_pipeline(workdir), source)
        else:
            load_in_checkpoints(make_pipeline(workdir), source)

    assert not any(table.startswith("responses__fresh") for table, _ in names(workdir))
    count = 1 if mode == "freeze" else 2
    assert query(workdir / FILE, "SELECT count(*) FROM responses__steps") == [(count,)]


@pytest.mark.long
def test_a_schema_that_is_kept_as_yaml_is_read_again_and_may_type_a_column(workdir: Path) -> None:
    folder = workdir / "schemas"
    kept = folder / "customergauge.schema.yaml"
    with Sandbox(records=[record(1, steps=[1])]) as sandbox:

        def load_with_kept_schema() -> None:
            pipeline = make_pipeline(
                workdir, import_schema_path=str(folder), export_schema_path=str(folder / "export")
            )
            load_in_checkpoints(pipeline, make_source(sandbox))

        load_with_kept_schema()
        schema = yaml.safe_load(kept.read_text("utf-8"))
        schema["tables"]["responses__tags"]["columns"]["weight"] = {"data_type": "bigint"}
        kept.write_text(yaml.safe_dump(schema), "utf-8")
        sandbox.append(record(2, steps=[2], tags=[{"weight": 5}, {"weight": "x"}]))
        load_with_kept_schema()

    weights = query(workdir / FILE, "SELECT weight FROM responses__tags ORDER BY ALL")
    assert weights == [(5,), (None,)]
    assert rejected(workdir) == [("tags.weight", '"x"')]
    steps = query(workdir / FILE, "SELECT value FROM responses__steps ORDER BY ALL")
    assert steps == [("1",), ("2",)]
