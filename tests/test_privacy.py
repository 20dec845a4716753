"""A privacy policy: what it says is hashed or NULL in every table, and nothing else is."""

from __future__ import annotations

import copy
import hashlib
import hmac
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import dlt
import pytest

from customergauge_source import Resource, load_in_checkpoints, reconcile
from customergauge_source.exceptions import ConfigurationError
from customergauge_source.sandbox import Sandbox
from customergauge_source.tables.shape import Field, Shape, text
from tests.command import Command
from tests.reconciling import ALL, OPTIONS, contents, found, run
from tests.support import ROOT, Finished, at_length, make_pipeline, make_source, query
from tests.test_configuration import write
from tests.truth import differences

KEY = "k3y-of-the-privacy-tests-0123456789abcdef"
OTHER_KEY = "0000000000000000000000000000000000000042"
SECTION = "SOURCES__CUSTOMERGAUGE__PRIVACY__"
NPS, MANAGER = "How satisfied are you with our product?", "Account Manager"
POLICY = {
    "hash": [
        *("email", "phone", "contact", "number_customer", "selected_drivers.secondary"),
        *(f'questions["{NPS}"]', f'properties["{MANAGER}"]'),
    ],
    "drop": ["comment", "follow_up.details", "date_order", 'properties["Key Contact"]'],
}


def settings(hash: Any = (), drop: Any = (), key: str | None = KEY) -> dict[str, str]:  # noqa: A002
    """Returns a policy as variables of the environment."""
    lists = {"HASH": json.dumps([*hash]), "DROP": json.dumps([*drop])}
    return {
        SECTION + name: it for name, it in {**lists, "KEY": key}.items() if it not in ("[]", None)
    }


def hashed(value: Any, key: str = KEY) -> Any:
    """Returns the hash of a value, made from the definition of HMAC (RFC 2104)."""
    if value is None:
        return None
    block = key.encode().ljust(64, b"\0")
    inner = hashlib.sha256(bytes(it ^ 0x36 for it in block) + str(value).encode()).digest()
    return hashlib.sha256(bytes(it ^ 0x5C for it in block) + inner).hexdigest()


def as_policy_says(record: dict[str, Any], key: str = KEY) -> dict[str, Any]:
    """Returns a record of the sandbox as it would be if `POLICY` were followed by hand."""
    it = copy.deepcopy(record)
    for field in ("email", "phone", "number_customer"):
        it[field] = hashed(it[field], key)
    it["contact"] = {name: hashed(value, key) for name, value in it["contact"].items()}
    it["comment"] = {"original": None, "translation": None}
    it["follow_up"]["details"] = it["date_order"] = None
    for driver in it["selected_drivers"]:
        driver["secondary"] = [hashed(value, key) for value in driver["secondary"]]
    for question in it["questions"]:
        if question["title"] == NPS:
            question["answer"] = hashed(question["answer"], key)
    for segment in it["properties"]:
        if segment["field"] == MANAGER:
            segment["reference"] = hashed(segment["reference"], key)
        elif segment["field"] == "Key Contact":
            segment["reference"] = None
    return it


def load(folder: Path, records: list[Any], policy: Mapping[str, Any], **arguments: Any) -> Path:
    """Loads records under a policy; returns the DuckDB file."""
    with Sandbox(records=records) as sandbox:
        source = make_source(sandbox, privacy=policy, **arguments)
        load_in_checkpoints(make_pipeline(folder), source)
    return folder / "customergauge.duckdb"


def write_policy(folder: Path, lists: str) -> None:
    """Writes a policy into the two files of dlt's configuration, as a user would."""
    section = "[sources.customergauge.privacy]\n"
    write(folder, "config.toml", f"{section}{lists}\n")
    write(folder, "secrets.toml", f'{section}key = "{KEY}"\n')


def refused(ended: Finished, sandbox: Sandbox, *said: str) -> None:
    """Checks that a run ended before any request, in two lines that say so much."""
    assert ended.code == 2, ended.err
    assert len(ended.err.splitlines()) == 2
    for words in said:
        assert words in ended.err
    assert KEY not in ended.out + ended.err
    assert sandbox.requests == []


