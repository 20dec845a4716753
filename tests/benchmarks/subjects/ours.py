"""Ours: the command of this project, as its users run it."""

from __future__ import annotations

import argparse
import os
import runpy
import sys
from pathlib import Path

from customergauge_source.settings import CHECKPOINT_PAGES

_LOAD = Path(__file__).parents[3] / "pipelines" / "load.py"


def main() -> None:
    """Loads to the end of the feed; goes on where the folder's last run stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--checkpoint-pages", type=int, default=CHECKPOINT_PAGES)
    options = parser.parse_args()
    os.environ |= {
        "DLT_DATA_DIR": str(Path.cwd() / "dlt"),
        "DESTINATION__DUCKDB__CREDENTIALS": "responses.duckdb",
        "SOURCES__CUSTOMERGAUGE__API_URL": options.url,
        "SOURCES__CUSTOMERGAUGE__AUTH_URL": options.url,
        "SOURCES__CUSTOMERGAUGE__CREDENTIALS__CLIENT_ID": "benchmark",
        "SOURCES__CUSTOMERGAUGE__CREDENTIALS__CLIENT_SECRET": "made-up",
    }
    pages = str(options.checkpoint_pages)
    sys.argv = [str(_LOAD), "--dataset", "benchmark", "--checkpoint-pages", pages]
    sys.path.insert(0, str(_LOAD.parent))
    runpy.run_path(str(_LOAD), run_name="__main__")


if __name__ == "__main__":
    main()
