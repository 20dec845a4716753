"""A field whose type changes: its column becomes text where it stands, and loses nothing."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from customergauge_source import load_in_checkpoints
from customergauge_source.sandbox import Sandbox
from tests.support import at_length, make_pipeline, make_source, query

YES, NO = True, False


class Clash(NamedTuple):
    """A field that changes its type: both values, and how each is spelled as text."""

    old: Any
    new: Any
    old_text: str
    new_text: str


CLASHES = {
    "integer_to_text": Clash(5, "abc", "5", "abc"),
    "boolean_to_text": Clash(YES, "abc", "true", "abc"),
    "double_to_text": Clash(2.5, "abc", "2.5", "abc"),
    "integer_to_double": Clash(5, 2.5, "5", "2.5"),
    "integer_to_boolean": Clash(5, NO, "5", "false"),
    "integer_to_one_of_70_bits": Clash(5, 2**70, "5", str(2**70)),
    "integer_to_list": Clash(5, ["a", 1, None], "5", '["a",1,null]'),
    "boolean_to_object": Clash(NO, {"a": {"b": 1.5}}, "false", '{"a":{"b":1.5}}'),
    "text_to_list": Clash("5", [7], "5", "[7]"),
}
TYPES = {int: "BIGINT", bool: "BOOLEAN", float: "DOUBLE", str: "VARCHAR"}
TABLES = ("responses", "responses__tags", "responses__waves")


def record(cgid: int, **fields: Any) -> dict[str, Any]:
    return {"number_customergauge": cgid, **fields}


def nested(table: str, cgid: int, **fields: Any) -> dict[str, Any]:
    """Returns a record with values in columns of a table."""
    if table == "responses":
        return record(cgid, **fields)
    key = table.removeprefix("responses__")
    return record(cgid, **{key: [fields]})


def load(folder: Path, sandbox: Sandbox, **options: Any) -> Any:
    source_options = {name: options.pop(name) for name in ("per_page",) if name in options}
    return load_in_checkpoints(
        make_pipeline(folder), make_source(sandbox, **source_options), **options
    )


def column(folder: Path, table: str, name: str) -> tuple[str, list[Any]]:
    """Returns a column's type, and its values in the order of the CGIDs."""
    file = folder / "customergauge.duckdb"
    ((kind,),) = query(
        file,
        "SELECT data_type FROM information_schema.columns WHERE table_schema = current_schema()"
        f" AND table_name = '{table}' AND column_name = '{name}'",
    )
    rows = query(file, f'SELECT "{name}" FROM {table} ORDER BY number_customergauge, _dlt_id')
    return kind, [value for (value,) in rows]


def variants(folder: Path) -> list[Any]:
    return query(
        folder / "customergauge.duckdb",
        "SELECT table_name, column_name FROM information_schema.columns WHERE column_name LIKE"
        " '%\\_\\_v\\_%' ESCAPE '\\' OR column_name LIKE '\\_dlt\\_text%' ESCAPE '\\'",
    )


@pytest.mark.parametrize("table", at_length(TABLES, short=["responses", "responses__waves"]))
def test_columns_become_text_in_a_later_run(workdir: Path, table: str) -> None:
    def has(*texts: str) -> dict[str, Any]:
        """Returns what each column is to hold: `old` or `new` of its clash, by CGID."""
        spelled = {name: {"old": it.old_text, "new": it.new_text} for name, it in CLASHES.items()}
        return {name: ("VARCHAR", [it[text] for text in texts]) for name, it in spelled.items()}

    def columns() -> dict[str, Any]:
        return {name: column(workdir, table, name) for name in CLASHES}

    old = {name: clash.old for name, clash in CLASHES.items()}
    new = {name: clash.new for name, clash in CLASHES.items()}
    with Sandbox(records=[nested(table, 1, **old)]) as sandbox:
        load(workdir, sandbox)
        assert columns() == {name: (TYPES[type(it.old)], [it.old]) for name, it in CLASHES.items()}
        sandbox.append(nested(table, 2, **new))
        load(workdir, sandbox)
        assert columns() == has("old", "new")
        # The runs after it are plain ones.
        sandbox.append(nested(table, 3, **old), nested(table, 1, **new))
        load(workdir, sandbox)

    assert columns() == has("new", "new", "old")
    assert variants(workdir) == []


@pytest.mark.parametrize("first", [2.5, 7])
def test_doubles_take_whole_numbers_and_stay_doubles(workdir: Path, first: float) -> None:
    with Sandbox(records=[record(1, wave=first), record(2, wave=0.5)]) as sandbox:
        load(workdir, sandbox)
        sandbox.append(record(3, wave=-4))
        load(workdir, sandbox)

    assert column(workdir, "responses", "wave") == ("DOUBLE", [first, 0.5, -4.0])


