"""Count what a run costs in a warehouse: statements, and bytes billed or scanned.

    python -m tests.warehouses.hourly_cost [--responses 100000] [--new 50] [--again 0]
                                           [--changed 20] [--gone 5]

The statements are those that dlt's own merge jobs make of the real schema; the sizes those of the
tables that the sandbox's responses fill, in BigQuery's logical bytes: 2 and the UTF-8 length for
a text, 8 for a number or a timestamp, 1 for a boolean, 0 for NULL. It prints Markdown.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from datetime import timezone
from pathlib import Path
from typing import Any

import dlt
import duckdb
from dlt.common.schema import Schema
from dlt.common.schema.utils import get_nested_tables, has_table_seen_data
from dlt.destinations.impl.bigquery.bigquery import BigQueryMergeJob
from dlt.destinations.impl.snowflake.snowflake import SnowflakeMergeJob
from dlt.destinations.sql_jobs import SqlMergeFollowupJob

from customergauge_source import load_in_checkpoints
from customergauge_source.dlt_bridge.stored import Question
from customergauge_source.resources.query import Query
from customergauge_source.resources.responses import RESPONSES
from customergauge_source.sandbox import Sandbox
from tests.support import DATASET, make_pipeline, make_source
from tests.warehouses.billing import MEGABYTE, Statement, bigquery_bytes, parse, scanned_bytes
from tests.warehouses.credentials import service_account

STRATEGIES = ("delete-insert", "upsert")
_LENGTHS = {
    "VARCHAR": "2 + strlen({0})",
    "BOOLEAN": "1",
}
_RANGE = 10_000
"""CGIDs in one partition, if the children were partitioned by CGID."""
_PER_TERABYTE = 6.25
"""US dollars, on demand, in the multi-region US; the first terabyte of a month is free."""
_HOURS = 730
_MICRO_PARTITION = 50 * MEGABYTE
"""At least; Snowflake documents 50 to 500 MB before compression."""
_BOOKKEEPING = (6, 60)
"""Statements on dlt's own tables, and their MB by the minimum of 10 for each table referenced.

Counted in an hourly run with a fresh working directory: the state (which joins two tables), the
schema, whether the state's load is there, the schema's version in either dataset, and the note
that a package is loaded.
TRUNCATE, DECLARE, INSERT of values and load jobs are free.
"""


class Account:
    """The tables of an account, loaded into DuckDB.

    Attributes:
        sizes: Bytes of each column, by table.
        rows: Rows, by table.
        schema: dlt's schema of them.
    """

    def __init__(self, folder: Path, responses: int) -> None:
        """Load an account.

        Args:
            folder: An empty folder.
            responses: How many it has.
        """
        pipeline = make_pipeline(folder)
        with Sandbox(responses=responses) as sandbox:
            load_in_checkpoints(pipeline, make_source(sandbox))
        self.responses = responses
        self.schema: Schema = pipeline.default_schema
        chain = get_nested_tables(self.schema.tables, "responses")
        self.tables = [str(table["name"]) for table in chain if has_table_seen_data(table)]
        with duckdb.connect(str(folder / "customergauge.duckdb"), read_only=True) as self._open:
            self._open.execute(f"USE {DATASET}")
            self.sizes = {table: self._sizes(table) for table in self.tables}
            self.rows = {table: self._one(f"SELECT count(*) FROM {table}") for table in self.tables}
            self.months = self._one(
                "SELECT count(DISTINCT date_trunc('month', date_survey_response)) FROM responses"
            )

    def with_staging(self, new: int) -> dict[str, dict[str, int]]:
        """Return the sizes with those of the staging tables, which hold the new responses."""
        staged = {
            f"staging.{table}": {name: size * new // self.responses for name, size in of.items()}
            for table, of in self.sizes.items()
        }
        return {**self.sizes, **staged}

    def bytes(self, table: str) -> int:
        """Return the size of a table."""
        return sum(self.sizes[table].values())

    def _sizes(self, table: str) -> dict[str, int]:
        types = self._open.execute(f"DESCRIBE {table}").fetchall()
        lengths = [
            f'sum(CASE WHEN "{name}" IS NOT NULL THEN'
            f" {_LENGTHS.get(kind, '8').format(chr(34) + name + chr(34))} ELSE 0 END)"
            for name, kind, *_ in types
        ]
        sums = self._open.execute(f"SELECT {', '.join(lengths)} FROM {table}").fetchone() or ()
        return {name: int(size or 0) for (name, *_), size in zip(types, sums, strict=True)}

    def _one(self, sql: str) -> int:
        ((number,),) = self._open.execute(sql).fetchall()
        return int(number)


def statements(
    account: Account, warehouse: str, strategy: str, tables: list[str] | None = None
) -> list[Statement]:
    """Return the statements of dlt's merge of a load package; by default into all tables."""
    job, destination = _destination(warehouse)
    config = destination.spec(credentials=None)._bind_dataset_name("data")  # noqa: SLF001 - dlt's way
    client = destination.client(account.schema, config)
    chain = [client.prepare_load_table(table) for table in tables or account.tables]
    for table in chain:
        table["x-merge-strategy"] = strategy
    made = job.generate_sql(chain, client.sql_client)
    split = [part for text in made for part in text.split(";") if part.strip()]
    return [parse(part, warehouse, "data_staging") for part in split]


