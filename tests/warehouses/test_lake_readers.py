"""What a reader of a DuckLake sees while a load runs."""

from __future__ import annotations

from threading import Event, Thread

import pytest

from customergauge_source.sandbox import Sandbox
from tests.command import Command
from tests.warehouses.target import Target
from tests.warehouses.trial import Trial

KEY = "number_customergauge"
ROUNDS = 3


def as_one(sandbox: Sandbox, cgids: list[int], nps: int) -> None:
    """Lets responses come again, each with as many tags as its NPS says."""
    tags = [{"label": f"tag {number}", "type": "tag"} for number in range(nps)]
    for cgid in cgids:
        sandbox.redeliver(cgid, nps=nps, tags=tags)


@pytest.mark.long
# A catalogue that is a file of DuckDB's lets nobody read while it is written.
@pytest.mark.parametrize("running_warehouse", ["ducklake_s3"], indirect=True)
def test_a_reader_sees_a_response_with_its_lists_as_they_were_or_as_they_are(
    command: Command, warehouse: Target, dataset_name: str
) -> None:
    command.program = warehouse.program
    place = ("--destination", warehouse.destination, "--dataset", dataset_name)
    trial = Trial(
        destination=warehouse.destination, dataset=dataset_name, folder=command.folder / "reader"
    )
    seen, done = list[tuple[int, int]](), Event()

    def read() -> None:
        with trial.pipeline().sql_client() as client:
            responses, tags = map(
                client.make_qualified_table_name, ("responses", "responses__tags")
            )
            while not done.is_set():
                rows = client.execute_sql(
                    f"SELECT nps, (SELECT count(*) FROM {tags} AS tag WHERE tag.{KEY} = it.{KEY})"
                    f" FROM {responses} AS it WHERE {KEY} IN ({', '.join(map(str, cgids))})"
                )
                seen.extend((nps, count) for nps, count in rows or ())

    with Sandbox(responses=60) as sandbox:
        cgids = [record[KEY] for record in sandbox.records[:20]]
        as_one(sandbox, cgids, 1)
        assert command(sandbox, *place, **warehouse.env).code == 0
        reader = Thread(target=read)
        reader.start()
        for number in range(ROUNDS):
            as_one(sandbox, cgids, number + 2)
            ended = command(sandbox, *place, **warehouse.env)
            assert ended.code == 0, ended.err
        done.set()
        reader.join()

    assert {nps for nps, _ in seen} >= {1, 2, 3}
    assert [pair for pair in seen if pair[0] != pair[1]] == []
    assert len(seen) % len(cgids) == 0
