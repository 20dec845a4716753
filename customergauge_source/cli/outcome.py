"""What commands tell: on the terminal, as JSON, and to GitHub Actions."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from customergauge_source.cli.whereabouts import Whereabouts

if TYPE_CHECKING:
    from dlt import Pipeline

    from customergauge_source import LoadSummary
    from customergauge_source.load.summary import ReconcileSummary

_IDS = 10
"""Keys of each kind that are told; --json tells a thousand."""


def loaded(summary: LoadSummary, pipeline: Pipeline, *, report: str, as_json: bool) -> None:
    """Tells what was loaded, and the command that makes the report of it."""
    text = "\n".join([*_as_text(summary, pipeline), *([f"report: {report}"] if report else [])])
    _write(json.dumps(summary.as_dict()) if as_json else text)
    _to_github(f"### CustomerGauge load\n\n```\n{text}\n```\n")


class Findings:
    """What a check finds: a line each, or all of it as one JSON object."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._all: list[dict[str, Any]] = []

    def tell(self, check: str, is_right: bool, found: str) -> None:  # noqa: FBT001 - it is told
        """Tells a finding."""
        self._all.append({"check": check, "ok": is_right, "found": found})
        if not self._as_json:
            _write(f"{check}: {found}" if is_right else f"{check}: WRONG. {found}")

    def end(self, pipeline: Pipeline | None) -> None:
        """Tells how it ended.

        Args:
            pipeline: The pipeline, if it could be made.
        """
        is_right = all(it["ok"] for it in self._all)
        if self._as_json:
            names = {"pipeline": pipeline and pipeline.pipeline_name}
            names["destination"] = pipeline and pipeline.destination.destination_name
            _write(json.dumps({**names, "ok": is_right, "checks": self._all}))
        elif is_right:
            _write("All of it works. Nothing loaded.")


def reported(output: Path, what: str) -> None:
    """Tells that a report was written."""
    _write(f"{output}: {what}. Open it in a browser.")


def failed(message: str, remedy: str, *, of: str) -> None:
    """Tells an error: one line what happened, one line what to do."""
    told = f"{message}\nWhat to do: {remedy}"
    _tell("error", f"Error: {told}\n", told, of=of)
    _to_github(f"### CustomerGauge {of} failed\n\n{message}\n\n**What to do:** {remedy}\n")


def warn(text: str) -> None:
    """Tells something that is no error yet."""
    _tell("warning", f"Warning: {text}\n", text)


def warn_if_thrown_away(pipeline: Pipeline) -> None:
    """Warns of a DuckDB file on a runner that is thrown away with all that it holds."""
    if _is_on_github() and (file := Whereabouts(pipeline).file):
        warn(
            f"{file} lies on a runner that is thrown away after the job, and the cursor with it."
            " Set a destination that lasts, such as motherduck, bigquery or snowflake."
        )


def committed(summary: LoadSummary | None) -> str:
    """Returns what was committed before a run ended early."""
    if summary is None or not summary.checkpoints:
        return "Nothing was committed in this run."
    done = [
        f"{it.records:,} {name}" + ("" if it.cursor is None else f" (cursor {it.cursor})")
        for name, it in summary.resources.items()
    ]
    return f"Committed: {', '.join(done)}."


def _as_text(summary: LoadSummary, pipeline: Pipeline) -> Iterator[str]:
    resources = summary.resources.items()
    if summary.reconcile is not None:
        yield from _reconciled(summary.reconcile, summary.seconds)
    else:
        loaded = ", ".join(f"{it.records:,} {name}" for name, it in resources if it.records)
        yield f"{f'Loaded {loaded} in' if loaded else 'No new records,'} {summary.seconds:.1f} s."
    width = max(map(len, summary.tables), default=0)
    for name, rows in sorted(summary.tables.items()):
        yield f"  {name:<{width}}  {rows:>10,} rows"
    yield from _views(summary)
    for name, it in resources:
        if it.cursor is not None:
            yield f"cursor of {name}: {it.cursor}"
    rejected = sum(it.rejected for _, it in resources)
    values = sum(it.rejected_values for _, it in resources)
    if rejected or values:
        records = f"{rejected:,} records (table rejected_records)"
        yield f"rejected: {records}, {values:,} values (tables …__rejected_values)"
    if not summary.caught_up:
        how = "the next run goes on at the cursor"
        if any(it.pages and it.cursor is None for _, it in resources):
            how = "a period, or a single response, has no cursor; run it again without --max-pages"
        yield f"There is more to read: {how}."
    yield from Whereabouts(pipeline).shown(summary)


