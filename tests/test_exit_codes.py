"""How a run ends: an exit code, a line that says what happened, and one that says what to do."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pytest
from dlt.common.configuration.providers.doc import CustomLoaderDocProvider
from dlt.pipeline.exceptions import PipelineStepFailed

from customergauge_source import explain
from customergauge_source.exceptions import ApiRefusedError
from customergauge_source.sandbox import Fault, Sandbox
from tests.command import Command
from tests.support import (
    DATASET,
    Finished,
    at_length,
    environment,
    make_pipeline,
    make_source,
    run_load,
)

PREFIX = "SOURCES__CUSTOMERGAUGE__"
SECRET = f"{PREFIX}CREDENTIALS__CLIENT_SECRET"
FAILED: dict[str, tuple[int, list[str], dict[str, str], str]] = {
    "page size": (2, ["--per-page", "1001"], {}, "--per-page: '1001'; allowed"),
    "include": (2, ["--include", "tag"], {}, "tag"),
    "half a period": (2, ["--start-date", "2026-01-01"], {}, "period"),
    "no such day": (
        2,
        ["--period-field", "date_sent", "--start-date", "2026-02-30", "--end-date", "2026-03-01"],
        {},
        "2026-02-30",
    ),
    "check and refresh": (2, ["--check", "--full-refresh"], {}, "Give one or the other"),
    "no such option": (2, ["--no-such-option"], {}, "--no-such-option"),
    "checkpoints": (2, ["--checkpoint-pages", "0"], {}, "--checkpoint-pages"),
    "zone": (2, ["--timezone", "Mars/Olympus"], {}, "Mars/Olympus"),
    "destination": (2, ["--destination", "no_such_place"], {}, "no_such_place"),
    "bucket": (2, ["--destination", "filesystem"], {}, "bucket_url"),
    "no history": (
        2,
        ["--destination", "filesystem"],
        {f"{PREFIX}HISTORY": "false", "DESTINATION__FILESYSTEM__BUCKET_URL": "lake"},
        "history is false",
    ),
    "format": (2, [], {f"{PREFIX}TABLE_FORMAT": "hudi"}, "table_format is 'hudi'"),
    "package missing": (2, ["--destination", "redshift_x"], {}, "redshift_x"),
    "wrong secret": (3, [], {SECRET: "mistyped"}, "Client authentication failed"),
    "refused": (4, [], {}, "This action is unauthorized."),
    "postgres": (
        5,
        ["--destination", "postgres"],
        {"DESTINATION__POSTGRES__CREDENTIALS": "postgresql://a:b4cd@127.0.0.1:1/d"},
        "Connection refused",
    ),
    "no folder": (
        5,
        [],
        {"DESTINATION__DUCKDB__CREDENTIALS": "duckdb:///no/such/folder/x.duckdb"},
        "/no/such/folder/x.duckdb",
    ),
}
UNUSABLE = {
    "REQUESTS_CA_BUNDLE": "/no/such/bundle.pem",
    "CURL_CA_BUNDLE": "/no/such/bundle.pem",
    "HTTPS_PROXY": "ftp://proxy.example.com:21",
    "https_proxy": "http://loader:p4ssw0rd@:::",
    "ALL_PROXY": "no proxy at all",
    "all_proxy": "socks5://127.0.0.1:9",
}
REAL = {
    f"{PREFIX}REGION": "eu",
    f"{PREFIX}CREDENTIALS__CLIENT_ID": "an id",
    SECRET: "a secret",
    "RUNTIME__REQUEST_MAX_ATTEMPTS": "1",
}
PLAIN_HTTP = [
    "http://api.eu.customergauge.com",
    "http://10.0.0.1",
    "http://127.0.0.1.example.com",
    "http://127.0.0.1@example.com",
    "http://localhost.example.com",
    "http://0.0.0.0",
    "http://[::2]",
    "HTTP://EXAMPLE.COM",
]


def assert_told(ended: Finished, code: int, text: str) -> None:
    """Checks exit code and message of a failed run."""
    assert ended.code == code, ended.err
    assert ended.out == ""
    assert "Traceback" not in ended.err
    lines = [line for line in ended.err.splitlines() if not re.match(r"\d{4}-|Warning: ", line)]
    assert [line.split(":")[0] for line in lines] == ["Error", "What to do"], ended.err
    assert text in lines[0]
    assert all(len(line) < 700 for line in lines)


@pytest.mark.parametrize("case", FAILED)
def test_a_failure_is_told_in_two_lines_and_a_code(command: Command, case: str) -> None:
    code, options, env, text = FAILED[case]
    faults = [Fault("403")] if code == 4 else []
    with Sandbox(responses=20, faults=faults) as sandbox:
        ended = command(sandbox, *options, **env)

        assert_told(ended, code, text)
        assert code != 2 or sandbox.requests == []


def test_a_file_that_is_no_database_ends_with_5(command: Command) -> None:
    command.file.write_bytes(b"these are the minutes of a meeting " * 1000)
    with Sandbox(responses=20) as sandbox:
        assert_told(command(sandbox), 5, str(command.file))
    assert command.file.read_bytes().startswith(b"these are the minutes")


@pytest.mark.long
def test_a_broken_destination_is_told_by_its_own_words_and_no_traceback(command: Command) -> None:
    with Sandbox(responses=20) as sandbox:
        assert command(sandbox).code == 0
        with duckdb.connect(str(command.file)) as connection:
            connection.execute(f"ALTER TABLE {DATASET}.responses ALTER language TYPE INT USING 1")
        sandbox.arrive(20)

        ended = command(sandbox)
        assert ended.code == 5
        assert "Traceback" not in ended.err
        assert "responses" in ended.err.splitlines()[-2]
        assert (
            "string '…' to INT32 when casting from source column language"
            in (ended.err.splitlines()[-2])
        )
        assert f"'{sandbox.records[-1]['language']}'" not in ended.err
        assert "Traceback (most recent call last)" in command(sandbox, "--debug").err


@pytest.mark.parametrize("variable", UNUSABLE)
def test_a_proxy_or_certificates_that_cannot_be_used_end_with_2_and_are_named(
    command: Command, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in UNUSABLE:
        monkeypatch.delenv(name, raising=False)
    ended = command(None, **REAL | {variable: UNUSABLE[variable]})

    assert_told(
        ended, 2, "A SOCKS proxy needs a" if "socks" in UNUSABLE[variable] else f"{variable} is "
    )
    assert "p4ssw0rd" not in ended.err


def test_a_host_that_is_not_found_points_at_network_and_region(command: Command) -> None:
    """No name below .invalid is ever found (RFC 2606)."""
    hosts = {f"{PREFIX}{name}_URL": "https://api.example.invalid" for name in ("API", "AUTH")}
    ended = command(None, **REAL | hosts)

    assert_told(ended, 4, "api.example.invalid")
    remedy = ended.err.splitlines()[-1]
    assert "Check the network, its proxy, and region (or api_url and auth_url)." in remedy
    assert "support" not in remedy


@pytest.mark.parametrize("url", ["https://.example.com", "https://*.example.com"])
def test_an_address_that_no_host_can_have_ends_with_2(command: Command, url: str) -> None:
    assert_told(command(None, **REAL | {f"{PREFIX}API_URL": url}), 2, "api_url is ")


@pytest.mark.parametrize("region", ["mars", "EU", ""])
def test_a_region_that_does_not_exist_ends_with_2(command: Command, region: str) -> None:
    credentials = {f"{PREFIX}CREDENTIALS__CLIENT_ID": "an id", SECRET: "a secret"}
    ended = command(None, f"--region={region}", **credentials)

    assert_told(ended, 2, f"region is {region!r}; allowed: one of eu, us, au")


ADDRESSES = [(setting, url) for url in PLAIN_HTTP for setting in ("API_URL", "AUTH_URL")]


@pytest.mark.parametrize(
    "address", at_length(ADDRESSES, short=[*ADDRESSES[::4], *ADDRESSES[3::4]]), ids=" ".join
)
def test_plain_http_to_another_machine_is_refused(
    command: Command, address: tuple[str, str]
) -> None:
    setting, url = address
    with Sandbox() as sandbox:
        ended = command(sandbox, **{PREFIX + setting: url})

        assert_told(ended, 2, setting.lower())
        assert sandbox.requests == []


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3"])
def test_plain_http_to_this_machine_is_accepted(command: Command, host: str) -> None:
    with Sandbox(responses=20) as sandbox:
        url = sandbox.url.replace("127.0.0.1", host)
        ended = command(
            sandbox, "--check", **{f"{PREFIX}API_URL": url}, RUNTIME__REQUEST_MAX_ATTEMPTS="1"
        )

    assert ended.code == (4 if host == "127.1.2.3" else 0), ended.err  # nobody listens there


def test_debug_adds_the_traceback_and_keeps_the_two_lines(command: Command) -> None:
    with Sandbox(faults=[Fault("403")]) as sandbox:
        ended = command(sandbox, "--debug")

    assert "Traceback (most recent call last)" in ended.err
    assert [line.split(":")[0] for line in ended.err.splitlines()[-2:]] == ["Error", "What to do"]


def test_a_folder_of_dlt_that_cannot_be_written_ends_with_2(command: Command) -> None:
    (command.folder / "dlt").write_text("a file in the place of a folder", "utf-8")
    with Sandbox(responses=20) as sandbox:
        ended = command(sandbox)

    assert_told(ended, 2, "dlt")
    assert "DLT_DATA_DIR" in ended.err


def test_what_nobody_foresaw_has_code_1_and_a_remedy_as_well() -> None:
    error = explain(ZeroDivisionError("division by zero"))

    assert (error.exit_code, str(error)) == (1, "ZeroDivisionError: division by zero")
    assert "--debug" in error.remedy


@pytest.mark.parametrize(
    "raised", [MemoryError(), RuntimeError("can't start new thread"), ValueError("bad allocation")]
)
def test_a_machine_without_memory_is_told_as_one(raised: Exception) -> None:
    error = explain(raised)

    assert (error.exit_code, str(error)) == (
        2, "The machine, or a limit of the process, has no more memory.",
    )  # fmt: skip
    assert "--per-page" in error.remedy


def test_what_dlt_raises_in_a_pipeline_of_ones_own_can_be_explained(workdir: Path) -> None:
    with Sandbox(faults=[Fault("403")]) as sandbox, pytest.raises(PipelineStepFailed) as raised:
        make_pipeline(workdir).run(make_source(sandbox))

    error = explain(raised.value)
    assert isinstance(error, ApiRefusedError)
    assert "This action is unauthorized." in str(error)


def test_a_vault_that_holds_no_toml_is_a_mistake_in_the_configuration() -> None:
    with pytest.raises(ValueError, match="toml") as raised:
        CustomLoaderDocProvider("vault", dict).set_fragment(None, "[broken", "")

    assert explain(raised.value).exit_code == 2


def test_the_real_process_ends_with_the_same_code_and_lines(
    command: Command, tmp_path: Path
) -> None:
    with Sandbox(faults=[Fault("422", times=2)]) as sandbox:
        ended = run_load(tmp_path, env=environment(tmp_path, sandbox))
        assert_told(ended, 4, "The selected filter is invalid.")
        assert command(sandbox) == ended
