"""The report from every warehouse is the report from DuckDB."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from customergauge_source.dlt_bridge.dataset import opened
from customergauge_source.report.data import collect
from customergauge_source.report.queries import Span
from customergauge_source.sandbox import Sandbox
from tests.viewing import bring_oddities
from tests.warehouses.chosen import of_the_quickest
from tests.warehouses.target import Target
from tests.warehouses.trial import ZONE, Loaded, Trial, duckdb_trial

# The emulators take minutes on a busy machine.
pytestmark = pytest.mark.timeout(900)

SPANS = (Span(), Span(date(2025, 6, 10), date(2025, 7, 15)))
PRIVACY = {"key": "k" * 40, "hash": ["account.name", 'properties["Key Contact"]']}


def reports(trial: Trial) -> list[Any]:
    """Returns what a reader who knows nothing but the destination collects of each span."""
    reader = replace(trial, folder=trial.folder.with_name(f"{trial.folder.name}-reader"))
    with opened(reader.pipeline(), "customergauge") as dataset:
        assert dataset.timezone == ZONE
        of = (dataset.ask, "customergauge", dataset.tables)
        return [comparable(collect(*of, span, dataset.hidden)) for span in SPANS]


def comparable(value: Any) -> Any:
    """Returns data with lists in one order, and figures as exact as all engines have them."""
    if isinstance(value, Mapping):
        return {
            name: comparable(it) for name, it in value.items() if name not in ("last_load", "loads")
        }
    if isinstance(value, list):
        return sorted(map(comparable, value), key=json.dumps)
    return round(value, 6) + 0.0 if isinstance(value, float) else value


@pytest.mark.usefixtures("warehouse")
def test_a_report_is_the_same_from_every_warehouse(whole_account: Loaded, tmp_path: Path) -> None:
    reference = duckdb_trial(tmp_path)
    whole_account.load_into(reference)

    assert_same(whole_account.trial, reference)


@of_the_quickest
def test_a_report_hides_what_a_policy_names_the_same_from_every_warehouse(
    warehouse: Target, dataset_name: str, tmp_path: Path
) -> None:
    trial = Trial(
        destination=warehouse.destination, dataset=dataset_name, folder=tmp_path / "pipelines"
    )
    reference = duckdb_trial(tmp_path)
    with Sandbox(responses=300) as sandbox:
        bring_oddities(sandbox)
        account = Loaded(trial=trial, sandbox=sandbox)
        for each in (reference, trial):
            account.load_into(each, privacy=PRIVACY)

    assert_same(trial, reference)


def assert_same(trial: Trial, reference: Trial) -> None:
    """Fails if the reports from two places differ, or are empty."""
    for its, ours in zip(reports(trial), reports(reference), strict=True):
        assert ours["scores"]
        assert ours["driver_cells"]
        assert ours["rate"]
        assert ours["cases"]
        assert ours["comments"]
        for name, value in ours.items():
            assert its[name] == value, name
