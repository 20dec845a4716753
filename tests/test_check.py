"""`load --check` says what works and what does not, one line each, and loads nothing."""

from __future__ import annotations

from typing import Any

import pytest

from customergauge_source.sandbox import Fault, Sandbox
from tests.command import Command, held_open
from tests.support import Finished, query

PREFIX = "SOURCES__CUSTOMERGAUGE__"
ALL = [
    "versions",
    "working folder",
    "configuration",
    "token",
    "API",
    "responses",
    "destination",
    "last load",
    "cursor of responses",
]


def found(ended: Finished) -> dict[str, str]:
    """Returns what was found, by what was examined."""
    lines = [line for line in ended.out.splitlines() if ": " in line]
    return dict(line.split(": ", 1) for line in lines)


def wrong(ended: Finished) -> list[str]:
    """Returns what was found wrong."""
    return [at for at, what in found(ended).items() if what.startswith("WRONG. ")]


def test_each_thing_has_a_line(command: Command, sandbox: Sandbox) -> None:
    first = command(sandbox, "--check")
    assert first.code == 0, first.err
    assert [*found(first)] == ALL
    assert found(first)["last load"] == "there was none"
    assert found(first)["cursor of responses"] == "none: the next load reads everything"

    cursor = command(sandbox, "--json").summary["resources"]["responses"]["cursor"]
    again = found(command(sandbox, "--check"))
    assert again["cursor of responses"] == str(cursor)
    (loaded,) = query(
        command.file, "SELECT strftime(max(inserted_at), '%Y-%m-%d %H:%M') FROM _dlt_loads"
    )
    assert again["last load"] == f"{loaded[0]} UTC"


def test_what_is_examined_stays_as_it_was(command: Command, sandbox: Sandbox) -> None:
    tables = "SELECT table_schema, table_name FROM information_schema.tables ORDER BY ALL"
    command(sandbox)
    before = query(command.file, tables)
    assert command(sandbox, "--check").code == 0
    assert query(command.file, tables) == before


def test_the_configuration_says_where_each_setting_comes_from_and_never_a_secret(
    command: Command, sandbox: Sandbox
) -> None:
    folder = command.folder / ".dlt"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text("[sources.customergauge]\nper_page = 500\n", "utf-8")
    (folder / "secrets.toml").write_text(
        "[sources.customergauge]\nregion = 'eu'\n[sources.customergauge.privacy]\n"
        f"hash = ['email']\nkey = '{'k' * 40}'\n",
        "utf-8",
    )
    ended = command(sandbox, "--check", "--include", "tags")

    told = found(ended)["configuration"]
    assert "region = eu (secrets.toml)" in told
    assert f"api_url = {sandbox.url} (environment)" in told
    assert "include = ['tags'] (option)" in told
    assert "privacy.hash = ['email'] (secrets.toml)" in told
    assert "privacy.key (secrets.toml)" in told
    assert "credentials.client_secret (environment)" in told
    for secret in (sandbox.client_id, sandbox.client_secret, "k" * 40, *sandbox.tokens):
        assert secret not in ended.out + ended.err


def test_with_nothing_configured_the_destination_is_examined_all_the_same(
    command: Command,
) -> None:
    ended = command(None, "--check")

    assert ended.code == 2
    assert [*found(ended)] == [*ALL[:3], *ALL[-3:-1]]
    assert wrong(ended) == ["configuration"]
    assert ended.err.startswith("Error: Missing from the configuration: client_id and")


@pytest.mark.parametrize(
    ("fault", "at", "code"),
    [
        (Fault("token-400", times=None), "token", 3),
        (Fault("503", times=None), "API", 4),
        (Fault("reset", times=None), "API", 4),
        (Fault("403", times=None), "responses", 4),
        (Fault("html", times=None), "responses", 4),
    ],
    ids=lambda it: getattr(it, "kind", None),
)
def test_what_the_api_does_wrong_is_told_and_the_destination_examined(
    command: Command, sandbox: Sandbox, fault: Fault, at: str, code: int
) -> None:
    sandbox.inject(fault)
    ended = command(sandbox, "--check")

    assert ended.code == code, ended.err
    assert wrong(ended) == [at]
    assert [*found(ended)][-3:] == ALL[-3:]
    assert "WRONG. " + ended.err.splitlines()[-2].removeprefix("Error: ") in found(ended)[at]


def test_of_two_wrong_things_the_first_gives_the_code(command: Command, sandbox: Sandbox) -> None:
    assert command(sandbox).code == 0
    sandbox.inject(Fault("503", times=None))
    with held_open(command.file):
        ended = command(sandbox, "--check")

    assert wrong(ended) == ["API", "destination"]
    assert ended.code == 4
    assert "is held open" in found(ended)["destination"]


def test_a_destination_that_cannot_be_written_is_wrong(command: Command, sandbox: Sandbox) -> None:
    place = {"DESTINATION__DUCKDB__CREDENTIALS": str(command.folder / "nowhere" / "a.duckdb")}
    ended = command(sandbox, "--check", **place)

    assert ended.code == 5, ended.err
    assert wrong(ended) == ["destination"]


def test_a_refresh_that_a_load_would_refuse_is_wrong(command: Command, sandbox: Sandbox) -> None:
    ended = command(sandbox, "--check", REFRESH="drop_sources")

    assert ended.code == 2, ended.err
    assert wrong(ended) == ["destination"]


def test_a_setting_that_a_load_would_refuse_is_wrong(command: Command, sandbox: Sandbox) -> None:
    ended = command(sandbox, "--check", **{f"{PREFIX}PER_PAGE": "99999"})

    assert ended.code == 2, ended.err
    assert wrong(ended) == ["configuration"]
    assert sandbox.requests == []


def test_tables_of_another_clock_are_told_at_the_cursor(command: Command, sandbox: Sandbox) -> None:
    command(sandbox)
    ended = command(sandbox, "--check", "--timezone", "Asia/Tokyo")

    assert ended.code == 2
    assert wrong(ended) == ["cursor of responses"]


@pytest.mark.parametrize("kind", [None, "403"])
def test_json_says_the_same(command: Command, sandbox: Sandbox, kind: str | None) -> None:
    if kind:
        sandbox.inject(Fault(kind, times=None))
    ended = command(sandbox, "--check", "--json")

    told: dict[str, Any] = ended.summary
    assert told["ok"] is (kind is None)
    assert [it["check"] for it in told["checks"]] == ALL
    assert [it["check"] for it in told["checks"] if not it["ok"]] == ["responses"] * bool(kind)
    assert (told["pipeline"], told["destination"]) == ("customergauge", "duckdb")
