"""Run an S3 server with one empty bucket, which lets in who signs with its key alone."""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.warehouses.processes import free_port, running
from tests.warehouses.target import require_client

if TYPE_CHECKING:
    from collections.abc import Iterator

_REGION = "us-east-1"
_UNCHECKED = 3  # requests that make a user with a key, before the server wants one
_ALL = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
    }
)


@dataclass(frozen=True, kw_only=True)
class S3:
    """A running server.

    Attributes:
        url: Its address, such as `http://127.0.0.1:5000`.
        bucket: The name of its bucket.
        key: The id of the key that it lets in.
        secret: The secret of that key.
    """

    url: str
    bucket: str
    key: str
    secret: str

    def settings(self, prefix: str) -> dict[str, str]:
        """Return dlt's credentials as environment variables.

        Args:
            prefix: What takes them, such as `DESTINATION__FILESYSTEM`.
        """
        return {
            f"{prefix}__CREDENTIALS__AWS_ACCESS_KEY_ID": self.key,
            f"{prefix}__CREDENTIALS__AWS_SECRET_ACCESS_KEY": self.secret,
            f"{prefix}__CREDENTIALS__REGION_NAME": _REGION,
            f"{prefix}__CREDENTIALS__ENDPOINT_URL": self.url,
        }

    @property
    def duckdb_secret(self) -> str:
        """The statement that gives DuckDB's httpfs the same."""
        return (
            f"CREATE SECRET (TYPE s3, KEY_ID '{self.key}', SECRET '{self.secret}', "
            f"REGION '{_REGION}', ENDPOINT '{self.url.removeprefix('http://')}', "
            "USE_SSL false, URL_STYLE 'path')"
        )

    def client(self) -> Any:
        """Return the real S3 client, for a look past what is tested."""
        return _client("s3", self.url, self.key, self.secret)


@contextmanager
def s3(bucket: str = "lake") -> Iterator[S3]:
    """Yield a server with an empty bucket; what it holds is gone with it.

    Args:
        bucket: The bucket's name.

    Raises:
        WarehouseMissingError: The server, or the client, is not installed.
    """
    require_client("s3fs", extra="s3")
    require_client("moto.server", extra="s3")
    port = free_port()
    with (
        tempfile.TemporaryDirectory(prefix="s3-") as name,
        running(
            [sys.executable, "-m", "moto.server", "-p", str(port)],
            port=port,
            log=Path(name) / "server.log",
            env={"INITIAL_NO_AUTH_ACTION_COUNT": str(_UNCHECKED), "TMPDIR": name},
        ),
    ):
        url = f"http://127.0.0.1:{port}"
        key, secret = _make_key(url)
        server = S3(url=url, bucket=bucket, key=key, secret=secret)
        server.client().create_bucket(Bucket=bucket)
        yield server


def _make_key(url: str) -> tuple[str, str]:
    """Let the server make the key of a user who may do everything."""
    iam = _client("iam", url, "nobody", "nothing")
    iam.create_user(UserName="loader")
    iam.put_user_policy(UserName="loader", PolicyName="all", PolicyDocument=_ALL)
    made = iam.create_access_key(UserName="loader")["AccessKey"]
    return made["AccessKeyId"], made["SecretAccessKey"]


def _client(service: str, url: str, key: str, secret: str) -> Any:
    # Here, not at the top: without the package the tests are to be skipped, not to fail while they
    # are collected.
    from botocore.session import Session  # noqa: PLC0415

    return Session().create_client(
        service,
        endpoint_url=url,
        region_name=_REGION,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
    )
