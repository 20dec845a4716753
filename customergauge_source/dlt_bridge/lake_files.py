"""The files of a lake: which loads in it are done, and what is in the way of the next one.

dlt writes a file to `_dlt_loads` when all others of a load are there. Whatever a client of files
raises, such as s3fs, is told as one of our errors.
"""

from __future__ import annotations

import errno
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from dlt import Pipeline
from dlt.common.destination.exceptions import DestinationException, DestinationUndefinedEntity
from dlt.common.schema.utils import get_root_table

from customergauge_source.dlt_bridge.declare import REJECTED_RECORDS_TABLE
from customergauge_source.dlt_bridge.integrity import can_sync, stored_in
from customergauge_source.dlt_bridge.keeping import VERSIONS_OF
from customergauge_source.exceptions import CustomerGaugeError, DestinationError
from customergauge_source.secrecy import hide, without_traceback, without_values
from customergauge_source.tables.shape import root_tables

LOADS: Final = "_dlt_loads"
_DONE: Final = re.compile(r"__(\d+(?:\.\d+)?)\.jsonl$")
"""How the name of a file in `_dlt_loads` ends: with the load's id."""
_COLOURS: Final = re.compile(r"\x1b\[[\d;]*m")
"""What deltalake says is coloured, for a terminal."""
_NO_ROOM: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_LONGEST: Final = 400
_OF_FOLDER: Final = (
    "Check bucket_url under [destination.filesystem], and that this user may write there"
)
_OF_BUCKET: Final = (
    "Check bucket_url, the credentials and their endpoint_url under [destination.filesystem], and"
    " that they may list, read, write and delete there"
)
_AND: Final = "and run again: the next run goes on at the last committed cursor."


def failed(error: BaseException) -> DestinationError:
    """Returns what a client of files raised as one of our errors."""
    plain = _COLOURS.sub("", without_traceback(str(error)))
    text = hide(" ".join(plain.split())) or type(error).__name__
    if not isinstance(error, OSError):
        text = without_values(text)
    elif error.filename is not None:
        text = f"{error.strerror}: {error.filename2 or error.filename}"  # of a copy its target
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        return DestinationError(f"The lake is full: {text:.{_LONGEST}}", f"Make room, {_AND}")
    is_folder = isinstance(error, OSError) and error.filename is not None
    return DestinationError(
        f"The lake cannot be read or written: {text:.{_LONGEST}}",
        f"{_OF_FOLDER if is_folder else _OF_BUCKET}, {_AND}",
    )


@contextmanager
def told() -> Iterator[None]:
    """Makes whatever a client of files raises one of our errors.

    Raises:
        DestinationError: It raised something; what dlt raised goes on as it is.
    """
    try:
        yield
    except (CustomerGaugeError, DestinationException):
        raise
    except Exception as error:
        raise failed(error) from error


@contextmanager
def connected(pipeline: Pipeline) -> Iterator[Any]:
    """Yields dlt's client of a lake's files; what it raises is told as ours."""
    with pipeline.destination_client() as client, told():
        yield client


def begin(pipeline: Pipeline, *, is_dry: bool) -> None:
    """Makes the folder of the dataset, before anything is requested.

    Args:
        pipeline: The pipeline that loads into it.
        is_dry: Whether nothing is written.

    Raises:
        DestinationError: There is no such bucket, or nothing can be written.
    """
    with connected(pipeline) as client:
        check_bucket(client)
        if not is_dry:
            client.initialize_storage()


def check_bucket(client: Any) -> None:  # noqa: ANN401 - dlt's client of files
    """Checks that the bucket is there, which the file system would make otherwise.

    Raises:
        DestinationError: It is not.
    """
    if client.is_local_filesystem or client.is_storage_initialized():
        return
    bucket = client.bucket_path.strip("/").partition("/")[0]
    if not client.fs_client.exists(bucket):
        raise DestinationError(
            f"There is no bucket {bucket}, or the credentials may not ask for it.",
            "Make it, or correct bucket_url under [destination.filesystem]; then run again. No"
            " bucket is made here.",
        )


def loads_done(client: Any) -> set[str]:  # noqa: ANN401 - dlt's client of files
    """Returns the ids of the loads that are complete; by their names, as there may be thousands."""
    return _ids(_files(client, LOADS))


