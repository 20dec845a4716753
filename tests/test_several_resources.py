"""Several resources in one run: each on its own, whatever becomes of the others."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from customergauge_source import load_in_checkpoints
from customergauge_source.exceptions import ApiRefusedError
from customergauge_source.resources import RESOURCES
from customergauge_source.sandbox import Fault, Sandbox
from tests.command import Command
from tests.support import DATASET, at_length, make_pipeline, make_source, query

FILE = "customergauge.duckdb"
FEEDS = {resource.name: resource.path.rpartition("/")[2] for resource in RESOURCES}
ALL = ("--resources", *FEEDS)
SETTING = "SOURCES__CUSTOMERGAUGE__RESOURCES"
ONE_RETRY = {"RUNTIME__REQUEST_MAX_ATTEMPTS": "2"}
CODES = {"403": 4, "404": 4, "401": 3, "422": 4, "500": 4, "html": 4}
REFUSALS = [("close_loop", kind) for kind in CODES] + [
    ("responses", "403"),
    ("responses", "401"),
    ("non_responses", "500"),
]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A CustomerGauge with 60 responses, some of them with cases, and 30 non-responses."""
    with Sandbox(responses=60) as running:
        yield running


def counts(file: Path, *names: str) -> dict[str, int]:
    return {name: query(file, f"SELECT count(*) FROM {name}")[0][0] for name in names}


def served(sandbox: Sandbox, *names: str) -> dict[str, int]:
    """Returns how many loadable records with distinct keys the API has of resources."""
    keys = {
        name: {record.get("number_customergauge") for record in sandbox.records_of(FEEDS[name])}
        for name in names
    }
    return {name: sum(isinstance(key, int) for key in found) for name, found in keys.items()}


def read(summary: dict[str, Any]) -> dict[str, int]:
    return {name: resource["records"] for name, resource in summary["resources"].items()}


@pytest.mark.long
def test_the_command_loads_all_that_it_is_asked_for(command: Command, sandbox: Sandbox) -> None:
    ended = command(sandbox, *ALL, "--per-page", "25", "--json")

    assert ended.code == 0, ended.err
    there = served(sandbox, *FEEDS)
    assert min(there.values()) >= 5
    assert counts(command.file, *FEEDS) == there
    assert read(ended.summary) == there
    assert ended.summary["caught_up"] is True
    assert ended.summary["tables"].keys() >= FEEDS.keys()
    for name in ("responses", "non_responses"):
        records = sandbox.records_of(FEEDS[name])
        table = f"{name}__properties"
        assert counts(command.file, table) == {table: sum(len(it["properties"]) for it in records)}
    again = command(sandbox, *ALL, "--json").summary
    assert (read(again)["responses"], read(again)["non_responses"]) == (0, 0)


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("options", "setting", "loaded"),
    [
        ((), None, ["responses"]),
        ((), ["responses", "close_loop"], ["responses", "close_loop"]),
        (("--resources", "non_responses"), ["responses", "close_loop"], ["non_responses"]),
        (("--resources", "close_loop,non_responses"), None, ["non_responses", "close_loop"]),
    ],
)
def test_the_option_goes_before_the_setting(
    command: Command, sandbox: Sandbox, options: tuple[str], setting: Any, loaded: list[str]
) -> None:
    env = {} if setting is None else {SETTING: json.dumps(setting)}
    ended = command(sandbox, *options, "--json", **env)

    assert ended.code == 0, ended.err
    assert read(ended.summary) == served(sandbox, *loaded)
    assert counts(command.file, *loaded) == served(sandbox, *loaded)
    asked = [name for name, feed in FEEDS.items() if sandbox.requests_to(feed)]
    assert sorted(asked) == sorted(loaded)


@pytest.mark.parametrize(
    ("options", "env"),
    [
        (["--resources", "responses", "surveys"], {}),
        ([], {SETTING: '["surveys"]'}),
    ],
)
def test_a_resource_that_does_not_exist_is_told_by_name(
    command: Command, sandbox: Sandbox, options: list[str], env: dict[str, str]
) -> None:
    ended = command(sandbox, *options, **env)

    assert ended.code == 2
    known = "one of responses, non_responses, close_loop"
    assert f"Error: resources is 'surveys'; allowed: {known}" in ended.err
    assert sandbox.requests == []


def _run(pipeline: Any, source: Any) -> None:
    pipeline.run(source)


