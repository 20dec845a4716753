"""Make the report of what was loaded: `python pipelines/report.py --help`."""

from __future__ import annotations

import sys

from customergauge_source.cli.report import main

if __name__ == "__main__":
    sys.exit(main())
