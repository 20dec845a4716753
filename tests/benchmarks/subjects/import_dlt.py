"""The least that a process costs that uses dlt: its import, and nothing else."""

from __future__ import annotations

import os

import dlt  # noqa: F401 - it is what is measured

if __name__ == "__main__":
    os._exit(0)  # what Python tidies up at the end is no part of the import
