"""A history in a pipeline of the user's own: one package, steps, hints, contracts, a schema."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from customergauge_source import load_in_checkpoints
from customergauge_source.sandbox import Sandbox
from tests.histories import apart, numbered, present
from tests.kills import all_differences
from tests.support import EMPTY, at_length, make_pipeline, make_source, query
from tests.test_hints_and_schemas import CONTRACTS, FILE, HARMFUL, NEW, bring_news, refused
from tests.truth import differences

KEY = "number_customergauge"
ALL = ["responses", "non_responses", "close_loop"]


def history(sandbox: Sandbox, **arguments: Any) -> Any:
    """Returns the source of a history."""
    return make_source(sandbox, history=True, **arguments)


def test_each_package_of_pipeline_run_has_its_versions(workdir: Path) -> None:
    with Sandbox(responses=30) as sandbox:
        given: list[dict[str, Any]] = [{"write_disposition": it} for it in ("append", "merge")]
        for how in ({}, {}, *given):
            pipeline = make_pipeline(workdir)
            pipeline.run(history(sandbox, resources=ALL, per_page=20), **how)
            assert differences(apart(workdir / FILE), numbered(sandbox.records)) == []
            assert all_differences(present(workdir / FILE), sandbox) == []
            sandbox.redeliver(sandbox.records[3][KEY], **EMPTY)
            sandbox.become_response(sandbox.records_of("non-responses")[2][KEY], vanishes=False)
        tables = make_pipeline(workdir).schemas["customergauge"].tables.values()
        own = [it for it in tables if "parent" not in it and not str(it["name"]).startswith("_dlt")]
        assert {it["write_disposition"] for it in own} == {"append"}


def test_without_a_history_append_is_refused_and_the_message_names_history(
    workdir: Path, sandbox: Sandbox
) -> None:
    source = make_source(sandbox)
    message = refused(make_pipeline(workdir), source, sandbox, write_disposition="append")
    assert "append" in message
    with pytest.raises(Exception, match="append") as raised:
        make_pipeline(workdir).run(source, write_disposition="append")
    assert "history=True" in str(getattr(raised.value.__cause__, "remedy", raised.value))


@pytest.mark.parametrize(
    "what", at_length([it for it in HARMFUL if it != "primary_key"], short=["hard_delete"])
)
def test_hints_are_refused_as_ever(workdir: Path, sandbox: Sandbox, what: str) -> None:
    source = history(sandbox)
    source.responses.apply_hints(**HARMFUL[what])

    message = refused(make_pipeline(workdir), source, sandbox)
    assert what.removesuffix(" of a column") in message


def test_steps_and_hints_of_columns_are_taken(workdir: Path, sandbox: Sandbox) -> None:
    for _ in range(2):
        source = history(sandbox)
        source.responses.apply_hints(primary_key=KEY, columns={"nps": {"data_type": "decimal"}})
        source.responses.add_filter(lambda it: it["nps"] is None or it["nps"] > 6)
        source.responses.add_map(lambda it: it | {"locale": "mapped"})
        make_pipeline(workdir).run(source)
        sandbox.redeliver(sandbox.records[0][KEY], nps=9, **EMPTY)

    kept = [
        it | {"locale": "mapped"}
        for it in sandbox.records[:-1]
        if it["nps"] is None or it["nps"] > 6
    ]
    assert differences(apart(workdir / FILE), numbered(kept)) == []
    described = dict(row[:2] for row in query(workdir / FILE, "DESCRIBE responses"))
    assert described["nps"].startswith("DECIMAL")
    assert described["_dlt_load_id"] == "VARCHAR"


@pytest.mark.parametrize(
    "case",
    at_length(
        [it for it in CONTRACTS if it[1] != "freeze"],
        short=[("columns", "discard_row")],
    ),
    ids=" ".join,
)
def test_contracts_hold(workdir: Path, case: tuple[str, str]) -> None:
    entity, mode = case
    with Sandbox(responses=20) as sandbox:
        make_pipeline(workdir).run(history(sandbox))
        bring_news(sandbox)
        contract: Any = {entity: mode}
        make_pipeline(workdir).run(history(sandbox), schema_contract=contract)
        others = [it for it in sandbox.records if it[KEY] != NEW]

    has_record, has_field, has_list = CONTRACTS[entity, mode]
    found = differences(present(workdir / FILE), others)
    assert found == ([f"1 too many, such as {NEW}"] if has_record else [])
    columns = [name for name, *_ in query(workdir / FILE, "DESCRIBE responses")]
    assert ("brand_new" in columns) == has_field
    tables = [name for (name,) in query(workdir / FILE, "SHOW TABLES")]
    assert ("responses__fresh" in tables) == has_list


@pytest.mark.long
@pytest.mark.parametrize("first", ["a history", "merged"])
def test_a_schema_that_is_imported_holds_for_a_history_and_does_not_bring_back_another_keeping(
    workdir: Path, first: str
) -> None:
    path, was = {"import_schema_path": str(workdir / "import")}, first == "a history"
    with Sandbox(responses=20) as sandbox:
        load_in_checkpoints(make_pipeline(workdir, **path), make_source(sandbox, history=was))
        file = workdir / "import" / "customergauge.schema.yaml"
        schema = yaml.safe_load(file.read_text("utf-8"))
        schema["tables"]["responses"]["columns"]["wave"] = {"data_type": "bigint"}
        file.write_text(yaml.safe_dump(schema), "utf-8")
        sandbox.append(sandbox.records[0] | {KEY: NEW, "wave": "7"})
        load_in_checkpoints(make_pipeline(workdir, **path), make_source(sandbox, history=was))
        waves = "SELECT wave FROM responses WHERE wave IS NOT NULL"
        assert query(workdir / FILE, waves) == [(7,)]
        for full_refresh in (True, False):
            sandbox.redeliver(sandbox.records[0][KEY], **EMPTY)
            source = make_source(sandbox, history=not was)
            pipeline = make_pipeline(workdir, **path)
            load_in_checkpoints(pipeline, source, full_refresh=full_refresh)

    others, found = [it for it in sandbox.records if it[KEY] != NEW], workdir / FILE
    extra = f"1 too many, such as {NEW}"
    assert differences(found if was else present(found), others) == [extra]
    if not was:
        assert differences(apart(found), numbered(others)) == [f"{extra}000"]


@pytest.mark.long
def test_one_resource_may_have_a_history_beside_another_that_has_none(workdir: Path) -> None:
    """As after a full refresh of one alone; entries that are no record are in a table of both."""
    with Sandbox(responses=30) as sandbox:
        sandbox.append("no record")
        sandbox.append("none either", feed="non-responses")
        for _ in range(2):
            for history, name in ((False, "responses"), (True, "non_responses")):
                source = make_source(sandbox, history=history, resources=[name])
                load_in_checkpoints(make_pipeline(workdir), source, views=True)
            sandbox.append("no record again")
            sandbox.append("none again", feed="non-responses")
        found = query(workdir / FILE, "SELECT record FROM rejected_records ORDER BY 1")
        records = [it for it in sandbox.records if isinstance(it, dict)]
        told = differences(workdir / FILE, records)
        assert [it for it in told if not it.startswith("rejected")] == []
        assert len(found) == 4
