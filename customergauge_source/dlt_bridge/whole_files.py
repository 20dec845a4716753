"""A file of a lake in a folder is there as a whole, or not at all, as in a bucket.

Whoever reads a lake reads what lies in it. A kill, or a disk that fills up, would leave half a
file, at which every reader stumbles, dlt with its state among them.
"""

from __future__ import annotations

import os
from typing import Any

import fsspec
from dlt import Pipeline
from fsspec.implementations.local import LocalFileSystem

from customergauge_source.dlt_bridge.keeping import is_lake

_PART = ".part"
"""How the name of a file ends that is being written; no reader looks at it."""


class WholeFiles(LocalFileSystem):  # type: ignore[misc] # fsspec has no types
    """A local file system whose files get their names once they are written."""

    def cp_file(self, path1: str, path2: str, **arguments: Any) -> None:  # noqa: ANN401 - fsspec's
        """Copies a file, or makes a folder."""
        target = self._strip_protocol(path2)
        if not self.isfile(path1):
            super().cp_file(path1, target, **arguments)
            return
        super().cp_file(path1, target + _PART, **arguments)
        os.replace(target + _PART, target)  # noqa: PTH105 - paths are texts in fsspec

    def write_text(self, path: str, value: str, *arguments: Any, **named: Any) -> int:  # noqa: ANN401 - fsspec's
        """Writes a text; returns how much was written."""
        target = self._strip_protocol(path)
        written: int = super().write_text(target + _PART, value, *arguments, **named)
        os.replace(target + _PART, target)  # noqa: PTH105 - as above
        return written


def use(pipeline: Pipeline | None) -> None:
    """Has fsspec, and dlt with it, write a lake like that in this process, if it is local."""
    if pipeline is not None and is_lake(pipeline):
        fsspec.register_implementation("file", WholeFiles, clobber=True)
