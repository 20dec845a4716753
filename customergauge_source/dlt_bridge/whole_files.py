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


class WholeFiles(LocalFileSystem):  # type: ignore[misc] # fsspec has no types
    """A local file system whose files get their names once they are written."""

    def makedirs(self, path: str, exist_ok: bool = True) -> None:  # noqa: ARG002, FBT001, FBT002 - fsspec's
        """Makes a folder: one that a killed run made is there, and may be."""
        super().makedirs(path, exist_ok=True)

    def cp_file(self, path1: str, path2: str, **arguments: Any) -> None:  # noqa: ANN401 - fsspec's
        """Copies a file, or makes a folder."""
        target = self._strip_protocol(path2)
        if not self.isfile(path1):
            super().cp_file(path1, target, **arguments)
            return
        part = _part(target)
        super().cp_file(path1, part, **arguments)
        os.replace(part, target)  # noqa: PTH105 - paths are texts in fsspec

    def write_text(self, path: str, value: str, *arguments: Any, **named: Any) -> int:  # noqa: ANN401 - fsspec's
        """Writes a text; returns how much was written."""
        target = self._strip_protocol(path)
        self.makedirs(self._parent(target))  # as in a bucket, where a file needs no folder
        part = _part(target)
        written: int = super().write_text(part, value, *arguments, **named)
        os.replace(part, target)  # noqa: PTH105 - as above
        return written


def _part(file: str) -> str:
    """Returns what a file is called while it is written: readers leave out names with a dot."""
    folder, slash, name = file.rpartition("/")
    return f"{folder}{slash}.{name}.part"


def use(pipeline: Pipeline | None) -> None:
    """Has fsspec, and dlt with it, write a lake like that in this process, if it is local."""
    if pipeline is not None and is_lake(pipeline):
        fsspec.register_implementation("file", WholeFiles, clobber=True)