def test_the_tables_have_what_the_policy_says_and_all_else_as_it_is(
    command: Command, sandbox: Sandbox
) -> None:
    ended = command(
        sandbox, "--per-page", "50", "--debug", **settings(POLICY["hash"], POLICY["drop"])
    )

    assert ended.code == 0, ended.err
    assert differences(command.file, map(as_policy_says, sandbox.records)) == []
    assert hmac.digest(KEY.encode(), b"5", "sha256").hex() == hashed("5")
    asked = "SELECT count(*) FROM {} WHERE answer = '{}'"
    assert query(command.file, asked.format("responses__questions", hashed("5"))) > [(0,)]
    assert KEY not in ended.out + ended.err


@pytest.mark.sampled
@pytest.mark.parametrize("steps", [False, True], ids=["Arrow", "add_map"])
def test_a_hash_is_the_same_in_each_table_resource_and_run(workdir: Path, *, steps: bool) -> None:
    policy = {"hash": ["email", "note", "questions.answer"], "key": KEY}
    pipeline = make_pipeline(workdir)
    seen: list[str] = []

    def see(record: dict[str, Any]) -> dict[str, Any]:
        seen.append(record["email"])
        return record

    with Sandbox(responses=60) as sandbox:
        mail = sandbox.records[0]["email"]
        for _ in range(2):
            source = make_source(
                sandbox, privacy=policy, resources=["responses", "non_responses"], per_page=20
            )
            if steps:
                source.responses.add_map(see)
            pipeline.run(source)
            sandbox.append({"number_customergauge": 9_000_000, "email": mail,
                            "questions": [{"title": "E-mail?", "answer": mail}]})  # fmt: skip
    file = workdir / "customergauge.duckdb"

    wanted = f"WHERE number_customergauge = 9000000 AND {{}} = '{hashed(mail)}'"
    for table, column in (("responses", "email"), ("responses__questions", "answer")):
        assert query(file, f"SELECT count(*) FROM {table} {wanted.format(column)}") == [(1,)]
    distinct = query(file, "SELECT count(DISTINCT email) FROM responses")
    assert distinct == [(len({it["email"] for it in sandbox.records} - {None}),)]
    assert (mail in seen) is steps  # a step of one's own sees records as they come
    assert query(file, "SELECT count(*) FROM non_responses WHERE length(email) <> 64") == [(0,)]


def test_whatever_stands_where_a_text_belongs_is_hashed_as_the_text_that_it_becomes(
    workdir: Path,
) -> None:
    values: list[Any] = ["", "é\u0000\U0001f600", 31612345678, 1.5, True, ["a", 1], {"b": "c"}]
    texts = ["", "é\ufffd\U0001f600", "31612345678", "1.5", "true", '["a",1]', '{"b":"c"}']
    records = [{"number_customergauge": n, "phone": it} for n, it in enumerate([*values, None], 1)]

    file = load(workdir, records, {"hash": ["phone"], "key": KEY}, per_page=1)

    stored = query(file, "SELECT phone FROM responses ORDER BY number_customergauge")
    assert [it for (it,) in stored] == [*map(hashed, texts), None]


def test_names_are_compared_without_case_and_white_space_and_a_missing_one_drops_the_value(
    workdir: Path,
) -> None:
    answers = [
        *(
            {"title": it, "answer": "A"}
            for it in ("Your name?", " your  NAME?\n", "Your\u200b name?")
        ),
        {"title": "Your name", "answer": "A"},
        *({"title": it, "answer": "B"} for it in (None, "", ["Your name?"], {"en": "Your name?"})),
        *({"answer": "C"}, {"title": "[NL] Naam?", "answer": "D"}, {"title": 5, "answer": "E"}),
    ]
    record = {"number_customergauge": 1, "questions": answers}

    file = load(workdir, [record], {"hash": ['questions["Your name?"]'], "key": KEY})

    stored = query(file, "SELECT answer FROM responses__questions ORDER BY _dlt_list_idx")
    a = hashed("A")
    assert [it for (it,) in stored] == [a, a, a, "A", None, None, None, None, None, "D", "E"]


MISSHAPEN: dict[str, Any] = {
    "number_customergauge": 1,
    "contact": "Ann Zwaan",
    "follow_up": {"requested": "call Ann", "details": "06"},
    "nps": 10.5,
    "questions": {"title": "Your name?", "answer": "Ann"},
    "tags": [{"label": "Service"}],
    "date_sent": "Ann",
    "comment": "Ann says",
    "Email": "ann@zwaan.example",
    "ann_zwaan": {"Ann": 1},
}


