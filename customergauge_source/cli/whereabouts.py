"""Where the data is that a command has loaded, and a command that looks at it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dlt import Pipeline

    from customergauge_source import LoadSummary


class Whereabouts:
    """Where the data of a pipeline is.

    Attributes:
        file: The DuckDB file that it loads into; None if it is another destination.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        """Has dlt read the destination's settings, once: it takes its time."""
        self._pipeline = pipeline
        client: Any = pipeline.destination_client()
        self._config = client.config
        # As the destination spells it.
        self._dataset = str(client.config.normalize_dataset_name(client.schema))
        self.file = self._duckdb_file()

    @property
    def place(self) -> str:
        """Where the pipeline loads to."""
        from customergauge_source.secrecy import hide

        name = self.file or self._pipeline.destination.destination_name
        if self._file_of_views() is not None:
            name = str(self._config)  # where the files are, as dlt shows it
        return hide(f"{name}, dataset {self._dataset}")

    def shown(self, summary: LoadSummary) -> Iterator[str]:
        """Yields where a load went, and how it is looked at."""
        from customergauge_source.secrecy import hide

        yield f"data: {self.place}"
        file = self.file
        if (views := self._file_of_views()) is not None:
            if summary.views is None:
                yield f"look at it: --views makes {views}, which shows the present state"
                return
            file = views
        name = next(iter(summary.resources))
        query = f"SELECT * FROM {self._dataset}.{name} LIMIT 5"  # noqa: S608 - it is shown
        if file is not None:
            path = json.dumps(file, ensure_ascii=False)
            look = f'it = duckdb.connect({path}, read_only=True); it.sql("{query}").show()'
            query = f"python -c {shlex.quote(f'import duckdb; {look}')}"
        yield hide(f"look at it: {query}")

    def _duckdb_file(self) -> str | None:
        if not self._pipeline.destination.destination_type.endswith(".duckdb"):
            return None
        path, here = Path(self._config.credentials.database), Path.cwd()
        return str(path.relative_to(here) if path.is_relative_to(here) else path)

    def _file_of_views(self) -> str | None:
        """Returns the name of the DuckDB file of a lake's views; None if the data is in no lake."""
        from customergauge_source.dlt_bridge import keeping, lake

        return lake.file_of(self._pipeline).name if keeping.is_lake(self._pipeline) else None
