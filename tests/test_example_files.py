"""The example files name keys that dlt resolves, and nothing else."""

from __future__ import annotations

import inspect
import re
from typing import Any

import dlt
import pytest
import tomlkit
from dlt.common.configuration.specs import (
    AwsCredentials,
    BaseConfiguration,
    GcpServiceAccountCredentials,
    RuntimeConfiguration,
)
from dlt.common.storages import FilesystemConfiguration, LoadStorageConfiguration
from dlt.destinations.impl.bigquery.configuration import BigQueryClientConfiguration
from dlt.destinations.impl.duckdb.configuration import DuckDbClientConfiguration
from dlt.destinations.impl.ducklake.configuration import DuckLakeCredentials
from dlt.destinations.impl.filesystem.configuration import FilesystemDestinationClientConfiguration
from dlt.destinations.impl.motherduck.configuration import MotherDuckCredentials
from dlt.destinations.impl.snowflake.configuration import (
    SnowflakeClientConfiguration,
    SnowflakeCredentials,
)

from customergauge_source.api.auth import CustomerGaugeCredentials
from customergauge_source.dlt_bridge.refusals import check_destination
from customergauge_source.source import customergauge_source
from tests.support import ROOT

SECRETS = ROOT / ".dlt" / "example.secrets.toml"
CONFIG = ROOT / ".dlt" / "config.toml"
SPECS: dict[str, type[BaseConfiguration]] = {
    "sources.customergauge.credentials": CustomerGaugeCredentials,
    "destination.duckdb": DuckDbClientConfiguration,
    "destination.motherduck.credentials": MotherDuckCredentials,
    "destination.filesystem": FilesystemDestinationClientConfiguration,
    "destination.filesystem.credentials": AwsCredentials,
    "destination.bigquery": BigQueryClientConfiguration,
    "destination.bigquery.credentials": GcpServiceAccountCredentials,
    "destination.snowflake": SnowflakeClientConfiguration,
    "destination.snowflake.credentials": SnowflakeCredentials,
    "destination.ducklake.credentials": DuckLakeCredentials,
    "destination.ducklake.credentials.storage": FilesystemConfiguration,
    "destination.ducklake.credentials.storage.credentials": AwsCredentials,
    "runtime": RuntimeConfiguration,
    "load": LoadStorageConfiguration,
}


def read(path: Any) -> dict[str, Any]:
    """Returns an example file with the keys in it that are commented out switched on."""
    text = re.sub(r"^# (?=(\[|\w+ = ))", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return tomlkit.parse(text).unwrap()


def sections(table: dict[str, Any], path: str = "") -> list[tuple[str, str]]:
    """Returns each key with the section that it stands in."""
    found = []
    for key, value in table.items():
        if isinstance(value, dict):
            found += sections(value, f"{path}.{key}".strip("."))
        else:
            found.append((path, key))
    return found


@pytest.mark.parametrize(("section", "key"), sections(read(SECRETS)) + sections(read(CONFIG)))
def test_every_key_of_the_example_files_is_one_that_dlt_resolves(section: str, key: str) -> None:
    if section == "sources.customergauge":
        assert key == "views" or key in inspect.signature(customergauge_source).parameters
    elif section == "sources.customergauge.privacy":
        assert key in {"hash", "drop", "key"}
    elif not section:
        assert key == "destination_type"
    else:
        assert key in SPECS[section].get_resolvable_fields()


def test_the_workflows_settings_of_motherduck_are_those_that_dlt_resolves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = (ROOT / ".github" / "workflows" / "load.yml").read_text(encoding="utf-8")
    prefix = "DESTINATION__MOTHERDUCK__CREDENTIALS__"
    for key in re.findall(rf"^ +{prefix}(\w+): ", text, re.MULTILINE):
        monkeypatch.setenv(f"{prefix}{key}", f"the {key}")
    pipeline = dlt.pipeline("motherduck", destination="motherduck", dataset_name="data")

    found: Any = pipeline.destination_client().config.credentials
    assert found.database == "the DATABASE"
    assert found.password == "the PASSWORD"
    check_destination(pipeline)


def test_git_ignores_the_real_secrets() -> None:
    assert ".dlt/secrets.toml" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