def test_what_is_rejected_keeps_numbers_of_number_fields_alone(workdir: Path) -> None:
    policy = {"drop": ["contact", "comment", "email", "questions", "follow_up.details"]}

    file = load(workdir, [MISSHAPEN], policy, unknown_fields="evolve")

    rows = query(file, "SELECT field, value FROM responses__rejected_values ORDER BY field")
    assert rows == [
        ("contact", None),
        ("date_sent", None),
        ("follow_up.requested", None),
        ("nps", "10.5"),
        ("questions", None),
    ]
    (row,) = query(file, "SELECT comment__original, email FROM responses")
    assert row == (None, None)


@pytest.mark.long
def test_fields_in_an_object_where_text_belongs_are_undeclared_ones(workdir: Path) -> None:
    inner = {"contact": {"first_name": "Anneliese"}}
    deep: Any = 1
    for _ in range(900):
        deep = [deep]
    record = {
        "language": deep,
        "status": {"email": "Anneliese"},
        "tags": [{"label": inner, "type": ["a", 1]}],
        "selected_drivers": [{"primary": "P", "secondary": [inner, "S"]}],
        "email": {"hashed": "whole"},
    }
    records = [{"number_customergauge": 1, **record}, record]
    policy = {"hash": ["email"], "drop": ["contact.first_name"], "key": KEY}
    for mode in ("ignore", "evolve"):
        (workdir / mode).mkdir()
        file = load(workdir / mode, records, policy, unknown_fields=mode)
        assert "Anneliese" not in str(contents(file))
        assert query(file, "SELECT status, email FROM responses") == [
            (None, hashed('{"hashed":"whole"}'))
        ]
        assert query(file, "SELECT label, type FROM responses__tags") == [(None, '["a",1]')]
        assert query(file, "SELECT language FROM responses") == [("[" * 900 + "1" + "]" * 900,)]


@pytest.mark.parametrize(
    "case",
    [
        {"customer": {"email": "Anneliese"}},
        {"contacts": [{"email": "Anneliese"}]},
        {"customer": {"contact": {"first_name": "Anneliese"}}},
        {"customer": [{"Contact": [{"initials": "Anneliese"}]}]},
    ],
)
def test_what_is_named_is_not_loaded_from_wherever_it_stands(
    workdir: Path, case: dict[str, Any]
) -> None:
    with Sandbox(responses=0) as sandbox:
        sandbox.append({"number_customergauge": 1, **case, "owner": "Bob"}, feed="close-loop")
        policy = {"drop": ["email", "contact.first_name"]}
        source = make_source(
            sandbox, privacy=policy, resources=["close_loop"], unknown_fields="evolve"
        )
        load_in_checkpoints(make_pipeline(workdir), source)

    tables = str(contents(workdir / "customergauge.duckdb"))
    assert "Bob" in tables
    assert "Anneliese" not in tables


def test_a_hint_of_a_column_that_the_policy_bars_refuses_no_later_run(
    workdir: Path, sandbox: Sandbox
) -> None:
    for _ in range(3):
        sandbox.append({"number_customergauge": len(sandbox.records), "contact": {"title": "Ann"}})
        source = make_source(sandbox, privacy={"drop": ["contact.first_name"]})
        source.responses.apply_hints(columns={"contact__title": {"data_type": "text"}})
        load_in_checkpoints(make_pipeline(workdir), source)

    file = workdir / "customergauge.duckdb"
    assert query(file, "SELECT count(*), count(contact__title) FROM responses") == [(303, 0)]


@pytest.mark.parametrize("name", ["email", "Email", "contact", "Contact", "properties"])
def test_what_is_named_is_not_loaded_where_a_resource_does_not_declare_it(
    workdir: Path, name: str
) -> None:
    policy = {"drop": ["email", "contact.first_name", 'properties["Key Contact"]']}
    value = {
        "email": "ann@zwaan.example",
        "contact": {"first_name": "Ann", "initials": "A"},
        "properties": [{"field": "Country", "reference": "NL"}],
    }
    with Sandbox(responses=0) as sandbox:
        case = {"number_customergauge": 1, name: value[name.lower()], "owner": "Bob"}
        sandbox.append(case, feed="close-loop")
        source = make_source(
            sandbox, privacy=policy, resources=["close_loop"], unknown_fields="evolve"
        )
        load_in_checkpoints(make_pipeline(workdir), source)

    file = workdir / "customergauge.duckdb"
    assert query(file, "SELECT owner FROM close_loop") == [("Bob",)]
    columns = {it for (it,) in query(file, "SELECT column_name FROM duckdb_columns()")}
    assert columns.isdisjoint({"email", "contact__first_name", "contact__initials", "reference"})
    assert query(file, "FROM close_loop__rejected_values") == []


