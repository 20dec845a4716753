"""With a privacy policy no value that it names is anywhere: ten thousand are planted.

Each search has its counter-test, which finds the same values where no policy is set.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import html
import json
import logging
import os
import shutil
import time
import traceback
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import duckdb
import pytest

from customergauge_source.sandbox import Sandbox
from tests import planted, searched
from tests.command import Command
from tests.planted import (
    FEEDS,
    KEY,
    KEY_NUMBER,
    NAMES,
    POLICY,
    TRANSIENT,
    Account,
    Plants,
    account,
    answering,
    broken_answers,
)
from tests.scripted import Scripted, scripted
from tests.searched import CUT_OFF, Watch, digits, found_in, ideographs, latin, numbers_in
from tests.support import DATASET, at_length, make_source, query

ALL = ("--resources", *FEEDS.values())
HASHED = {
    "": {"number_customer", "email", "phone", "account__number"},
    "__selected_drivers__secondary": {"value"},
}
HASHED[""] |= {"contact__first_name", "contact__last_name"}
DROPPED = {"": {"comment__original", "comment__translation", "follow_up__details", "note"}}
NAMED = {"__properties": ("field", "reference"), "__questions": ("title", "answer")}
NUMBERS = {"nps", "time_to_close", "time_to_follow_up"}
OF_DLT = ("_dlt_load_id", "_dlt_cg_digest", "_dlt_cg_scope")
LOUD = {"RUNTIME__LOG_LEVEL": "DEBUG", "PYTHONWARNINGS": "default"}
PATIENT = {"RUNTIME__REQUEST_MAX_ATTEMPTS": "60", "RUNTIME__REQUEST_MAX_RETRY_DELAY": "0.02"}
IN_PYTHON = f"""
import json, os, pickle, sys
import dlt
from customergauge_source import customergauge_source
pipeline = dlt.pipeline(
    "customergauge",
    destination=dlt.destinations.duckdb("customergauge.duckdb"),
    dataset_name={DATASET!r},
)
source = customergauge_source(resources=["responses"], per_page=50)
if "steps" in sys.argv:
    seen = []
    source.responses.add_map(lambda record: seen.append(record.get("email")) or record)
try:
    print(pipeline.run(source))
except Exception as error:
    print(repr(error), error)
    with open("error.pickle", "wb") as file:
        pickle.dump(str(error), file)
with open("last_trace.pickle", "wb") as file:
    pickle.dump(pipeline.last_trace, file)
with open("last_trace.txt", "w") as file:
    print(pipeline.last_trace, pipeline.last_trace.asdict(), file=file)
    print(pipeline.last_trace.asstr(2), repr(pipeline.last_trace), file=file)
if "steps" in sys.argv:
    print(len([it for it in seen if it]), "seen")
