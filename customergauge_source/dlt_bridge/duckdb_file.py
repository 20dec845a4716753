"""A DuckDB file: how it begins."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from dlt import Pipeline


def create_whole(pipeline: Pipeline) -> None:
    """Creates the file of a pipeline into DuckDB beside its place, and puts it there at once.

    That is, if the pipeline names it. DuckDB writes the headers of a new file one after another: a
    run that is killed between two of them would leave a file that no later run can open. Where it
    cannot be done, DuckDB is left to say why.
    """
    given = pipeline.destination.config_params.get("credentials")
    named = getattr(given, "database", given)  # dlt takes a path, and credentials with one
    file = Path(named if isinstance(named, str) else "")
    if not file.is_absolute() or file.exists():
        return
    import duckdb  # noqa: PLC0415 - for this destination alone

    new = file.with_name(f"{file.name}.new")
    with suppress(OSError, duckdb.Error):
        new.unlink(missing_ok=True)  # a killed run may have left it
        try:
            duckdb.connect(str(new)).close()
            os.link(new, file)
        finally:
            new.unlink(missing_ok=True)
