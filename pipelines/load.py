"""Load a CustomerGauge account into a warehouse: `python pipelines/load.py --help`."""

from __future__ import annotations

import sys

from customergauge_source.cli.load import main

if __name__ == "__main__":
    sys.exit(main())
