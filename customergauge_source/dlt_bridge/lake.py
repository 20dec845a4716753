"""How a lake of files is read: through DuckDB.

It gets two schemas of views: one over the files, with every version of a record, and one over
those, with the present state. That one has the names of the dataset, so that it reads like one of
any other destination.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import dlt
from dlt import Pipeline
from dlt.common.schema import Schema
from dlt.common.schema.utils import get_root_table

from customergauge_source.dlt_bridge import lake_files
from customergauge_source.dlt_bridge.integrity import stored_in
from customergauge_source.dlt_bridge.keeping import present_of
from customergauge_source.dlt_bridge.lake_files import LOADS
from customergauge_source.exceptions import DestinationError
from customergauge_source.views.dialects import Writer

_VERSIONS: Final = "_versions"
"""How the name of the schema with all versions ends, beside that with the present state."""
_LONGEST: Final = 400
_HELD: Final = "Could not set lock"
_EXTENSION: Final = "extension"
_GET_IT: Final = (
    "Let DuckDB download its extension from here once; or install it from a file: INSTALL"
    " 'httpfs.duckdb_extension' (delta and iceberg likewise)."
)
_MEND: Final = (
    "Check that the bucket can be read. Move away a file that is broken, or of no load;"
    " --full-refresh loads all of it again."
)


def file_of(pipeline: Pipeline) -> Path:
    """Returns the DuckDB file of a lake's views.

    DuckDB calls a database by its file, and no dataset has a hyphen in its name.
    """
    return Path.cwd() / f"{pipeline.pipeline_name}-lake.duckdb"


def versions(place: Sequence[str]) -> list[str]:
    """Returns the full name of the view with all versions, by that of the present state."""
    *catalog, dataset, table = place
    return [*catalog, f"{dataset}{_VERSIONS}", table]


@contextmanager
def opened(
    pipeline: Pipeline,
    source: str,
    file: Path | None = None,
    only: Collection[str] | None = None,
) -> Iterator[Any]:
    """Yields dlt's client of DuckDB over a lake: its tables are the present state.

    Args:
        pipeline: A pipeline that has state and schema of the lake.
        source: Name of the source, which is that of its schema.
        file: The DuckDB file that keeps the views; by default nothing does.
        only: The tables that are looked at, of which each file is opened; by default all.

    Raises:
        DestinationError: DuckDB cannot read the lake.
    """
    import duckdb  # noqa: PLC0415 - only for those who read a lake
    from dlt.destinations.impl.duckdb.configuration import DuckDbCredentials  # noqa: PLC0415 - so
    from dlt.destinations.impl.filesystem.sql_client import FilesystemSqlClient  # noqa: PLC0415 - so

    schema = pipeline.schemas[source]
    with pipeline.destination_client(source) as it:
        files: Any = it
        dataset = files.dataset_name
        versions = f"{dataset}{_VERSIONS}"
        try:
            with (
                _connected(file) as connection,
                # It lets DuckDB in wherever dlt has credentials for.
                FilesystemSqlClient(files, versions, DuckDbCredentials(connection)),
                dlt.dataset(
                    dlt.destinations.duckdb(connection), dataset, schema
                ).destination_client as client,
            ):
                if not client.is_storage_initialized():
                    client.initialize_storage()
                _Views(connection, files, dataset, versions, only).make()
                yield client
        except duckdb.Error as error:
            if _HELD in str(error):  # which names the process that has the file
                raise
            remedy = _GET_IT if _EXTENSION in str(error) else _MEND
            told = f"DuckDB cannot read the lake: {_line(error)}"
            raise DestinationError(told, remedy) from error


def _connected(file: Path | None) -> Any:  # noqa: ANN401 - DuckDB is imported late
    """Returns a DuckDB, in a file if one is named."""
    import duckdb  # noqa: PLC0415 - as above

    try:
        return duckdb.connect(str(file or ":memory:"))
    except duckdb.Error as error:
        if file is None or _HELD in str(error):
            raise
        raise DestinationError(
            f"{file} cannot be opened: {_line(error)}",
            "Move it away: --views makes it anew, of what is in the lake.",
        ) from error


def _line(error: Exception) -> str:
    text = str(error).partition("\nLINE ")[0]  # where it begins to show our SQL
    return f"{' '.join(text.split()):.{_LONGEST}}"


@dataclass(frozen=True)
class _Views:
    """The views over the files of a lake, in two schemas of a DuckDB."""

    connection: Any
    files: Any
    dataset: str
    versions: str
    only: Collection[str] | None

    def make(self) -> None:
        """Makes them anew."""
        schema: Schema = self.files.schema
        names = schema.data_table_names(seen_data_only=True)
        names = [it for it in names if self.only is None or it in self.only]
        with lake_files.told():
            stored = stored_in(self.files, names)
            # What is below a table that is gone is of nothing.
            there = [it for it in stored if get_root_table(schema.tables, it)["name"] in stored]
            scans = {name: self._scan(name) for name in there}
        columns = {name: self._make(self.versions, name, scan) for name, scan in scans.items()}
        for dataset in (self.versions, self.dataset):
            self._make(dataset, LOADS, self._loads())
        writer = self._writer(schema, there)
        for name in there:
            told = schema.get_table_columns(name)
            texts = {it: str(told.get(it, {}).get("description") or "") for it in columns[name]}
            selected = ", ".join(map(writer.name, texts))
            query = writer.query(f"SELECT {selected} FROM {writer.name(name)}")  # noqa: S608 - ours
            self.connection.execute(f"CREATE OR REPLACE VIEW {writer.table(name)} AS {query}")
            text = schema.tables[name].get("description") or ""
            for comment in writer.comments(name, text, texts, kind="VIEW"):
                self.connection.execute(comment)

    def _make(self, schema: str, name: str, scan: str) -> list[str]:
        """Makes a view over files; returns its columns, which stay when the files get others."""
        described = self.connection.execute(f"DESCRIBE SELECT * FROM {scan}").fetchall()  # noqa: S608 - ours
        columns = [row[0] for row in described]
        selected = ", ".join(f'"{column}"' for column in columns)
        query = f"SELECT {selected} FROM {scan}"  # noqa: S608 - ours
        self.connection.execute(f'CREATE OR REPLACE VIEW "{schema}"."{name}" AS {query}')
        return columns

    def _scan(self, table: str) -> str:
        """Returns what reads the versions that are in the files of a table."""
        prepared = self.files.prepare_load_table(table)
        kind = prepared.get("table_format")
        if kind == "delta":
            return f"delta_scan({self._place(table)})"
        if kind == "iceberg":
            from dlt.common.libs.pyiceberg import get_last_metadata_file  # noqa: PLC0415 - so

            folder = f"{self.files.get_open_table_location(kind, table).rstrip('/')}/metadata"
            newest = get_last_metadata_file(folder, self.files.fs_client, self.files.config)
            return f"iceberg_scan({_text(newest)})"
        pattern = self._place(table, "**/*.parquet")
        return f"read_parquet({pattern}, union_by_name = true, hive_partitioning = false)"

    def _loads(self) -> str:
        """Returns what reads which loads are done, by the names of files alone."""
        pattern = self._place(LOADS, "*.jsonl")
        return rf"""(
            SELECT
                regexp_extract(file, '([^/\\]*)__[0-9.]+\.jsonl$', 1) AS schema_name,
                regexp_extract(file, '__([0-9.]+)\.jsonl$', 1) AS load_id,
                0 AS status,
                to_timestamp(CAST(load_id AS DOUBLE)) AS inserted_at
            FROM glob({pattern})
            WHERE regexp_matches(file, '__[0-9]+(\.[0-9]+)?\.jsonl$')
        )"""  # noqa: S608 - ours

    def _place(self, table: str, pattern: str = "") -> str:
        """Returns where files of a table lie, as a literal."""
        folder: str = self.files.get_table_dir(table)
        if not self.files.is_local_filesystem:
            folder = self.files.make_remote_url(folder)
        return _text(folder + pattern)

    def _writer(self, schema: Schema, there: Collection[str]) -> Writer:
        """Returns what writes the queries of the present state."""
        return Writer(
            "duckdb",
            {},
            "UTC",
            lambda table: [self.dataset, table],
            str,
            present_of(schema, there),
            lambda table: [self.versions, table],
        )


def _text(value: str) -> str:
    return "'{}'".format(value.replace("'", "''"))
