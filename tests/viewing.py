"""What the tests of the views share: loads that make them, and a look at their rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest

from customergauge_source import LoadSummary, load_in_checkpoints
from customergauge_source.sandbox import Sandbox
from tests.command import Command
from tests.figures import Row, differences, figures
from tests.support import DATASET, Finished, make_pipeline, make_source

EVERYTHING = ("--resources", "responses", "non_responses", "close_loop")
NON_RESPONSES = "non-responses"
FAR = "Pacific/Kiritimati"
"""A session's time zone, fourteen hours ahead of UTC: no account's own."""

_SUPPORT = {"label": "Support", "type": "topic", "sentiment": "positive"}
_ANSWERS = (
    *("1e5", "+3", " 4 ", "-0.5", "1e-9", "007", "123456789012345", "12.5", 7, 7.5),
    *("1,5", "5.", ".5", "1_000", "0x10", "NaN", "inf", "5\n", "\t5", "1 2", "\u0663"),
    *("1234567890123456", "1e400", "e5", "", " ", "good", True, ["1"], {"a": 1}, None),
)
ODDITIES: tuple[dict[str, Any], ...] = (
    *({"nps": nps} for nps in (None, "n/a", 11, -1, "9", 6.0, 7.5, True)),
    {"date_survey_response": None},
    {"date_survey_response": "2026-02-30 10:00:00", "number_customer": "NOT DATED"},
    {"date_survey_response": "2025-11-30 23:30:00", "date_sent": "2025-10-31 23:30:00"},
    {"date_survey_response": "2026-01-01 00:30:00", "number_customer": "AT ONCE"},
    {"date_survey_response": "2026-03-31T23:59:59.999999-08:00"},
    {"date_sent": None},
    {"date_sent": "soon"},
    *({"number_customer": customer} for customer in (None, "", 20104, "020104")),
    *({"account": it} for it in (None, {"number": None, "name": "Acme"}, {"number": "AC-1"})),
    {"selected_drivers": None},
    {"selected_drivers": [{"primary": None, "secondary": ["Nobody's"]}, {"secondary": []}]},
    {
        "selected_drivers": [
            {"primary": "Price", "secondary": ["Rising", "Rising"]},
            {"primary": "Price", "secondary": ["Fees"]},
            {"primary": "", "secondary": None},
        ]
    },
    {"selected_drivers": [{"primary": "Nulled", "secondary": [None, "Fees"]}]},
    {
        "selected_drivers": [
            {"primary": "Twice", "secondary": ["Fees"]},
            {"primary": "Twice", "secondary": []},
        ]
    },
    {"selected_drivers": [], "drivers": [{"label": "Older"}, {"label": "Price"}]},
    {"tags": None},
    {
        "tags": [
            *(_SUPPORT, _SUPPORT, _SUPPORT | {"sentiment": "negative"}),
            *({"label": "Support", "type": "tag"}, {"label": "Own", "type": "own"}),
            {"label": None, "type": "topic", "sentiment": "neutral"},
            {"label": "Own", "type": "topic", "sentiment": "delighted"},
        ]
    },
    {"questions": [{"title": "Odd", "answer": answer} for answer in _ANSWERS]},
    {"questions": [{"title": "Huge", "answer": "1e99"}, {"title": None, "answer": "3"}]},
    {"questions": [{"title": "Never answered", "answer": None}]},
    *({"properties": it} for it in (None, [], [{"field": "Country"}])),
    {
        "properties": [
            *({"field": "Country", "reference": it} for it in ("BE", "NL", "BE", None)),
            *({"field": "Division", "reference": it} for it in (None, "", "Global")),
        ]
    },
    *({"comment": it} for it in (None, "plain", {"original": "empty", "translation": ""})),
)
"""What may come of an account, each as members of a record: all of it ends in some view."""
ODD_NAMES = (
    *("\N{SLIGHTLY SMILING FACE}", "日本", "nps", "NPS", "Status", "number_customergauge"),
    *("nps_category", "Comment text", "Account: Name", "1st wave", "_dlt_id", "_dlt_load_id"),
    *("Key Contact", "key_contact", "key_contact_2", "a-b", "a b", "select", "primary", "x" * 300),
    *('it\'s "quoted" `so` \\ \\n', "'); DROP TABLE responses; --", "%s {0} $1 :x ?", "a\nb"),
    *("</script><b>", "Ünïcode é", "before\0after", " blanks ", "trailing_", "CamelCase", "", " "),
)
"""Names of segments that tempt into mistakes; two pairs are one name in every warehouse."""


def bring_oddities(sandbox: Sandbox) -> None:
    """Makes every ninth response odd, and brings surveys that are in two tables, or twice."""
    for place, record in enumerate(sandbox.records[::9]):
        sandbox.edit(record["number_customergauge"], **ODDITIES[place % len(ODDITIES)])
    for record in sandbox.records[:3]:
        sandbox.redeliver(record["number_customergauge"], nps=0, tags=[])
    for record in sandbox.records_of(NON_RESPONSES)[:40:2]:
        sandbox.become_response(record["number_customergauge"], vanishes=False)
    for place, sent in enumerate((None, "never", "2025-12-31 23:30:00", "2026-01-01 00:30:00")):
        sandbox.append({"number_customergauge": 1 + place, "date_sent": sent}, feed=NON_RESPONSES)


def load_views(command: Command, sandbox: Sandbox, *options: str) -> Finished:
    """Loads what is new of all resources, and makes the views."""
    ended = command(sandbox, "--json", "--views", *EVERYTHING, *options)
    assert ended.code == 0, ended.err
    return ended


def with_segments(names: Sequence[str], *, responses: int) -> Sandbox:
    """Returns an account whose responses have segments of these names and no other."""
    with Sandbox(responses=responses) as generated:
        records = generated.records
    for place, record in enumerate(records):
        record["properties"] = [
            {"field": name, "reference": f"{place} of {number}"}
            for number, name in enumerate(names)
        ]
    return Sandbox(records=records, non_responses=0)


def load_here(folder: Path, sandbox: Sandbox, **arguments: Any) -> LoadSummary:
    """Loads what is new and makes the views, in this process, into a folder's DuckDB file.

    Args:
        folder: A folder.
        sandbox: The account.
        arguments: Those of the source, and of the load.
    """
    names = ("views", "full_refresh")
    how = {"views": True, **{name: arguments.pop(name) for name in names if name in arguments}}
    source = {"resources": ["responses", "non_responses"], **arguments}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DLT_DATA_DIR", str(folder / "dlt"))
        patch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
        return load_in_checkpoints(make_pipeline(folder), make_source(sandbox, **source), **how)


def told(sandbox: Sandbox, zone: str = "UTC") -> dict[str, list[Row]]:
    """Returns what the views have to say of an account."""
    return figures(sandbox.records, sandbox.records_of(NON_RESPONSES), zone)


def wrong(file: Path, wanted: dict[str, list[Row]]) -> list[str]:
    """Returns how the views of a DuckDB file differ from what they have to say."""
    return [
        line
        for view, rows in wanted.items()
        for line in differences(view, rows, view_rows(file, view))
    ]


def ask(file: Path, sql: str, zone: str = "UTC") -> list[tuple[Any, ...]]:
    """Returns the rows of a query over a DuckDB file, in a session with a time zone."""
    return _asked(file, sql, zone, lambda cursor: cursor.fetchall())


def view_rows(file: Path, view: str, zone: str = "UTC") -> list[Row]:
    """Returns the rows of a view in a DuckDB file, by column; the session has a time zone."""

    def named(cursor: duckdb.DuckDBPyConnection) -> list[Row]:
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    return _asked(file, f'FROM "{view}"', zone, named)


def view_columns(file: Path, view: str) -> dict[str, str]:
    """Returns the columns of a view in a DuckDB file with their types, in their order."""
    return {name: kind for name, kind, *_ in ask(file, f'DESCRIBE "{view}"')}


def views_in(file: Path) -> list[str]:
    """Returns the names of the views in a DuckDB file, sorted."""
    sql = "SELECT view_name FROM duckdb_views() WHERE schema_name = current_schema() ORDER BY 1"
    return [name for (name,) in ask(file, sql)]


def _asked(
    file: Path, sql: str, zone: str, told: Callable[[duckdb.DuckDBPyConnection], list[Any]]
) -> list[Any]:
    with duckdb.connect(str(file), read_only=True) as connection:
        connection.execute(f"USE {DATASET}")
        connection.execute(f"SET TimeZone = '{zone}'")
        return told(connection.execute(sql))
