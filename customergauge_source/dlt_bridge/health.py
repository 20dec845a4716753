"""What a check of configuration and destination finds out; of the data it changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timezone
from typing import Any, Final

from dlt import Pipeline
from dlt.common.configuration import is_secret_hint
from dlt.common.configuration.utils import get_resolved_traces
from dlt.common.utils import uniq_id
from dlt.destinations.exceptions import DatabaseUndefinedRelation

from customergauge_source.dlt_bridge import lake_files
from customergauge_source.dlt_bridge.keeping import is_lake
from customergauge_source.dlt_bridge.writing import dialect_of
from customergauge_source.exceptions import ConfigurationError
from customergauge_source.secrecy import hide
from customergauge_source.views.dialects import DIALECTS

_ENVIRONMENT: Final = "Environment Variables"
_OURS: Final = "credentials.global_config"
"""How much memory DuckDB may take, which the command sets where nobody has."""


def settings_found(*sections: str) -> dict[str, str]:
    """Returns where each setting of a section was found, in the order in which they were looked up.

    The value of a plain setting stands with it; never that of a secret, or of credentials.
    """
    return dict(_found(sections))


def _found(sections: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for trace in get_resolved_traces().resolved_traces or []:
        found = tuple(trace.sections)
        if found[: len(sections)] != sections:
            continue
        key = ".".join([*found[len(sections) :], trace.key])
        if key == _OURS:
            continue
        place = "environment" if trace.provider_name == _ENVIRONMENT else trace.provider_name
        is_plain = isinstance(trace.value, (str, int, list)) and not is_secret_hint(trace.hint)
        shown = f" = {trace.value}" if is_plain and "credentials" not in key else ""
        yield key, hide(f"{shown} ({place})".strip())


def try_to_write(pipeline: Pipeline) -> bool:
    """Makes a table and drops it again, in the dataset and in that which a merge passes through.

    The datasets are made if there are none.

    Returns:
        Whether it was tried: only where the language of the destination is known.
    """
    if dialect_of(pipeline) not in DIALECTS:
        return False
    if is_lake(pipeline):
        lake_files.begin(pipeline, is_dry=False)
        with lake_files.connected(pipeline) as files:
            _write_and_remove_a_file(files)
        return True
    with pipeline.destination_client() as it:
        client: Any = it
        _make_and_drop_a_table(client)
        with client.with_staging_dataset():
            _make_and_drop_a_table(client)
    return True


def _make_and_drop_a_table(client: Any) -> None:  # noqa: ANN401 - dlt has no name for such a client
    client.initialize_storage()
    table = client.sql_client.make_qualified_table_name(f"_dlt_check_{uniq_id(8)}")
    client.sql_client.execute_sql(f"CREATE TABLE {table} (checked INT)")
    client.sql_client.execute_sql(f"DROP TABLE {table}")


def check_clock(pipeline: Pipeline, source: str) -> None:
    """Checks that this machine's clock is not behind the last load.

    Versions are in the order of the times at which their loads began.

    Raises:
        ConfigurationError: It is.
    """
    last, now = last_load(pipeline, source), datetime.now(timezone.utc)
    if last is not None and last > now:
        raise ConfigurationError(
            f"The last load is of {last:%Y-%m-%d %H:%M:%S} UTC, and here it is"
            f" {now:%Y-%m-%d %H:%M:%S}: what is loaded now would seem older.",
            "Set the clock of this machine right; if it was the other one that was wrong, take that"
            " load out of _dlt_loads: it counts no more then, and all is read anew.",
        )


def _write_and_remove_a_file(client: Any) -> None:  # noqa: ANN401 - as above
    file = client.pathlib.join(client.dataset_path, f"_dlt_check_{uniq_id(8)}")
    client.fs_client.write_text(file, "checked")
    client.fs_client.rm_file(file)


def last_load(pipeline: Pipeline, source: str) -> datetime | None:
    """Returns when a load of a source was last committed, in UTC; None if none ever was.

    Of a lake it is when that load began, which is what its id says.
    """
    if is_lake(pipeline):
        with lake_files.connected(pipeline) as client:
            last = max(map(float, lake_files.loads_done(client)), default=None)
        return None if last is None else datetime.fromtimestamp(last, timezone.utc)
    with pipeline.sql_client() as sql, suppress(DatabaseUndefinedRelation):
        table = sql.make_qualified_table_name("_dlt_loads")
        query = f"SELECT max(inserted_at) FROM {table} WHERE status = 0 AND schema_name = %s"  # noqa: S608 - dlt's own
        ((found,),) = sql.execute_sql(query, source) or ((None,),)
        return found.astimezone(timezone.utc) if isinstance(found, datetime) else None
    return None
