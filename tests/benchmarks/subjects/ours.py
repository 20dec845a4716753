"""Ours: the command of this project, as its users run it."""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path

_LOAD = Path(__file__).parents[3] / "pipelines" / "load.py"


def main() -> None:
    """Loads to the end of the feed; further arguments are options of the command."""
    url, *options = sys.argv[1:]
    os.environ |= {
        "DESTINATION__DUCKDB__CREDENTIALS": "responses.duckdb",
        "SOURCES__CUSTOMERGAUGE__API_URL": url,
        "SOURCES__CUSTOMERGAUGE__AUTH_URL": url,
        "SOURCES__CUSTOMERGAUGE__CREDENTIALS__CLIENT_ID": "benchmark",
        "SOURCES__CUSTOMERGAUGE__CREDENTIALS__CLIENT_SECRET": "made-up",
    }
    sys.argv = [str(_LOAD), "--dataset", "benchmark", *options]
    runpy.run_path(str(_LOAD), run_name="__main__")


if __name__ == "__main__":
    main()
