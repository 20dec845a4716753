"""README and docs, taken apart; and what they say of modules and columns, generated.

`python -m tests.docs` writes the generated parts anew.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
import threading
from collections.abc import Iterator, Sequence
from importlib import import_module
from itertools import zip_longest
from pathlib import Path
from typing import Any

from customergauge_source.resources import RESOURCES
from customergauge_source.tables.shape import (
    DELETED_RECORDS,
    REJECTED_RECORDS,
    REJECTED_VALUES,
    Shape,
)
from tests import docs_of_views
from tests.support import ROOT

PACKAGE = ROOT / "customergauge_source"
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(ROOT.glob("docs/*.md")))
}
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"(python|pip|pytest|bash|cp) ")
_TYPES = {
    "text": "text",
    "bigint": "whole number",
    "double": "number",
    "bool": "boolean",
    "timestamp": "timestamp",
}


def blocks(language: str) -> list[tuple[str, str]]:
    """Returns the fenced blocks in a language, each with the output shown below it; "" if none."""
    found = []
    for text in PAGES.values():
        fenced = [*FENCED.finditer(text)]
        for block, below in zip_longest(fenced, fenced[1:]):
            output = ""
            if below and below[1] == "text" and not text[block.end() : below.start()].strip():
                output = below[2].strip()
            if block[1] == language:
                found.append((block[2], output))
    return found


def code_spans(text: str) -> list[str]:
    """Returns what stands between backticks."""
    return [" ".join(it.split()) for it in re.findall(r"`([^`]+)`", FENCED.sub("", text))]


def commands() -> list[str]:
    """Returns the commands of all pages, each once."""
    lines = [line for block, _ in blocks("sh") for line in block.splitlines()]
    spans = [span for text in PAGES.values() for span in code_spans(text) if _COMMAND.match(span)]
    return [*dict.fromkeys(lines + spans)]


def section(page: str, heading: str) -> str:
    """Returns what stands below a heading of the second level."""
    below = PAGES[page].split(f"\n## {heading}\n")[1]
    return re.split(r"^## ", below, flags=re.MULTILINE)[0]


def anchors(text: str) -> set[str]:
    """Returns the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", FENCED.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", it.lower()).replace(" ", "-") for it in headings}


def resolve(name: str) -> Any:
    """Returns what a dotted name below the package stands for; None if there is no such thing."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        path = PACKAGE.joinpath(*parts[:length])
        if path.with_suffix(".py").exists() or path.is_dir():
            found: Any = import_module(".".join([PACKAGE.name, *parts[:length]]))
            for part in parts[length:]:
                found = getattr(found, part, None)
            return found
    return None


def trace(names: Sequence[str], arguments: Sequence[str]) -> list[str]:
    """Runs the command; returns which of the functions were entered or left, in order.

    A generator is entered and left with each item.
    """
    functions = {name: function for name in names if (function := resolve(name)) is not None}
    codes = {inspect.unwrap(function).__code__: name for name, function in functions.items()}
    passed: list[str] = []

    def note(frame: Any, event: str, _: object) -> None:
        if event in {"call", "return"} and (name := codes.get(frame.f_code)):
            passed.append(name)

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        resolve("cli.load.main")([*arguments])
    finally:
        sys.setprofile(None)
    return passed


def generated() -> Iterator[tuple[str, str, str]]:
    """Yields page, marker and text of each generated part."""
    yield "docs/internals.md", "the map", "\n".join(_module_map())
    for it in RESOURCES:
        tables = [(name, shape) for name, _, shape in it.record.tables(it.name)]
        yield "docs/tables.md", f"columns of {it.name}", "\n".join(_column_tables(tables))
    yield from docs_of_views.written()
    removed = [("deleted_…", DELETED_RECORDS)]
    yield "docs/tables.md", "columns of what was removed", "\n".join(_column_tables(removed))
    rejected = [("…__rejected_values", REJECTED_VALUES), ("rejected_records", REJECTED_RECORDS)]
    yield "docs/tables.md", "columns of what was rejected", "\n".join(_column_tables(rejected))


def between(marker: str) -> re.Pattern[str]:
    """Returns what finds a generated part."""
    return re.compile(rf"(?<=<!-- {marker} -->\n).*?(?=<!-- end -->)", re.DOTALL)


def _module_map() -> Iterator[str]:
    for room in [PACKAGE, *sorted(path.parent for path in PACKAGE.glob("*/__init__.py"))]:
        title, prefix = room.relative_to(ROOT).as_posix(), f"{room.name}."
        yield from ("", f"**`{title}/`**: {_first_line(room / '__init__.py')}", "")
        yield from ("| | |", "|---|---|")
        for file in sorted(room.glob("*.py")):
            if file.stem != "__init__":
                name = f"{prefix}{file.stem}".removeprefix(f"{PACKAGE.name}.")
                yield f"| `{name}` | {_first_line(file)} |"


def _column_tables(tables: Sequence[tuple[str, Shape]]) -> Iterator[str]:
    for name, shape in tables:
        yield from ("", f"**`{name}`**: {shape.description}", "")
        yield from ("| column | type | |", "|---|---|---|")
        for column, field in shape.columns():
            yield f"| `{column}` | {_TYPES[field.type]} | {field.description} |"


def _first_line(file: Path) -> str:
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return " ".join(text.split("\n\n")[0].replace("``", "`").split())


def _write() -> None:
    for page, marker, text in generated():
        file = ROOT / page
        whole = file.read_text(encoding="utf-8")
        if part := between(marker).search(whole):
            whole = f"{whole[: part.start()]}{text}\n\n{whole[part.end() :]}"
        file.write_text(whole, encoding="utf-8")


if __name__ == "__main__":
    _write()