def forget_undone(pipeline: Pipeline, source: str, *, is_dry: bool) -> None:
    """Removes what dlt would go on from, of loads that were cut off before their end.

    It goes on from the newest state and schema that there are; a schema is written ahead of the
    files, so that after a first load that was cut off it knows tables that are not there; see
    `forget_unloaded` for a first load behind another resource's.
    """
    with connected(pipeline) as client:
        loads, schemas = (_files(client, it) for it in (LOADS, client.schema.version_table_name))
        done, own, undone = _ids(loads), f"{source}__", list[str]()
        if not any(Path(it).name.startswith(own) for it in loads):
            undone = [it for it in schemas if Path(it).name.startswith(own)]
        for state in _files(client, client.schema.state_table_name):
            name, _, rest = Path(state).name.partition("__")
            if name == pipeline.pipeline_name and rest.partition("__")[0] not in done:
                undone.append(state)
        for file in [] if is_dry else undone:
            client.fs_client.rm_file(file)


def forget_unloaded(pipeline: Pipeline, source: str, begun: Collection[str]) -> None:
    """Removes from a schema those of our tables that no load has brought yet.

    Args:
        pipeline: A pipeline that has state and schema of the lake.
        source: Name of the source, which is that of its schema.
        begun: The resources that have been loaded, whose tables are there, or were. Those of
            others are looked for: another pipeline may have brought them.
    """
    if source not in pipeline.schemas:
        return
    tables = pipeline.schemas[source].tables
    roots: Mapping[str, Any] = {name: get_root_table(tables, name) for name in tables}
    known = root_tables(begun) | {REJECTED_RECORDS_TABLE}
    unsure = [it for it, root in roots.items() if VERSIONS_OF in root and root["name"] not in known]
    if not unsure:
        return
    with connected(pipeline) as client:
        there = stored_in(client, unsure)
    tables = pipeline.schemas[source].tables  # anew: dlt reads the schema again for each client
    for name in sorted(unsure):  # a parent's name begins its children's
        if name not in there or (tables[name].get("parent") or name) not in tables:
            del tables[name]


def clear_the_way(pipeline: Pipeline, source: str, resources: Collection[str]) -> None:
    """Makes a lake such that a full refresh succeeds, whatever has become of its files.

    States and schemas that are no JSON go. If no schema is left, dlt does not know the tables that
    it is to drop: their folders go, too.

    Args:
        pipeline: A pipeline whose working directory is empty.
        source: Name of the source, which is that of its schema.
        resources: The resources that are loaded anew.
    """
    if not can_sync(pipeline):
        with connected(pipeline) as client:
            for table in (client.schema.version_table_name, client.schema.state_table_name):
                for file in _files(client, table):
                    if not _is_readable(client, file):
                        client.fs_client.rm_file(file)
        pipeline.sync_destination()
    known = pipeline.schemas[source].tables if source in pipeline.schemas else {}
    with connected(pipeline) as client:
        for folder in client.fs_client.ls(client.dataset_path, detail=False):
            name = Path(folder).name.partition("__")[0]
            if name in resources and name not in known:
                client.fs_client.rm(folder, recursive=True)


def drop(pipeline: Pipeline, source: str, table: str) -> None:
    """Deletes the files of a table, which the next package makes again."""
    schema = pipeline.schemas.get(source)
    if schema is not None and table in schema.tables:
        del schema.tables[table]
        with pipeline.destination_client(source) as it, told():
            client: Any = it
            client.drop_tables(table, delete_schema=False)


def _ids(loads: Iterable[str]) -> set[str]:
    """Returns the ids of loads, by their files."""
    return {found[1] for name in loads if (found := _DONE.search(name))}


def _files(client: Any, table: str) -> list[str]:  # noqa: ANN401 - dlt's client of files
    try:
        found: list[str] = client.list_table_files(table)
    except DestinationUndefinedEntity:
        return []
    return found


def _is_readable(client: Any, file: str) -> bool:  # noqa: ANN401 - dlt's client of files
    try:
        found = json.loads(client.fs_client.read_text(file, encoding="utf-8"))
    except ValueError:
        return False
    return isinstance(found, dict) and not found.keys().isdisjoint({"schema", "state"})
