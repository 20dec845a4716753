"""Find a Python interpreter of a wanted version on this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_VERSION = "import sys; print('{}.{}'.format(*sys.version_info))"


class PythonMissingError(RuntimeError):
    """No Python of a wanted version was found."""


def find_python(versions: Sequence[str]) -> Path:
    """Return an interpreter of the first of `versions` that this machine has.

    Args:
        versions: Minor versions such as `3.13`, the most wanted first. The running interpreter
            wins if its version is among them.

    Returns:
        The path of an interpreter that was run and told its version.

    Raises:
        PythonMissingError: None was found; the message names the places searched.
    """
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    if running in versions:
        return Path(sys.executable)
    for version in versions:
        for candidate in _candidates(version):
            if _version_of(candidate) == version:
                return candidate
    wanted = " or ".join(versions)
    raise PythonMissingError(
        f"Python {wanted} is needed and was neither found on PATH (python{versions[0]}) nor among "
        f"pyenv's versions. Install it, for example with `pyenv install {versions[0]}`."
    )


def _candidates(version: str) -> Iterator[Path]:
    """Yield where an interpreter of a version may lie, on PATH and below pyenv's root."""
    if on_path := shutil.which(f"python{version}"):
        yield Path(on_path)
    for root in _pyenv_roots():
        # A development build is called 3.13-dev, the others 3.13.0 and so on.
        for folder in sorted(root.glob(f"versions/{version}[.-]*"), reverse=True):
            yield folder / "bin" / f"python{version}"


def _pyenv_roots() -> Iterator[Path]:
    """Yield pyenv's root folders, from its variable, its command and its default."""
    if root := os.environ.get("PYENV_ROOT"):
        yield Path(root)
    if pyenv := shutil.which("pyenv"):
        answer = subprocess.run([pyenv, "root"], capture_output=True, text=True, check=False)
        if answer.returncode == 0:
            yield Path(answer.stdout.strip())
    yield Path.home() / ".pyenv"


def _version_of(interpreter: Path) -> str | None:
    """Return an interpreter's minor version, or None if it does not run.

    It has to be run: pyenv puts a shim on PATH for every version it ever had, and the shims of
    those that are not selected only fail.
    """
    try:
        answer = subprocess.run(
            [interpreter, "-c", _VERSION], capture_output=True, text=True, check=False, timeout=30
        )
    except OSError:
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None
