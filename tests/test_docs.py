"""README, docs, `--help` and program say the same."""

from __future__ import annotations

import inspect
import json
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from customergauge_source import customergauge_source, exceptions
from customergauge_source.cli.options import make_parser
from customergauge_source.cli.report import make_parser as make_report_parser
from customergauge_source.resources import RESOURCES
from customergauge_source.sandbox import Sandbox
from customergauge_source.tables.privacy import leaves_of
from tests.command import Command
from tests.docs import (
    FENCED,
    PACKAGE,
    PAGES,
    anchors,
    between,
    blocks,
    code_spans,
    commands,
    generated,
    resolve,
    section,
)
from tests.docs_of_views import tables_read
from tests.support import DATASET, ROOT, at_length, environment, query
from tests.viewing import EVERYTHING

README, INTERNALS, OPERATIONS = "README.md", "docs/internals.md", "docs/operations.md"
PRIVACY, READY = "docs/privacy.md", "A policy: no direct identifiers"
COMMAND = "python pipelines/load.py"
REHEARSAL = "python -m customergauge_source.sandbox --port 8080"
COPYING = "cp .dlt/example.secrets.toml .dlt/secrets.toml"
ACCOUNT = "wants an account or a server; tests/warehouses loads into these destinations"
NETWORK = "installs packages; .ci/run does so in fresh environments"
WHEEL = "the stage wheel of .ci/run builds it, and runs what is in it"
PROOF = "takes long; a stage of .ci/run"
NOT_RUN = {
    "python -m venv .venv && source .venv/bin/activate": "the tests have their environment",
    "pip install -e '.[dev,warehouses]'": "the stage warehouses of .ci/run runs it",
    "pip install -e . && python pipelines/load.py --sandbox": NETWORK,
    "pip install -e '.[dev]' && pytest": NETWORK,
    "pip install -e '.[bigquery]'": NETWORK,
    "pip install -e '.[snowflake]'": NETWORK,
    "pip install -e '.[report]'": NETWORK,
    "pip install -e '.[report]' && python pipelines/report.py --sandbox": NETWORK,
    "python pipelines/report.py": "reads what a load has loaded: tests/test_report.py",
    "pip install -e .": NETWORK,
    "pip wheel --no-deps --wheel-dir dist .": WHEEL,
    "pip install dist/customergauge_source-*.whl": WHEEL,
    "pip install 'FILE.whl[bigquery]'": WHEEL,
    "customergauge load --sandbox": WHEEL,
    "customergauge report --sandbox": WHEEL,
    "customergauge sandbox --help": WHEEL,
    "pip uninstall customergauge-source": WHEEL,
    "pip install '.[bigquery]'": NETWORK,
    'airflow pools set customergauge 1 "One run at a time"': "tests/orchestrators makes the pool",
    "pip install 'dlt[postgres]'": NETWORK,
    "pip install 'dlt[ducklake]' 'duckdb<2'": NETWORK,
    "pip install dagster-dlt dagster-webserver": NETWORK,
    "dagster dev -f pipelines/dagster_definitions.py": ".ci/run orchestrators runs what it starts",
    f"{COMMAND} --destination bigquery": ACCOUNT,
    f"{COMMAND} --destination bigquery --check": ACCOUNT,
    f"{COMMAND} --destination snowflake": ACCOUNT,
    f"{COMMAND} --destination motherduck": ACCOUNT,
    f"{COMMAND} --destination postgres": ACCOUNT,
    f"{COMMAND} --destination ducklake": ACCOUNT,
    f"{COMMAND} --destination filesystem --views": ACCOUNT,
    "pip install -e '.[lake]'": NETWORK,
    "pip install 'dlt[gs]'": NETWORK,
    "pytest --long --round-trips 20000 --kills 200": PROOF,
    "bash .ci/run": PROOF,
    "bash .ci/run proofs": PROOF,
    "bash .ci/run lowest": PROOF,
    "bash .ci/run newest": PROOF,
    "bash .ci/run warehouse_proofs": PROOF,
    "bash .ci/run endurance": PROOF,
    "python -m tests.endurance.year": PROOF,
    "python -m tests.benchmarks --plot plot.svg": "takes twenty minutes",
    "python -m tests.benchmarks --only privacy privacy-memory --runs 5": "takes two minutes",
    "python -m tests.benchmarks.reconcile": "takes two minutes",
    "python -m tests.benchmarks.lake": "takes four minutes",
    "python -m tests.benchmarks.views": "takes ten minutes",
    "python -m tests.warehouses.hourly_cost": "tests/warehouses/test_hourly_cost.py runs it",
    "python -m tests.warehouses.environments": ".ci/run warehouses runs it",
    'python -c "import secrets; print(secrets.token_hex(32))"': "makes a key, another each time",
    "python -m customergauge_source.sandbox": "the rehearsal runs it with options",
    "python -m tests.docs": "would write what is compared here",
}
RUN = [
    it
    for it in commands()
    if (it.startswith(COMMAND) or it.endswith("--help")) and it not in NOT_RUN
]
TAGS, START_DATE = "The way of one response's tags", "The way of `--start-date`"


