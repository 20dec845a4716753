"""A DuckDB file is there as a whole, or not at all.

DuckDB writes the headers of a new file one after another. A run that is killed between two of them
leaves a file that no later run can open.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from dlt import Pipeline


def create_whole(pipeline: Pipeline) -> None:
    """Creates the file of a pipeline into DuckDB beside its place, and puts it there at once.

    Where that cannot be done, DuckDB is left to say why, or to do it itself.
    """
    import duckdb  # noqa: PLC0415 - for this destination alone

    client: Any = pipeline.destination_client()
    file = Path(client.config.credentials.database)
    if file.exists() or file.name.startswith(":"):  # :memory:, or a connection of the user's
        return
    new = file.with_name(f"{file.name}.new")
    with suppress(OSError, duckdb.Error):
        new.unlink(missing_ok=True)  # a killed run may have left it
        duckdb.connect(str(new)).close()
        with suppress(FileExistsError):
            os.link(new, file)
        new.unlink()
