"""What goes wrong with a DuckDB file, in a step of dlt's."""

from __future__ import annotations

import re
from typing import Final

from customergauge_source.dlt_bridge.duckdb_memory import full_memory
from customergauge_source.exceptions import DestinationError
from customergauge_source.secrecy import without_values

_LOCKED: Final = re.compile(r'Could not set lock on file "([^"]+)"')
_UNWRITTEN: Final = re.compile(
    r'Failed to create checkpoint because of error: (.+?)"?$', re.MULTILINE
)


def of_duckdb(causes: list[BaseException]) -> DestinationError | None:
    """Explains a DuckDB file that cannot be opened or written; None if it is something else."""
    for cause in causes:
        if match := _LOCKED.search(str(cause)):
            holder = re.search(r"PID (\d+)", match.string)
            by = f" by process {holder[1]}" if holder else ""
            return DestinationError(
                f"The DuckDB file {match[1]} is held open{by}.",
                "Close it there (DuckDB lets one process write) and run again; nothing is lost.",
            )
        if (memory := full_memory(cause)) is not None:
            return DestinationError(
                f"DuckDB's memory, {memory}, does not hold what is loaded at once.",
                "Load less at once: --per-page 50 --checkpoint-pages 1. Or give DuckDB more, as"
                " memory_limit in global_config under [destination.duckdb.credentials].",
            )
        if match := _UNWRITTEN.search(str(cause)):
            return DestinationError(f"DuckDB cannot write its file: {without_values(match[1])}")
    return None
