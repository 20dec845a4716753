"""Where settings come from: files, environment, arguments; and what is said if one is missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from customergauge_source.sandbox import DETRACTORS_FILTER, Sandbox
from tests.command import Command
from tests.support import LOAD, environment, run_load
from tests.truth import differences, loaded

SECTION = "SOURCES__CUSTOMERGAUGE__"
KEYS = {
    "REGION": "region",
    "CREDENTIALS__CLIENT_ID": "client_id",
    "CREDENTIALS__CLIENT_SECRET": "client_secret",
}


def write(folder: Path, name: str, text: str) -> None:
    """Writes a file of dlt's configuration."""
    (folder / ".dlt").mkdir(exist_ok=True)
    (folder / ".dlt" / name).write_text(text, encoding="utf-8")


def write_both(folder: Path, sandbox: Sandbox, settings: str = "") -> None:
    """Writes secrets.toml and config.toml as a user would."""
    write(
        folder,
        "secrets.toml",
        "[sources.customergauge.credentials]\n"
        f'client_id = "{sandbox.client_id}"\nclient_secret = "{sandbox.client_secret}"\n',
    )
    write(
        folder,
        "config.toml",
        "[sources.customergauge]\n"
        f'api_url = "{sandbox.url}"\nauth_url = "{sandbox.url}"\n{settings}\n',
    )


def sent(sandbox: Sandbox, name: str) -> list[str]:
    """Returns the values of a parameter in the first data request."""
    return [value for key, value in sandbox.data_requests[0].query if key == name]


def test_everything_can_come_from_the_two_files(command: Command, sandbox: Sandbox) -> None:
    settings = f'per_page = 50\ninclude = ["tags"]\noutbound_filter = "{DETRACTORS_FILTER}"'
    write_both(command.folder, sandbox, settings)

    ended = command(None)

    assert ended.code == 0, ended.err
    assert sent(sandbox, "per_page") == ["50"]
    assert sent(sandbox, "with[]") == ["tags"]
    assert sent(sandbox, "filter") == [DETRACTORS_FILTER]
    detractors = [r["number_customergauge"] for r in sandbox.records if r["nps"] <= 6]
    assert loaded(command.file) == sorted(detractors)


def test_everything_can_come_from_the_environment(command: Command, sandbox: Sandbox) -> None:
    day = sandbox.records[5]["date_sent"][:10]
    settings = {
        "PER_PAGE": "30",
        "INCLUDE": '["tags", "properties"]',
        "PERIOD_FIELD": "date_sent",
        "START_DATE": day,
        "END_DATE": day,
    }
    ended = command(sandbox, **{SECTION + key: value for key, value in settings.items()})

    assert ended.code == 0, ended.err
    assert sent(sandbox, "per_page") == ["30"]
    assert sorted(sent(sandbox, "with[]")) == ["properties", "tags"]
    assert sent(sandbox, "period[field]") == ["date_sent"]
    assert sent(sandbox, "period[start]") == sent(sandbox, "period[end]") == [day]
    assert sandbox.records[5]["number_customergauge"] in loaded(command.file)


def test_an_option_goes_before_the_environment_and_that_before_the_files(
    command: Command, sandbox: Sandbox
) -> None:
    write_both(command.folder, sandbox, 'per_page = 10\ninclude = ["tags"]\ntimezone = "UTC"')
    environment = {f"{SECTION}PER_PAGE": "20", f"{SECTION}INCLUDE": '["questions"]'}

    ended = command(None, "--per-page", "500", **environment)

    assert ended.code == 0, ended.err
    assert sent(sandbox, "per_page") == ["500"]
    assert sent(sandbox, "with[]") == ["questions"]


def test_a_list_of_lists_may_be_given_with_spaces_or_commas(
    command: Command, sandbox: Sandbox
) -> None:
    ended = command(sandbox, "--include", "tags", "questions,properties", "--check")

    assert ended.code == 0, ended.err
    assert sorted(sent(sandbox, "with[]")) == ["properties", "questions", "tags"]


@pytest.mark.parametrize("missing", KEYS)
def test_a_missing_key_is_named_with_section_file_and_variable(
    command: Command, missing: str
) -> None:
    given = {SECTION + key: "eu" for key in KEYS if key != missing}

    ended = command(None, **given)

    assert ended.code == 2
    what, remedy = ended.err.splitlines()
    key = KEYS[missing]
    section = "sources.customergauge" + (".credentials" if "client" in key else "")
    assert what.startswith("Error: ")
    assert key in what
    for name in (key, f"[{section}]", ".dlt/secrets.toml", SECTION + missing):
        assert name in remedy
    for other in KEYS.keys() - {missing}:
        assert SECTION + other not in ended.err


def test_without_any_configuration_both_credentials_are_named_at_once(command: Command) -> None:
    ended = command(None)

    assert ended.code == 2
    assert len(ended.err.splitlines()) == 2
    for key in ("CREDENTIALS__CLIENT_ID", "CREDENTIALS__CLIENT_SECRET"):
        assert SECTION + key in ended.err