def _destination(warehouse: str) -> tuple[type[SqlMergeFollowupJob], Any]:
    if warehouse == "bigquery":
        account: Any = service_account(project="p", token_uri="http://127.0.0.1:9")
        return BigQueryMergeJob, dlt.destinations.bigquery(credentials=account)
    url = "snowflake://loader:loader@account/database?warehouse=w"
    return SnowflakeMergeJob, dlt.destinations.snowflake(credentials=url)


def layouts(account: Account, again: int) -> Iterator[tuple[str, dict[str, int]]]:
    """Yield the ways to lay out the tables in BigQuery, with the bytes that a run changes.

    Without partitions all of a table counts as changed. Of the responses that come again each is
    taken to lie in a partition of its own.
    """
    yield "as dlt creates them", {}
    month = account.bytes("responses") * min(again, account.months) // max(1, account.months)
    yield "`responses` by month", {"responses": month}
    ranges = max(1, -(-account.responses // _RANGE))
    share = min(again, ranges) / ranges
    children = {table: int(account.bytes(table) * share) for table in account.tables[1:]}
    yield "children by range of CGID, too", {**children, "responses": month}


def bigquery_table(account: Account, new: int, again: int) -> Iterator[str]:
    """Yield the lines of the table for BigQuery."""
    yield "| BigQuery: strategy, layout | statements | MB billed | of them minimum | USD a month |"
    yield "|---|---:|---:|---:|---:|"
    sizes = account.with_staging(new)
    for strategy in STRATEGIES:
        made = statements(account, "bigquery", strategy)
        least = sum(bigquery_bytes(statement, {}, {}) for statement in made)
        for layout, changed in layouts(account, again):
            billed = sum(bigquery_bytes(statement, sizes, changed) for statement in made)
            cost = billed * _HOURS * _PER_TERABYTE / MEGABYTE**2
            yield (
                f"| {strategy}, {layout} | {len(made)} | {billed / MEGABYTE:,.0f}"
                f" | {least / MEGABYTE:,.0f} | {cost:.2f} |"
            )
    count, least = _BOOKKEEPING
    cost = least * _HOURS * _PER_TERABYTE / MEGABYTE
    yield f"| besides, in each: dlt's own tables | {count} | {least} | {least} | {cost:.2f} |"


def reconcile_table(account: Account, changed: int, gone: int) -> Iterator[str]:
    """Yield the lines of the table for reconciling in BigQuery, in the layout that is ours."""
    yield "| BigQuery: a reconciliation | statements | MB billed |"
    yield "|---|---:|---:|"
    loads = {"_dlt_loads": {"load_id": 20 * _HOURS, "status": 8 * _HOURS}}
    asked = parse(question(account), "bigquery", "data_staging")
    compared = bigquery_bytes(asked, {**account.sizes, **loads}, {})
    yield f"| nothing differs | 1 | {compared / MEGABYTE:,.0f} |"
    made = statements(account, "bigquery", STRATEGIES[0])
    noted = statements(account, "bigquery", STRATEGIES[0], [f"deleted_{account.tables[0]}"])
    layout = dict(layouts(account, changed))["`responses` by month"]
    merged = sum(bigquery_bytes(it, account.with_staging(changed), layout) for it in made)
    yield f"| besides, if something changed | {len(made)} | {merged / MEGABYTE:,.0f} |"
    layout = dict(layouts(account, gone))["`responses` by month"]
    removed = sum(bigquery_bytes(it, account.with_staging(gone), layout) for it in made)
    removed += sum(bigquery_bytes(it, {}, {}) for it in noted)
    count = len(made) + len(noted)
    yield f"| besides, if something is gone | {count} | {removed / MEGABYTE:,.0f} |"


def question(account: Account) -> str:
    """Return what is asked before a period is read again."""
    _, destination = _destination("bigquery")
    config = destination.spec(credentials=None)._bind_dataset_name("data")  # noqa: SLF001 - dlt's way
    client = destination.client(account.schema, config)
    query = Query(
        period_field="date_survey_response", start_date="2026-10-01", end_date="2026-10-30"
    )
    asked = Question(RESPONSES, query, timezone.utc, "scope")
    columns = account.schema.get_table_columns("responses")
    statement, _ = asked.statement(client.sql_client, columns)
    return statement.replace("%s", "'scope'")


def snowflake_table(account: Account, new: int) -> Iterator[str]:
    """Yield the lines of the table for Snowflake."""
    yield "| Snowflake: strategy | statements | MB scanned | rows scanned |"
    yield "|---|---:|---:|---:|"
    sizes = account.with_staging(new)
    for strategy in STRATEGIES:
        made = statements(account, "snowflake", strategy)
        scanned = sum(scanned_bytes(statement, sizes) for statement in made)
        rows = sum(account.rows.get(table, 0) for it in made for table in it.read)
        yield f"| {strategy} | {len(made)} | {scanned / MEGABYTE:,.0f} | {rows:,} |"


def tables_table(account: Account) -> Iterator[str]:
    """Yield the lines of the table of sizes."""
    yield "| table | rows | MB | micro-partitions in Snowflake, at most |"
    yield "|---|---:|---:|---:|"
    for table in account.tables:
        size = account.bytes(table)
        parts = max(1, -(-size // _MICRO_PARTITION))
        yield f"| `{table}` | {account.rows[table]:,} | {size / MEGABYTE:,.1f} | {parts} |"


def main(arguments: list[str] | None = None) -> int:
    """Print the tables and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.warehouses.hourly_cost")
    parser.add_argument("--responses", type=int, default=100_000, help="in the tables")
    parser.add_argument("--new", type=int, default=50, help="that the run loads")
    parser.add_argument("--again", type=int, default=0, help="of them, there already")
    parser.add_argument("--changed", type=int, default=20, help="that a reconciliation merges")
    parser.add_argument("--gone", type=int, default=5, help="that it removes")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="hourly-cost-") as folder:
        account = Account(Path(folder), options.responses)
    for lines in (
        tables_table(account),
        bigquery_table(account, options.new, options.again),
        snowflake_table(account, options.new),
        reconcile_table(account, options.changed, options.gone),
    ):
        sys.stdout.write("\n".join([*lines, "", ""]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
