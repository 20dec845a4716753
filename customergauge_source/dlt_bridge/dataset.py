"""A dataset that a load has made, opened to be read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlt import Pipeline

from customergauge_source.dlt_bridge import writing
from customergauge_source.dlt_bridge.integrity import stored_in
from customergauge_source.exceptions import ConfigurationError
from customergauge_source.views.dialects import Writer
from customergauge_source.views.hidden import Hidden


@dataclass(frozen=True)
class Dataset:
    """Tables that can be asked in the language of the views.

    Attributes:
        name: Its name, as the destination spells it.
        tables: The tables that are there, by their names in the schema.
        timezone: IANA zone that the API's timestamps were read in.
        hidden: What the privacy policy has made of the responses.
    """

    name: str
    tables: frozenset[str]
    timezone: str
    hidden: Hidden
    sql: Any
    writer: Writer

    def ask(self, text: str) -> list[tuple[Any, ...]]:
        """Returns the rows of a query."""
        return list(self.sql.execute_sql(writing.as_sent(self.sql, self.writer.query(text))) or ())


@contextmanager
def opened(pipeline: Pipeline, source: str) -> Iterator[Dataset]:
    """Opens the dataset of a pipeline whose working directory is empty.

    Raises:
        ConfigurationError: There is no such file, the destination has no views, or nothing was
            loaded into the dataset.
    """
    writing.check_dialect(pipeline, "Load into one of those, and name it with --destination.")
    _check_file(pipeline)
    pipeline.sync_destination()
    if source not in pipeline.schemas:
        raise ConfigurationError(
            f"Nothing was loaded into dataset {pipeline.dataset_name} by pipeline"
            f" {pipeline.pipeline_name}.",
            "Load first; or name the dataset with --dataset, the destination with --destination,"
            " and the pipeline, if it is one of your own, with --pipeline.",
        )
    with writing.opened(pipeline, source) as (client, writer):
        names = client.schema.data_table_names(seen_data_only=True)
        yield Dataset(
            client.config.normalize_dataset_name(client.schema),
            frozenset(stored_in(client, names)),
            writer.zone,
            writing.hidden(pipeline, source),
            client.sql_client,
            writer,
        )


def _check_file(pipeline: Pipeline) -> None:
    """Checks that a DuckDB file is there, as DuckDB would make one."""
    if pipeline.destination.destination_type.endswith(".duckdb"):
        config: Any = pipeline.destination_client().config
        if not Path(config.credentials.database).exists():
            raise ConfigurationError(
                f"There is no file {config.credentials.database}: nothing was loaded into it.",
                "Load first, or go to the folder where it lies;"
                " DESTINATION__DUCKDB__CREDENTIALS names another file.",
            )