"""
Cells = dict[tuple[str, Any, str, str], Any]


@pytest.fixture
def large() -> Account:
    """An account of ten thousand values, and a few more for the answers that are broken."""
    return account()


class Places:
    """Where marked values were found, and where they had been planted."""

    def __init__(self, planted_at: Iterable[str]) -> None:
        self._planted_at = [*planted_at]
        self.found: dict[str, set[int]] = {}

    def look(self, *folders: Path, files: str = "*") -> None:
        """Looks into folders."""
        for folder in folders:
            found = found_in(folder, files)
            self.found |= {f"{folder.name}/{place}": numbers for place, numbers in found.items()}

    def told(self) -> Mapping[str, Any]:
        """Returns in which files which kinds of values were found, and how many; for a failure."""
        kinds = Counter(
            (place, "cut off" if number == CUT_OFF else self._planted_at[number])
            for place, numbers in self.found.items()
            for number in numbers
        )
        return {f"{place} < {kind}": count for (place, kind), count in kinds.most_common(40)}

    @property
    def numbers(self) -> set[int]:
        """The numbers of all that was found."""
        return set[int]().union(*self.found.values()) - {CUT_OFF}

    def of(self, *pieces: str) -> set[int]:
        """Returns what was found in places whose names have all of these pieces."""
        return set[int]().union(
            *(them for place, them in self.found.items() if all(it in place for it in pieces))
        )


class Runs:
    """Runs of the command in a folder that is watched all the time."""

    def __init__(self, command: Command, folder: Path) -> None:
        self._command = command
        command.folder = folder / "run"
        command.folder.mkdir()
        command.file = command.folder / "customergauge.duckdb"
        command.program = Path(searched.__file__)
        self.kept = folder / "kept"

    def __call__(
        self,
        server: Scripted,
        *runs: tuple[str, ...],
        codes: Collection[int] = (0,),
        env: Mapping[str, str],
    ) -> None:
        """Runs the command with the options of each run."""
        command = self._command
        here = {name: str(command.folder) for name in ("TMPDIR", "HOME", "DUCKDB_TEMP_DIRECTORY")}
        here |= {searched.KEPT: str(self.kept), **env}
        with Watch(command.folder, self.kept) as watch:
            for number, options in enumerate(runs):
                running = command.start(server, *options, **here)
                watch.pid = running.pid
                ended = running.finish()
                for stream in ("stdout", "stderr"):
                    copy = command.folder / f"{stream} {number}"
                    shutil.copyfile(command.folder / stream, copy)
                assert ended.code in codes, ended.err


SPELLINGS: dict[str, Callable[[str], bytes]] = {
    "plain": lambda it: it.encode(),
    "JSON": lambda it: json.dumps(it).encode(),
    "JSON in JSON": lambda it: json.dumps(json.dumps(it)).encode(),
    "PHP's JSON": lambda it: json.dumps(it).replace("/", "\\/").encode(),
    "each character escaped": lambda it: "".join(f"\\u{ord(c):04X}" for c in it).encode(),
    "URL": lambda it: quote(it, safe="").encode(),
    "lower-case URL": lambda it: "".join(f"%{b:02x}" for b in it.encode()).encode(),
    "form": lambda it: quote_plus(it).encode(),
    "quoted-printable": lambda it: "".join(f"={b:02X}" for b in it.encode()).encode(),
    "HTML": lambda it: html.escape(it).encode(),
    "entities": lambda it: "".join(f"&#{ord(c)};" for c in it).encode(),
    "hexadecimal entities": lambda it: "".join(f"&#x{ord(c):x};" for c in it).encode(),
    "base64": lambda it: base64.b64encode(it.encode()),
    "base64 behind one byte": lambda it: base64.b64encode(b"x" + it.encode()),
    "base64 behind two bytes": lambda it: base64.urlsafe_b64encode(b"xy" + it.encode()),
    "base64 behind a path": lambda it: b"/folder/" + base64.b64encode(it.encode()),
    "JSON in base64": lambda it: base64.b64encode(json.dumps({"a": it}).encode()),
    "zlib in base64": lambda it: base64.b64encode(zlib.compress(it.encode())),
    "hexadecimal": lambda it: it.encode().hex().encode(),
    "upper-case hexadecimal": lambda it: b"0" + it.encode().hex().upper().encode(),
    "UTF-16": lambda it: it.encode("utf-16-le"),
    "UTF-16, big end first": lambda it: b"\0" + it.encode("utf-16-be"),
    "UTF-32": lambda it: it.encode("utf-32-le"),
    "GB 18030": lambda it: it.encode("gb18030"),
    "repr": lambda it: repr(it).encode(),
    "ascii": lambda it: ascii(it).encode(),
    "repr of bytes": lambda it: repr(it.encode()).encode(),
    "upper case": lambda it: it.upper().encode(),
    "title case": lambda it: it.title().encode(),
    "UTF-8 read as Latin-1": lambda it: it.encode().decode("latin-1").encode(),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_the_search_finds_a_value_in_each_spelling(spelling: str) -> None:
    values = [latin(321), f"+{digits(4567)}", ideographs(98)]
    found = [numbers_in(b'{"a": "' + SPELLINGS[spelling](it) + b'"}') for it in values]

    odd = {"GB 18030": [0, 1, 2], "UTF-32": [0, 1]}
    for place in odd.get(spelling, range(3)):
        assert found[place] == {[321, 4567, 98][place]}


def test_the_search_finds_nothing_where_nothing_is() -> None:
    with Sandbox(responses=50) as sandbox:
        assert numbers_in(json.dumps(sandbox.records).encode()) == set()
    assert numbers_in(f"{latin(7)[:8]} and {digits(8)}9".encode()) == {CUT_OFF, 8}


def test_what_is_there_for_a_moment_is_kept(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with Watch(tmp_path / "run", tmp_path / "kept") as watch:
        watch.pid = os.getpid()
        for number, seconds in ((1, 0.5), (2, 0.5)):
            with (tmp_path / "run" / f"file {number}").open("w") as file:
                file.write(latin(number))
                file.flush()
                time.sleep(seconds * (number == 1))
                Path(file.name).unlink()
                time.sleep(seconds * (number == 2))

    assert set[int]().union(*found_in(tmp_path / "kept").values()) == {1, 2}


def test_without_a_policy_the_search_finds_all_of_it(
    command: Command, tmp_path: Path, large: Account
) -> None:
    runs, places = Runs(command, tmp_path), Places(large.places)
    with scripted(large.answer) as server:
        runs(server, (*ALL, "--json"), env={})
    places.look(command.folder)
    places.look(runs.kept, files="*.parquet")

    planted_at = [large.places[number] for number in large.planted - places.numbers]
    assert len(large.planted) >= planted.PLANTED
    assert {kind.split(": ")[1] for kind in planted_at} <= {planted.TWICE, planted.LATER}
    assert len(planted_at) < 250
    assert len(places.of("run/customergauge.duckdb file")) > 5_000
    assert len(places.of("kept/", "parquet")) > 2_000
    for table in ("responses", "close_loop", "non_responses__properties", "rejected_records"):
        assert places.of(f"{DATASET}.{table}"), table
    for table in FEEDS.values():
        assert places.of(f"{DATASET}.{table}__rejected_values"), table


RUNS: dict[str, list[tuple[str, ...]]] = {
    "a load and a reconciliation": [("--debug",), ("--reconcile", "--json")],
    "a refresh, twice": [("--json", "--per-page", "50"), ("--full-refresh", "--json")],
    "a dry run": [(), ("--reconcile", "--dry-run", "--debug"), ("--check", "--json")],
}


@pytest.mark.parametrize("which", at_length(RUNS, short=["a load and a reconciliation"]))
def test_with_a_policy_nothing_is_found_at_any_moment(
    command: Command, tmp_path: Path, large: Account, which: str
) -> None:
    runs, places = Runs(command, tmp_path), Places(large.places)
    github = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(tmp_path / "run" / "summary.md")}
    with scripted(large.answer) as server:
        env = {**POLICY, **LOUD, **github}
        runs(server, *((*ALL, *options) for options in RUNS[which]), env=env)
        places.look(command.folder, runs.kept)

    assert places.told() == {}
    assert any(path.name.endswith(".parquet") for path in runs.kept.iterdir())


def test_what_is_named_is_hashed_or_null_and_all_else_as_without_a_policy(
    command: Command, tmp_path: Path, large: Account
) -> None:
    files, said = [], []
    with scripted(large.answer) as server:
        for name, env in {"plain": {}, "private": POLICY}.items():
            command.folder = tmp_path / name
            command.file = command.folder / "customergauge.duckdb"
            files.append(command.file)
            ended = command(
                server, *ALL, "--json", SOURCES__CUSTOMERGAUGE__UNKNOWN_FIELDS="ignore", **env
            )
            assert ended.code == 0, ended.err
            said.append(ended.summary)
    plain, private = map(cells, files)

    different = {
        place: (value, private.get(place, "no such row"))
        for place, value in plain.items()
        if private.get(place, "no such row") != told_of(place, value, plain)
    }
    assert different == {}
    assert private.keys() == plain.keys()
    assert said[0]["resources"] == said[1]["resources"]
    assert said[0]["tables"] == said[1]["tables"]
    assert_hashes(files[1], large)


def assert_hashes(file: Path, large: Account) -> None:
    """Fails if what was planted where it belongs is not its hash, computed apart, or null."""
    loaded: dict[tuple[str, Any, str, int], Any] = {}
    for table, row in rows_of(file):
        place = row.get("_dlt_list_idx", 0)
        if "__secondary" not in table or row["_dlt_parent_id"].endswith(".0"):
            cgid = row.get("number_customergauge")
            loaded |= {(table, cgid, name, place): it for name, it in row.items()}
    dropped = ("comment", "follow_up", "note")
    count = 0
    for (table, cgid, column, place), text in large.expected.items():
        is_dropped = column.startswith(dropped) or (column in ("reference", "answer") and place)
        wanted = None if is_dropped else hashed(text)
        assert loaded[table, cgid, column, place] == wanted, (table, cgid, column, place, text)
        count += wanted is not None
    assert count > 600


def test_no_row_holds_a_digest_of_what_was_left_out(command: Command) -> None:
    """A digest without a key is as good as the value: names and phones are soon tried out."""
    entry = f"Jane {latin(5)}"
    first: dict[str, Any] = {
        "number_customergauge": 1,
        "email": None,
        "comment": {"original": entry},
    }
    second = first | {"comment": {"original": "another"}, "extra": entry}
    nameless = {"email": entry}
    with Sandbox(records=[first, entry, nameless]) as sandbox:
        assert command(sandbox, **POLICY).code == 0
        digests = query(command.file, "SELECT _dlt_cg_digest FROM responses")
        sandbox.append(second)
        assert command(sandbox, **POLICY).code == 0
        assert query(command.file, "SELECT _dlt_cg_digest FROM responses") == digests

    ids = str(query(command.file, "SELECT _dlt_id FROM rejected_records"))
    for value in (entry, nameless):
        spelled = json.dumps(value, separators=(",", ":")).encode()
        assert hashlib.sha256(spelled).hexdigest()[:16] not in ids


def test_every_entry_that_is_no_record_is_there_with_a_reason(command: Command) -> None:
    entries = ["Jane", 491, ["Jane"], None, True, "Jane", "Joe"]
    record = {
        "status": "response",
        "email": "a@b.c",
        "nps": 9,
        "date_sent": "Jane",
        "comment": "Jane",
        "contact": {"first_name": "Jane", "middle": "Jane"},
        "account": {"name": "Acme"},
        "questions": [
            {"title": "your NAME?", "answer": "Jane"},
            {"title": "How easy was it?", "answer": "5"},
            {"answer": "Jane"},
            "Jane",
        ],
        "properties": {"3": {"field": "Key Contact", "reference": "Jane"}},
        "people": {"Jane": "Jane"},
    }
    everything = [*entries, record, record | {"number_customergauge": "Jane"}]
    with Sandbox(responses=0) as sandbox:
        for feed in FEEDS:
            sandbox.append(*everything, feed=feed)
        ended = command(sandbox, *ALL, "--json", **POLICY)
        assert ended.code == 0, ended.err

    rows = query(
        command.file,
        "SELECT resource, position, record, reason FROM rejected_records ORDER BY ALL",
    )
    made_up = [row for row in rows if row[0] == "responses"]
    assert [row[1] for row in made_up] == [*range(len(everything))]
    counts = Counter(row[0] for row in rows)
    assert counts["responses"] == len(everything)
    assert {row[2] for row in made_up[: len(entries)]} == {None}
    assert "Jane" not in str(rows)
    assert all(reason and len(reason) > 20 for *_, reason in made_up[: len(entries)])
    told = json.loads(made_up[len(entries)][2])
    assert told["nps"] == 9
    assert told["account"] == {"name": "Acme"}
    assert {"title": "How easy was it?", "answer": "5"} in told["questions"]
    assert told["email"] is None


def test_entries_of_the_close_loop_that_differ_are_different_rows(command: Command) -> None:
    """An entry that comes again is the same row; two entries are two, whatever is told of them."""
    entries = ["Jane", "Joe", 491, {"note": "Jane"}, {"note": "Joe"}]
    with Sandbox(responses=0) as sandbox:
        sandbox.append(*entries, feed="close-loop")
        ended = command(sandbox, "--resources", "close_loop", "--json", **POLICY)
        assert ended.code == 0, ended.err

    rows = query(command.file, "SELECT record, reason, _dlt_id FROM rejected_records")
    assert len(rows) == ended.summary["resources"]["close_loop"]["rejected"] == len(entries)
    assert len({row[2] for row in rows}) == len(entries)


@pytest.mark.long
def test_fields_whose_column_is_known_are_left_out_too(command: Command, tmp_path: Path) -> None:
    known: dict[str, Any] = {"nickname": "x", "people": [{"name": "x"}], "home": {"street": "x"}}
    lists = {"questions": [{"title": "x", "answer": "x", "note": "x"}], "tags": [{"by": "x"}]}
    harmless = {"number_customergauge": 1, **known, **lists}
    personal = json.loads(json.dumps(harmless).replace('"x"', json.dumps(latin(1))))
    evolve = {"SOURCES__CUSTOMERGAUGE__UNKNOWN_FIELDS": "evolve"}
    kept = {name: it for name, it in POLICY.items() if "__PRIVACY__" in name}
    with Sandbox(records=[harmless]) as sandbox:
        assert command(sandbox, **kept, **evolve).code == 0
        assert "people" in str(query(command.file, "SHOW TABLES"))
        sandbox.append(*({**personal, "number_customergauge": number} for number in (2, 3)))
        sandbox.append({**personal, "number_customergauge": 4, "nps": "many"})
        for table in ("responses__questions", "responses__tags"):
            assert query(command.file, f"FROM {table}")
        assert command(sandbox, **kept).code == 0

    assert len(query(command.file, "FROM responses")) == 4
    found = {place: them for place, them in found_in(tmp_path).items() if KEY_NUMBER not in them}
    # The titles are no secret: the policy names answers alone.
    assert set(found) <= {
        "customergauge.duckdb file",
        f"customergauge.duckdb {DATASET}.responses__questions",
        f"customergauge.duckdb {DATASET}.responses__tags",
    }


@pytest.mark.long
@pytest.mark.parametrize("unknown", at_length(["ignore", "evolve"], short=["evolve"]))
def test_a_named_path_is_protected_where_a_resource_does_not_declare_it(
    command: Command, tmp_path: Path, unknown: str
) -> None:
    """Of the siblings no page shows a body, so they may bring any field of a response."""
    it = planted.Spot(Plants(), "undeclared there", wild=False)
    survey: dict[str, Any] = {"number_customergauge": 1, "note": it.text(), "comment": it.text()}
    survey["follow_up"] = {"details": it.text()}
    survey["questions"] = [{"title": "Your name?", "answer": it.text()}]
    survey["selected_drivers"] = [{"primary": "Price", "secondary": [it.text()]}]
    case = survey | {"email": it.text(), "phone": it.number(), "number_customer": it.text()}
    case["contact"] = {"first_name": it.text(), "last_name": it.text()}
    case["properties"] = [{"field": "Key Contact", "reference": it.text()}]
    del case["note"]
    reasons = [{"label": "Price", "secondary": [it.text()]}]
    older = {"number_customergauge": 2, "drivers": reasons, "selected_drivers": [{"primary": "P"}]}
    mode = {"SOURCES__CUSTOMERGAUGE__UNKNOWN_FIELDS": unknown}
    with Sandbox(responses=0) as sandbox:
        sandbox.append({"number_customergauge": 1, "note": it.text(), "drivers": it.text()}, older)
        sandbox.append(
            survey, {**survey, "number_customergauge": 2, "nps": 1}, feed="non-responses"
        )
        sandbox.append(case, feed="close-loop")
        assert command(sandbox, *ALL, **POLICY, **mode).code == 0

    assert found_in(tmp_path) == {}


WAYS = [(way, policy) for way in ("plain", "steps", "broken") for policy in (True, False)]
FEW = [("plain", True), ("broken", True), ("broken", False)]


@pytest.mark.sampled
@pytest.mark.parametrize("way_and_policy", at_length(WAYS, short=FEW), ids=str)
def test_a_trace_tells_nothing(
    command: Command, tmp_path: Path, way_and_policy: tuple[str, bool]
) -> None:
    """A plain `pipeline.run` in a program of one's own; without a policy the search finds."""
    (way, has_policy), small = way_and_policy, account(40)
    script = tmp_path / "in_python.py"
    script.write_text(IN_PYTHON, "utf-8")
    runs, places = Runs(command, tmp_path), Places(small.places)
    command.program = script
    plants = Plants()
    broken = broken_answers(plants)["a refusal"]

    env = {**LOUD, **(POLICY if has_policy else {})}
    options = () if way == "plain" else (way,)
    with answering([broken]) if way == "broken" else scripted(small.answer) as server:
        runs(server, options, env=env)
        script.unlink()
        places.look(command.folder, runs.kept)

    assert (command.folder / "last_trace.pickle").stat().st_size > 1_000
    if has_policy:
        assert places.told() == {}
    else:
        assert places.of("last_trace" if way == "broken" else "parquet")
    if way == "steps":
        assert " seen" in (command.folder / "stdout").read_text("utf-8")