def test_an_entry_that_is_no_record_tells_what_its_columns_would(workdir: Path) -> None:
    entry = {**MISSHAPEN, "email": "ann@zwaan.example", "contact": {"last_name": "Zwaan"}}
    del entry["number_customergauge"]
    entry["questions"] = [{"title": "Why?", "answer": "Ann"}, {"title": "CES", "answer": "5"}, "A"]
    policy = {"hash": ["email", "contact.last_name"], "drop": ['questions["Why?"]'], "key": KEY}

    file = load(workdir, [entry, "Ann", ["Ann"], 316, None, {"number_customergauge": "A"}], policy)

    told = query(file, "SELECT record, reason FROM rejected_records ORDER BY position")
    assert json.loads(told[0][0]) == {
        "email": None,
        "nps": None,
        "date_sent": None,
        "contact": {"last_name": None},
        "comment": None,
        "follow_up": {"requested": None, "details": "06"},
        "tags": [{"label": "Service"}],
        "questions": [{"title": "Why?", "answer": None}, {"title": "CES", "answer": "5"}, None],
    }
    assert told[0][1] == "no number_customergauge; blanked, by the privacy policy"
    left_out = "not an object; left out, by the privacy policy"
    assert told[1:5] == [(None, left_out)] * 4
    assert told[5][0] == '{"number_customergauge":null}'


VISITS = Resource(
    name="visits",
    path="v7/rest/sync/visits",
    record=Shape(
        fields={
            "number_customergauge": Field("bigint", ""),
            "firstName": text(""),
            "last-name": text(""),
            "a.b": text(""),
        },
        objects={"Host": Shape(fields={"value": text("")})},
        lists={
            "guest-list": Shape(
                fields={"Who": text(""), "said": text("")},
                named=("Who", "said"),
            ),
            "Kids": Shape(fields={"value": text("")}),
            "scores": Shape(fields={"value": Field("bigint", "")}),
        },
    ),
)
VISIT = {
    "number_customergauge": 1,
    **dict.fromkeys(("firstName", "last-name", "a.b"), "Anneliese"),
    "Host": {"value": "Anneliese"},
    "guest-list": [
        {"Who": "X", "said": "Anneliese"},
        {"Who": "Y", "said": "y"},
    ],
    "Kids": ["Anneliese"],
    "scores": [1],
}


def test_a_policy_finds_columns_by_whatever_name_they_have(workdir: Path) -> None:
    paths = ["firstName", "last-name", "a.b", "Host", 'guest-list["x"]', "Kids"]
    broken = {**VISIT, "number_customergauge": "A", "scores": [1, "Anneliese", {"a": "Anneliese"}]}
    with Sandbox() as sandbox:
        sandbox.add_feed("visits", [VISIT, broken], lists=[])
        source = make_source(sandbox, privacy={"drop": paths}, resources=[VISITS])
        load_in_checkpoints(make_pipeline(workdir), source)

    tables = contents(workdir / "customergauge.duckdb")
    assert "Anneliese" not in str(tables)
    assert "'y'" in str(tables["customergauge_data.visits__guest_list"])
    assert '"scores":[1,null,null]' in str(tables["customergauge_data.rejected_records"])


def test_a_policy_finds_columns_whose_names_are_cut(workdir: Path) -> None:
    short = dlt.destinations.duckdb(str(workdir / "short.duckdb"), max_identifier_length=30)
    pipeline = dlt.pipeline("short", destination=short, dataset_name="cut")
    record = {  # what has an @ is in no hash by chance
        "number_customergauge": 1,
        "email": "ann@example.com",
        "selected_drivers": [{"secondary": ["ann@example.com"]}],
    }
    with Sandbox(records=[record]) as sandbox:
        policy = {"drop": ["selected_drivers"], "hash": ["email"], "key": KEY}
        pipeline.run(make_source(sandbox, privacy=policy))

    tables = contents(workdir / "short.duckdb")
    assert "ann@example.com" not in str(tables)
    assert any("__secondary" in it and "selected" not in it for it in tables)


