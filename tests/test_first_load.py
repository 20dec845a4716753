"""The main job: everything that the API has is in the tables, once, typed and joined."""

from __future__ import annotations

from pathlib import Path

from customergauge_source.resources import RESPONSES
from customergauge_source.sandbox import Sandbox
from tests.support import make_pipeline, make_source
from tests.truth import differences

# Values that a loader which guesses types gets wrong.
TREACHEROUS = {
    "number_customer": "000123",
    "number_order": "1e5",
    "phone": "+31 020",
    "email": "2024-01-01 12:00:00",
    "account": {"name": "2024-01-01", "number": "0007"},
    "contact": {"first_name": "Zoë 'Ω' \"🙂\"", "last_name": ""},
    "comment": {"original": "line 1\nline 2\t\\ end", "translation": "true"},
    "questions": [{"title": "How many?", "answer": "007"}, {"title": "Free?", "answer": None}],
    "properties": [
        {"field": "Renewal", "reference": "2027-06-01"},
        {"field": "Code", "reference": "00"},
        {"field": "Nothing", "reference": None},
    ],
}


def test_a_first_load_brings_every_value_and_every_child_as_sent(workdir: Path) -> None:
    with Sandbox(responses=45) as generated:
        first, *others = generated.records
    records = [first | TREACHEROUS, *others]
    with Sandbox(records=records) as sandbox:
        make_pipeline(workdir).run(make_source(sandbox, per_page=20))

    assert differences(workdir / "customergauge.duckdb", records) == []


def test_a_first_load_asks_as_the_page_says_until_data_is_empty(
    workdir: Path, sandbox: Sandbox
) -> None:
    make_pipeline(workdir).run(make_source(sandbox, per_page=140))

    lists = [("with[]", name) for name in RESPONSES.include]
    keys = [sandbox.keys[place] for place in (139, 279, 299)]  # a short page is not the end
    cursors = [[], *([("cursor", str(key))] for key in keys)]
    asked = [sorted(request.query) for request in sandbox.data_requests]
    assert asked == [sorted([("per_page", "140"), *lists, *cursor]) for cursor in cursors]
    assert differences(workdir / "customergauge.duckdb", sandbox.records) == []
