"""Options and fixtures that all tests share."""

from __future__ import annotations

import gc
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from dlt.common.configuration.container import Container
from dlt.common.pipeline import PipelineContext

from customergauge_source.sandbox import Sandbox
from tests.command import Command, start_server
from tests.reconciling import ALL, OPTIONS, RESPONSES
from tests.support import EMPTY, make_pipeline, make_source

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.other_sources import Others

# dlt, hypothesis and pyarrow are half a million objects: not to be looked through again and again.
gc.freeze()
gc.set_threshold(50_000, 20, 50)
# Where Python may not keep what it compiled, each worker and each process that a test starts would
# compile all of it again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the options that make the longer proofs run."""
    parser.addoption("--round-trips", type=int, default=480, help="generated responses")
    parser.addoption("--kills", type=int, default=2, help="kills of each crash test")
    parser.addoption("--long", action="store_true", help="run the longer proofs, too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Lets the slowest begin first, and leaves out the longer proofs unless they are asked for."""
    items.sort(key=lambda item: item.get_closest_marker("timeout") is None)
    if config.getoption("--long"):
        return
    usual, longer = list[pytest.Item](), list[pytest.Item]()
    sampled = set[str]()
    for item in items:
        name = item.nodeid.partition("[")[0]
        is_longer = item.get_closest_marker("long") is not None or name in sampled
        (longer if is_longer else usual).append(item)
        if item.get_closest_marker("sampled") is not None and not is_longer:
            sampled.add(name)
    items[:] = usual
    config.hook.pytest_deselected(items=longer)


@pytest.fixture
def full() -> dict[str, Any]:
    """A response with something in every list."""
    with Sandbox(responses=40) as generated:
        return next(
            record
            for record in generated.records
            if all(record[name] for name in EMPTY) and record["selected_drivers"][0]["secondary"]
        )


@pytest.fixture(autouse=True)
def _alone_and_impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Hides the pipelines of earlier tests; between two tries of a request is hardly a wait."""
    monkeypatch.setenv("RUNTIME__REQUEST_BACKOFF_FACTOR", "0.01")
    yield
    Container()[PipelineContext].deactivate()


@pytest.fixture
def workdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own that is the current one, with dlt's data in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DLT_DATA_DIR", str(tmp_path / "dlt"))
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    monkeypatch.setenv("RUNTIME__REQUEST_MAX_RETRY_DELAY", "2")
    return tmp_path


@pytest.fixture
def told() -> Iterator[Callable[[], list[str]]]:
    """Returns what dlt and the source have logged until now.

    dlt takes its handlers away and hands nothing on to other loggers, but leaves filters alone.
    """
    messages: list[str] = []

    def note(record: logging.LogRecord) -> bool:
        messages.append(record.getMessage())
        return True

    loggers = logging.getLogger("dlt"), logging.getLogger("customergauge_source")
    for logger in loggers:
        logger.addFilter(note)
    yield lambda: [*messages]
    for logger in loggers:
        logger.removeFilter(note)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A CustomerGauge with 300 responses."""
    with Sandbox(responses=300) as running:
        yield running


@pytest.fixture
def small() -> Iterator[Sandbox]:
    """A CustomerGauge with 40 responses."""
    with Sandbox(responses=40) as running:
        yield running


@pytest.fixture
def beside(workdir: Path) -> Iterator[Others]:
    """A shop and a CRM, which other sources of dlt's read."""
    from tests.other_sources import others  # noqa: PLC0415 - it imports much, for a few tests

    with others(workdir) as running:
        yield running


@pytest.fixture(scope="session")
def loaded_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which such an account was loaded by `pipeline.run`."""
    folder = tmp_path_factory.mktemp("loaded_once")
    with pytest.MonkeyPatch.context() as patch, Sandbox(responses=300) as same:
        patch.setenv("DLT_DATA_DIR", str(folder / "dlt"))
        patch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
        make_pipeline(folder).run(make_source(same))
    return folder


@pytest.fixture
def loaded_sandbox(workdir: Path, loaded_once: Path, sandbox: Sandbox) -> Sandbox:
    """The CustomerGauge, all of which is loaded in `workdir`: the file, and dlt's own folder."""
    shutil.copytree(loaded_once, workdir, dirs_exist_ok=True)
    return sandbox


@pytest.fixture(scope="session")
def fork_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[str]]:
    """A process that has imported everything, for `command`."""
    with start_server(tmp_path_factory.mktemp("command")) as server:
        yield server
        server.kill()


@pytest.fixture
def command(fork_server: subprocess.Popen[str], tmp_path: Path) -> Iterator[Command]:
    """The real command, quick to start, in a folder of its own."""
    runner = Command(fork_server, tmp_path)
    yield runner
    runner.stop()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A browser, which takes seconds to start."""
    from tests.browser import started  # noqa: PLC0415 - other stages have no Playwright

    with started() as running:
        yield running


@pytest.fixture(scope="module")
def browser(chromium: Browser) -> Iterator[Browser]:
    """A browser whose pages are closed when a file of tests has ended."""
    yield chromium
    for context in chromium.contexts:
        context.close()


@pytest.fixture(scope="session")
def first_load(
    fork_server: subprocess.Popen[str], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A DuckDB file with all that an account has; a copy of it goes on, being the only memory."""
    first = Command(fork_server, tmp_path_factory.mktemp("loaded"))
    with Sandbox(responses=RESPONSES) as sandbox:
        ended = first(sandbox, *OPTIONS, *ALL)
        assert ended.code == 0, ended.err
    return first.file


@pytest.fixture
def account(command: Command, first_load: Path) -> Iterator[Sandbox]:
    """An account of which everything is in the command's DuckDB file."""
    shutil.copyfile(first_load, command.file)
    with Sandbox(responses=RESPONSES) as running:
        yield running
