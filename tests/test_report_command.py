"""How `pipelines/report.py` ends, and `customergauge`, which has all commands under one name."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from customergauge_source.cli import main as cli
from customergauge_source.sandbox import Sandbox
from customergauge_source.settings import __version__
from tests.command import Command, held_open
from tests.reporting import OUTPUT, made, reporter
from tests.support import Finished, environment
from tests.viewing import load_here

BY_ROOT = pytest.mark.skipif(
    hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write everywhere"
)
OLD = "an old report"


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DuckDB file with some responses, and nothing else."""
    folder = tmp_path_factory.mktemp("loaded")
    with Sandbox(responses=20) as sandbox:
        load_here(folder, sandbox, resources=["responses"], views=None)
    return folder / "customergauge.duckdb"


@pytest.fixture
def report(fork_server: subprocess.Popen[str], tmp_path: Path) -> Iterator[Command]:
    """The command, in a folder with an old report."""
    command = reporter(fork_server, tmp_path)
    (tmp_path / OUTPUT).write_text(OLD, "utf-8")
    yield command
    command.stop()


def assert_refused(report: Command, ended: Finished, *words: str, code: int = 2) -> None:
    """Fails unless a run told in two lines why it ended, and left the old report alone."""
    lines = ended.err.splitlines()

    assert ended.code == code, ended.err
    assert ended.out == ""
    assert [line.split(": ")[0] for line in lines] == ["Error", "What to do"], ended.err
    assert all(word in ended.err for word in words), ended.err
    assert "--views" not in ended.err
    assert (report.folder / OUTPUT).read_text("utf-8") == OLD
    assert not [*report.folder.glob(".*")]


@pytest.mark.parametrize("options", [(), ("--sandbox",)])
def test_where_nothing_was_loaded_there_is_no_report_and_no_new_file(
    report: Command, options: tuple[str, ...]
) -> None:
    assert_refused(report, report(None, *options), "There is no file", "Load first")
    assert not [*report.folder.rglob("*.duckdb*")]


def test_a_dataset_that_no_load_has_made_is_refused_and_left_alone(
    report: Command, loaded: Path
) -> None:
    shutil.copyfile(loaded, report.file)

    ended = report(None, "--dataset", "somebody_elses")
    assert_refused(report, ended, "somebody_elses", "--dataset")
    with duckdb.connect(str(report.file)) as connection:
        connection.execute("CREATE SCHEMA somebody_elses")
        connection.execute("CREATE TABLE somebody_elses.responses (id BIGINT)")
    ended = report(None, "--dataset", "somebody_elses")
    assert_refused(report, ended, "somebody_elses", "--dataset")
    with duckdb.connect(str(report.file), read_only=True) as connection:
        tables = connection.execute("SELECT schema_name, table_name FROM duckdb_tables()")
        theirs = [table for schema, table in tables.fetchall() if schema == "somebody_elses"]
    assert theirs == ["responses"]


def test_a_file_of_somebody_else_is_refused(report: Command) -> None:
    with duckdb.connect(str(report.file)) as connection:
        connection.execute("CREATE TABLE things (id BIGINT)")

    assert_refused(report, report(None), "Nothing was loaded", "Load first")


def test_a_dataset_without_responses_is_refused(report: Command) -> None:
    with Sandbox(responses=5) as sandbox:
        load_here(report.folder, sandbox, resources=["non_responses"], views=None)
        shutil.rmtree(report.folder / "dlt", ignore_errors=True)

    assert_refused(report, report(None), "no table responses", "Load first")


@pytest.mark.parametrize(
    ("output", "word"),
    [
        ("missing/report.html", "there is no folder"),
        ("folder", "is a folder"),
        ("", "is a folder"),
        ("file/report.html", "there is no folder"),
        ("pipe", "is no file"),
        ("x" * 300, "cannot be written"),
        pytest.param("locked.html", "permission denied", marks=BY_ROOT),
        pytest.param("locked/report.html", "permission denied", marks=BY_ROOT),
    ],
)
def test_a_file_that_cannot_be_written_is_told_before_anything_is_asked(
    report: Command, output: str, word: str
) -> None:
    for name in ("folder", "locked"):
        (report.folder / name).mkdir()
    for name in ("file", "locked.html"):
        (report.folder / name).touch()
    os.mkfifo(report.folder / "pipe")
    (report.folder / "locked.html").chmod(0o400)
    (report.folder / "locked").chmod(0o500)

    assert_refused(report, report(None, f"--output={output}"), word, "--output")
    assert (report.folder / "pipe").is_fifo()