@pytest.mark.long
def test_entries_that_the_policy_makes_alike_are_not_taken_for_a_feed_that_goes_round(
    workdir: Path,
) -> None:
    file = load(workdir, [{"email": f"{n}@x"} for n in range(120)], {"drop": ["email"]}, per_page=1)

    assert len(query(file, "FROM rejected_records")) == 120


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ({"hash": ["email"]}, "no key"),
        ({"hash": ["email"], "key": "x" * 31}, "has 31 characters; allowed: 32 or more"),
        ({"drop": ["email"], "key": "short"}, "has 5 characters"),
        ({"hash": ["emial"], "key": KEY}, "hash is 'emial'; allowed: the path of a field"),
        ({"drop": ["contact__first_name"]}, "drop is 'contact__first_name'"),
        ({"drop": ["tags.value"]}, "drop is 'tags.value'"),
        ({"drop": ["responses.email"]}, "drop is 'responses.email'"),
        ({"drop": ['tags["Service"]']}, "drop is 'tags[\"Service\"]'"),
        ({"drop": ['questions[""]']}, "drop is 'questions[\"\"]'"),
        ({"drop": ['questions["a"b"]']}, "drop is"),
        ({"drop": [""]}, "drop is ''"),
        ({"hash": ["email"], "drop": ["email"], "key": KEY}, "would hash email and drop email"),
        (
            {"hash": ["contact.first_name"], "drop": ["contact"], "key": KEY},
            "would hash contact.first_name and drop contact",
        ),
        (
            {"hash": ["questions.answer"], "drop": ['questions["A?"]'], "key": KEY},
            'would hash questions.answer and drop questions["A?"]',
        ),
        (
            {"hash": ['questions["a?"]'], "drop": ['questions["A?"]'], "key": KEY},
            'would hash questions["a?"] and drop questions["A?"]',
        ),
        ({"hash": ["number_customergauge"], "key": KEY}, "tells records apart"),
        ({"drop": ["number_customergauge"]}, "tells records apart"),
        ({"hash": ["nps"], "key": KEY}, "nps is no text but a bigint"),
        ({"hash": ["follow_up"], "key": KEY}, "follow_up.requested is no text but a bool"),
        ({"drop": "email"}, "hash and drop of privacy have to be lists"),
        ({"drop": [5]}, "hash and drop of privacy have to be lists"),
        ({"drops": ["email"]}, "'drops'; allowed: one of hash, drop, key"),
        ({"hash": [KEY]}, "no key"),
        ({"hash": [KEY], "key": KEY}, "hash is 'k3y…'; allowed: the path"),
        ({"drop": [f"{KEY}["]}, "drop is 'k3y…'; allowed: the path"),
        ({"drop": ['questions["\\ud800a"]']}, "allowed: the path"),
        ({"drop": KEY}, "hash and drop of privacy have to be lists"),
        ({KEY: "key"}, "A key of privacy is '…'"),
        ({"hash": ["email"], "key": 5}, "The key of privacy is no text in UTF-8"),
        ({"hash": ["email"], "key": "\ud800" * 32}, "no text in UTF-8"),
        (["email"], "privacy is no object"),
    ],
)
def test_a_policy_that_cannot_be_meant_is_refused(policy: Any, said: str) -> None:
    with Sandbox() as sandbox, pytest.raises(ConfigurationError) as raised:
        make_source(sandbox, privacy=policy)

    assert said in str(raised.value)
    assert KEY not in str(raised.value) + raised.value.remedy
    assert sandbox.requests == []


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"HASH": '["email"]'}, "Set key under privacy"),
        ({"HASH": '["emial"]', "KEY": KEY}, "hash is 'emial'"),
        ({"DROP": "email"}, "hash and drop of privacy have to be lists"),
        ({"HASH": KEY}, "hash and drop of privacy have to be lists"),
        ({"DROPS": '["email"]'}, "'drops'; allowed: one of hash, drop, key"),
        ({"": '{"drop": ["email"]}'}, "privacy is set, and is no section"),
    ],
)
def test_a_wrong_setting_ends_the_command_before_any_request(
    command: Command, sandbox: Sandbox, environment: dict[str, str], said: str
) -> None:
    given = {(SECTION + key).removesuffix("__"): value for key, value in environment.items()}

    for options in ((), ("--check",), ("--reconcile",)):
        refused(command(sandbox, *options, **given), sandbox, said)


