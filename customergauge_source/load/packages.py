"""Load packages, one after the other: each is loaded while the next one is extracted.

Reading and building are one processor's work, a database's another's. So dlt's load step runs in a
thread and in a working directory of its own. What is committed does not change by it: a package is
loaded once the one before is, and the one behind it counts for nothing until it is loaded, too.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from dlt import Pipeline
from typing_extensions import Self

from customergauge_source.dlt_bridge import extraction, views, working_dir
from customergauge_source.dlt_bridge.keeping import is_lake
from customergauge_source.load.explain import check_tables, told_as_ours

Then = Callable[[dict[str, int] | None], None]
"""Is told the rows of each table in a package that is loaded; None if there was no package."""


@dataclass
class Packages:
    """What a pipeline has extracted, on its way to the destination.

    Attributes:
        pipeline: A pipeline whose working directory is ours alone.
        source: Name of the source, which is that of its schema.
        full_refresh: Whether tables are dropped, so that they need not be as they were.
        is_dry: Whether nothing is loaded.
    """

    pipeline: Pipeline
    source: str
    full_refresh: bool
    is_dry: bool

    def __post_init__(self) -> None:
        """Begins without a package."""
        self._pool = ThreadPoolExecutor(1, "customergauge-load")
        self._under_way: Future[None] | None = None
        self._known_hash: str | None = None

    def __enter__(self) -> Self:
        """Returns it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Waits until nothing is loaded any more."""
        self._pool.shutdown()

    def trust_tables(self) -> None:
        """Takes the destination's tables for what the schema says, until that changes."""
        self._known_hash = self._schema_hash()

    def load(self) -> dict[str, int] | None:
        """Loads what is extracted; returns the rows of each table, if there are any."""
        self.wait()
        with told_as_ours():
            rows = self._normalized()
            if rows is not None:
                self._load(self.pipeline, is_new=self._is_new())
        return rows

    def begin_to_load(self, then: Then, stop: Callable[[], None]) -> None:
        """Begins to load what is extracted, in another thread; `wait` waits for it.

        Args:
            then: What is done once it is loaded, in that thread.
            stop: Ends the extraction of the next package, should either of them fail.
        """
        with told_as_ours():
            rows = self._normalized()
        self.wait()
        if rows is None:
            then(None)
            return
        with told_as_ours():
            folder, is_new = working_dir.part(self.pipeline), self._is_new()
        how = (folder, partial(then, rows), stop)
        self._under_way = self._pool.submit(self._load_beside, *how, is_new=is_new)

    def wait(self) -> None:
        """Waits until the package that is under way is loaded, if one is.

        Raises:
            CustomerGaugeError: It could not be loaded; what `then` raised comes as it is.
        """
        loading, self._under_way = self._under_way, None
        if loading is not None:
            loading.result()

    def _normalized(self) -> dict[str, int] | None:
        """Normalizes what is extracted; returns the rows of each table, if there are any."""
        if self.is_dry or not self.pipeline.list_extracted_load_packages():
            return None
        normalized = self.pipeline.normalize()
        if not self.pipeline.list_normalized_load_packages():
            return None  # an idle run extracts an empty package
        return dict(normalized.row_counts)

    def _is_new(self) -> bool:
        """Says whether the schema is not the one that was last loaded with; notes it."""
        known, self._known_hash = self._known_hash, self._schema_hash()
        return self.full_refresh or self._known_hash != known

    def _schema_hash(self) -> str | None:
        """Returns what tells the versions of the source's schema apart."""
        schema = self.pipeline.schemas.get(self.source)
        return schema.stored_version_hash if schema else None

    def _load_beside(
        self, folder: str, then: Callable[[], None], stop: Callable[[], None], *, is_new: bool
    ) -> None:
        try:
            with told_as_ours():
                beside = working_dir.same(self.pipeline, folder)
                try:
                    self._load(beside, is_new=is_new)
                finally:
                    beside.deactivate()  # or dlt would keep it for a later thread of its number
            then()
        except BaseException:
            stop()  # `wait` raises it; pages that are waited for would keep it back
            raise

    def _load(self, pipeline: Pipeline, *, is_new: bool) -> None:
        """Loads what is normalized; a schema that is new is checked before, and described after."""
        if is_new and not (self.full_refresh or is_lake(pipeline)):
            check_tables(pipeline)
        if extraction.is_into("duckdb"):
            from customergauge_source.dlt_bridge import duckdb_merge  # noqa: PLC0415 - for it alone

            pipeline.destination = duckdb_merge.from_files(pipeline.destination)
        pipeline.load()
        if is_new:
            views.describe_tables(pipeline, self.source)
