"""Destinations that would hold wrong rows, and destinations whose packages are missing."""

from __future__ import annotations

import json
import os
from pathlib import Path

import dlt
import pytest

from customergauge_source import load_in_checkpoints
from customergauge_source.exceptions import ConfigurationError
from customergauge_source.sandbox import Sandbox
from tests.command import Command
from tests.support import at_length, environment, make_source, run_load
from tests.warehouses.ducklake import CATALOG, PREFIX, STORAGE
from tests.warehouses.target import Target

# Makes the vendors' clients impossible to import, in every Python that has it on its path.
_BLOCKER = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.startswith(("google.cloud", "google.api_core", "google.auth", "snowflake")):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
"""
_CONFIGURED = {
    "bigquery": {
        "DESTINATION__BIGQUERY__CREDENTIALS": json.dumps(
            {
                "type": "service_account",
                "project_id": "p",
                "private_key": "k",
                "client_email": "loader@p.iam.gserviceaccount.com",
            }
        )
    },
    "snowflake": {"DESTINATION__SNOWFLAKE__CREDENTIALS": "snowflake://u:p@account/db?warehouse=w"},
}
_SECRET = "not-the-pass-of-the-lake"
_NOBODY = f"//loader:{_SECRET}@127.0.0.1:1/"
_WRONG_LAKES = {
    "no server of the catalogue": ({CATALOG: f"postgresql:{_NOBODY}postgres"}, "refused", 5),
    "no driver in the catalogue's address": ({CATALOG: _NOBODY}, "ConnectionString", 2),
    "no bucket": ({f"{STORAGE}__BUCKET_URL": "s3://mistyped/lake"}, "NoSuchBucket", 5),
    "no such key": (
        {f"{STORAGE}__CREDENTIALS__AWS_ACCESS_KEY_ID": "nobody"},
        "InvalidAccessKeyId",
        5,
    ),
    "another secret": (
        {f"{STORAGE}__CREDENTIALS__AWS_SECRET_ACCESS_KEY": _SECRET},
        "SignatureDoesNotMatch",
        5,
    ),
    "no server of the bucket": (
        {f"{STORAGE}__CREDENTIALS__ENDPOINT_URL": "http://127.0.0.1:1"},
        "Could not connect",
        5,
    ),
    "no secret": (
        {f"{STORAGE}__CREDENTIALS__AWS_SECRET_ACCESS_KEY": ""},
        "credentials of duckl",
        2,
    ),
}


def test_athena_is_refused_as_it_appends_to_what_is_no_iceberg(sandbox: Sandbox) -> None:
    athena = dlt.destinations.athena(query_result_bucket="s3://bucket")
    pipeline = dlt.pipeline("mine", destination=athena, dataset_name="lake")

    with pytest.raises(ConfigurationError, match="athena cannot replace"):
        load_in_checkpoints(pipeline, make_source(sandbox))


@pytest.mark.parametrize("destination", ["bigquery", "snowflake", "postgres"])
def test_credentials_that_are_missing_are_told_by_where_to_put_them(
    command: Command, tmp_path: Path, sandbox: Sandbox, destination: str
) -> None:
    module = {"bigquery": "google.cloud.bigquery", "snowflake": "snowflake.connector"}
    if destination in module:
        pytest.importorskip(module[destination])
    ended = command(sandbox, "--destination", destination, HOME=str(tmp_path))

    assert ended.code == 2, ended.err
    error, remedy = ended.err.splitlines()[-2:]
    assert f"the credentials of {destination}" in error
    assert f"DESTINATION__{destination.upper()}__CREDENTIALS" in remedy


@pytest.mark.parametrize("destination", ["delta", "iceberg"])
def test_a_table_format_is_no_destination(
    command: Command, sandbox: Sandbox, destination: str
) -> None:
    ended = command(sandbox, "--destination", destination)

    assert ended.code == 2
    error, remedy = ended.err.splitlines()
    assert "no such destination" in error
    assert "bigquery, snowflake" in remedy
    assert sandbox.requests == []


# Where it is missed first depends on what is configured; the real command starts for each.
@pytest.mark.parametrize(
    "case",
    at_length(
        [(destination, configured) for destination in _CONFIGURED for configured in (True, False)],
        short=[("bigquery", True), ("snowflake", False)],
    ),
    ids=lambda case: "-".join(map(str, case)),
)
def test_a_missing_extra_is_named_with_the_command_that_installs_it(
    tmp_path: Path, sandbox: Sandbox, case: tuple[str, bool]
) -> None:
    destination, configured = case
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(_BLOCKER, encoding="utf-8")
    settings = {"PYTHONPATH": os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])}
    if configured:
        settings |= _CONFIGURED[destination]

    ended = run_load(
        tmp_path,
        "--destination",
        destination,
        env=environment(tmp_path, sandbox, **settings),
    )

    assert ended.code == 2
    assert ended.out == ""
    assert len(ended.err.splitlines()) == 2
    assert f"pip install 'dlt[{destination}]'" in ended.err
    assert sandbox.requests == []


@pytest.mark.parametrize("running_warehouse", ["ducklake_s3"], indirect=True)
@pytest.mark.parametrize("what", at_length(_WRONG_LAKES, short=["no bucket", "another secret"]))
def test_a_lake_that_cannot_be_reached_is_told_in_two_lines_and_no_catalogue_keeps_it(
    command: Command, warehouse: Target, sandbox: Sandbox, dataset_name: str, what: str
) -> None:
    """A new catalogue would note the bucket of whoever opens it first."""
    wrong, told, code = _WRONG_LAKES[what]
    right = {**warehouse.env, f"{PREFIX}__METADATA_SCHEMA": dataset_name}
    place = ("--destination", "ducklake", "--dataset", dataset_name)

    ended = command(sandbox, *place, **{k: v for k, v in {**right, **wrong}.items() if v})

    assert ended.code == code, ended.err
    assert len(ended.err.splitlines()) == 2
    assert told in ended.err
    assert _SECRET not in ended.err
    assert sandbox.requests == []
    assert command(sandbox, *place, "--check", **right).code == 0
