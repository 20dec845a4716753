"""What a report may not hold: hashes for names, and texts of the account as markup."""

from __future__ import annotations

import json
import re
import subprocess
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from customergauge_source.sandbox import Sandbox
from tests.reporting import OUTPUT, embedded, looked_at, made, reporter
from tests.viewing import ask, load_here

ALL = ["responses", "non_responses", "close_loop"]
HASH = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
FIELDS = (
    *("account.name", "comment", "language", "status", 'properties["Key Contact"]'),
    *("selected_drivers.primary", "tags.label", "questions.title"),
)
EVIL = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'>"
ENDS = "</script><script>window.hacked = 3</script><!-- ]]> ${x} $data &lt;i&gt; \u2028 \\u003c"


def reported(
    server: subprocess.Popen[str], folder: Path, sandbox: Sandbox, **privacy: Any
) -> dict[str, Any]:
    """Loads an account under a privacy policy, makes the report, and returns all data in it."""
    policy = {"privacy": {"key": "k" * 40, **privacy}} if privacy else {}
    load_here(folder, sandbox, resources=ALL, views=None, **policy)
    made(reporter(server, folder))
    return embedded(folder / OUTPUT)


@pytest.mark.parametrize(
    "hashed",
    [
        FIELDS,
        pytest.param(
            ("account", "comment", "properties", "selected_drivers", "tags", "questions"),
            marks=pytest.mark.long,
        ),
        pytest.param(
            ("tags.type", "tags.sentiment", "questions.answer", "properties.field"),
            marks=pytest.mark.long,
        ),
    ],
)
def test_no_hash_is_shown_and_the_page_says_why(
    fork_server: subprocess.Popen[str], tmp_path: Path, browser: Browser, hashed: tuple[str, ...]
) -> None:
    with Sandbox(responses=80) as sandbox:
        data = reported(fork_server, tmp_path, sandbox, hash=[*hashed])
    report = looked_at(browser, tmp_path / OUTPUT)

    tables = ("responses", "responses__properties", "responses__tags", "responses__questions")
    stored = [str(ask(tmp_path / "customergauge.duckdb", f"FROM {it}")) for it in tables]
    assert any(map(HASH.search, stored))
    assert not HASH.search(json.dumps(data))
    assert not HASH.search((tmp_path / OUTPUT).read_text("utf-8"))
    assert not HASH.search(report.page.content())
    why = report.text("#health-notes")
    assert "Hashed by the privacy policy" in why
    for path in hashed:
        assert path.casefold() in why
    if "comment" in hashed:
        assert report.text("#comments-lead") == "Not shown: hashed, by the privacy policy."
    assert report.errors == []


@pytest.mark.long
def test_comments_that_are_dropped_are_not_shown_and_the_page_says_why(
    fork_server: subprocess.Popen[str], tmp_path: Path, browser: Browser
) -> None:
    with Sandbox(responses=40) as sandbox:
        comments = [it["comment"]["original"] for it in sandbox.records if it["comment"]]
        data = reported(fork_server, tmp_path, sandbox, drop=["comment"])
    report = looked_at(browser, tmp_path / OUTPUT)

    assert data["comments"] is None
    assert report.text("#comments-lead") == "Not shown: not loaded, by the privacy policy."
    text = (tmp_path / OUTPUT).read_text("utf-8")
    assert [it for it in comments if it and it in text] == []


def evil_account() -> Sandbox:
    """Returns an account all of whose texts are markup."""
    with Sandbox(responses=40) as generated:
        records = generated.records
    for place, record in enumerate(records):
        record["nps"] = 0 if place % 2 else 9
        record["account"] = {"name": EVIL, "number": ENDS}
        record["comment"] = {"original": f"{EVIL} {ENDS}", "translation": ""}
        record["language"] = EVIL
        record["selected_drivers"] = [{"primary": EVIL, "secondary": [ENDS]}]
        record["tags"] = [
            {"label": EVIL, "type": "topic", "sentiment": "negative"},
            {"label": EVIL, "type": ENDS},
        ]
        record["questions"] = [{"title": EVIL, "answer": "3"}, {"title": ENDS, "answer": EVIL}]
        record["properties"] = [{"field": EVIL, "reference": ENDS}]
    return Sandbox(records=records, non_responses=0)


def test_markup_in_texts_of_the_account_is_shown_as_text(
    fork_server: subprocess.Popen[str], tmp_path: Path, browser: Browser
) -> None:
    with evil_account() as sandbox:
        reported(fork_server, tmp_path, sandbox)
    report = looked_at(browser, tmp_path / OUTPUT)
    report.choose(field=f"{EVIL[:60]}…", value=f"{ENDS[:60]}…")

    ours = files("customergauge_source.report").joinpath("page.html").read_text("utf-8")
    assert report.page.locator("script").count() == ours.count("<script")
    assert report.page.locator("img, iframe, object, embed").count() == 0
    assert report.page.evaluate("window.hacked") is None
    assert (report.requests, report.errors) == ([], [])
    for table, title, text in (
        ("drivers", "Driver", EVIL),
        ("segments", "Segment", ENDS),
        ("questions", "Question", EVIL),
        ("questions", "Question", ENDS),
        ("topics", "Topic", f"{EVIL} · topic"),
        ("topics", "Topic", f"{EVIL} · {ENDS}"),
    ):
        assert text in [row[title] for row in report.table(table)], table
    (said, about), *_ = report.page.locator("#comments li").evaluate_all(
        "items => items.map(it => [...it.querySelectorAll('p')].map(p => p.textContent))"
    )
    assert said == f"{EVIL} {ENDS}"
    assert EVIL in about
    raw = (tmp_path / OUTPUT).read_text("utf-8")
    assert [it for it in (EVIL, ENDS, "<script>window") if it in raw] == []