def test_a_wrong_key_in_a_file_is_named_although_another_file_has_the_section(
    command: Command, sandbox: Sandbox
) -> None:
    write_policy(command.folder, 'drops = ["email"]')

    refused(command(sandbox), sandbox, "'drops'; allowed: one of hash, drop, key")


def test_lists_key_and_environment_go_together_and_digits_stay_a_text(
    command: Command, sandbox: Sandbox
) -> None:
    write_policy(command.folder, 'hash = ["email"]\ndrop = ["phone"]')

    ended = command(sandbox, **{f"{SECTION}KEY": OTHER_KEY})

    assert ended.code == 0, ended.err
    stored = query(command.file, "SELECT email, phone FROM responses ORDER BY number_customergauge")
    records = sorted(sandbox.records, key=lambda it: it["number_customergauge"])
    assert stored == [(hashed(it["email"], OTHER_KEY), None) for it in records]


@pytest.mark.long
def test_an_empty_variable_hides_no_file_and_a_key_is_a_text(
    workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    section = "[sources.customergauge.privacy]\n"
    write(workdir, "config.toml", f'{section}drop = ["email"]\n')
    for name in ("DROP", "HASH", "KEY"):
        monkeypatch.setenv(SECTION + name, "")
    program = """
import sys, tests.support
from pathlib import Path
from customergauge_source.sandbox import Sandbox
with Sandbox(responses=5) as sandbox:
    tests.support.make_pipeline(Path.cwd()).run(tests.support.make_source(sandbox))
"""
    run_it = [sys.executable, "-c", program]
    here = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(run_it, cwd=workdir, env=here, check=True)
    file = workdir / "customergauge.duckdb"
    assert query(file, "SELECT count(*), count(email) FROM responses") == [(5, 0)]

    write(workdir, "secrets.toml", f'{section}key = ["{KEY}"]\n')
    ended = subprocess.run(
        run_it, cwd=workdir, env=here, capture_output=True, text=True, check=False
    )
    assert "sources.customergauge.privacy.key is no text." in ended.stderr
    assert KEY not in ended.stderr


def test_a_key_alone_is_told_and_keeps_everything(command: Command, sandbox: Sandbox) -> None:
    ended = command(sandbox, **{f"{SECTION}KEY": KEY})

    assert ended.code == 0, ended.err
    assert "privacy is set, and names nothing to hash or drop" in ended.err
    assert differences(command.file, sandbox.records) == []


@pytest.mark.sampled
@pytest.mark.parametrize("mode", [None, "ignore", "evolve"])
def test_undeclared_fields_are_left_out_unless_it_is_said(
    command: Command, sandbox: Sandbox, mode: str | None
) -> None:
    field = {"number_customergauge": 5, "nick": "Annie", "contact": {"middle_name": "Maria"}}
    sandbox.append({**field, "hobbies": ["chess"], "Ann Zwaan": {"b": 1}})
    modes = {} if mode is None else {"SOURCES__CUSTOMERGAUGE__UNKNOWN_FIELDS": mode}

    ended = command(sandbox, **settings(drop=["contact.first_name"]), **modes)

    assert ended.code == 0, ended.err
    columns = {it for (it,) in query(command.file, "SELECT column_name FROM duckdb_columns()")}
    assert ("nick" in columns) is ("hobbies" in ended.out) is (mode == "evolve")
    assert "contact__middle_name" not in columns  # beside what the policy names, never
    assert "Field contact.… is not declared and was left out" in ended.err
    assert ("Field nick is not declared and was left out" in ended.err) is (mode != "evolve")
    assert "Ann" not in ended.err


@pytest.mark.long
def test_a_field_that_was_loaded_before_is_left_out_with_a_policy(
    command: Command, sandbox: Sandbox
) -> None:
    sandbox.append({"number_customergauge": 5, "nick": "Annie", "hobbies": ["chess"]})
    assert command(sandbox).code == 0
    sandbox.append({"number_customergauge": 6, "nick": "Bobby", "hobbies": ["sailing"]})
    assert command(sandbox, **settings(drop=["nps"])).code == 2

    ended = command(sandbox, "--full-refresh", **settings(drop=["nps"]))
    assert ended.code == 0, ended.err
    sandbox.append({"number_customergauge": 7, "nick": "Cindy", "hobbies": ["judo"]})
    assert command(sandbox, **settings(drop=["nps"])).code == 0

    columns = {it for (it,) in query(command.file, "SELECT column_name FROM duckdb_columns()")}
    assert "nick" not in columns
    assert len(query(command.file, "FROM responses")) == 303


PLAIN: dict[str, str] = {}
REFUSED: dict[str, tuple[dict[str, str], dict[str, str], str]] = {
    "a first policy": (PLAIN, settings(drop=["phone"]), "privacy now covers phone, and responses"),
    "one field more": (
        settings(drop=["phone"]),
        settings(hash=["email"], drop=["phone"]),
        "privacy now covers email, and responses was loaded without",
    ),
    "all questions": (
        settings(drop=['questions["A?"]']),
        settings(drop=["questions.answer"]),
        "privacy now covers questions.answer, ",
    ),
    "another question": (
        settings(drop=['questions["A?"]']),
        settings(drop=['questions["A?"]', 'questions["Why, “you”?"]']),
        'privacy now covers questions["why, “you”?"], ',
    ),
}
TOLD: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "another key": (settings(hash=["email"]), settings(hash=["email"], key=OTHER_KEY)),
    "hash to drop": (settings(hash=["email"]), settings(drop=["email"])),
    "drop to hash": (settings(drop=["email"]), settings(hash=["email"])),
    "less": (settings(drop=["email", "phone"]), settings(drop=["phone"])),
    "none": (settings(drop=["email"]), PLAIN),
    "one question": (
        settings(drop=["questions.answer"]),
        settings(drop=['questions["A?"]']),
    ),
}
CHANGED = "privacy has changed since responses was loaded"


