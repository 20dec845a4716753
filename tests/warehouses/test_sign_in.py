"""Signing in to Google without a key in dlt's settings: what a runner in its cloud has."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from customergauge_source.sandbox import Sandbox
from tests.command import Command
from tests.warehouses.credentials import service_account, token_service
from tests.warehouses.target import Target

KEY = "DESTINATION__BIGQUERY__CREDENTIALS"


def key_file(folder: Path, project: str, token_uri: str) -> str:
    """Returns a service account's key, as `GOOGLE_APPLICATION_CREDENTIALS` may name it."""
    del folder
    return service_account(project=project, token_uri=token_uri)


def workload_identity(folder: Path, project: str, token_uri: str) -> str:
    """Returns what google-github-actions/auth writes: a token of the runner's, to be exchanged."""
    del project
    token = folder / "oidc-token"
    token.write_text("token-of-the-runner", "utf-8")
    return json.dumps(
        {
            "type": "external_account",
            "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": token_uri,
            "credential_source": {"file": str(token)},
        }
    )


# The client signs in, whichever emulator is behind it.
@pytest.mark.parametrize("running_warehouse", ["bigquery"], indirect=True)
@pytest.mark.parametrize("make", [key_file, workload_identity])
def test_bigquery_signs_in_with_the_default_credentials(
    command: Command,
    warehouse: Target,
    dataset_name: str,
    tmp_path: Path,
    make: Callable[[Path, str, str], str],
) -> None:
    project = json.loads(warehouse.env[KEY])["project_id"]
    with token_service() as token_uri, Sandbox(responses=5) as sandbox:
        file = tmp_path / "credentials.json"
        file.write_text(make(tmp_path, project, token_uri), "utf-8")
        env = {name: value for name, value in warehouse.env.items() if name != KEY}
        env |= {"GOOGLE_APPLICATION_CREDENTIALS": str(file), "GOOGLE_CLOUD_PROJECT": project}
        place = ("--destination", "bigquery", "--dataset", dataset_name)

        ended = command(sandbox, *place, "--json", **env)

        assert ended.code == 0, ended.err
        assert ended.summary["tables"]["responses"] == 5
