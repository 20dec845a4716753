"""What dlt lets a user say of tables: hints, contracts, a schema as a file. Taken, or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dlt
import pytest
import yaml
from dlt.common.schema import Schema

from customergauge_source import explain, load_in_checkpoints
from customergauge_source.exceptions import ConfigurationError, UnknownFieldError
from customergauge_source.sandbox import Sandbox
from tests.support import at_length, make_pipeline, make_source, query
from tests.truth import differences

FILE = "customergauge.duckdb"
NEW = 99_000_001
TAGS = {"label": {"data_type": "text"}}
HARMFUL: dict[str, dict[str, Any]] = {
    "primary_key": {"primary_key": "number_customer"},
    "merge_key": {"merge_key": "number_customer"},
    "merge_key of a column": {"columns": {"email": {"merge_key": True}}},
    "hard_delete": {"columns": {"status": {"hard_delete": True}}},
    "dedup_sort": {"columns": {"date_sent": {"dedup_sort": "asc"}}},
    "nullable=False": {"columns": {"email": {"nullable": False}}},
    "data_type": {"columns": {"number_customergauge": {"data_type": "text"}}},
    "description": {"columns": {"_dlt_id": {"description": "mine"}}},
    "nested_hints": {"nested_hints": {"tags": dlt.mark.make_nested_hints(columns=TAGS)}},
    "parent": {"parent_table_name": "accounts"},
    "write disposition": {"write_disposition": {"disposition": "merge", "deduplicated": True}},
}


def refused(pipeline: dlt.Pipeline, source: Any, sandbox: Sandbox, **how: Any) -> str:
    """Returns the message of a run that is refused before anything is requested."""
    asked = len(sandbox.requests)
    with pytest.raises(Exception, match=r".") as raised:
        pipeline.run(source, **how)
    error = explain(raised.value)
    assert isinstance(error, ConfigurationError), raised.value
    assert len(sandbox.requests) == asked
    assert error.remedy != ConfigurationError.default_remedy
    return str(error)


@pytest.mark.parametrize(
    "what", at_length(HARMFUL, short=["primary_key", "merge_key of a column", "nested_hints"])
)
def test_a_hint_that_would_cost_rows_is_refused(workdir: Path, sandbox: Sandbox, what: str) -> None:
    source = make_source(sandbox)
    source.responses.apply_hints(**HARMFUL[what])

    message = refused(make_pipeline(workdir), source, sandbox)

    assert what.removesuffix(" of a column") in message


def test_a_primary_key_for_all_of_a_run_is_refused(workdir: Path, sandbox: Sandbox) -> None:
    orders = dlt.resource([{"id": 1}], name="orders")

    message = refused(
        make_pipeline(workdir), [make_source(sandbox), orders], sandbox, primary_key="id"
    )

    assert "primary_key on its column id" in message


def test_hints_that_say_what_a_column_holds_are_taken(workdir: Path, sandbox: Sandbox) -> None:
    source = make_source(sandbox)
    source.max_table_nesting, source.root_key = 0, True  # of dlt's own normalizer; ours is Arrow
    source.responses.apply_hints(
        primary_key="number_customergauge",
        columns={"nps": {"data_type": "decimal", "description": "mine"}, "own": {}},
        references=[
            {"referenced_table": "crm", "columns": ["email"], "referenced_columns": ["email"]}
        ],
        additional_table_hints={"x-mine": "1"},
    )
    pipeline = make_pipeline(workdir)
    for _ in range(2):
        pipeline.run(source)
        sandbox.redeliver(sandbox.records[3]["number_customergauge"], nps=0, tags=[])

    assert differences(workdir / FILE, sandbox.records[:-1]) == []
    table: Any = pipeline.schemas["customergauge"].tables["responses"]
    assert table["columns"]["nps"]["description"] == "mine"
    assert table["references"][0]["referenced_table"] == "crm"
    described = dict(row[:2] for row in query(workdir / FILE, "DESCRIBE responses"))
    assert described["nps"].startswith("DECIMAL")


@pytest.mark.sampled
@pytest.mark.parametrize(
    "naming", at_length(["duck_case", "sql_cs_v1", "sql_ci_v1"], short=["sql_cs_v1"])
)
def test_other_naming_conventions_that_keep_our_names_are_taken(
    workdir: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, naming: str
) -> None:
    monkeypatch.setenv("SCHEMA__NAMING", naming)
    make_pipeline(workdir).run(make_source(sandbox))

    assert differences(workdir / FILE, sandbox.records) == []


def bring_news(sandbox: Sandbox) -> None:
    """Delivers a record with a new field, a new list, a new field of a list, and a wrong value."""
    news = {"brand_new": 1, "fresh": [{"a": 1}], "tags": [{"label": "x", "weight": 2}]}
    sandbox.append(sandbox.records[0] | {"number_customergauge": NEW, "nps": "abc"} | news)
    sandbox.arrive(1)


CONTRACTS: dict[tuple[str, str], tuple[bool, bool, bool]] = {
    # which of what is new is there: the record, its field, its list
    ("tables", "evolve"): (True, True, True),
    ("tables", "freeze"): (False, False, False),
    ("tables", "discard_row"): (True, True, False),
    ("tables", "discard_value"): (True, True, False),
    ("columns", "evolve"): (True, True, True),
    ("columns", "freeze"): (False, False, False),
    ("columns", "discard_row"): (False, False, True),
    ("columns", "discard_value"): (True, False, True),
    # A value of the wrong type is put among the rejected ones before dlt sees it.
    ("data_type", "evolve"): (True, True, True),
    ("data_type", "freeze"): (True, True, True),
    ("data_type", "discard_row"): (True, True, True),
    ("data_type", "discard_value"): (True, True, True),
}
CASES = [(place, *it) for place in ("run", "source", "resource") for it in CONTRACTS]
SHORT = [
    ("resource", "tables", "freeze"),
    ("resource", "tables", "discard_value"),
    ("run", "columns", "discard_row"),
    ("source", "columns", "discard_value"),
    ("run", "data_type", "freeze"),
]


@pytest.mark.parametrize("case", at_length(CASES, short=SHORT), ids=" ".join)
def test_a_contract_holds_wherever_it_is_given(workdir: Path, case: tuple[str, str, str]) -> None:
    place, entity, mode = case
    with Sandbox(responses=20) as sandbox:
        make_pipeline(workdir).run(make_source(sandbox))
        before = sandbox.records
        bring_news(sandbox)
        source, contract = make_source(sandbox), {entity: mode}
        how: dict[str, Any] = {"schema_contract": contract} if place == "run" else {}
        if place == "source":
            source.schema_contract = contract
        elif place == "resource":
            source.responses.apply_hints(schema_contract=contract)
        if mode == "freeze" and entity != "data_type":
            with pytest.raises(Exception, match=r".") as raised:
                make_pipeline(workdir).run(source, **how)
            error = explain(raised.value)
            assert error.exit_code == 4
            assert "schema_contract" in error.remedy
            assert isinstance(error, UnknownFieldError) == (entity == "tables")
            others = before
        else:
            make_pipeline(workdir).run(source, **how)
            others = [it for it in sandbox.records if it["number_customergauge"] != NEW]

    has_record, has_field, has_list = CONTRACTS[entity, mode]
    found = differences(workdir / FILE, others)
    assert found == ([f"1 too many, such as {NEW}"] if has_record else [])
    columns = [name for name, *_ in query(workdir / FILE, "DESCRIBE responses")]
    assert ("brand_new" in columns) == has_field
    tables = [name for (name,) in query(workdir / FILE, "SHOW TABLES")]
    assert ("responses__fresh" in tables) == has_list
    if has_record:
        sql = "SELECT field, value FROM responses__rejected_values"
        assert query(workdir / FILE, sql) == [("nps", '"abc"')]


def edited(folder: Path, change: Any) -> None:
    """Changes the schema that a pipeline has left for import."""
    file = folder / "customergauge.schema.yaml"
    schema = yaml.safe_load(file.read_text("utf-8"))
    change(schema["tables"])
    file.write_text(yaml.safe_dump(schema), "utf-8")


def test_an_exported_schema_is_whole_and_imported_by_another_pipeline(workdir: Path) -> None:
    to_import, exported = workdir / "import", workdir / "export"
    paths = {"import_schema_path": str(to_import), "export_schema_path": str(exported)}
    with Sandbox(responses=20) as sandbox:
        make_pipeline(workdir, **paths).run(make_source(sandbox))
        text = (exported / "customergauge.schema.yaml").read_text("utf-8")
        assert Schema.from_dict(yaml.safe_load(text)).tables["responses__tags"]["parent"]

        def type_columns(tables: Any) -> None:
            tables["responses"]["columns"]["wave"] = {"data_type": "bigint"}
            tables["responses__tags"]["columns"]["weight"] = {"data_type": "double"}
            tables["responses"]["columns"]["number_customer"]["data_type"] = "bigint"

        edited(to_import, type_columns)
        before = sandbox.records
        tags = [{"label": "x", "weight": 1.5}]
        sandbox.append(before[0] | {"number_customergauge": NEW, "wave": "7", "tags": tags})
        for _ in range(2):
            make_pipeline(workdir, "second", **paths).run(make_source(sandbox))

    file = workdir / "second.duckdb"
    assert differences(file, before) == [f"1 too many, such as {NEW}"]
    sql = f"SELECT wave FROM responses WHERE number_customergauge = {NEW}"
    assert query(file, sql) == [(7,)]
    assert query(file, "SELECT weight FROM responses__tags WHERE weight > 0") == [(1.5,)]


@pytest.mark.parametrize(
    ("table", "hint"), [("responses", "merge_key"), ("responses__tags", "primary_key")]
)
def test_a_harmful_hint_in_an_imported_schema_is_refused(
    workdir: Path, table: str, hint: str
) -> None:
    def harm(tables: Any) -> None:
        column = "email" if table == "responses" else "label"
        tables[table]["columns"][column][hint] = True

    path = {"import_schema_path": str(workdir / "import")}
    with Sandbox(responses=20) as sandbox:
        make_pipeline(workdir, **path).run(make_source(sandbox))
        edited(workdir / "import", harm)
        second = make_pipeline(workdir, "second", **path)

        assert f"{table} does not take the hint {hint}" in refused(
            second, make_source(sandbox), sandbox
        )
        with pytest.raises(ConfigurationError, match=hint):
            load_in_checkpoints(second, make_source(sandbox))
