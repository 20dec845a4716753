"""Where settings come from: files, environment, arguments; and what is said if one is missing."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from customergauge_source import customergauge_source
from customergauge_source.sandbox import DETRACTORS_FILTER, Sandbox
from tests.command import Command
from tests.support import ROOT, environment, query, run_load
from tests.truth import differences, loaded

SECTION = "SOURCES__CUSTOMERGAUGE__"
KEYS = {
    "REGION": "region",
    "CREDENTIALS__CLIENT_ID": "client_id",
    "CREDENTIALS__CLIENT_SECRET": "client_secret",
}
ELSEWHERE = {
    "CREDENTIALS": "somebody:else",
    "CREDENTIALS__CLIENT_ID": "somebody-else",
    "CREDENTIALS__CLIENT_SECRET": "somebody-elses-secret",
    "CLIENT_ID": "somebody-else",
    "CLIENT_SECRET": "somebody-elses-secret",
    "RESOURCES": '["close_loop"]',
    "REGION": "eu-west-1",
    "API_URL": "http://127.0.0.1:9",
    "AUTH_URL": "http://127.0.0.1:9",
    "INCLUDE": '["tags"]',
    "PER_PAGE": "7",
    "OUTBOUND_FILTER": DETRACTORS_FILTER,
    "NUMBER_CUSTOMERGAUGE": "1",
    "PERIOD_FIELD": "date_sent",
    "START_DATE": "2001-01-01",
    "END_DATE": "2001-01-02",
    "TIMEZONE": "Asia/Tokyo",
    "UNKNOWN_FIELDS": "fail",
    "HISTORY": "true",
    "TABLE_FORMAT": "delta",
    "MAX_ANSWER_BYTES": "1",
    "PRIVACY": '{"drop": ["nps"]}',
    "PRIVACY__DROP": '["nps"]',
    "PRIVACY__HASH": '["nps"]',
    "PRIVACY__KEY": "short",
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
    detractors = [r["number_customergauge"] for r in sandbox.records if r["nps"] in range(7)]
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


@pytest.mark.sampled
@pytest.mark.parametrize("prefix", ["", "SOURCES__", "CUSTOMERGAUGE__"])
def test_what_is_set_for_somebody_else_has_no_effect(
    command: Command, sandbox: Sandbox, prefix: str
) -> None:
    assert {name.upper() for name in inspect.signature(customergauge_source).parameters} <= {
        *ELSEWHERE
    }
    ended = command(sandbox, **{prefix + name: value for name, value in ELSEWHERE.items()})

    assert ended.code == 0, ended.err
    asked = {name for name, _ in sandbox.data_requests[0].query}
    assert asked == {"per_page", "with[]"}
    assert sent(sandbox, "per_page") == ["1000"]
    assert differences(command.file, sandbox.records) == []


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
    ended = command(None, **ELSEWHERE)

    assert ended.code == 2
    what, remedy = ended.err.splitlines()
    assert "client_id and client_secret" in what
    assert "[sources.customergauge.credentials]" in remedy
    for key in ("CREDENTIALS__CLIENT_ID", "CREDENTIALS__CLIENT_SECRET"):
        assert SECTION + key in remedy


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("PER_PAGE", "many", "per_page is 'many'; expected: a whole number."),
        ("INCLUDE", "tags", "include is 'tags'; expected: a list, such as "),
        ("INCLUDE", '["tags", "everything"]', "include is 'everything'; allowed: one of "),
    ],
)
def test_a_wrong_value_in_the_configuration_is_named(
    command: Command, sandbox: Sandbox, key: str, value: str, said: str
) -> None:
    ended = command(sandbox, **{f"{SECTION}{key}": value})

    assert ended.code == 2
    assert said in ended.err
    assert len(ended.err.splitlines()) == 2
    assert sandbox.requests == []


@pytest.mark.parametrize("region", ["eu", "us", "au"])
def test_a_region_leads_to_its_own_two_hosts(command: Command, region: str) -> None:
    proxy = "http://127.0.0.1:9"  # nothing listens there: the hosts are named, not reached
    keys = {SECTION + key: "x" for key in KEYS if key != "REGION"}
    patience = {"RUNTIME__REQUEST_MAX_ATTEMPTS": "1", "HTTPS_PROXY": proxy, "https_proxy": proxy}

    ended = command(None, "--region", region, **keys, **patience)

    assert ended.code == 4
    assert f"https://auth.{region}.customergauge.com/oauth2/token" in ended.err


@pytest.mark.long
def test_the_default_file_is_in_the_working_directory_of_each_run_and_can_be_moved(
    command: Command, sandbox: Sandbox
) -> None:
    assert command(sandbox).code == 0
    elsewhere = command.folder / "elsewhere"
    elsewhere.mkdir()
    ended = run_load(elsewhere, env=environment(command.folder, sandbox))
    assert ended.code == 0, ended.err
    moved = {"DESTINATION__DUCKDB__CREDENTIALS": str(elsewhere / "moved.duckdb")}
    assert command(sandbox, **moved).code == 0

    for file in (command.file, elsewhere / "customergauge.duckdb", elsewhere / "moved.duckdb"):
        assert differences(file, sandbox.records) == []


@pytest.mark.long
def test_a_relative_path_is_one_from_where_the_command_runs(
    command: Command, sandbox: Sandbox
) -> None:
    where = {"DESTINATION__DUCKDB__CREDENTIALS": "relative.duckdb"}
    assert command(sandbox, **where).code == 0
    elsewhere = command.folder / "elsewhere"
    elsewhere.mkdir()

    ended = run_load(elsewhere, env=environment(command.folder, sandbox, **where))

    assert ended.out.startswith("Loaded 300 responses")
    for folder in (command.folder, elsewhere):
        assert differences(folder / "relative.duckdb", sandbox.records) == []


def test_the_path_in_the_environment_goes_before_that_in_a_file(
    command: Command, sandbox: Sandbox
) -> None:
    text = '[destination.duckdb.credentials]\ndatabase = "a.duckdb"\n'
    write(command.folder, "config.toml", text)

    assert command(sandbox, DESTINATION__DUCKDB__CREDENTIALS__DATABASE="b.duckdb").code == 0

    assert len(loaded(command.folder / "b.duckdb")) == 300
    assert not (command.folder / "a.duckdb").exists()


@pytest.mark.long
def test_a_tilde_is_the_home_folder(command: Command, sandbox: Sandbox) -> None:
    home = command.folder / "home"
    home.mkdir()
    write(
        command.folder, "config.toml", "[destination.duckdb.credentials]\ndatabase = '~/a.duckdb'"
    )
    settings = {"HOME": str(home), "DLT_DATA_DIR": "~/dlt"}
    assert command(sandbox, **settings).code == 0
    assert command(sandbox, DESTINATION__DUCKDB__CREDENTIALS="~/b.duckdb", **settings).code == 0

    assert sorted(path.name for path in home.iterdir()) == ["a.duckdb", "b.duckdb", "dlt"]
    assert not (command.folder / "~").exists()
    for name in ("a", "b"):
        assert differences(home / f"{name}.duckdb", sandbox.records) == []


def test_an_empty_variable_is_one_that_is_not_set(command: Command, sandbox: Sandbox) -> None:
    empty = [
        *(f"{SECTION}{name}" for name in ("REGION", "CREDENTIALS", "PER_PAGE", "RESOURCES")),
        *("DESTINATION__DUCKDB__CREDENTIALS", "DESTINATION_TYPE", "CREDENTIALS"),
        *("RUNTIME__REQUEST_TIMEOUT", "LOAD__WORKERS"),
    ]
    ended = command(sandbox, **dict.fromkeys(empty, ""))
    assert ended.code == 0, ended.err
    assert differences(command.file, sandbox.records) == []

    ended = command(sandbox, **{f"{SECTION}CREDENTIALS__CLIENT_ID": ""})
    assert ended.code == 2
    assert "Missing from the configuration: client_id." in ended.err

    ended = command(sandbox, "--destination", "postgres", DESTINATION__POSTGRES__CREDENTIALS="")
    assert ended.code == 2
    assert "Missing from the configuration: the credentials of postgres." in ended.err


def test_what_stands_in_the_example_file_is_missing(command: Command, sandbox: Sandbox) -> None:
    example = (ROOT / ".dlt" / "example.secrets.toml").read_text("utf-8")
    section = "[destination.postgres.credentials]"
    other = f'{section}\nhost = "127.0.0.1"\ndatabase = "…"\nusername = "…"\npassword = "…"\n'
    write(command.folder, "secrets.toml", example + other)

    ended = command(None)
    assert ended.code == 2
    assert "Missing from the configuration: client_id and client_secret." in ended.err

    ended = command(sandbox, "--destination", "postgres")
    assert ended.code == 2
    what, remedy = ended.err.splitlines()
    assert (
        what == "Error: Missing from the configuration: database, username, password of postgres."
    )
    assert f"Fill in {section} in .dlt/secrets.toml." in remedy

    rest = {f"DESTINATION__POSTGRES__CREDENTIALS__{it}": "x" for it in ("USERNAME", "PASSWORD")}
    ended = command(sandbox, "--destination", "postgres", **rest)
    assert "Missing from the configuration: database of postgres." in ended.err

    catalog = {"DESTINATION__DUCKLAKE__CREDENTIALS__CATALOG": "duckdb:///here.duckdb"}
    ended = command(sandbox, "--destination", "ducklake", **catalog)
    assert ended.code == 2
    assert "Missing from the configuration: storage.bucket_url, storage.cred" in ended.err
    assert sandbox.requests == []


@pytest.mark.sampled
@pytest.mark.parametrize("moved", [False, True])
def test_the_memory_of_duckdb_is_bounded_wherever_its_file_is(
    tmp_path: Path, sandbox: Sandbox, *, moved: bool
) -> None:
    where = {"DESTINATION__DUCKDB__CREDENTIALS": "moved.duckdb"} if moved else {}
    look = (
        "import os; from customergauge_source.cli.load import main; main(['--json']); import dlt;"
        "client = dlt.pipeline('look', destination='duckdb', dataset_name='x').sql_client();"
        "client.open_connection();"
        "print(client.execute_sql('SELECT current_setting($$memory_limit$$)'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", look],
        cwd=tmp_path,
        env=environment(tmp_path, sandbox, PYTHONPATH=str(ROOT), **where),
        capture_output=True,
        text=True,
        check=True,
    )

    assert "MiB" in done.stdout.splitlines()[-1]


def test_what_is_set_for_one_pipeline_goes_before_what_is_set_for_all(
    command: Command, sandbox: Sandbox
) -> None:
    place = "DESTINATION__DUCKDB__CREDENTIALS__READ_ONLY"
    ended = command(sandbox, **{place: "false", f"CUSTOMERGAUGE__{place}": "true"})

    assert ended.code == 5
    assert "read-only" in ended.err


def test_the_settings_of_a_real_account_do_not_reach_the_sandbox(command: Command) -> None:
    real = {"OUTBOUND_FILTER": "our-own-filter", "NUMBER_CUSTOMERGAUGE": "3414"}
    env = {SECTION + key: value for key, value in real.items()}

    ended = command(None, "--sandbox", "--sandbox-responses", "20", **env)

    assert ended.code == 0, ended.err
    assert len(loaded(command.folder / "customergauge_sandbox.duckdb")) == 20


def test_a_full_refresh_is_refused_if_the_configuration_bounds_what_is_read(
    command: Command, loaded_sandbox: Sandbox
) -> None:
    cgid = str(loaded_sandbox.records[0]["number_customergauge"])

    ended = command(loaded_sandbox, "--full-refresh", **{f"{SECTION}NUMBER_CUSTOMERGAUGE": cgid})

    assert ended.code == 2
    assert len(loaded(command.file)) == 300


def test_another_time_zone_over_loaded_tables_is_refused_and_a_full_refresh_leads_out(
    command: Command, loaded_sandbox: Sandbox
) -> None:
    loaded_sandbox.arrive(5)
    for options in (
        (),
        ("--period-field", "date_sent", "--start-date=2020-01-01", "--end-date=2030-01-01"),
    ):
        ended = command(loaded_sandbox, "--timezone", "Asia/Tokyo", *options)

        assert ended.code == 2
        what, remedy = ended.err.splitlines()[-2:]
        assert "timezone is Asia/Tokyo, but responses was loaded with UTC" in what
        assert "--full-refresh" in remedy
    assert differences(command.file, loaded_sandbox.records[:300]) == []

    assert command(loaded_sandbox, "--timezone", "Asia/Tokyo", "--full-refresh").code == 0

    moment = loaded_sandbox.records[-1]["date_sent"]
    sql = f"SELECT number_customergauge FROM responses WHERE date_sent = '{moment}+09'::TIMESTAMPTZ"
    assert (loaded_sandbox.records[-1]["number_customergauge"],) in query(command.file, sql)
    assert command(loaded_sandbox).code == 2
    assert command(loaded_sandbox, "--timezone", "Asia/Tokyo").code == 0
