"""DuckDB's extensions, from packages that bring them: nothing is downloaded."""

from __future__ import annotations

from importlib import resources
from importlib.util import find_spec
from pathlib import Path

import duckdb

from tests.warehouses.target import WarehouseMissingError

_FILES = {"postgres": "postgres_scanner", "sqlite": "sqlite_scanner"}
"""What a file has to be called; otherwise as its extension is."""


def install_extensions(folder: Path, *names: str) -> Path:
    """Put extensions where DuckDB looks for them, if `extension_directory` is the folder.

    Args:
        folder: It gets links to the files of the packages. DuckDB's own is ~/.duckdb/extensions.
        names: Such as `httpfs`.

    Returns:
        The folder.

    Raises:
        WarehouseMissingError: A package is not installed, or is none for the DuckDB in use.
    """
    ((platform,),) = duckdb.execute("PRAGMA platform").fetchall()
    place = folder / f"v{duckdb.__version__}" / platform
    place.mkdir(parents=True, exist_ok=True)
    for name in names:
        link = place / f"{_FILES.get(name, name)}.duckdb_extension"
        link.symlink_to(_extension(name))
    return folder


def _extension(name: str) -> Path:
    """Return the file of an extension that was built for the DuckDB in use."""
    version = duckdb.__version__
    if find_spec(f"duckdb_extension_{name}"):
        package = Path(str(resources.files(f"duckdb_extension_{name}")))
        file = package / "extensions" / f"v{version}" / f"{name}.duckdb_extension"
        if file.exists():
            return file
    raise WarehouseMissingError(
        f"no extension {name} for DuckDB {version}: run `pip install -e '.[warehouses]'`, which "
        "brings a DuckDB and extensions that fit"
    )
