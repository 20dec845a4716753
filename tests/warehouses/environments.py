"""Build the virtual environments that the warehouse emulators run in.

The emulators pin other versions of DuckDB and sqlglot than this project, so each gets an
environment of its own, outside of the repository. Run it as

    python -m tests.warehouses.environments [--list] [NAME ...]

An environment that is up to date is left as it is; a half-built or outdated one is built anew.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.warehouses.pythons import PythonMissingError, find_python

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_HERE = Path(__file__).parent
_STAMP = "built-from.sha256"


class EnvironmentBuildError(RuntimeError):
    """An environment could not be built."""


@dataclass(frozen=True, kw_only=True)
class Emulator:
    """What an emulator's environment is made of.

    Attributes:
        name: Name of the environment, of its requirements file and of its server module.
        label: What a reader calls it.
        pythons: Minor versions of Python that it runs on, the most wanted first.
    """

    name: str
    label: str
    pythons: tuple[str, ...]

    @property
    def requirements(self) -> Path:
        """The file with every package that the environment holds, pinned."""
        return _HERE / "requirements" / f"{self.name}.txt"

    @property
    def server(self) -> Path:
        """The script that the environment's Python runs."""
        return _HERE / "servers" / f"{self.name}_server.py"

    @property
    def folder(self) -> Path:
        """Where the environment lies, built or not."""
        return cache_folder() / self.name

    @property
    def python(self) -> Path:
        """The environment's interpreter."""
        return self.folder / "bin" / "python"

    @property
    def fingerprint(self) -> str:
        """A digest of everything that decides what the environment holds."""
        recipe = self.requirements.read_text(encoding="utf-8") + " ".join(self.pythons)
        return hashlib.sha256(recipe.encode()).hexdigest()

    def is_ready(self) -> bool:
        """Tell whether the environment was built completely from today's requirements."""
        stamp = self.folder / _STAMP
        return (
            self.python.exists()
            and stamp.exists()
            and stamp.read_text(encoding="utf-8") == self.fingerprint
        )


EMULATORS = {
    emulator.name: emulator
    for emulator in (
        Emulator(name="snowflake", label="Snowflake", pythons=("3.13", "3.12", "3.11")),
        Emulator(name="bigquery", label="BigQuery", pythons=("3.13",)),
        Emulator(
            name="bqemulator", label="BigQuery (second opinion)", pythons=("3.13", "3.12", "3.11")
        ),
    )
}


def cache_folder() -> Path:
    """Return the folder of all environments: `CUSTOMERGAUGE_EMULATORS`, or one in ~/.cache."""
    if chosen := os.environ.get("CUSTOMERGAUGE_EMULATORS"):
        return Path(chosen).expanduser().absolute()
    return Path.home() / ".cache" / "customergauge-source" / "emulators"


def build(emulator: Emulator) -> bool:
    """Build an emulator's environment unless it is ready.

    Args:
        emulator: Which one.

    Returns:
        True if it was built, False if there was nothing to do.

    Raises:
        PythonMissingError: No suitable Python on this machine.
        EnvironmentBuildError: A command failed; the message holds its output.
    """
    emulator.folder.parent.mkdir(parents=True, exist_ok=True)
    with _lock(emulator):
        if emulator.is_ready():
            return False
        interpreter = find_python(emulator.pythons)
        shutil.rmtree(emulator.folder, ignore_errors=True)
        _run([str(interpreter), "-m", "venv", str(emulator.folder)])
        pip = [str(emulator.python), "-m", "pip", "install", "--disable-pip-version-check"]
        _run(
            # The list is complete, so pip has nothing to resolve; two of the lists could not be
            # resolved at all (each says why at its top). Most of it is never imported, and is not
            # compiled before it is.
            [
                *pip,
                "--quiet",
                "--no-compile",
                "--no-deps",
                "--requirement",
                str(emulator.requirements),
            ]
        )
        # Written last: without it the environment counts as half-built.
        (emulator.folder / _STAMP).write_text(emulator.fingerprint, encoding="utf-8")
    return True


@contextmanager
def _lock(emulator: Emulator) -> Iterator[None]:
    """Let one process at a time build an emulator's environment; the others wait."""
    with emulator.folder.with_suffix(".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _run(command: list[str]) -> None:
    """Run a command and raise its output if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise EnvironmentBuildError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the named environments, or all; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.warehouses.environments",
        description="Build the virtual environments of the warehouse emulators.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(EMULATORS))
    parser.add_argument("--list", action="store_true", help="tell what is built, and build nothing")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(EMULATORS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(EMULATORS)}")
    failed = False
    for name in options.names or EMULATORS:
        emulator = EMULATORS[name]
        if options.list:
            outcome = "ready" if emulator.is_ready() else "not built"
        else:
            started = time.monotonic()
            try:
                outcome = "built" if build(emulator) else "ready"
                outcome += f" in {time.monotonic() - started:.0f} s"
            except (PythonMissingError, EnvironmentBuildError) as error:
                outcome, failed = f"FAILED: {error}", True
        sys.stdout.write(f"{name}: {outcome} ({emulator.folder})\n")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
