"""A DuckDB file: how it begins, and when what was loaded goes into it."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from pathlib import Path

from dlt import Pipeline

logger = logging.getLogger("customergauge_source")


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


def write_log(pipeline: Pipeline) -> None:
    """Has DuckDB write its log into the file, as it does when the file is closed.

    Rows that are in the log alone stay in its memory, and are spilled as soon as that is full. They
    are committed: what fails here fails no load.
    """
    import duckdb  # noqa: PLC0415 - for this destination alone

    with pipeline.sql_client() as client:
        try:
            client.native_connection.execute("CHECKPOINT")
        except duckdb.TransactionException:
            pass  # the caller's own program writes into the file, too: later, then
        except duckdb.Error as error:
            why = str(error).partition("\n")[0]
            logger.warning("What is loaded stays in DuckDB's log for now: %s", why)