def steps(way: str) -> list[str]:
    """Returns the functions that a way passes."""
    return re.findall(r"^\d+\. `([\w.]+)`", section(INTERNALS, way), re.MULTILINE)


@pytest.fixture(scope="module")
def loaded(
    fork_server: subprocess.Popen[str], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    """The README's first command and a load of all the rest: the file, what was said."""
    run = Command(fork_server, tmp_path_factory.mktemp("docs"))
    finished = run(None, "--sandbox")
    others = run(None, "--sandbox", "--views", *EVERYTHING)
    assert (finished.code, others.code) == (0, 0), finished.err + others.err
    return run.folder / "customergauge_sandbox.duckdb", finished.out


def test_the_readme_is_short_and_links_to_every_page() -> None:
    assert len(PAGES[README].splitlines()) <= 200
    assert [page for page in PAGES if f"]({page}" not in PAGES[README]] == [README]


def test_every_link_leads_somewhere() -> None:
    for page, text in PAGES.items():
        for link in re.findall(r"\]\(([^)\s]+)\)", FENCED.sub("", text)):
            if link.startswith("https://"):
                continue
            path, _, anchor = link.partition("#")
            target = (ROOT / page).parent / path if path else ROOT / page
            assert target.exists(), (page, link)
            assert not anchor or anchor in anchors(target.read_text("utf-8")), (page, link)


@pytest.mark.parametrize(("page", "marker", "text"), [*generated()], ids=lambda it: it[:40])
def test_modules_and_columns_are_those_of_the_program(page: str, marker: str, text: str) -> None:
    (shown,) = between(marker).findall(PAGES[page])
    assert shown.strip() == text.strip(), "python -m tests.docs writes it anew"


def test_a_view_reads_each_of_its_tables_once() -> None:
    twice = {name: them for name, them in tables_read().items() if len({*them}) < len(them)}
    assert (twice, all(tables_read().values())) == ({}, True)


def test_the_tree_of_the_readme_has_every_table() -> None:
    tree = next(block for block, _ in blocks("text") if block.startswith("responses "))
    tables = {
        "deleted_responses",
        "rejected_records",
        *(f"{it.name}__rejected_values" for it in RESOURCES),
    }
    tables |= {name for it in RESOURCES for name, *_ in it.record.tables(it.name)}
    assert sorted(re.findall(r"^[ │├└─]*(\w+)", tree, re.MULTILINE)) == sorted(tables)


def test_every_option_is_in_the_readme_and_the_other_way_round() -> None:
    actions = make_parser()._actions  # noqa: SLF001 - argparse has no other way to list them
    options = {name for action in actions for name in action.option_strings}
    rows = re.findall(r"^\| (`--.*?) \|", section(README, "The options"), re.MULTILINE)
    assert set(re.findall(r"`(--[\w-]+)`", " ".join(rows))) == options - {"-h", "--help"}

    arguments = set(inspect.signature(customergauge_source).parameters) - {"credentials"}
    without_option = {it for it in arguments if f"--{it.replace('_', '-')}" not in options}
    assert without_option == {
        *("api_url", "auth_url", "history", "max_answer_bytes", "privacy", "table_format")
    }


def test_every_option_of_the_report_is_in_the_docs_and_the_other_way_round() -> None:
    actions = make_report_parser()._actions  # noqa: SLF001 - as above
    options = {name for action in actions for name in action.option_strings}
    rows = re.findall(r"^\| (`--.*?) \|", PAGES["docs/report.md"], re.MULTILINE)
    assert set(re.findall(r"`(--[\w-]+)`", " ".join(rows))) == options - {"-h", "--help"}


def test_every_exit_code_is_in_the_docs_and_in_the_help() -> None:
    codes = {
        error.exit_code
        for error in vars(exceptions).values()
        if isinstance(error, type) and issubclass(error, exceptions.CustomerGaugeError)
    }
    places = {
        "README": re.findall(r"^\| (\d+) \|", section(README, "When it fails"), re.MULTILINE),
        "docs": re.findall(r"^\*\*(\d+), ", PAGES[OPERATIONS], re.MULTILINE),
        "help": re.findall(r"\b\d+\b", make_parser().format_help().split("exit codes:")[1]),
    }
    for place, told in places.items():
        assert sorted(map(int, told)) == sorted(codes | {0, 130}), place


def test_the_json_summary_has_the_keys_of_the_docs(command: Command) -> None:
    with Sandbox(responses=5) as sandbox:
        summary = command(sandbox, "--json", "--views").summary
        found = command(sandbox, "--json", "--reconcile").summary["reconcile"]
    told = {*summary, *summary["resources"]["responses"], "reconcile", *found}
    text = section(OPERATIONS, "The summary as JSON").strip().split("\n\n")[0]
    assert told == set(re.findall(r"`(\w+)`", text))


def test_the_first_command_says_what_the_readme_shows(loaded: tuple[Path, str]) -> None:
    shown = next(block for block, _ in blocks("text") if block.startswith("Loaded"))

    def timeless(text: str) -> list[str]:
        lines = [re.sub(r"in [\d.]+ s", "in some s", line) for line in text.strip().splitlines()]
        return [line for line in lines if not line.startswith("look at it")]

    assert timeless(loaded[1]) == timeless(shown)


def test_the_command_that_the_summary_names_runs_for_any_dataset(command: Command) -> None:
    with Sandbox(responses=3) as sandbox:
        told = command(sandbox, "--dataset", "My-Data").out
        numbers = [str(record["number_customergauge"]) for record in sandbox.records]
    named = next(line for line in told.splitlines() if line.startswith("look at it: python "))
    looked = subprocess.run(
        [sys.executable, *shlex.split(named)[4:]],
        cwd=command.folder,
        check=True,
        capture_output=True,
        text=True,
    )
    assert [number for number in numbers if number not in looked.stdout] == []


@pytest.mark.parametrize(("sql", "answer"), blocks("sql"))
def test_a_query_answers_what_the_docs_show_in_any_time_zone(
    loaded: tuple[Path, str], sql: str, answer: str
) -> None:
    with duckdb.connect(str(loaded[0]), read_only=True) as connection:
        connection.execute(f"USE {DATASET}")
        connection.execute("SET TimeZone = 'Pacific/Auckland'")
        found = connection.execute(sql)
        names = [name for name, *_ in found.description or ()]
        rows = [["NULL" if it is None else str(it) for it in row] for row in found.fetchall()]
    head, _, *lines = answer.splitlines()
    assert [re.split(r"\s{2,}", line.strip()) for line in (head, *lines)] == [names, *rows]


@pytest.mark.parametrize(("program", "output"), blocks("python"))
def test_the_python_of_the_docs_prints_what_they_show(
    workdir: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    program: str,
    output: str,
) -> None:
    guests = [{"name": "Ann", "pays": True}, {"name": "Bob", "pays": False}]
    visits = [{"visit_id": 1, "guests": guests, "topics": ["price", "plans"]}]
    visits += [{"visit_id": 2, "place": {"city": "Rome"}, "guests": guests[:1]}]
    file = workdir / "program.py"
    file.write_text(program, encoding="utf-8")
    with Sandbox() as sandbox:
        sandbox.add_feed("visits", visits, lists=["guests", "topics"])
        for name, value in environment(workdir, sandbox).items():
            monkeypatch.setenv(name, value)
        runpy.run_path(str(file))
    assert capsys.readouterr().out.strip() == output


def test_the_policy_of_the_docs_is_told_field_by_field_and_loads(command: Command) -> None:
    (policy,) = re.findall(r"```toml\n(.*?)```", section(PRIVACY, READY), re.DOTALL)
    paths = {leaf.path for it in RESOURCES for leaf in leaves_of(it.record)}
    assert paths - {*code_spans(section(PRIVACY, READY))} == set()

    (command.folder / ".dlt").mkdir()
    text = policy.replace("customergauge.", "customergauge_sandbox.")
    (command.folder / ".dlt" / "config.toml").write_text(text, "utf-8")
    key = {"SOURCES__CUSTOMERGAUGE_SANDBOX__PRIVACY__KEY": "k" * 32}
    assert command(None, "--sandbox", "--sandbox-responses", "50", **key).code == 0
    file = command.folder / "customergauge_sandbox.duckdb"
    left = "count(contact__first_name) + count(contact__last_name) + count(comment__original)"
    plain = "count(*) FILTER (length(email) <> 64 OR length(phone) <> 64)"
    assert query(file, f"SELECT {left}, {plain}, count(email) > 30 FROM responses") == [
        (0, 0, True)
    ]


def test_every_command_of_the_docs_is_run_or_there_is_a_reason() -> None:
    elsewhere = {COPYING, *(it for it in commands() if it.startswith(REHEARSAL))}
    assert {*commands()} - {*RUN} - elsewhere == NOT_RUN.keys()


@pytest.mark.parametrize("line", at_length(RUN, short=[it for it in RUN if it in PAGES[README]]))
def test_a_command_of_the_docs_runs(command: Command, line: str) -> None:
    options = shlex.split(line.removeprefix(COMMAND))
    if not line.startswith(COMMAND):
        subprocess.run([sys.executable, *options[1:]], cwd=ROOT, check=True, capture_output=True)
        return
    with Sandbox(responses=20) as sandbox:
        if "--sandbox" in options:
            finished = command(None, *options, "--sandbox-responses", "20")
        else:
            finished = command(sandbox, *options)
    assert finished.code == 0, finished.err


def test_the_steps_to_a_real_account_lead_to_its_data(command: Command) -> None:
    shutil.copytree(ROOT / ".dlt", command.folder / ".dlt")
    subprocess.run(shlex.split(COPYING), cwd=command.folder, check=True)
    secrets = command.folder / ".dlt" / "secrets.toml"
    with Sandbox(responses=5) as sandbox:
        text = secrets.read_text("utf-8")
        for name in ("client_id", "client_secret"):
            text = text.replace(f'{name} = "…"', f'{name} = "{getattr(sandbox, name)}"')
        secrets.write_text(text, "utf-8")
        urls = {f"SOURCES__CUSTOMERGAUGE__{it}_URL": sandbox.url for it in ("API", "AUTH")}
        codes = [command(None, *it, **urls).code for it in (["--check"], [])]
    assert codes == [0, 0]
    assert query(command.file, "SELECT count(*) FROM responses") == [(5,)]


def test_the_rehearsal_ends_as_the_docs_say(command: Command) -> None:
    (line,) = (it for it in commands() if it.startswith(REHEARSAL))
    serving = [sys.executable, *shlex.split(line.replace("--port 8080", "--port 0"))[1:]]
    ended = []
    with subprocess.Popen(serving, cwd=ROOT, stdout=subprocess.PIPE, text=True) as sandbox:
        assert sandbox.stdout is not None
        told = [sandbox.stdout.readline().strip() for _ in range(7)]
        exports = [it.removeprefix("export ").split("=", 1) for it in told if "export " in it]
        for _ in range(2):
            finished = command(None, **dict(exports))
            ((rows,),) = query(command.file, "SELECT count(*) FROM responses")
            ended.append((finished.code, rows, finished.err.count("retrying in ")))
        sandbox.terminate()
    assert ended == [(4, 3000, 2), (0, 5000, 0)]


def test_every_name_of_the_program_in_the_docs_exists() -> None:
    rooms = {path.stem for path in PACKAGE.iterdir()}
    spans = {span for text in PAGES.values() for span in code_spans(text)}
    names = {it for it in spans if re.fullmatch(r"\w+(\.\w+)+", it) and not it.endswith(".py")}
    named = {it for it in names if it.split(".")[0] in rooms}
    assert named
    assert {it for it in named if resolve(it) is None} == set()


@pytest.fixture(scope="module")
def passed(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Which functions of the ways a run with `--start-date` passes, in order."""
    folder = tmp_path_factory.mktemp("ways")
    options = "--sandbox --sandbox-responses 20 --period-field date_survey_response"
    options += " --start-date 2020-01-01 --end-date 2030-01-01"  # all of them, in one page
    run = json.dumps([[*steps(TAGS), *steps(START_DATE)], options.split()])
    program = "import json, sys; from tests.docs import trace;"
    program += "print(json.dumps(trace(*json.loads(sys.argv[1]))))"
    ended = subprocess.run(
        [sys.executable, "-c", program, run],
        cwd=folder,
        env=environment(folder) | {"PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
        text=True,
    )
    names: list[str] = json.loads(ended.stdout.splitlines()[-1])
    return names


@pytest.mark.parametrize("way", [TAGS, START_DATE])
def test_a_way_passes_its_functions_in_their_order(passed: list[str], way: str) -> None:
    assert steps(way)
    missed = []
    for name in steps(way):
        if name in passed:
            passed = passed[passed.index(name) + 1 :]
        else:
            missed.append(name)
    assert missed == []