def whole_policy(what: str) -> dict[str, str]:
    """Returns a policy that names all objects and lists as they are."""
    whole = ["contact", "account", "comment", "questions", "properties", "selected_drivers", "tags"]
    paths = [*whole, "email", "phone", "number_customer", "follow_up.details", "note"]
    other = "DROP" if what == "HASH" else "HASH"
    return {**POLICY, f"SOURCES__CUSTOMERGAUGE__PRIVACY__{what}": json.dumps(paths)} | {
        f"SOURCES__CUSTOMERGAUGE__PRIVACY__{other}": "[]"
    }


@pytest.mark.long
@pytest.mark.parametrize("what", at_length(["HASH", "DROP"], short=["DROP"]))
def test_a_path_of_an_object_or_a_list_means_all_that_is_in_it(
    command: Command, tmp_path: Path, what: str
) -> None:
    small = account(40)
    places = Places(small.places)
    with scripted(small.answer) as server:
        ended = command(server, *ALL, **whole_policy(what))
        assert ended.code == 0, ended.err
    places.look(tmp_path)

    assert places.told() == {}
    left = {
        column: value
        for (table, _, _, column), value in cells(command.file).items()
        if not table.endswith("__rejected_values")
        and column in {"label", "title", "answer", "field", "reference", "primary", "account__name"}
        and value is not None
    }
    assert what == "HASH" or left == {}
    assert all(is_hash(value) for value in left.values())


