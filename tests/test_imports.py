"""Imports point one way, and the sandbox stays a witness that knows nothing of the client."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.support import ROOT

PACKAGE = ROOT / "customergauge_source"
NAME = PACKAGE.name
MODULES = sorted(path.stem for path in PACKAGE.glob("*.py") if path.stem != "__init__")
COMMANDS = sorted(path.stem for path in (ROOT / "pipelines").glob("*.py"))
# Which modules may not know which: the house of the README, from the street to the cellar.
NEVER = {
    "settings": MODULES,
    "exceptions": MODULES,
    "schema": MODULES,
    "auth": ["client", "source", "schema", "records", "tables", "chain", "position"],
    "transport": ["auth", "client", "source", "schema", "records", "tables", "chain"],
    "paginator": ["auth", "client", "source", "schema", "records", "tables", "chain"],
    "client": ["source", "tables", "chain", "position", "declaration", "checkpoints"],
    "records": ["auth", "client", "source", "tables", "chain", "declaration", "feed"],
    "tables": ["auth", "client", "source", "chain", "declaration", "feed", "position"],
    "source": ["checkpoints", "failures", "destinations", "secrecy"],
}
PURE = ["schema", "decoding", "values", "records", "rows", "keys", "columns", "arrow", "tables"]


def imported(file: Path) -> Iterator[str]:
    """Yields the modules that a file imports, anywhere in it."""
    package = ".".join(file.relative_to(ROOT).with_suffix("").parts[:-1])
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) + 1 - node.level]
            base = ".".join([*above, node.module or ""]).strip(".") if node.level else node.module
            yield str(base)
            yield from (f"{base}.{alias.name}" for alias in node.names)


def known_to(module: str) -> set[str]:
    """Returns the modules of the package that a module imports."""
    parts = (name.split(".") for name in imported(PACKAGE / f"{module}.py"))
    return {part[1] for part in parts if part[0] == NAME and part[1:] and part[1] in MODULES}


def test_no_module_imports_one_that_imports_it() -> None:
    order = TopologicalSorter({module: known_to(module) for module in MODULES})

    assert set(order.static_order()) == set(MODULES)  # raises CycleError otherwise


@pytest.mark.parametrize("module", NEVER)
def test_a_module_does_not_know_those_above_it(module: str) -> None:
    assert known_to(module) & set(NEVER[module]) == set()


@pytest.mark.parametrize("module", PURE)
def test_values_and_tables_know_neither_dlt_nor_the_network(module: str) -> None:
    roots = {name.partition(".")[0] for name in imported(PACKAGE / f"{module}.py")}

    assert roots & {"dlt", "requests", "socket", "urllib", "os"} == set()


def test_only_the_source_reads_the_state_of_dlt() -> None:
    texts = {module: (PACKAGE / f"{module}.py").read_text(encoding="utf-8") for module in MODULES}

    assert [module for module, text in texts.items() if "resource_state(" in text] == ["source"]


def test_the_package_knows_nothing_of_the_command_line() -> None:
    for file in PACKAGE.rglob("*.py"):
        roots = {name.partition(".")[0] for name in imported(file)}
        assert roots & {"pipelines", "tests", *COMMANDS} == set(), file.name
        if file.parent == PACKAGE:
            assert roots & {"argparse", "rich"} == set(), file.name


def test_the_client_knows_nothing_of_the_sandbox() -> None:
    for module in MODULES:
        names = imported(PACKAGE / f"{module}.py")
        assert not [name for name in names if name.startswith(f"{NAME}.sandbox")], module


def test_the_sandbox_imports_nothing_of_the_package_but_itself() -> None:
    for file in (PACKAGE / "sandbox").glob("*.py"):
        names = [name for name in imported(file) if name.split(".")[0] == NAME]
        assert [n for n in names if not n.startswith(f"{NAME}.sandbox")] == [], file.name


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        (f"import {NAME}.sandbox.__main__", ["dlt", "pyarrow", "requests", f"{NAME}.client"]),
        (f"import {NAME}", ["dlt", "pyarrow", "requests", "duckdb"]),
        ("import load_options", ["dlt", "pyarrow", "requests", "duckdb"]),
    ],
)
def test_what_is_not_needed_is_not_imported(statement: str, absent: list[str]) -> None:
    program = f"import sys; {statement}; print(*(name for name in {absent} if name in sys.modules))"
    paths = f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / 'pipelines')!r}]; "
    ran = subprocess.run(
        [sys.executable, "-c", paths + program], capture_output=True, text=True, check=True
    )

    assert ran.stdout.split() == []
