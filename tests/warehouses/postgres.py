"""Run a throw-away PostgreSQL cluster from the server that is installed on this machine."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.warehouses.processes import free_port, running
from tests.warehouses.target import Target, WarehouseMissingError, require_client

if TYPE_CHECKING:
    from collections.abc import Iterator

URL = "DESTINATION__POSTGRES__CREDENTIALS"
"""The setting that says where a cluster is."""
_MISSING = (
    "PostgreSQL server not installed: `apt-get install postgresql`, or put initdb and postgres on "
    "PATH"
)
# A crash may lose this cluster; nothing in it is worth waiting for a disk.
_FAST = ["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]


@contextmanager
def postgres() -> Iterator[Target]:
    """Yield a PostgreSQL server with an empty cluster.

    Raises:
        WarehouseMissingError: No server is installed, or root has no other user to run it as.
    """
    require_client("psycopg2", extra="postgres")
    binaries = _binaries()
    prefix = _as_other_user()
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="postgres-") as name:
        folder = Path(name)
        if prefix:
            os.chown(folder, _server_user().pw_uid, -1)
        data = folder / "data"
        _create_cluster([*prefix, str(binaries / "initdb")], data)
        server = [*prefix, str(binaries / "postgres"), "-D", str(data), "-p", str(port)]
        # Loopback alone: a socket's path in a temporary folder may be longer than allowed.
        listen = ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
        # An interrupt makes it drop its clients; a polite request would wait for them to leave.
        with running(
            [*server, *listen, *_FAST],
            port=port,
            log=folder / "postgres.log",
            stop=signal.SIGINT,
        ):
            url = f"postgresql://loader:loader@127.0.0.1:{port}/postgres"
            yield Target(
                name="postgres",
                destination="postgres",
                env={URL: url},
            )


def _create_cluster(initdb: list[str], data: Path) -> None:
    """Create an empty cluster in UTC that lets anyone on this machine in."""
    options = ["--auth=trust", "--username=loader", "--encoding=UTF8", "--no-locale", "--no-sync"]
    done = subprocess.run(
        [*initdb, "-D", str(data), *options],
        capture_output=True,
        text=True,
        check=False,
        cwd=data.parent,
        env=os.environ | {"TZ": "UTC"},
    )
    if done.returncode:
        raise RuntimeError(f"initdb failed:\n{done.stdout}{done.stderr}")


def _binaries() -> Path:
    """Return the folder of the newest installed server's programs."""
    # Debian keeps them off PATH, one folder for each major version.
    debian = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: float(folder.parent.name)
    )
    on_path = [Path(program).parent for program in [shutil.which("initdb")] if program]
    for folder in [*reversed(debian), *on_path]:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise WarehouseMissingError(_MISSING)


def _as_other_user() -> list[str]:
    """Return what to put before a command so that root runs it as another user.

    PostgreSQL refuses to run as root, which is who a container's tests often are.
    """
    if os.geteuid() != 0:
        return []
    if setpriv := shutil.which("setpriv"):
        user = _server_user()
        ids = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}"]
        # Said again, because Linux forgets it with a change of user: see `processes.running`.
        return [setpriv, *ids, "--clear-groups", "--pdeathsig=INT", "--"]
    raise WarehouseMissingError("PostgreSQL does not run as root, and setpriv is not installed")


def _server_user() -> pwd.struct_passwd:
    """Return the user that the server runs as in root's place."""
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")
