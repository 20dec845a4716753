"""DuckDB merges records right from the Parquet files of a load package.

dlt copies them into staging tables first, and DuckDB writes each row of those into its log. Without
that copy a first load of 100,000 responses took a seventh less time.

dlt tells a client which files the tables of a chain have once all are there, and where they will
lie until the package is done; its lakes merge from them in the same way. The merge itself stays
dlt's, in one transaction; only what it reads is another. Staging tables stay empty; from them come
the columns that a package does not have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dlt.common.destination.client import (
    FollowupJobRequest,
    HasFollowupJobs,
    LoadJob,
    RunnableLoadJob,
)
from dlt.common.destination.typing import PreparedTableSchema
from dlt.common.storages.load_package import LoadJobInfo
from dlt.destinations import duckdb
from dlt.destinations.impl.duckdb.duck import DuckDbClient, DuckDbCopyJob
from dlt.destinations.impl.duckdb.sql_client import DuckDbSqlClient
from dlt.destinations.job_client_impl import SqlLoadJob
from dlt.destinations.job_impl import FinalizedLoadJobWithFollowupJobs
from dlt.destinations.sql_jobs import SqlMergeFollowupJob
from typing_extensions import override

from customergauge_source.dlt_bridge.duckdb_memory import with_enough_memory


def from_files(destination: Any) -> Any:  # noqa: ANN401 - dlt's destinations have no base
    """Returns the same destination, merging like that; one of another class as it is."""
    if type(destination) is not duckdb:
        return destination
    return _FromFiles(**destination.config_params, **destination.caps_params)


class _FromFiles(duckdb):
    @property
    @override
    def destination_type(self) -> str:
        """What dlt knows it by, and notes in its state."""
        return "dlt.destinations.duckdb"

    @property
    @override
    def client_class(self) -> type[DuckDbClient]:
        """What loads."""
        return _Client


class _Client(DuckDbClient):
    @override
    def create_load_job(
        self, table: PreparedTableSchema, file_path: str, load_id: str, restore: bool = False
    ) -> LoadJob:
        """Leaves a file where it is, if the merge is to read it."""
        if SqlLoadJob.is_sql_job(file_path):
            return _Statements(file_path)
        if not _is_read(file_path):
            return super().create_load_job(table, file_path, load_id, restore)
        if table["write_disposition"] != "merge":
            return _Copy(file_path)
        if table.get("parent"):
            return FinalizedLoadJobWithFollowupJobs(file_path)
        return _NothingToDo(file_path)

    @override
    def create_table_chain_completed_followup_jobs(
        self,
        table_chain: Sequence[PreparedTableSchema],
        completed_table_chain_jobs: Sequence[LoadJobInfo] | None = None,
    ) -> list[FollowupJobRequest]:
        """Merges what the files of a chain have."""
        if table_chain[0]["write_disposition"] != "merge":
            return super().create_table_chain_completed_followup_jobs(
                table_chain, completed_table_chain_jobs
            )
        if completed_table_chain_jobs is None:
            raise ValueError("dlt does not tell which files there are to be merged.")
        files: dict[str, list[str]] = {}
        for job in completed_table_chain_jobs:
            if _is_read(job.file_path):
                files.setdefault(job.job_file_info.table_name, []).append(job.file_path)
        reading = _FilesAsStaging(self.sql_client, files)
        return [SqlMergeFollowupJob.from_table_chain(table_chain, reading)]


class _Statements(SqlLoadJob):
    @override
    def run(self) -> None:
        """Runs a merge, or other statements, in one transaction."""
        with_enough_memory(self._job_client.sql_client, self._job_client.schema, super().run)


class _Copy(DuckDbCopyJob):
    @override
    def run(self) -> None:
        """Appends the rows of a file."""
        with_enough_memory(self._job_client.sql_client, self._job_client.schema, super().run)


class _NothingToDo(RunnableLoadJob, HasFollowupJobs):
    """The job of a chain's root: dlt looks for the next ones as soon as one ends that was run."""

    @override
    def run(self) -> None:
        """Does nothing."""


class _FilesAsStaging(DuckDbSqlClient):
    """Names a staging table, and what the files have that were not copied into it.

    A merge of dlt's takes staging tables from here alone, and has them behind FROM and USING alone.
    """

    def __init__(self, it: DuckDbSqlClient, files: Mapping[str, list[str]]) -> None:
        super().__init__(it.dataset_name, it.staging_dataset_name, it.credentials, it.capabilities)
        self._files = files

    @override
    def get_qualified_table_names(
        self, table_name: str, quote: bool = True, casefold: bool = True
    ) -> tuple[str, str]:
        """Returns a table, and what takes the place of its staging table in a query."""
        table, staging = super().get_qualified_table_names(table_name, quote, casefold)
        if table_name not in self._files:
            return table, staging
        # In hexadecimal, as dlt cuts the statements at each `;`, and looks for words in them.
        files = ", ".join(f"decode(unhex('{it.encode().hex()}'))" for it in self._files[table_name])
        how = "union_by_name = true, hive_partitioning = false"  # of which a path may speak
        return table, f"(FROM {staging} UNION ALL BY NAME FROM read_parquet([{files}], {how}))"


def _is_read(file: str) -> bool:
    return file.endswith(".parquet")