def test_a_report_replaces_an_old_one_and_who_may_read_it_stays_as_it_was(
    report: Command, loaded: Path
) -> None:
    shutil.copyfile(loaded, report.file)
    old = report.folder / OUTPUT
    old.chmod(0o600)
    link = report.folder / "link.html"
    link.symlink_to(old)
    ended = made(report, "--output", "link.html")

    assert ended.out.startswith("link.html: 20 responses, ")
    assert link.is_symlink()
    assert old.read_text("utf-8").startswith("<!doctype html>")
    assert old.stat().st_mode & 0o777 == 0o600
    assert not [*report.folder.glob(".*")]


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--start-date", "2026-02-01", "--end-date", "2026-01-31"), "later than"),
        (("--start-date", "2026-02-30"), "--start-date"),
        (("--end-date", "yesterday"), "--end-date"),
        (("--destination", "filesystem"), "bucket_url"),
        (("--destination", "sqlalchemy"), "Views cannot be made in sqlalchemy"),
        (("--destination", "nonsense"), "no such destination"),
        (("--views",), "unrecognized arguments"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    report: Command, options: tuple[str, ...], word: str
) -> None:
    ended = report(None, *options)
    assert word in ended.err
    if options == ("--views",):
        assert ended.code == 2
    else:
        assert_refused(report, ended)


def test_a_file_that_another_process_holds_ends_with_5(report: Command, loaded: Path) -> None:
    shutil.copyfile(loaded, report.file)
    with held_open(report.file) as pid:
        ended = report(None)

    assert_refused(report, ended, str(pid), code=5)


def run_after(report: Command, first: str) -> Finished:
    """Runs the command in a Python that has done something else first."""
    run = "import sys; from customergauge_source.cli.report import main; sys.exit(main([]))"
    ended = subprocess.run(
        [sys.executable, "-c", f"{first}; {run}"],
        cwd=report.folder,
        env=environment(report.folder),
        capture_output=True,
        text=True,
        check=False,
    )
    return Finished(ended.returncode, ended.stdout, ended.stderr)


def test_without_what_draws_the_charts_it_is_said_how_to_install_it(report: Command) -> None:
    ended = run_after(report, "import sys; sys.modules['vl_convert'] = None")

    assert_refused(report, ended, "pip install 'vl-convert-python", "`report`")


@pytest.mark.long
def test_a_report_that_does_not_fit_leaves_the_old_one(report: Command, loaded: Path) -> None:
    shutil.copyfile(loaded, report.file)
    limit = "resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))"
    ended = run_after(report, f"import resource; {limit}")

    assert_refused(report, ended, "cannot be written", "--output", "make room")


@pytest.mark.parametrize("name", ["load", "report", "sandbox"])
def test_each_command_has_its_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([name, "--help"])

    told = capsys.readouterr()
    assert (ended.value.code, told.err) == (0, "")
    assert told.out.startswith("usage: ")
    if name != "sandbox":
        assert f"customergauge {name} " in told.out


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_the_help_names_all_commands(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([option]) == 0
    told = capsys.readouterr()
    assert told.out.startswith("usage: customergauge COMMAND")
    assert all(name in told.out for name in ("load", "report", "sandbox"))


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"customergauge-source {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "word"), [([], "No command"), ([""], "No command"), (["lode", "x"], "'lode'")]
)
def test_an_unknown_command_or_none_ends_with_2(
    arguments: list[str], word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(arguments) == 2
    told = capsys.readouterr()
    error, remedy = told.err.splitlines()
    assert word in error
    assert "load, report, sandbox" in remedy
    assert told.out == ""


def test_a_mistake_behind_a_command_is_told_by_its_name(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["report", "--start-date", "x"])

    assert ended.value.code == 2
    assert "customergauge report --help" in capsys.readouterr().err