def test_a_whole_number_that_no_double_holds_makes_the_column_text(workdir: Path) -> None:
    with Sandbox(records=[record(1, wave=2.5)]) as sandbox:
        load(workdir, sandbox)
        sandbox.append(record(2, wave=2**60 + 1))
        load(workdir, sandbox)

    assert column(workdir, "responses", "wave") == ("VARCHAR", ["2.5", str(2**60 + 1)])


def test_types_that_clash_on_one_page_make_text_at_once(workdir: Path) -> None:
    values: list[Any] = [5, True, 2.5, "abc", None, [1], {"a": 1}]
    with Sandbox(records=[record(n, wave=value) for n, value in enumerate(values)]) as sandbox:
        summary = load(workdir, sandbox)

    texts = ["5", "true", "2.5", "abc", None, "[1]", '{"a":1}']
    assert column(workdir, "responses", "wave") == ("VARCHAR", texts)
    assert summary.checkpoints == 1


def test_a_clash_within_a_package_ends_it_and_the_next_goes_on(workdir: Path) -> None:
    feed = [record(1, wave=5), record(2, wave=6), record(3, wave="abc"), record(4, wave=7)]
    with Sandbox(records=feed) as sandbox:
        summary = load(workdir, sandbox, per_page=1)

    assert column(workdir, "responses", "wave") == ("VARCHAR", ["5", "6", "abc", "7"])
    assert summary.checkpoints == 2
    assert summary.resources["responses"].records == 4


def test_a_plain_run_ends_early_with_a_warning_and_the_next_goes_on(
    workdir: Path, told: Callable[[], list[str]]
) -> None:
    feed = [record(1, wave=5), record(2, wave="abc"), record(3, wave=7)]
    with Sandbox(records=feed) as sandbox:
        pipeline = make_pipeline(workdir)
        pipeline.run(make_source(sandbox, per_page=1))
        assert column(workdir, "responses", "wave") == ("BIGINT", [5])
        assert any("the load package ends before this page" in message for message in told())
        pipeline.run(make_source(sandbox, per_page=1))

    assert column(workdir, "responses", "wave") == ("VARCHAR", ["5", "abc", "7"])


@pytest.mark.parametrize("table", ["responses", "responses__tags"])
def test_a_column_becomes_text_behind_pages_without_it(workdir: Path, table: str) -> None:
    with Sandbox(records=[nested(table, 1, wave=5)]) as sandbox:
        load(workdir, sandbox)
        sandbox.append(record(2, tags=[{"label": "a"}]), nested(table, 3, wave="abc"))
        load(workdir, sandbox, per_page=1)

    _, values = column(workdir, table, "wave")
    assert [value for value in values if value is not None] == ["5", "abc"]


def test_a_wiped_working_directory_does_not_forget_what_became_text(workdir: Path) -> None:
    with Sandbox(records=[record(1, wave=5)]) as sandbox:
        load(workdir, sandbox)
        shutil.rmtree(workdir / "pipelines")
        sandbox.append(record(2, wave="abc"))
        load(workdir, sandbox)
        shutil.rmtree(workdir / "pipelines")
        sandbox.append(record(3, wave=7))
        summary = load(workdir, sandbox)

    assert summary.resources["responses"].records == 1
    assert column(workdir, "responses", "wave") == ("VARCHAR", ["5", "abc", "7"])


@pytest.mark.parametrize("waves", at_length([(5, "abc", 6), ("abc", 5, 6)], short=[(5, "abc", 6)]))
def test_a_full_refresh_gives_fresh_types(workdir: Path, waves: tuple[Any, ...]) -> None:
    first, second, last = waves
    with Sandbox(records=[record(1, wave=first)]) as sandbox:
        load(workdir, sandbox)
        sandbox.append(record(1, wave=second))
        load(workdir, sandbox)
        assert column(workdir, "responses", "wave") == ("VARCHAR", [str(second)])
    with Sandbox(records=[record(1, wave=last), record(2, wave=7)]) as sandbox:
        load(workdir, sandbox, full_refresh=True)
        sandbox.append(record(2, wave=8))
        load(workdir, sandbox)

    assert column(workdir, "responses", "wave") == ("BIGINT", [6, 8])


def test_a_field_with_the_name_of_the_helper_column_survives(workdir: Path) -> None:
    with Sandbox(records=[record(1, wave={"text": "hello"})]) as sandbox:
        for later in (record(2, wave=5), record(3, wave="abc")):
            load(workdir, sandbox)
            sandbox.append(later)
        load(workdir, sandbox)

    assert column(workdir, "responses", "wave") == ("VARCHAR", [None, "5", "abc"])
    assert column(workdir, "responses", "wave__text") == ("VARCHAR", ["hello", None, None])