@pytest.mark.sampled
@pytest.mark.parametrize("change", at_length(REFUSED, short=["one field more", "another question"]))
def test_what_would_leave_old_values_is_refused_until_a_full_refresh(
    command: Command, sandbox: Sandbox, change: str
) -> None:
    before, after, said = REFUSED[change]
    first = command(sandbox, **before)
    assert first.code == 0, first.err
    sandbox.arrive(5)
    requests = len(sandbox.requests)
    day = ("--period-field", "date_sent", "--start-date=2020-01-01", "--end-date=2030-01-01")
    for options in ((), day, ("--reconcile",)):
        ended = command(sandbox, *options, **after)
        assert ended.code == 2
        what, remedy = ended.err.splitlines()[-2:]
        assert said in what
        assert "--full-refresh" in remedy
    assert len(sandbox.requests) == requests

    ended = command(sandbox, "--full-refresh", **after)
    assert ended.code == 0, ended.err
    assert CHANGED not in ended.err
    assert CHANGED not in command(sandbox, **after).err
    assert len(query(command.file, "FROM responses")) == 305


@pytest.mark.sampled
@pytest.mark.parametrize("change", at_length(TOLD, short=["another key", "none"]))
def test_any_other_change_is_told_once_and_reconciling_carries_it_through(
    command: Command, sandbox: Sandbox, change: str
) -> None:
    before, after = TOLD[change]
    assert command(sandbox, **before).code == 0
    sandbox.arrive(5)

    assert CHANGED in command(sandbox, "--check", **after).err
    ended = command(sandbox, **after)
    assert ended.code == 0, ended.err
    assert ended.err.count(CHANGED) == 1
    assert ("and has no email any more" in ended.err) is (change in {"less", "none"})
    assert "--reconcile" in ended.err
    sandbox.arrive(5)
    assert CHANGED not in command(sandbox, **after).err

    assert run(command, sandbox, **after).code == 0
    table = query(command.file, "SELECT email, phone FROM responses ORDER BY ALL")
    answers = query(command.file, "SELECT answer FROM responses__questions ORDER BY ALL")
    assert command(sandbox, "--full-refresh", **after).code == 0
    assert query(command.file, "SELECT email, phone FROM responses ORDER BY ALL") == table
    assert query(command.file, "SELECT answer FROM responses__questions ORDER BY ALL") == answers


@pytest.mark.long
def test_a_resource_that_was_never_loaded_and_an_empty_account_take_any_policy(
    command: Command, sandbox: Sandbox
) -> None:
    assert command(sandbox, **settings(drop=["email"])).code == 0
    more = settings(drop=["email", "note"])
    ended = command(sandbox, *ALL, **more)
    assert ended.code == 0, ended.err
    assert CHANGED not in ended.err
    assert query(command.file, "SELECT count(note) FROM close_loop") == [(0,)]

    empty = Command(command._server, command.folder / "empty")  # noqa: SLF001 - another folder
    with Sandbox(responses=0) as account:
        assert empty(account).code == 0
        ended = empty(account, **settings(drop=["email"]))
        assert (ended.code, "privacy" in ended.err) == (0, False)