@pytest.mark.sampled
@pytest.mark.parametrize("run", [load_in_checkpoints, _run])
def test_with_resources_selects_them_too(
    workdir: Path, sandbox: Sandbox, run: Callable[..., Any]
) -> None:
    run(make_pipeline(workdir), make_source(sandbox).with_resources("non_responses", "close_loop"))
    chosen = ("non_responses", "close_loop")

    assert counts(workdir / FILE, *chosen) == served(sandbox, *chosen)
    assert sandbox.requests_to("responses") == []
    assert list(make_source(sandbox).selected_resources) == ["responses"]


@pytest.mark.sampled
@pytest.mark.parametrize(
    "refusal", at_length(REFUSALS, short=[*REFUSALS[:3], ("responses", "403")])
)
def test_a_resource_that_may_not_be_read_does_not_keep_the_others_from_being_loaded(
    command: Command, sandbox: Sandbox, refusal: tuple[str, str]
) -> None:
    name, kind = refusal
    others = [other for other in FEEDS if other != name]
    sandbox.inject(Fault(kind, times=None, feed=FEEDS[name]))
    ended = command(sandbox, *ALL, "--per-page", "25", "--json", **ONE_RETRY)

    assert ended.code == CODES[kind]
    error, remedy = ended.err.splitlines()[-2:]
    assert error.startswith(f"Error: {name}: ")
    assert remedy.startswith("What to do: ")
    assert [line for line in ended.err.splitlines() if line.startswith("Error: ")] == [error]
    assert "Traceback" not in ended.err
    assert counts(command.file, *others) == served(sandbox, *others)
    again = command(sandbox, "--resources", *others, "--json")
    assert again.code == 0, again.err
    with_cursors = [other for other in others if other != "close_loop"]  # which reads a window
    assert [read(again.summary)[other] for other in with_cursors] == [0] * len(with_cursors)


@pytest.mark.long
def test_a_resource_that_may_be_read_again_is_loaded_from_where_it_stood(
    command: Command, sandbox: Sandbox
) -> None:
    sandbox.inject(Fault("403", page=2, feed="non-responses"))
    options = (*ALL, "--per-page", "20", "--checkpoint-pages", "2", "--json")
    assert command(sandbox, *options).code == 4
    assert counts(command.file, *FEEDS) == {**served(sandbox, *FEEDS), "non_responses": 20}
    ended = command(sandbox, *options)

    assert ended.code == 0, ended.err
    assert read(ended.summary)["non_responses"] == 10
    assert counts(command.file, *FEEDS) == served(sandbox, *FEEDS)


def test_of_two_that_may_not_be_read_both_are_told_and_the_first_gives_the_code(
    command: Command, sandbox: Sandbox
) -> None:
    sandbox.inject(Fault("403", times=None, feed="responses"))
    sandbox.inject(Fault("401", times=None, feed="close-loop"))
    ended = command(sandbox, *ALL)

    assert ended.code == 4
    *told, error, _ = ended.err.splitlines()
    assert error.startswith("Error: responses: ")
    assert [line for line in told if line.startswith("close_loop: ")]
    assert counts(command.file, "non_responses") == served(sandbox, "non_responses")


def test_the_error_of_a_resource_is_told_although_another_error_ends_the_load(
    workdir: Path, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_summary: object) -> None:
        raise RuntimeError("elsewhere")

    sandbox.inject(Fault("404", times=None, feed="responses"))
    source = make_source(sandbox, resources=[*FEEDS])
    with pytest.raises(RuntimeError, match="elsewhere"):
        load_in_checkpoints(make_pipeline(workdir), source, on_checkpoint=fail)

    assert [it for it in caplog.messages if it.startswith("responses: ") and "404" in it]


def test_the_error_of_a_resource_is_raised_when_the_others_are_loaded(
    workdir: Path, sandbox: Sandbox
) -> None:
    sandbox.inject(Fault("404", times=None, feed="responses"))
    told: list[tuple[int, bool]] = []
    with pytest.raises(ApiRefusedError, match=r"^responses: .*404"):
        load_in_checkpoints(
            make_pipeline(workdir),
            make_source(sandbox, resources=[*FEEDS]),
            on_checkpoint=lambda summary: told.append((summary.checkpoints, summary.caught_up)),
        )

    assert told == [(1, False), (2, False)]
    others = ("non_responses", "close_loop")
    assert counts(workdir / FILE, *others) == served(sandbox, *others)


