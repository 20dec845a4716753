"""A DuckDB file is there as a whole, or not at all.

DuckDB writes the headers of a new file one after another. A run that is killed between two of them
leaves a file that no later run can open.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dlt import Pipeline


def create_whole(pipeline: Pipeline) -> None:
    """Creates the file of a pipeline into DuckDB beside its place, and puts it there at once.

    Where it cannot be done, DuckDB is left to say why.
    """
    if (file := _missing_file(pipeline)) is None:
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


@contextmanager
def not_created(pipeline: Pipeline) -> Iterator[None]:
    """Leaves no file where none was: DuckDB creates one to look into."""
    file = _missing_file(pipeline)
    try:
        yield
    finally:
        if file is not None:
            file.unlink(missing_ok=True)


def _missing_file(pipeline: Pipeline) -> Path | None:
    """Returns the file of a pipeline into DuckDB, if it names one that is not there yet."""
    is_duckdb = pipeline.destination.destination_type.endswith(".duckdb")
    given = pipeline.destination.config_params.get("credentials")
    file = Path(given if is_duckdb and isinstance(given, str) else "")
    return file if file.is_absolute() and not file.exists() else None
