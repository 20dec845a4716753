"""What `load.py` tells at the end: on the terminal, as JSON, and to GitHub Actions."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dlt import Pipeline

    from customergauge_source import LoadSummary


def loaded(summary: LoadSummary, pipeline: Pipeline, *, as_json: bool) -> None:
    """Tells what was loaded."""
    if as_json:
        _write(json.dumps(asdict(summary)))
    else:
        _write(_as_text(summary, pipeline))
    _to_github(_as_markdown(summary))


def checked(pipeline: Pipeline, *, as_json: bool) -> None:
    """Tells that API and destination can be reached."""
    name = pipeline.destination.destination_name
    if as_json:
        _write(json.dumps({"pipeline": pipeline.pipeline_name, "destination": name, "ok": True}))
    else:
        _write(f"The credentials work, a page came, and {name} can be reached. Nothing loaded.")


def failed(message: str, remedy: str) -> None:
    """Tells an error: one line what happened, one line what to do."""
    sys.stderr.write(f"Error: {message}\nWhat to do: {remedy}\n")
    if os.environ.get("GITHUB_ACTIONS") == "true":
        sys.stderr.flush()
        sys.stderr.write(f"::error title=CustomerGauge load::{_escape(f'{message} {remedy}')}\n")
    _to_github(f"### CustomerGauge load failed\n\n{message}\n\n**What to do:** {remedy}\n")


def warn(text: str) -> None:
    """Tells something that is no error yet."""
    sys.stderr.write(f"Warning: {text}\n")
    if os.environ.get("GITHUB_ACTIONS") == "true":
        sys.stderr.write(f"::warning title=CustomerGauge load::{_escape(text)}\n")


def warn_if_thrown_away(pipeline: Pipeline) -> None:
    """Warns of a DuckDB file on a runner that is thrown away with all that it holds."""
    if os.environ.get("GITHUB_ACTIONS") != "true":
        return
    if file := _duckdb_file(pipeline, pipeline.destination_client().config):
        warn(
            f"{file} lies on a runner that is thrown away after the job, and the cursor with it."
            " Set a destination that lasts, such as bigquery or snowflake."
        )


def committed(summary: LoadSummary | None) -> str:
    """Returns what was committed before a run ended early."""
    if summary is None or not summary.checkpoints:
        return "Nothing was committed in this run."
    resources = summary.resources.values()
    records = sum(resource.records for resource in resources)
    cursors = [str(resource.cursor) for resource in resources if resource.cursor is not None]
    place = f"up to cursor {', '.join(cursors)}" if cursors else "and no cursor"
    return f"Committed: {records:,} responses {place}."


def _as_text(summary: LoadSummary, pipeline: Pipeline) -> str:
    records = sum(resource.records for resource in summary.resources.values())
    rejected = sum(resource.rejected for resource in summary.resources.values())
    values = sum(resource.rejected_values for resource in summary.resources.values())
    seconds = f"{summary.seconds:.1f} s"
    lines = [f"Loaded {records:,} responses in {seconds}." if records else f"No news, {seconds}."]
    width = max((len(name) for name in summary.tables), default=0)
    lines += [
        f"  {name:<{width}}  {rows:>10,} rows" for name, rows in sorted(summary.tables.items())
    ]
    lines += [
        f"cursor of {name}: {'none' if resource.cursor is None else resource.cursor}"
        for name, resource in summary.resources.items()
    ]
    if rejected or values:
        lines.append(
            f"rejected: {rejected:,} records (table rejected_records),"
            f" {values:,} values (table responses__rejected_values)"
        )
    if not summary.caught_up:
        lines.append(f"There is more to read: {_how_it_goes_on(summary)}.")
    return "\n".join([*lines, *_where(pipeline)])


def _how_it_goes_on(summary: LoadSummary) -> str:
    if any(resource.cursor is None for resource in summary.resources.values()):
        return "a period, or a single response, has no cursor; run it again without --max-pages"
    return "the next run goes on at the cursor"


def _where(pipeline: Pipeline) -> Iterator[str]:
    """Yields where the data is, and a command that looks at it."""
    client = pipeline.destination_client()
    config: Any = client.config
    dataset = config.normalize_dataset_name(client.schema)  # as the destination spells it
    file = _duckdb_file(pipeline, config)
    yield f"data: {file or pipeline.destination.destination_name}, dataset {dataset}"
    query = f"SELECT nps, count(*) FROM {dataset}.responses GROUP BY nps ORDER BY nps"  # noqa: S608 - shown
    if file is None:
        yield f"look at it: {query}"
    else:
        look = f"db = duckdb.connect({file!r}, read_only=True); print(db.sql({query!r}))"
        yield f'look at it: python -c "import duckdb; {look}"'


def _duckdb_file(pipeline: Pipeline, config: Any) -> str | None:  # noqa: ANN401 - dlt's, by destination
    if not pipeline.destination.destination_type.endswith(".duckdb"):
        return None
    path = Path(config.credentials.database)
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _as_markdown(summary: LoadSummary) -> str:
    lines = [
        f"### CustomerGauge → {summary.destination}, dataset `{summary.dataset}`",
        "",
        "| resource | records | pages | rejected | cursor |",
        "|---|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {name} | {it.records:,} | {it.pages:,} | {it.rejected:,} | {it.cursor} |"
        for name, it in summary.resources.items()
    ]
    lines += ["", "| table | rows in this run |", "|---|---:|"]
    lines += [f"| `{name}` | {rows:,} |" for name, rows in sorted(summary.tables.items())]
    end = "read to its end"
    if not summary.caught_up:
        end = f"not read to its end: {_how_it_goes_on(summary)}"
    return "\n".join([*lines, "", f"{summary.seconds:.1f} s; the feed was {end}.", ""])


def _to_github(markdown: str) -> None:
    if path := os.environ.get("GITHUB_STEP_SUMMARY"):
        try:
            with Path(path).open("a", encoding="utf-8") as file:
                file.write(markdown)
        except OSError as error:  # the load stands as it ended
            warn(f"The job's summary could not be written: {error}")


def _escape(text: str) -> str:
    """Returns a text as GitHub's workflow commands take it."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _write(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