def _views(summary: LoadSummary) -> Iterator[str]:
    if summary.views is not None:
        yield f"views: {', '.join(summary.views) or 'none'}"
    if summary.views_left_out:
        yield f"views left out, as their tables are not loaded: {', '.join(summary.views_left_out)}"


def _reconciled(found: ReconcileSummary, seconds: float) -> Iterator[str]:
    done = "Compared (dry run: nothing was changed)" if found.dry_run else "Reconciled"
    yield f"{done}: {found.read:,} records read, in {seconds:.1f} s."
    for name, it in found.resources.items():
        kinds = {"added": it.added_ids, "changed": it.changed_ids, "deleted": it.deleted_ids}
        counts = ", ".join(f"{getattr(it, kind):,} {kind}" for kind in kinds)
        yield f"{name}: {counts}" + (f"; {it.renewed:,} loaded again" if it.renewed else "")
        for kind, ids in kinds.items():
            if ids:
                more = getattr(it, kind) - len(ids[:_IDS])
                named = ", ".join(map(str, ids[:_IDS])) + (f" and {more:,} more" if more else "")
                yield f"  {kind}: {named}"
    for reason in found.refused.values():
        yield f"Without --dry-run this would end with exit code 4, and remove nothing: {reason}"


def _is_on_github() -> bool:
    return os.environ.get("GITHUB_ACTIONS") == "true"


def _tell(kind: str, text: str, annotation: str, *, of: str = "load") -> None:
    to_stderr(text)
    if _is_on_github():
        for character, escaped in (("%", "%25"), ("\r", "%0D"), ("\n", "%0A")):
            annotation = annotation.replace(character, escaped)
        to_stderr(f"::{kind} title=CustomerGauge {of}::{annotation}\n")


def _to_github(markdown: str) -> None:
    if path := os.environ.get("GITHUB_STEP_SUMMARY"):
        try:
            with Path(path).open("a", encoding="utf-8") as file:
                file.write(markdown)
        except OSError as error:  # the load stands as it ended
            warn(f"The job's summary could not be written: {error}")


def _write(text: str) -> None:
    if not _can_write(sys.stdout, f"{text}\n"):
        warn("Nobody reads standard output, or it is full. What was loaded stands.")


def to_stderr(text: str) -> None:
    """Writes to standard error, if anybody still reads it: a run does not end for its log."""
    _can_write(sys.stderr, text)


def run(command: Callable[[], int], *, quiet: bool, as_json: bool = False) -> int:
    """Runs a command to its end; returns its exit code.

    Args:
        command: The command.
        quiet: Whether what it tells is held back, and comes out only if it fails.
        as_json: Whether what it writes to standard output is asked for all the same.
    """
    streams = sys.stdout, sys.stderr
    if quiet:
        sys.stdout = sys.stdout if as_json else StringIO()
        sys.stderr = StringIO()
    held = sys.stdout, sys.stderr
    try:
        code = command()
    finally:
        sys.stdout, sys.stderr = streams
    for stream, it in zip(streams, held, strict=True):
        told = it.getvalue() if code and isinstance(it, StringIO) and it is not stream else ""
        # Written in any case, or Python would end with 120 for a stream that is dead.
        _can_write(stream, told)
    return code


def _can_write(stream: TextIO | None, text: str) -> bool:
    """Writes; a stream that is closed, full or not read any more leads nowhere from then on."""
    if stream is None:
        return False
    try:
        stream.write(text)
        stream.flush()
    except (OSError, ValueError):
        with suppress(OSError, ValueError), Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), stream.fileno())
        return False
    return True
