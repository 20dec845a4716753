"""What runs short, or jumps: the documented exit code, nothing lost, and the next run goes on.

`.ci/run endurance` runs it beside the tests of bad places and ways out, which have other cases.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from customergauge_source.sandbox import Sandbox
from tests.benchmarks.process import measure
from tests.command import until
from tests.kills import ALL, OPTIONS, all_differences
from tests.support import LOAD, Finished, environment
from tests.truth import differences

MEGABYTE = 2**20
FAKETIME = [*Path("/usr/lib").glob("*/faketime/libfaketime.so.1")]
CLOCKS = [("+5h", "-5h", "+0"), ("-5h", "+30d", "+0"), ("-400d", "-399d", "+0")]


class Disk:
    """A small disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    def resize(self, size: int, how: str = "remount") -> None:
        """Makes it hold so many bytes."""
        options = f"{how},size={size}" if how else f"size={size}"
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self.folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode and not how:
            pytest.skip(f"Nothing can be mounted here: {done.stderr.strip()}")
        assert not done.returncode, done.stderr


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A disk of one megabyte, as a folder."""
    disk = Disk(tmp_path / "disk")
    disk.resize(MEGABYTE, how="")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk.folder)], check=True)


def load(
    folder: Path,
    sandbox: Sandbox,
    *options: str,
    limit: tuple[int, int] | None = None,
    env: Mapping[str, str] = MappingProxyType({}),
) -> Finished:
    """Runs the command; it may have no more than so much of a resource."""
    done = subprocess.run(
        [sys.executable, str(LOAD), *options],
        cwd=folder,
        env=environment(folder, sandbox, **env),
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=limit and (lambda: resource.setrlimit(limit[0], (limit[1], limit[1]))),
    )
    return Finished(done.returncode, done.stdout, done.stderr)


def assert_ended(ended: Finished, *codes: int) -> None:
    """Fails if a run ended with another code, or a traceback."""
    assert ended.code in codes, ended.err
    assert "Traceback" not in ended.err
    assert ended.code == 0 or ended.err.splitlines()[-1].startswith("What to do: ")


@pytest.mark.parametrize("size", [64 * 1024, 256 * 1024, MEGABYTE])
def test_a_disk_that_fills_up_in_the_working_folder_ends_with_2(
    tmp_path: Path, disk: Disk, size: int
) -> None:
    disk.resize(size)
    place = {"DLT_DATA_DIR": str(disk.folder)}
    with Sandbox(responses=4000) as sandbox:
        assert load(tmp_path, sandbox, "--max-pages", "1").code == 0
        assert_ended(load(tmp_path, sandbox, env=place), 2)

        disk.resize(64 * MEGABYTE)
        assert_ended(load(tmp_path, sandbox, env=place), 0)
        assert differences(tmp_path / "customergauge.duckdb", sandbox.records) == []


@pytest.mark.parametrize("more", [0, 300_000, 3_000_000])
def test_a_disk_that_fills_up_under_the_database_ends_with_5(
    tmp_path: Path, disk: Disk, more: int
) -> None:
    disk.resize(64 * MEGABYTE)
    file = disk.folder / "customergauge.duckdb"
    place = {"DESTINATION__DUCKDB__CREDENTIALS": str(file)}
    pages = ("--per-page", "500", "--checkpoint-pages", "2")
    with Sandbox(responses=8000) as sandbox:
        assert load(tmp_path, sandbox, *pages, "--max-pages", "1", env=place).code == 0
        disk.resize(file.stat().st_size + more)
        assert_ended(load(tmp_path, sandbox, *pages, env=place), 5)

        disk.resize(64 * MEGABYTE)
        assert_ended(load(tmp_path, sandbox, *pages, env=place), 0)
        assert differences(file, sandbox.records) == []


def test_a_disk_that_has_everything_and_fills_up_ends_with_2_or_5(disk: Disk) -> None:
    with Sandbox(responses=8000) as sandbox:
        for size in range(2, 14, 3):
            disk.resize(size * MEGABYTE)
            assert_ended(load(disk.folder, sandbox, "--checkpoint-pages", "1"), 0, 2, 5)
            sandbox.arrive(10)
        disk.resize(64 * MEGABYTE)
        assert_ended(load(disk.folder, sandbox), 0)
        assert differences(disk.folder / "customergauge.duckdb", sandbox.records) == []


def test_with_64_file_handles_a_load_and_a_reconciliation_work(tmp_path: Path) -> None:
    few = (resource.RLIMIT_NOFILE, 64)
    with Sandbox(responses=2000) as sandbox:
        for how in ((), ("--reconcile",), ("--views",), ("--full-refresh",)):
            sandbox.arrive(5)
            assert_ended(load(tmp_path, sandbox, *ALL, *how, limit=few), 0)
        assert all_differences(tmp_path / "customergauge.duckdb", sandbox) == []


def test_where_memory_ends_a_load_says_so_and_nothing_is_lost(tmp_path: Path) -> None:
    """512 MB are all that may be asked of the system (RLIMIT_DATA), if it is never used, too."""
    little = (resource.RLIMIT_DATA, 512 * MEGABYTE)
    with Sandbox(responses=26_000) as sandbox:
        assert_ended(load(tmp_path, sandbox, limit=little), 0, 2, 5)
        assert_ended(load(tmp_path, sandbox), 0)
        assert differences(tmp_path / "customergauge.duckdb", sandbox.records) == []


def test_a_load_of_a_whole_checkpoint_has_never_512_mb_resident(tmp_path: Path) -> None:
    with Sandbox(responses=26_000) as sandbox:
        found = measure([sys.executable, str(LOAD)], tmp_path, environment(tmp_path, sandbox))
        assert found.peak <= 512 * MEGABYTE


@pytest.fixture
def clock(tmp_path: Path) -> dict[str, str]:
    """The environment of a run whose clock says what a file says."""
    if not FAKETIME:
        pytest.skip("libfaketime is not installed: `apt-get install libfaketime`")
    return {
        "LD_PRELOAD": str(FAKETIME[0]),
        "FAKETIME_TIMESTAMP_FILE": str(tmp_path / "clock"),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


@pytest.mark.parametrize("times", CLOCKS, ids=" ".join)
def test_a_clock_that_jumps_between_runs_loses_nothing(
    tmp_path: Path, clock: dict[str, str], times: tuple[str, ...]
) -> None:
    with Sandbox(responses=100) as sandbox:
        for time in times:
            (tmp_path / "clock").write_text(time)
            assert_ended(load(tmp_path, sandbox, *ALL, env=clock), 0)
            sandbox.arrive(20)
            sandbox.redeliver(sandbox.records[0]["number_customergauge"], nps=len(time))
        for _ in range(2):
            assert_ended(load(tmp_path, sandbox, *ALL), 0)
        assert all_differences(tmp_path / "customergauge.duckdb", sandbox) == []


@pytest.mark.parametrize("jumps", [("+0", "+5h"), ("+0", "-5h"), ("+5h", "-5h")], ids=" ".join)
def test_a_clock_that_jumps_within_a_run_loses_nothing(
    tmp_path: Path, clock: dict[str, str], jumps: tuple[str, str]
) -> None:
    (tmp_path / "clock").write_text(jumps[0])
    with Sandbox(responses=160, latency=0.05) as sandbox:
        process = subprocess.Popen(
            [sys.executable, str(LOAD), *OPTIONS, *ALL],
            cwd=tmp_path,
            env=environment(tmp_path, sandbox, **clock),
            stderr=subprocess.PIPE,
            text=True,
        )
        with process:
            until(lambda: len(sandbox.data_requests) > 3)
            (tmp_path / "new").write_text(jumps[1])
            (tmp_path / "new").replace(tmp_path / "clock")
            _, err = process.communicate()
        assert process.returncode == 0, err
        sandbox.arrive(20)
        for _ in range(2):
            assert_ended(load(tmp_path, sandbox, *ALL), 0)
        assert all_differences(tmp_path / "customergauge.duckdb", sandbox) == []
