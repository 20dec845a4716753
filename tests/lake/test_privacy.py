"""What a privacy policy hashes or drops is in no file of a lake."""

from __future__ import annotations

from pathlib import Path

import pytest

from customergauge_source.sandbox import Sandbox
from tests.command import Command
from tests.lake.lakes import Lake
from tests.planted import FEEDS, KEY_NUMBER, POLICY, account
from tests.scripted import scripted
from tests.searched import found_in, latin
from tests.support import at_length

ALL = ("--destination", "filesystem", "--views", "--resources", *FEEDS.values())
KINDS = pytest.mark.parametrize(
    "kind",
    at_length(["parquet", "delta", "iceberg", "s3"], short=["parquet", "delta"]),
    indirect=True,
)


@KINDS
def test_no_planted_value_is_in_any_file(lake: Lake, command: Command, tmp_path: Path) -> None:
    small = account(40)
    with scripted(small.answer) as server:
        ended = command(server, *ALL, **POLICY, **lake.env)
        assert ended.code == 0, ended.err
        copy = lake.copied(tmp_path / "copied")
    assert list(copy.rglob("*.parquet"))
    assert found_in(tmp_path) == {}


@KINDS
def test_a_policy_that_comes_later_leaves_nothing_of_before_after_a_full_refresh(
    lake: Lake, command: Command, tmp_path: Path
) -> None:
    personal = {"email": latin(1), "comment": {"original": latin(2), "translation": None}}
    records = [{"number_customergauge": 1, "nps": "many", **personal}, {"status": 1, **personal}]
    with Sandbox(records=records) as sandbox:
        ended = command(sandbox, *ALL, **lake.env)
        assert ended.code == 0, ended.err
        assert found_in(lake.copied(tmp_path / "before"))
        assert command(sandbox, *ALL, **POLICY, **lake.env).code == 2
        ended = command(sandbox, *ALL, "--full-refresh", **POLICY, **lake.env)
        assert ended.code == 0, ended.err
    found = found_in(lake.copied(tmp_path / "after"))
    assert {place: it for place, it in found.items() if it != {KEY_NUMBER}} == {}