def in_process(server: Scripted, messages: list[str]) -> str:
    """Reads the responses in this process; returns all that an error and the loggers tell."""
    try:
        list(make_source(server).responses)
    except Exception as error:  # noqa: BLE001 - whichever it is
        told = ["".join(traceback.format_exception(error)), repr(error), str(error)]
        told += [str(getattr(error, name, "")) for name in ("remedy", "args", "__dict__")]
    else:
        pytest.fail("It was not refused.")
    return "\n".join([*told, *messages])


@pytest.fixture
def everything_logged(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Yields what is logged by whichever logger, at whichever level."""
    messages: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            messages.append(f"{record.name}: {self.format(record)}")

    root, ours = logging.getLogger(), logging.getLogger("customergauge_source")
    monkeypatch.setattr(root, "handlers", [*root.handlers, Handler()])
    monkeypatch.setattr(ours, "propagate", True)
    levels = {logger: logger.level for logger in (root, ours)}
    for logger in levels:
        logger.setLevel(logging.DEBUG)  # which forgets what was known of other levels
    yield messages
    for logger, level in levels.items():
        logger.setLevel(level)


@pytest.mark.sampled
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # of answers that were given up
@pytest.mark.parametrize("policy", ["with a policy", "without"])
def test_no_error_tells_what_a_broken_answer_holds(
    monkeypatch: pytest.MonkeyPatch, everything_logged: list[str], policy: str
) -> None:
    plants = Plants()
    answers = broken_answers(plants)
    monkeypatch.setenv("RUNTIME__REQUEST_MAX_ATTEMPTS", "1")
    for name, value in POLICY.items() if policy == "with a policy" else ():
        monkeypatch.setenv(name, value)
    told: dict[str, set[int]] = {}
    for what, answer in answers.items():
        everything_logged.clear()
        with answering([answer]) as server:
            told[what] = numbers_in(
                in_process(server, everything_logged).encode("utf-8", "replace")
            )

    telling = {what: numbers for what, numbers in told.items() if numbers}
    if policy == "with a policy":
        assert telling == {}
    else:
        assert len(telling) > 30


def broken_runs() -> list[tuple[str, bytes]]:
    """Returns what a run meets: all that is tried again and one refusal, or a refusal alone."""
    answers = [*broken_answers(Plants()).items()]
    return answers[TRANSIENT:]


SHORT = ("a cursor that is a fraction", "a name for a key", "a refusal", "a header without a colon")


@pytest.mark.parametrize("mode", at_length(["--debug", "--json"], short=["--debug"]))
@pytest.mark.parametrize("what", at_length([it for it, _ in broken_runs()], short=SHORT))
def test_no_run_tells_what_broken_answers_hold(
    command: Command, tmp_path: Path, what: str, mode: str
) -> None:
    plants = Plants()
    answers = broken_answers(plants)
    refusal = answers[what]
    tries = [*answers.values()][:TRANSIENT] if what == SHORT[0] else []
    runs, places = Runs(command, tmp_path), Places(plants.places)
    github = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(tmp_path / "run" / "summary.md")}
    with answering([*tries, refusal]) as server:
        runs(server, (mode,), codes={3, 4}, env={**PATIENT, **POLICY, **LOUD, **github})
        assert len(server.paths) > len(tries)
    places.look(command.folder, runs.kept)

    assert "What to do: " in (command.folder / "stderr").read_text("utf-8")
    assert places.told() == {}


def test_without_a_policy_a_run_tells_what_broken_answers_say(
    command: Command, tmp_path: Path
) -> None:
    plants = Plants()
    answers = broken_answers(plants)
    runs, places = Runs(command, tmp_path), Places(plants.places)
    tries = [*answers.values()][:TRANSIENT]
    with answering([*tries, answers["a refusal"]]) as server:
        runs(server, ("--debug",), codes={4}, env={**PATIENT, **LOUD})
    places.look(command.folder, runs.kept)

    assert len(places.of("run/stderr")) > 8


REFUSED: list[dict[str, str]] = [
    {"HASH": '["no_such_path"]'},
    {"HASH": '["email", "comment"]'},
    {"HASH": '["nps"]'},
    {"DROP": '["number_customergauge"]'},
    {"KEY": f"{latin(KEY_NUMBER)}-too-short"},
    {"KEYS": KEY},
    {"HASH": "email"},
]


@pytest.mark.parametrize("change", at_length(REFUSED, short=REFUSED[4:6]), ids=str)
def test_the_key_is_in_no_message_of_a_policy_that_is_refused(
    command: Command, tmp_path: Path, change: dict[str, str]
) -> None:
    changed = {f"SOURCES__CUSTOMERGAUGE__PRIVACY__{name}": it for name, it in change.items()}
    with Sandbox(responses=3) as sandbox:
        ended = command(sandbox, "--debug", **{**POLICY, **changed}, **LOUD)
        assert sandbox.requests == []

    assert ended.code == 2, ended.err
    assert found_in(tmp_path) == {}


def hashed(text: str) -> str:
    """Returns the hash of a text, in the characters that a column would hold."""
    stored = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    stored = stored.replace("\0", "\ufffd")
    return hmac.new(KEY.encode(), stored.encode(), hashlib.sha256).hexdigest()


def is_hash(value: object) -> bool:
    """Says whether a value may be a hash."""
    return isinstance(value, str) and len(value) == 64 and set(value) <= set("0123456789abcdef")


def rows_of(file: Path) -> Iterable[tuple[str, dict[str, Any]]]:
    """Yields the rows of all tables but dlt's own, each with the name of its table."""
    with duckdb.connect(str(file), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        tables = connection.execute(
            f"SELECT table_name FROM duckdb_tables() WHERE schema_name = '{DATASET}'"
            " AND NOT starts_with(table_name, '_dlt')"
        ).fetchall()
        for (table,) in tables:
            rows = connection.execute(f'FROM {DATASET}."{table}"')
            names = [column[0] for column in rows.description or ()]
            for row in rows.fetchall():
                yield table, dict(zip(names, row, strict=True))


def cells(file: Path) -> Cells:
    """Returns all values but those of entries that are no records: by table, CGID, row, column."""
    return {
        (table, row.get("number_customergauge"), row["_dlt_id"], column): value
        for table, row in rows_of(file)
        for column, value in row.items()
        if table != "rejected_records" and column not in OF_DLT
    }


def told_of(place: tuple[str, Any, str, str], value: Any, plain: Cells) -> Any:
    """Returns what a cell is with the policy, by what it is without."""
    table, cgid, row, column = place
    root = max((it for it in FEEDS.values() if table.startswith(it)), key=len, default=table)
    below = table.removeprefix(root)
    treatment = "keep"
    if value is None or column in DROPPED.get(below, ()):
        treatment = "drop"
    elif column in HASHED.get(below, ()):
        treatment = "hash"
    elif below == "__rejected_values" and column == "value":
        is_number = plain[table, cgid, row, "field"] in NUMBERS and value[:1] not in '"[{tfn'
        treatment = "keep" if is_number else "drop"
    elif below in NAMED and column == NAMED[below][1]:
        name = plain[table, cgid, row, NAMED[below][0]]
        treatment = treatment_of(name or "", NAMES[below.removeprefix("__")])
    elif isinstance(value, str) and value.startswith('{"') and below != "__rejected_values":
        treatment = "drop"  # an object, the fields of which are undeclared
    return {"keep": value, "hash": hashed(str(value)), "drop": None}[treatment]


def treatment_of(name: str, names: tuple[str, str, str]) -> str:
    """Returns what becomes of the value of an item by its name."""
    same = " ".join(name.split()).casefold()
    if same == names[0].casefold():
        return "hash"
    return "drop" if not same or same[0] in "[{" or same == names[1].casefold() else "keep"
