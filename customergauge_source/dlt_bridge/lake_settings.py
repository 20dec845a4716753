"""Where a lake is, and how its files lie there: checked before anything is requested or written."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import dlt
from dlt import Pipeline
from dlt.common.storages.configuration import FilesystemConfiguration

from customergauge_source.exceptions import ConfigurationError

_AZURE: Final = ("az", "azure", "adl", "abfs", "abfss")
_BUCKETS: Final = {
    "s3": ("s3", "s3fs"),
    "gs": ("gs", "gcsfs"),
    "gcs": ("gs", "gcsfs"),
    **dict.fromkeys(_AZURE, ("az", "adlfs")),
}
"""What a bucket of each protocol needs: one of dlt's extras, and the package that it brings."""
_FORMATS: Final = {"delta": ("deltalake", "deltalake"), "iceberg": ("pyiceberg", "pyiceberg")}
"""The same for each format."""
_PATTERNS: Final = frozenset("*?[")
"""What dlt and DuckDB take for a pattern, so that files are not found again, or others are."""
_ODD: Final = _PATTERNS | {"'"}
"""The same of a bucket, in whose name an apostrophe ends too early in dlt's SQL for DuckDB."""
_FOLDER, _NEEDED, _END = "{table_name}/", ("{load_id}", "{file_id}"), ".{ext}"
_USUAL: Final = "{table_name}/{load_id}.{file_id}.{ext}"


def check(pipeline: Pipeline, table_format: str | None) -> None:
    """Checks what is set of a lake.

    Args:
        pipeline: The pipeline whose destination it is.
        table_format: Format of the tables; None for plain Parquet.

    Raises:
        ConfigurationError: It is no place for a lake; a package is missing; or files would lie
            where those of another table, or of another load, are.
    """
    if (url := _setting(pipeline, "bucket_url")) is not None:
        _check_place(pipeline.destination.destination_name, url)
    if (it := _FORMATS.get(table_format or "")) is not None:
        _check_installed(str(table_format), *it)
    _check_layout(_setting(pipeline, "layout"))


def _setting(pipeline: Pipeline, key: str) -> Any:  # noqa: ANN401 - whatever is configured
    destination: Any = pipeline.destination
    given = destination.config_params.get(key)
    if given is not None:
        return given
    return dlt.config.get(f"destination.{destination.destination_name}.{key}")


def _check_place(name: str, url: object) -> None:
    where = f"bucket_url under [destination.{name}]"
    if not isinstance(url, (str, os.PathLike)) or str(url) in {"", "…"}:
        raise ConfigurationError(
            f"Missing from the configuration: bucket_url of {name}.",
            f"Set {where} to a folder, or to a place such as s3://my-bucket/lake.",
        )
    protocol = FilesystemConfiguration.parse_protocol(str(url))
    place, odd = unquote(str(url)), _ODD
    if protocol == "file":
        place, odd = str(Path(place.removeprefix("file://")).absolute()), _PATTERNS
    if str(url).startswith("~"):
        raise ConfigurationError(
            f"bucket_url of {name} begins with ~, which dlt takes for a folder of that name.",
            f"Set {where} to the whole path.",
        )
    if found := sorted(odd & {*place}):
        raise ConfigurationError(
            f"bucket_url of {name} is a place with {' '.join(found)} in its name: files would not"
            " be found again.",
            f"Set {where} to a place without.",
        )
    if protocol == "file":
        return
    if protocol not in _BUCKETS:
        raise ConfigurationError(
            f"bucket_url of {name} begins with {protocol}:, where no lake can be.",
            f"Set {where} to a folder, or to a bucket: s3://, gs:// or az://.",
        )
    if not urlsplit(str(url)).netloc:
        raise ConfigurationError(
            f"bucket_url of {name} names no bucket.",
            f"Set {where} to a place such as {protocol}://my-bucket/lake.",
        )
    _check_installed(protocol, *_BUCKETS[protocol])


def _check_installed(what: str, extra: str, package: str) -> None:
    if find_spec(package) is None:
        ours = "" if extra in {"gs", "az"} else "pip install -e '.[lake]', or "
        raise ConfigurationError(
            f"A lake of {what} needs packages that are not installed.",
            f"Install them: {ours}pip install 'dlt[{extra}]'",
        )


def _check_layout(layout: object) -> None:
    """Checks that each table has a folder, and that no file takes the place of another."""
    if layout is None or layout == "":
        return
    text = str(layout)
    if text.startswith(_FOLDER) and text.endswith(_END) and all(part in text for part in _NEEDED):
        return
    raise ConfigurationError(
        f"layout is {text:.200}: files would lie among those of another table, or take the place"
        " of one another.",
        f"Leave layout out; or begin it with {_FOLDER}, have {' and '.join(_NEEDED)} in it, and end"
        f" it with {_END}, such as {_USUAL}.",
    )
