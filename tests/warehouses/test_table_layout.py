"""What the tables are beside their rows: partitions, clusters, descriptions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from dlt.destinations.sql_client import SqlClientBase

from customergauge_source.sandbox import Sandbox
from tests.support import TABLES
from tests.warehouses.target import Target
from tests.warehouses.trial import Loaded, Trial


@pytest.mark.parametrize("running_warehouse", ["bigquery"], indirect=True)
def test_bigquery_has_partitions_clusters_and_descriptions(
    warehouse: Target, whole_account: Loaded
) -> None:
    del warehouse
    with whole_account.trial.pipeline().sql_client() as client:
        tables = {
            name: client.native_connection.get_table(
                client.make_qualified_table_name(name, quote=False)
            )
            for name in (*TABLES, "responses__rejected_values")
        }
    partitions = tables["responses"].time_partitioning
    assert (partitions.field, partitions.type_) == ("date_survey_response", "MONTH")
    for name, table in tables.items():
        assert table.clustering_fields == ["number_customergauge"], name
        assert table.description, name
        undescribed = [field.name for field in table.schema if not field.description]
        assert all(column.startswith("_dlt_") for column in undescribed), name
        if name != "responses":
            assert table.time_partitioning is None


@pytest.mark.parametrize("running_warehouse", ["snowflake"], indirect=True)
def test_snowflake_has_comments_and_no_clustering_key(
    warehouse: Target, dataset_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = Trial(destination=warehouse.destination, dataset=dataset_name, folder=tmp_path / "p")
    sent: list[str] = []
    execute_many = SqlClientBase.execute_many

    def listen(self: Any, statements: Any, *args: Any, **kwargs: Any) -> Any:
        sent.extend(statements)
        return execute_many(self, statements, *args, **kwargs)

    monkeypatch.setattr(SqlClientBase, "execute_many", listen)
    with Sandbox(responses=5) as sandbox:
        trial.load(sandbox)

    created = [sql for sql in sent if sql.startswith("CREATE TABLE")]
    assert len(created) >= len(TABLES)
    assert not any("CLUSTER" in sql for sql in sent)
    assert any("COMMENT 'CGID: the response''s unique id" in sql for sql in created) or any(
        "COMMENT 'CGID: the response\\'s unique id" in sql for sql in created
    )
