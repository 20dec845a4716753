"""Imports point one way, and what is not needed is not imported."""

from __future__ import annotations

import ast
import pydoc
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from importlib.metadata import version

import pytest
from packaging.version import Version

import customergauge_source
from customergauge_source.sandbox import Sandbox
from tests.command import Command
from tests.support import ROOT, environment

NAME = "customergauge_source"
PACKAGE = ROOT / NAME
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in PACKAGE.rglob("*.py")
}
# The house, from the cellar up: a room knows those on the floors below it alone.
FLOORS = (
    {"settings", "secrecy", "tables", "sandbox"},
    {"exceptions"},
    {"resources"},
    {"views"},
    {"api", "dlt_bridge"},
    {"reading"},
    {"source", "load", "report"},
    {"cli"},
)
# What a room may not know at all, of that which is not ours.
STRANGERS = {
    "tables": {"dlt", "requests", "socket", "urllib", "http", "os"},
    "views": {"dlt", "requests", "socket", "pyarrow"},
    "resources": {"dlt", "requests", "socket", "pyarrow"},
    "sandbox": {"dlt", "requests", "pyarrow"},
}
LARGE = {"pyarrow", "sqlalchemy"}
if Version(version("dlt")) < Version("1.30"):
    LARGE.remove("sqlalchemy")  # which it imports itself, if it is installed
COMMAND_LINE = {"argparse", "rich", "pipelines", "tests"}


def imported(module: str) -> Iterator[str]:
    """Yields what a module imports, anywhere in it."""
    file = MODULES[module]
    package = file.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) + 1 - node.level] if node.level else ()
            base = ".".join([*above, *filter(None, [node.module])])
            names = [f"{base}.{alias.name}" for alias in node.names]
            yield from (name if name in MODULES else base for name in names)


def room(module: str) -> str:
    """Returns the room of a module: what comes behind the package's name."""
    return module.split(".")[1] if "." in module else ""


def test_no_module_imports_one_that_imports_it() -> None:
    graph = {it: {*imported(it)} & MODULES.keys() - {it, NAME} for it in MODULES}

    assert {*TopologicalSorter(graph).static_order()} >= set(MODULES)  # or it raises CycleError


@pytest.mark.parametrize("floor", range(len(FLOORS)))
def test_a_room_knows_those_on_lower_floors_alone(floor: int) -> None:
    lower = set[str]().union(*FLOORS[:floor])
    for module in MODULES:
        if (here := room(module)) in FLOORS[floor]:
            known = {room(name) for name in imported(module) if name.startswith(f"{NAME}.")}
            assert known - lower - {here} == set(), module


def test_every_room_has_its_floor_and_keeps_strangers_out() -> None:
    assert {room(module) for module in MODULES} == {"", *set[str]().union(*FLOORS)}
    for module in MODULES:
        roots = {name.partition(".")[0] for name in imported(module)}
        assert roots & STRANGERS.get(room(module), set()) == set(), module
        if room(module) not in {"cli", "sandbox"}:
            assert roots & COMMAND_LINE == set(), module


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        (f"import {NAME}.sandbox.__main__", ["dlt", "pyarrow", "requests", f"{NAME}.api"]),
        (f"import {NAME}", ["dlt", "pyarrow", "requests", "duckdb"]),
        (
            f"from {NAME}.cli.load import main\ntry: main(['--help'])\nexcept SystemExit: pass",
            ["dlt", "pyarrow", "requests", "duckdb"],
        ),
    ],
    ids=["sandbox", "package", "help"],
)
def test_what_is_not_needed_is_not_imported(statement: str, absent: list[str]) -> None:
    program = f"import sys\n{statement}\nprint({{*{absent}}} & {{*sys.modules}})"
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert ran.stdout.splitlines()[-1] == "set()"


def test_a_run_without_news_does_without_arrow_and_sqlalchemy(
    command: Command, loaded_sandbox: Sandbox
) -> None:
    program = f"import sys; from {NAME}.cli.load import main; main([]); print(*sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", program],
        cwd=command.folder,
        env=environment(command.folder, loaded_sandbox, PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
        check=True,
    )

    assert ran.stdout.startswith("No new records")
    assert LARGE.isdisjoint(ran.stdout.split())


def test_the_public_names_are_shown_and_typed() -> None:
    assert {*customergauge_source.__all__} <= {*dir(customergauge_source)}
    helped = pydoc.plain(pydoc.render_doc(customergauge_source))
    for name in customergauge_source.__all__:
        assert name in helped
    assert (PACKAGE / "py.typed").is_file()
