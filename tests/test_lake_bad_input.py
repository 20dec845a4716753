"""A lake in a folder that is set wrongly, or broken: two lines, the right code, nothing changed."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

from customergauge_source.sandbox import Sandbox
from tests.command import Command, held_open
from tests.kills import change
from tests.lake_reading import KEY, files, present, repeated, unreadable
from tests.support import DATASET, REPORT, at_length
from tests.test_bad_places import assert_told
from tests.truth import differences

INTO = ("--destination", "filesystem")
URL = "DESTINATION__FILESYSTEM__BUCKET_URL"
LAYOUT = "DESTINATION__FILESYSTEM__LAYOUT"
FORMAT = "SOURCES__CUSTOMERGAUGE__TABLE_FORMAT"
HERE = {URL: "lake"}
WRONG = {
    "ftp": ({URL: "ftp://me:s3cr3t@example.com/lake"}, "begins with ftp:"),
    "nonsense": ({URL: "xyz://place"}, "begins with xyz:"),
    "memory": ({URL: "memory://lake"}, "begins with memory:"),
    "no bucket": ({URL: "s3:///lake"}, "names no bucket"),
    "a pattern": ({URL: "la[k]e"}, "with [ in"),
    "a pattern in a URL": ({URL: "file:///data/la%2Ake"}, "with * in"),
    "an apostrophe": ({URL: "s3://bucket/it's"}, "with ' in"),
    "dots": ({URL: "…"}, "bucket_url"),
    "nothing": ({}, "bucket_url"),
    "hudi": (HERE | {FORMAT: "hudi"}, "table_format is 'hudi'"),
    "history": (HERE | {"SOURCES__CUSTOMERGAUGE__HISTORY": "false"}, "history is false"),
    "files of one name": (HERE | {LAYOUT: "{table_name}/{load_id}.{ext}"}, "{file_id}"),
    "whose load": (HERE | {LAYOUT: "{table_name}/{file_id}.{ext}"}, "{load_id}"),
    "no folders": (HERE | {LAYOUT: "{table_name}.{load_id}.{file_id}.{ext}"}, "layout is"),
    "no such part": (HERE | {LAYOUT: "{table_name}/{x}/{load_id}.{file_id}.{ext}"}, "layout"),
}
PACKAGES = {
    "s3": ({URL: "s3://bucket/lake"}, "s3fs", "'.[lake]'"),
    "gs": ({URL: "gs://bucket/lake"}, "gcsfs", "'dlt[gs]'"),
    "az": ({URL: "az://container/lake"}, "adlfs", "'dlt[az]'"),
    "delta": (HERE | {FORMAT: "delta"}, "deltalake", "'.[lake]'"),
    "iceberg": (HERE | {FORMAT: "iceberg"}, "pyiceberg", "'.[lake]'"),
}
BROKEN = {"cut off": lambda it: it[: len(it) // 2], "empty": lambda _: b""}
KEPT = ("_dlt_pipeline_state", "_dlt_version")


def spoil(command: Command, pattern: str, how: Callable[[bytes], bytes]) -> Path:
    """Spoils the first file of a lake that matches, and returns it."""
    file = min((command.folder / "lake" / DATASET).glob(pattern))
    file.write_bytes(how(file.read_bytes()))
    return file


@contextmanager
def another_disk(folder: Path, room: str) -> Iterator[None]:
    """Lets a folder be a disk with so much room; skips where nobody may mount one."""
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={room}", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("case", WRONG)
def test_what_is_set_wrongly_ends_with_2(command: Command, small: Sandbox, case: str) -> None:
    env, word = WRONG[case]
    for options in ((), ("--check",), ("--reconcile",)):
        ended = command(small, *INTO, *options, **env)
        assert_told(ended, 2, word)
        assert "s3cr3t" not in ended.err + ended.out
    assert not (command.folder / "lake" / DATASET / "responses").exists()


def test_a_place_that_is_a_list_ends_with_2(command: Command, small: Sandbox) -> None:
    (command.folder / ".dlt").mkdir(parents=True)
    text = '[destination.filesystem]\nbucket_url = ["lake"]\n'
    (command.folder / ".dlt" / "secrets.toml").write_text(text, "utf-8")

    assert_told(command(small, *INTO), 2, "bucket_url")


@pytest.mark.parametrize("case", PACKAGES)
def test_a_package_that_is_missing_ends_with_2(command: Command, small: Sandbox, case: str) -> None:
    env, package, extra = PACKAGES[case]
    if find_spec(package):
        pytest.skip(f"{package} is installed")
    for options in ((), ("--check",)):
        assert_told(command(small, *INTO, *options, **env), 2, "pip install", extra)
    assert small.data_requests == small.data_requests[:1]  # the check's
    assert not (command.folder / "lake").exists()


@pytest.mark.parametrize("options", [(), ("--check",), ("--reconcile",)], ids=str)
def test_a_folder_that_cannot_be_made_ends_with_5(
    command: Command, small: Sandbox, options: tuple[str, ...]
) -> None:
    command.folder.mkdir(exist_ok=True)
    (command.folder / "file").touch()
    for place in ("/proc/lake", "file:///proc/lake", "file", "file/lake"):
        ended = command(small, *INTO, *options, **{URL: place})
        assert_told(ended, 5, place.removeprefix("file://"), "bucket_url")
    if options != ("--check",):
        assert small.data_requests == []


@pytest.mark.parametrize("room", at_length(range(8, 200, 16), short=[24]))
def test_a_disk_that_fills_up_ends_with_5_and_nothing_half_is_there(
    command: Command, sandbox: Sandbox, room: int
) -> None:
    lake = command.folder / "lake"
    with another_disk(lake, f"{room}k"):
        ended = command(sandbox, *INTO, **HERE)
        done = [*(lake / DATASET).glob("_dlt_loads/*.jsonl")]
        assert len(done) == (ended.code == 0)
        if not done:
            assert_told(ended, 5, "The lake is full", "Make room")
        assert unreadable(lake) == []
        subprocess.run(["mount", "-o", "remount,size=50m", str(lake)], check=True)
        ended = command(sandbox, *INTO, **HERE)
        assert ended.code == 0, ended.err
        assert differences(present(lake, command.file), sandbox.records) == []


@pytest.mark.parametrize("table_format", ["delta", "iceberg"])
def test_tables_of_another_format_are_left_as_they_are(
    command: Command, small: Sandbox, table_format: str
) -> None:
    pytest.importorskip({"delta": "deltalake", "iceberg": "pyiceberg"}[table_format])
    for first, second in (
        (HERE, HERE | {FORMAT: table_format}),
        (HERE | {FORMAT: table_format}, HERE),
    ):
        assert command(small, *INTO, "--full-refresh", **first).code == 0
        before = files(command.folder / "lake")
        for options in ((), ("--check",), ("--reconcile",)):
            assert_told(command(small, *INTO, *options, **second), 2, "table_format is")
            assert files(command.folder / "lake") == before


@pytest.mark.parametrize("name", KEPT)
@pytest.mark.parametrize("kind", BROKEN)
def test_a_state_that_cannot_be_read_ends_with_5_and_a_full_refresh_begins_anew(
    command: Command, small: Sandbox, name: str, kind: str
) -> None:
    assert command(small, *INTO, **HERE).code == 0
    spoil(command, f"{name}/customergauge__*", BROKEN[kind])
    before = files(command.folder / "lake")
    for options in ((), ("--check",), ("--reconcile",)):
        assert_told(command(small, *INTO, *options, **HERE), 5, "--full-refresh")
        assert files(command.folder / "lake") == before
    small.remove(small.records[0][KEY])

    ended = command(small, *INTO, "--full-refresh", **HERE)
    assert ended.code == 0, ended.err
    lake = command.folder / "lake"
    assert differences(present(lake, command.file), small.records) == []
    assert len([*lake.glob(f"{DATASET}/responses/**/*.parquet")]) == 1


def test_a_full_refresh_begins_anew_in_a_lake_that_is_whole(
    command: Command, small: Sandbox
) -> None:
    assert command(small, *INTO, **HERE).code == 0
    small.remove(small.records[0][KEY])
    for _ in range(2):
        ended = command(small, *INTO, "--full-refresh", **HERE)
        assert ended.code == 0, ended.err

    lake = command.folder / "lake"
    assert differences(present(lake, command.file), small.records) == []
    assert repeated(lake) == []
    assert len([*lake.glob(f"{DATASET}/responses/**/*.parquet")]) == 1


@pytest.mark.parametrize("gone", ["_dlt_loads", "_dlt_pipeline_state", "init"])
def test_what_somebody_removed_is_made_again(command: Command, small: Sandbox, gone: str) -> None:
    assert command(small, *INTO, **HERE).code == 0
    for file in sorted((command.folder / "lake" / DATASET).glob(f"{gone}*/**/*")):
        file.unlink()
    there = command.folder / "lake" / DATASET / gone
    if there.is_dir():
        there.rmdir()
    else:
        there.unlink()
    change(small, random.Random(gone))  # noqa: S311 - to be repeated
    assert command(small, *INTO, "--check", **HERE).code == 0
    ended = command(small, *INTO, **HERE)

    assert ended.code == 0, ended.err
    lake = command.folder / "lake"
    assert differences(present(lake, command.file), small.records) == []


def test_an_init_that_is_none_ends_with_5_and_is_named(command: Command, small: Sandbox) -> None:
    assert command(small, *INTO, **HERE).code == 0
    file = spoil(command, "init", lambda _: b"<html>")
    before = files(command.folder / "lake")
    for options in ((), ("--check",), ("--reconcile",), ("--full-refresh",)):
        assert_told(command(small, *INTO, *options, **HERE), 5, str(file))
        assert files(command.folder / "lake") == before


@pytest.mark.parametrize("name", ["responses", "responses__tags"])
def test_parquet_that_cannot_be_read_ends_with_5_and_is_named(
    command: Command, small: Sandbox, name: str
) -> None:
    assert command(small, *INTO, **HERE).code == 0
    file = spoil(command, f"{name}/**/*.parquet", BROKEN["cut off"])
    before = files(command.folder / "lake")
    # A reconciliation asks for responses alone, whose digests tell of their lists.
    for options in (("--views",), ("--reconcile",))[: 2 if name == "responses" else 1]:
        assert_told(command(small, *INTO, *options, **HERE), 5, str(file), "Move away")
    assert files(command.folder / "lake") == before
    command.program = REPORT
    assert_told(command(None, *INTO, **HERE), 5, str(file))


def test_a_table_whose_files_are_gone_has_nothing_below_it(
    command: Command, small: Sandbox
) -> None:
    assert command(small, *INTO, **HERE).code == 0
    for file in (command.folder / "lake" / DATASET).glob("responses/**/*.parquet"):
        file.unlink()
    command.program = REPORT

    assert_told(command(None, *INTO, **HERE), 2, "responses")


@pytest.mark.parametrize("name", ["responses", "responses__tags"])
def test_a_reconciliation_misses_the_files_of_a_table(
    command: Command, small: Sandbox, name: str
) -> None:
    assert command(small, *INTO, **HERE).code == 0
    lake = command.folder / "lake"
    for file in (lake / DATASET).glob(f"{name}/**/*.parquet"):
        file.unlink()
    assert_told(command(small, *INTO, "--reconcile", **HERE), 5, f"lacks {name}", "--full-refresh")

    ended = command(small, *INTO, "--full-refresh", **HERE)
    assert ended.code == 0, ended.err
    assert differences(present(lake, command.file), small.records) == []


@pytest.mark.sampled
@pytest.mark.parametrize("name", ["odd.jsonl", "customergauge__abc.jsonl", ".x__1.5.jsonl.part"])
def test_other_files_among_the_loads_are_none(command: Command, small: Sandbox, name: str) -> None:
    assert command(small, *INTO, **HERE).code == 0
    (command.folder / "lake" / DATASET / "_dlt_loads" / name).write_text("{}", "utf-8")
    small.arrive(2)
    for options in (("--check",), (), ("--reconcile",), ("--views",)):
        ended = command(small, *INTO, *options, **HERE)
        assert ended.code == 0, ended.err
    lake = command.folder / "lake"
    assert differences(present(lake, command.file), small.records) == []


def test_a_file_of_views_that_is_none_is_named(command: Command, small: Sandbox) -> None:
    file = command.folder / "customergauge-lake.duckdb"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b"no database" * 1000)
    assert_told(command(small, *INTO, "--views", **HERE), 5, str(file), "Move it away")

    file.unlink()
    assert command(small, *INTO, "--views", **HERE).code == 0
    with held_open(file) as holder:
        ended = command(small, *INTO, "--views", **HERE)
        assert_told(ended, 5, f"{file} is held open by process {holder}")
    assert command(small, *INTO, "--views", **HERE).code == 0
