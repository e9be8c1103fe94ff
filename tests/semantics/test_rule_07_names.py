"""Rule 7: a stream is named kind/tenant/id, each part escaped; a partition and a position are no part of the name."""

from __future__ import annotations

import pytest

import perdure
from perdure import Invalid, workflow
from perdure.eventlog.memory import MemoryLog
from perdure.eventlog.streams import STREAM_BYTES_MAX, partition_of, parts_of, stream_of
from tests.laws.node import PATIENCE, node

ODD = ["a/b", "a_2fb", "ä ö", "..", "*", ">", "a.b", "A", "a"]


@workflow
async def says(word: str) -> str:
    return word


def test_every_id_has_a_name_of_its_own_in_plain_letters() -> None:
    names = {id: stream_of("run", "some tenant", id) for id in ODD}

    assert len({name.encode() for name in names.values()}) == len(ODD)
    for id, name in names.items():
        assert parts_of(name) == ("run", "some tenant", id)
        assert name.count("/") == 2
        assert set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-/")


def test_a_name_beyond_its_bound_is_invalid_and_never_cut() -> None:
    longest = "x" * (STREAM_BYTES_MAX - len("run/default/"))

    assert len(stream_of("run", "default", longest)) == STREAM_BYTES_MAX == 200
    with pytest.raises(Invalid):
        stream_of("run", "default", longest + "x")


def test_a_partition_is_drawn_from_the_name_alone_by_a_known_function() -> None:
    whole = 1 << 32

    assert [partition_of(name, whole) for name in ("", "a", "foobar")] == [0x811C9DC5, 0xE40C292C, 0xBF9CF968]
    assert partition_of("foobar", 16) == 0xBF9CF968 % 16


@pytest.mark.anyio
async def test_runs_with_odd_ids_do_not_meet() -> None:
    async with node(MemoryLog().carrier(), says) as runtime:
        for id in ODD:
            await (await runtime.start(says, f"{id}!", id=id)).result(within=PATIENCE)

        assert [await perdure.RunHandle(runtime, id).result(within=PATIENCE) for id in ODD] == [f"{id}!" for id in ODD]
