"""What a reader is told who has not set up the emulators, and what building them does."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.warehouses import environments
from tests.warehouses.emulators import bigquery, snowflake
from tests.warehouses.environments import EMULATORS, EnvironmentBuildError, build
from tests.warehouses.processes import ServerStartError, free_port, running
from tests.warehouses.pythons import PythonMissingError, find_python
from tests.warehouses.target import WarehouseMissingError

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from tests.warehouses.target import Target


@pytest.mark.parametrize(("name", "start"), [("snowflake", snowflake), ("bigquery", bigquery)])
def test_a_missing_environment_names_the_command_that_builds_it(
    name: str,
    start: Callable[[], AbstractContextManager[Target]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    pytest.importorskip(
        {"snowflake": "snowflake.connector", "bigquery": "google.cloud.bigquery"}[name]
    )
    monkeypatch.setenv("CUSTOMERGAUGE_EMULATORS", str(tmp_path))

    with pytest.raises(WarehouseMissingError, match=f"tests.warehouses.environments {name}`"):
        start().__enter__()


def test_a_failed_build_is_not_taken_for_an_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CUSTOMERGAUGE_EMULATORS", str(tmp_path))
    running_version = f"{sys.version_info.major}.{sys.version_info.minor}"
    emulator = environments.Emulator(name="snowflake", label="X", pythons=(running_version,))

    def fail(command: list[str]) -> None:
        if "pip" in command:
            raise EnvironmentBuildError("no network")
        emulator.python.parent.mkdir(parents=True)
        emulator.python.symlink_to(sys.executable)

    monkeypatch.setattr(environments, "_run", fail)

    for _ in range(2):
        with pytest.raises(EnvironmentBuildError, match="no network"):
            build(emulator)
        assert not emulator.is_ready()


def test_an_environment_is_built_once_and_again_when_its_list_changes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CUSTOMERGAUGE_EMULATORS", str(tmp_path))
    running_version = f"{sys.version_info.major}.{sys.version_info.minor}"
    emulator = environments.Emulator(name="bigquery", label="X", pythons=(running_version,))

    def pretend(command: list[str]) -> None:
        if "venv" in command:
            emulator.python.parent.mkdir(parents=True)
            emulator.python.symlink_to(sys.executable)

    monkeypatch.setattr(environments, "_run", pretend)

    assert [build(emulator), build(emulator)] == [True, False]
    other = environments.Emulator(name="bigquery", label="X", pythons=(running_version, "3.99"))
    assert build(other)


def test_a_python_that_is_missing_is_named() -> None:
    with pytest.raises(PythonMissingError, match=r"Python 3\.99 .*`pyenv install 3\.99"):
        find_python(["3.99"])


def test_an_unknown_emulator_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        environments.main(["redshift"])

    assert "unknown: redshift" in capsys.readouterr().err


def test_the_list_builds_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CUSTOMERGAUGE_EMULATORS", str(tmp_path))

    assert environments.main(["--list"]) == 0

    assert capsys.readouterr().out.count("not built") == len(EMULATORS)
    assert not list(tmp_path.iterdir())


def test_a_server_that_dies_is_reported_with_its_words(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('out of luck')"]

    with (
        pytest.raises(ServerStartError, match="exit code 1:\nout of luck"),
        running(command, port=free_port(), log=tmp_path / "log"),
    ):
        pass


def test_a_server_ends_with_its_block(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)]

    with running(command, port=port, log=tmp_path / "log") as process:
        assert process.poll() is None

    assert process.poll() is not None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_a_server_ends_with_a_test_run_that_is_killed(tmp_path: Path) -> None:
    port = free_port()
    script = (
        "import os, sys, signal; from pathlib import Path;"
        "from tests.warehouses.processes import running;"
        f"server = [sys.executable, '-m', 'http.server', '--bind', '127.0.0.1', '{port}'];"
        f"block = running(server, port={port}, log=Path({str(tmp_path / 'log')!r}));"
        "print(block.__enter__().pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )

    killed = subprocess.run(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, check=False, timeout=60
    )

    assert killed.returncode == -9
    assert not is_alive(int(killed.stdout))


def is_alive(pid: int) -> bool:
    """Tell whether a process still runs after ten seconds."""
    for _ in range(100):
        try:
            state = (
                Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
            )
        except FileNotFoundError:
            return False
        if state == "Z":
            return False
        time.sleep(0.1)
    return True
