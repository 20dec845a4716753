"""``python -m customergauge_source.sandbox``: what it says, serves and refuses."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
import requests

from customergauge_source.sandbox import DATA_PATH, SYNC_PATH, TOKEN_PATH, Sandbox
from customergauge_source.sandbox.__main__ import main
from customergauge_source.sandbox.faults import GRAMMAR, KINDS

MODULE = [sys.executable, "-m", "customergauge_source.sandbox"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_serves_until_a_signal_and_exits_with_0(number: signal.Signals) -> None:
    command = [*MODULE, "--responses", "7", "--non-responses", "4", "--fault", "responses:503x2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline().rstrip("\n") for _ in range(7)]
        said = dict(line.removeprefix("# ").split(": ") for line in lines[:3])
        prefix = "export SOURCES__CUSTOMERGAUGE__"
        assert lines[3:] == [
            f"{prefix}API_URL={said['url']}",
            f"{prefix}AUTH_URL={said['url']}",
            f"{prefix}CREDENTIALS__CLIENT_ID={said['client_id']}",
            f"{prefix}CREDENTIALS__CLIENT_SECRET={said['client_secret']}",
        ]
        data = {"grant_type": "client_credentials"} | said
        token = requests.post(said["url"] + TOKEN_PATH, data=data, timeout=10).json()
        headers = {"Authorization": f"Bearer {token['access_token']}"}
        paths = [f"{SYNC_PATH}non-responses", *[DATA_PATH] * 3]
        answers = [requests.get(said["url"] + path, headers=headers, timeout=10) for path in paths]
        assert [answer.status_code for answer in answers] == [200, 503, 503, 200]
        assert len(answers[0].json()["data"]) == 4
        assert len(answers[3].json()["data"]) == 7
        process.send_signal(number)
        assert process.wait(timeout=10) == 0


def test_the_help_explains_how_a_fault_is_spelled(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    help_text = capsys.readouterr().out
    assert GRAMMAR in help_text
    assert all(f"  {kind} " in help_text for kind in KINDS if not kind.startswith("token-"))


@pytest.mark.parametrize(
    "arguments",
    [
        ["--responses", "-1"],
        ["--fault", "earthquake"],
        ["--fault", "503@0"],
        ["--fault", "close-lop:503"],
        ["--non-responses", "some"],
        ["--fault-rate", "2"],
        ["--port", "70000"],
        ["--latency", "soon"],
        ["--latency", "inf"],
        ["--empty-cursor", "none"],
    ],
)
def test_bad_arguments_exit_with_2_and_name_the_option(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert arguments[0] in capsys.readouterr().err


def test_a_port_that_is_taken_exits_with_2() -> None:
    with Sandbox(responses=0) as other:
        port = other.url.rpartition(":")[2]
        command = [*MODULE, "--port", port]
        run = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (run.returncode, run.stdout) == (2, "")
    assert port in run.stderr
