"""What the numbers were measured on."""

from __future__ import annotations

import datetime as dt
import os
import platform
from importlib.metadata import version
from pathlib import Path

_PACKAGES = ("dlt", "duckdb", "pyarrow", "orjson", "requests")


def machine() -> str:
    """Returns processor, cores and memory."""
    information = Path("/proc/cpuinfo").read_text().splitlines()
    models = (line.split(":", 1)[1].strip() for line in information if "model name" in line)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    cores = len(os.sched_getaffinity(0))
    model = next(models, platform.machine())
    return f"{model}, {cores} cores, {memory:.0f} GB, {platform.system()}"


def versions() -> str:
    """Returns the versions of Python and of the packages that take part."""
    packages = (f"{package} {version(package)}" for package in _PACKAGES)
    return ", ".join([f"Python {platform.python_version()}", *packages])


def today() -> str:
    """Returns the date in UTC."""
    return dt.datetime.now(dt.timezone.utc).date().isoformat()