@pytest.mark.long
def test_what_was_loaded_undeclared_and_is_named_now_is_refused(
    command: Command, sandbox: Sandbox
) -> None:
    case = {"number_customergauge": 1, "email": "ann@zwaan.example", "owner": "Bob"}
    sandbox.append({**case, "contact": {"x": {"y": 1}}}, feed="close-loop")
    loaded = command(sandbox, "--resources", "close_loop")
    assert loaded.code == 0, loaded.err

    for policy, column in ((["email"], "email"), (["contact.last_name"], "contact__x__y")):
        for options in ((), ("--check",)):
            ended = command(sandbox, "--resources", "close_loop", *options, **settings(drop=policy))
            assert ended.code == 2
            assert f"privacy now covers {column}, and close_loop was loaded without" in ended.err

    phone = command(sandbox, "--resources", "close_loop", **settings(drop=["phone"]))
    assert (phone.code, CHANGED[:20] in phone.err) == (0, False)
    refresh = ("--resources", "close_loop", "--full-refresh")
    assert command(sandbox, *refresh, **settings(drop=["email"])).code == 0
    assert "zwaan" not in str(contents(command.file))


def test_in_a_pipeline_of_ones_own_the_same_is_refused(workdir: Path, sandbox: Sandbox) -> None:
    pipeline = make_pipeline(workdir)
    pipeline.run(make_source(sandbox))
    sandbox.arrive(5)
    source = make_source(sandbox, privacy={"drop": ["email"]})
    for load_again in (pipeline.run, lambda it: load_in_checkpoints(pipeline, it)):
        with pytest.raises(Exception, match=r"privacy now covers email") as raised:
            load_again(source)
        assert "--full-refresh" in str(raised.value.__dict__) or raised.value.__cause__

    pipeline.run(make_source(sandbox, privacy={"drop": ["email"]}), refresh="drop_sources")

    file = workdir / "customergauge.duckdb"
    assert query(file, "SELECT count(*), count(email) FROM responses") == [(305, 0)]


@pytest.mark.long
def test_reconciling_compares_what_the_policy_leaves(command: Command, sandbox: Sandbox) -> None:
    policy = settings(POLICY["hash"], POLICY["drop"])
    assert command(sandbox, *OPTIONS, *ALL, **policy).code == 0
    edited, gone = sandbox.records[3], sandbox.records[9]
    sandbox.edit(edited["number_customergauge"], email="new@example.com")
    sandbox.edit(sandbox.records[4]["number_customergauge"], comment={"original": "new"})
    sandbox.remove(gone["number_customergauge"])

    told = found(run(command, sandbox, *ALL, **policy))

    assert told["changed_ids"] == [edited["number_customergauge"]]  # the comment is in no table
    assert told["deleted_ids"] == [gone["number_customergauge"]]
    assert differences(command.file, map(as_policy_says, sandbox.records)) == []
    told = found(run(command, sandbox, *ALL, **policy))
    assert (told["added"], told["changed"], told["deleted"], told["renewed"]) == (0, 0, 0, 0)


def test_a_period_of_a_date_that_is_dropped_cannot_be_reconciled(
    workdir: Path, sandbox: Sandbox
) -> None:
    period = {"period_field": "date_order", "start_date": "2020-01-01", "end_date": "2030-01-01"}
    source = make_source(sandbox, privacy={"drop": ["date_order"]}, **period)

    with pytest.raises(ConfigurationError, match="privacy drops date_order"):
        reconcile(make_pipeline(workdir), source)
    assert sandbox.requests == []


def test_neither_the_source_nor_what_it_is_made_of_shows_the_key(sandbox: Sandbox) -> None:
    source = make_source(sandbox, privacy={"hash": ["email"], "key": KEY})
    steps: list[Any] = [it.owner for it in source.responses._pipe.steps if hasattr(it, "owner")]  # noqa: SLF001
    shown: Callable[[Any], str] = repr

    assert KEY not in shown(source) + shown(steps) + shown(vars(steps[0]))
    assert "Policy(" in shown(vars(steps[0]))
