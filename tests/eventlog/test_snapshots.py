"""A snapshot proves itself; a damaged one is known as such."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from perdure.eventlog.records import Tail
from perdure.eventlog.snapshots import Snapshot
from tests.eventlog.making import STREAM

SNAPSHOT = Snapshot.of(STREAM, Tail(7, bytes(32)), 2, b"state")


def test_a_fresh_snapshot_is_intact() -> None:
    assert SNAPSHOT.intact


@pytest.mark.parametrize(
    "damaged",
    [
        replace(SNAPSHOT, stream=STREAM + "x"),
        replace(SNAPSHOT, tail=Tail(8, bytes(32))),
        replace(SNAPSHOT, tail=Tail(7, b"\x01" * 32)),
        replace(SNAPSHOT, state_version=3),
        replace(SNAPSHOT, data=b"State"),
        replace(SNAPSHOT, data=b""),
        replace(SNAPSHOT, seal=bytes(32)),
    ],
)
def test_a_changed_snapshot_is_not(damaged: Snapshot) -> None:
    assert not damaged.intact
