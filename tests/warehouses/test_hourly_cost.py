"""What the figures in docs/warehouses.md rest on: statements read rightly, billed as documented."""

from __future__ import annotations

import pytest

from tests.support import ROOT
from tests.warehouses.billing import MEGABYTE, bigquery_bytes, parse, scanned_bytes

pytest.importorskip("google.cloud.bigquery", reason="install the extra `warehouses`")
pytest.importorskip("snowflake.connector", reason="install the extra `warehouses`")

RECONCILING = (
    "nothing differs",
    "besides, if something changed",
    "besides, if something is gone",
)
SIZES = {
    "responses": {"number_customergauge": 50 * MEGABYTE, "email": 70 * MEGABYTE},
    "responses__tags": {"_dlt_root_id": 30 * MEGABYTE, "label": 100 * MEGABYTE},
    "staging.responses": {"number_customergauge": 400},
}
DELETE = "DELETE FROM `p`.`data`.`responses__tags` WHERE `_dlt_root_id` IN (SELECT * FROM gone)"
SELECT = (
    "CREATE TEMPORARY TABLE gone AS SELECT d.`number_customergauge` FROM `p`.`data`.`responses`"
    " AS d WHERE EXISTS (SELECT 1 FROM `p`.`data_staging`.`responses` AS s WHERE"
    " d.`number_customergauge` = s.`number_customergauge`)"
)


def test_a_delete_is_billed_for_what_it_references_and_for_what_it_may_change() -> None:
    delete = parse(DELETE, "bigquery", "data_staging")

    assert delete.target == "responses__tags"
    assert delete.read == {"responses__tags": {"_dlt_root_id"}, "gone": frozenset()}
    assert bigquery_bytes(delete, SIZES, {}) == (30 + 130 + 10) * MEGABYTE
    assert bigquery_bytes(delete, SIZES, {"responses__tags": 0}) == (30 + 10) * MEGABYTE
    assert scanned_bytes(delete, SIZES) == 30 * MEGABYTE


def test_a_query_is_billed_for_the_columns_it_references_and_ten_megabytes_at_least() -> None:
    query = parse(SELECT, "bigquery", "data_staging")

    assert query.read.keys() == {"responses", "staging.responses"}
    assert bigquery_bytes(query, SIZES, {}) == (50 + 10) * MEGABYTE
    assert scanned_bytes(query, SIZES) == 50 * MEGABYTE + 400


@pytest.mark.long
def test_the_docs_show_the_figures_that_come_out(capsys: pytest.CaptureFixture[str]) -> None:
    from tests.warehouses.hourly_cost import main  # noqa: PLC0415 - needs the vendors' clients

    here = "partitioned and clustered as here"
    shown = {
        "delete-insert, as dlt creates them": "delete-insert, dlt's defaults",
        "delete-insert, `responses` by month": f"**delete-insert, {here}**",
        "upsert, `responses` by month": f"upsert, {here}",
        "delete-insert": "**delete-insert, as here**",
        "upsert": "upsert",
        **{it: it for it in RECONCILING},
    }
    page = (ROOT / "docs" / "warehouses.md").read_text("utf-8")

    assert main([]) == 0

    rows = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines()]
    figures = {name: figures for name, *figures in rows if name in shown}
    assert figures.keys() == shown.keys()
    for name, label in shown.items():
        (line,) = (line for line in page.splitlines() if line.startswith(f"| {label} | "))
        told = line.removeprefix(f"| {label} | ").strip("| ").split(" | ")
        assert told == figures[name][: len(told)], name