@pytest.mark.long
def test_rejected_records_belong_to_all(command: Command, sandbox: Sandbox) -> None:
    for name, feed in FEEDS.items():
        sandbox.append({"lost by": name}, {"number_customergauge": "x"}, feed=feed)
    ended = command(sandbox, *ALL, "--json")

    rows = query(command.file, "SELECT resource, record, reason FROM rejected_records ORDER BY ALL")
    assert rows == sorted(
        row
        for name in FEEDS
        for row in [
            (name, f'{{"lost by":"{name}"}}', "no number_customergauge"),
            (
                name,
                '{"number_customergauge":"x"}',
                "number_customergauge is not a whole number of 64 bits",
            ),
        ]
    )
    rejected = {name: it["rejected"] for name, it in ended.summary["resources"].items()}
    assert rejected == dict.fromkeys(FEEDS, 2)
    assert counts(command.file, *FEEDS) == served(sandbox, *FEEDS)
    command(sandbox, *ALL)  # which reads the cases of the last two days again
    assert counts(command.file, "rejected_records") == {"rejected_records": 6}


def test_a_full_refresh_of_one_leaves_the_others_and_their_cursors(
    command: Command, sandbox: Sandbox
) -> None:
    for name, feed in FEEDS.items():
        sandbox.append({"lost by": name}, feed=feed)
    command(sandbox, *ALL)
    with duckdb.connect(str(command.file)) as connection:
        connection.execute(f"USE {DATASET}")
        connection.execute("UPDATE close_loop SET note = 'stale'")
        connection.execute("UPDATE responses SET email = 'untouched'")
        connection.execute(
            "INSERT INTO close_loop SELECT * REPLACE (7 AS number_customergauge, '7' AS _dlt_id)"
            " FROM close_loop LIMIT 1"
        )
    sandbox.arrive(5)

    ended = command(sandbox, "--full-refresh", "--resources", "close_loop", "--json")
    assert ended.code == 0, ended.err
    assert read(ended.summary) == served(sandbox, "close_loop")
    cases = [it for it in sandbox.records_of("close-loop") if "status" in it]
    notes = query(command.file, "SELECT number_customergauge, note FROM close_loop ORDER BY 1")
    assert notes == sorted((case["number_customergauge"], case["note"]) for case in cases)
    kept = query(command.file, "SELECT email, count(*) FROM responses GROUP BY 1")
    assert kept == [("untouched", 60)]
    lost = "SELECT resource, count(*) FROM rejected_records GROUP BY 1 ORDER BY 1"
    assert query(command.file, lost) == [(name, 1) for name in sorted(FEEDS)]

    after = command(sandbox, *ALL, "--json").summary
    assert (read(after)["responses"], read(after)["non_responses"]) == (5, 0)
    assert counts(command.file, *FEEDS) == served(sandbox, *FEEDS)
    assert query(command.file, lost) == [(name, 1) for name in sorted(FEEDS)]


def test_check_asks_each_for_one_page_of_one(command: Command, sandbox: Sandbox) -> None:
    ended = command(sandbox, "--check", *ALL)

    assert ended.code == 0, ended.err
    assert ended.out.endswith("All of it works. Nothing loaded.\n")
    for feed in FEEDS.values():
        (page,) = sandbox.requests_to(feed)
        assert dict(page.query)["per_page"] == "1"
    assert command(sandbox, *ALL, "--json").summary["caught_up"] is True
    assert counts(command.file, *FEEDS) == served(sandbox, *FEEDS)


@pytest.mark.parametrize(
    ("name", "kind"), [("responses", "404"), ("close_loop", "403"), ("non_responses", "401")]
)
def test_check_tells_by_name_what_may_not_be_read(
    command: Command, sandbox: Sandbox, name: str, kind: str
) -> None:
    sandbox.inject(Fault(kind, times=None, feed=FEEDS[name]))
    ended = command(sandbox, "--check", *ALL)

    assert ended.code == CODES[kind]
    assert f"Error: {name}: " in ended.err


@pytest.mark.long
def test_max_pages_counts_for_each(command: Command, sandbox: Sandbox) -> None:
    options = (*ALL, "--per-page", "5", "--max-pages", "1")
    ended = command(sandbox, *options, "--json")
    pages = {name: it["pages"] for name, it in ended.summary["resources"].items()}
    assert pages == dict.fromkeys(FEEDS, 1)
    assert ended.summary["caught_up"] is False
    assert counts(command.file, *FEEDS) == dict.fromkeys(FEEDS, 5)

    command(sandbox, *options)
    assert counts(command.file, "responses") == {"responses": 10}


def test_an_empty_resource_does_not_make_a_one_off_of_a_run_that_was_cut_off(
    command: Command,
) -> None:
    with Sandbox(responses=60, non_responses=0) as sandbox:
        options = ("--resources", "responses", "non_responses", "--per-page", "20")
        ended = command(sandbox, *options, "--max-pages", "1")

    assert counts(command.file, "responses") == {"responses": 20}
    assert "There is more to read: the next run goes on at the cursor." in ended.out