def test_the_traceback_is_shown_only_if_asked_for(command: Command) -> None:
    assert "Traceback" not in command(None).err

    asked = command(None, "--debug")

    assert asked.code == 2
    assert "Traceback" in asked.err
    assert asked.err.splitlines()[-2].startswith("Error: ")


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("PER_PAGE", "many", "per_page is 'many'; expected is a whole number."),
        ("INCLUDE", "tags", "include is 'tags'; expected is a list such as "),
    ],
)
def test_a_wrong_type_in_the_configuration_is_named(
    command: Command, sandbox: Sandbox, key: str, value: str, said: str
) -> None:
    ended = command(sandbox, **{f"{SECTION}{key}": value})

    assert ended.code == 2
    assert said in ended.err
    assert len(ended.err.splitlines()) == 2
    assert sandbox.requests == []


def test_a_bad_value_in_the_configuration_is_named_as_an_option_would_be(
    command: Command, sandbox: Sandbox
) -> None:
    ended = command(sandbox, **{f"{SECTION}INCLUDE": '["tags", "everything"]'})

    assert ended.code == 2
    assert "'everything'" in ended.err
    assert sandbox.requests == []


@pytest.mark.parametrize("region", ["eu", "us", "au"])
def test_a_region_leads_to_its_own_two_hosts(command: Command, region: str) -> None:
    proxy = "http://127.0.0.1:9"  # nothing listens there: the hosts are named, not reached
    keys = {SECTION + key: "x" for key in KEYS if key != "REGION"}
    patience = {"RUNTIME__REQUEST_MAX_ATTEMPTS": "1", "HTTPS_PROXY": proxy, "https_proxy": proxy}

    ended = command(None, "--region", region, **keys, **patience)

    assert ended.code == 4
    assert f"https://auth.{region}.customergauge.com/oauth2/token" in ended.err


def test_the_default_file_is_in_the_working_directory_of_each_run(
    command: Command, sandbox: Sandbox
) -> None:
    assert command(sandbox).code == 0
    elsewhere = command.folder / "elsewhere"
    elsewhere.mkdir()
    ended = run_load(elsewhere, env=environment(command.folder, sandbox))

    assert ended.code == 0, ended.err
    for folder in (command.folder, elsewhere):
        assert differences(folder / "customergauge.duckdb", sandbox.records) == []


@pytest.mark.parametrize("moved", [False, True])
def test_the_memory_of_duckdb_is_bounded_wherever_its_file_is(
    workdir: Path, sandbox: Sandbox, *, moved: bool
) -> None:
    where = {"DESTINATION__DUCKDB__CREDENTIALS": "moved.duckdb"} if moved else {}
    env = environment(workdir, sandbox, **where)
    look = (
        "import sys, load, load_options; from load_progress import Progress;"
        "pipeline = load._make_pipeline(load_options.parse([]), Progress());"
        "from customergauge_source import load_in_checkpoints, customergauge_source;"
        "load_in_checkpoints(pipeline, customergauge_source());"
        "client = pipeline.sql_client().__enter__();"
        "print(client.execute_sql('SELECT current_setting($$memory_limit$$)'))"
    )
    env["PYTHONPATH"] = str(LOAD.parent)
    done = subprocess.run(
        [sys.executable, "-c", look],
        cwd=workdir,
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )

    assert "MiB" in done.stdout


def test_the_default_file_can_be_moved(command: Command, sandbox: Sandbox) -> None:
    elsewhere = command.folder / "elsewhere.duckdb"

    ended = command(sandbox, DESTINATION__DUCKDB__CREDENTIALS=str(elsewhere))

    assert ended.code == 0, ended.err
    assert differences(elsewhere, sandbox.records) == []
    assert not command.file.exists()


@pytest.mark.parametrize(
    ("key", "value"), [("OUTBOUND_FILTER", "our-own-filter"), ("NUMBER_CUSTOMERGAUGE", "3414")]
)
def test_the_settings_of_a_real_account_do_not_reach_the_sandbox(
    command: Command, key: str, value: str
) -> None:
    ended = command(None, "--sandbox", "--sandbox-responses", "20", **{SECTION + key: value})

    assert ended.code == 0, ended.err
    assert len(loaded(command.folder / "customergauge_sandbox.duckdb")) == 20


def test_a_full_refresh_is_refused_if_the_configuration_bounds_what_is_read(
    command: Command, sandbox: Sandbox
) -> None:
    command(sandbox)
    cgid = str(sandbox.records[0]["number_customergauge"])

    ended = command(sandbox, "--full-refresh", **{f"{SECTION}NUMBER_CUSTOMERGAUGE": cgid})

    assert len(loaded(command.file)) == 300
    assert ended.code == 2
