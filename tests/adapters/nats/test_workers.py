"""`perdure worker` on NATS: several processes share a log, and whatever becomes of one, the others go on."""

from __future__ import annotations

import json
import signal
import time
from collections import Counter
from collections.abc import AsyncGenerator
from pathlib import Path
from uuid import uuid4

import anyio
import nats.errors
import pytest

from perdure.adapters.nats.wire.buckets import PARTITIONS
from tests.adapters.nats.crew import Crew, crew, run_in
from tests.adapters.nats.doors.shop import plain_client
from tests.adapters.nats.server import NatsServer, running

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


PINGS = 'ping_interval: "1s"\nping_max: 2'
SURELY = 40
"""Requests answered one after another: of two in the group each would have been dealt half of them."""

KILLED, FROZEN, DRAINED, SLOWEST = 2.0, 3.0, 1.0, 2.0
"""Seconds that are promised. Here twice as many are allowed, since the machine is shared; the claim `nats-gaps` measures them."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def team(nats_server: NatsServer, tmp_path: Path) -> AsyncGenerator[Crew]:
    async with crew(nats_server.url, uuid4().hex, tmp_path) as found:
        yield found


async def waiting_everywhere(team: Crew) -> list[str]:
    """A run that waits for a word in each partition."""
    runs = [run_in(partition, "w") for partition in range(PARTITIONS)]
    async with anyio.create_task_group() as group:
        for run in runs:
            group.start_soon(team.start, "waits", run)
    return runs


def in_order(epochs: dict[str, list[int]]) -> bool:
    return all(found == sorted(found) for found in epochs.values())


async def test_two_workers_share_evenly_and_one_that_is_killed_is_replaced(team: Crew) -> None:
    first, second = await team.hire(), await team.hire()
    await team.shared(first, second)
    runs = await waiting_everywhere(team)
    held = [run_in(partition, "h") for partition in sorted(await team.parts(second))[:4]]
    for run in held:
        await team.start("long", run)
    second.send(signal.SIGKILL)
    killed = time.monotonic()
    gap = await team.word_to_all(runs, "after the kill")
    await team.shared(first)
    assert gap < 2 * KILLED
    assert time.monotonic() - killed < 2 * KILLED + 1.0
    (team.folder / "go").touch()
    assert await team.results(held) == ["held"] * len(held)
    keys = Counter(key for what, key, _ in team.journal() if what == "held")
    assert sorted(keys.values()) == [2] * len(held)  # performed once more, under the same keys
    await team.word_to_all(runs, "the end", "end")
    assert await team.results(runs) == [1] * PARTITIONS
    assert in_order(await team.epochs())


async def test_a_worker_that_is_stopped_is_replaced_and_writes_nothing_late_when_it_wakes(team: Crew) -> None:
    first, second = await team.hire(), await team.hire()
    await team.shared(first, second)
    runs = await waiting_everywhere(team)
    load = [f"l{n}" for n in range(40)]
    async with anyio.create_task_group() as group:
        for run in load:
            group.start_soon(team.start, "three", run)
        await anyio.sleep(0.05)
        second.send(signal.SIGSTOP)
        gap = await team.word_to_all(runs, "while it sleeps")
        assert gap < 2 * FROZEN
        second.send(signal.SIGCONT)
        await team.word_to_all(runs, "when it is awake")
    assert await team.results(load) == [["first", "second", "third"]] * len(load)
    await team.shared(first, second)
    await team.word_to_all(runs, "the end", "end")
    assert await team.results(runs) == [2] * PARTITIONS
    assert in_order(await team.epochs())


async def test_a_server_that_asks_its_clients_often_sends_nothing_to_one_that_is_stopped(tmp_path: Path) -> None:
    """It stays in the group that requests are dealt to until the server misses it: docs/production.md says how to have that soon."""
    (room := tmp_path / "nats").mkdir()
    with running(room, PINGS) as server:
        async with crew(server.url, "pings", tmp_path) as team:
            first, second = await team.hire(), await team.hire()
            await team.shared(first, second)
            second.send(signal.SIGSTOP)
            stopped = time.monotonic()
            client, in_a_row = await plain_client(server.url), 0
            while in_a_row < SURELY:
                assert time.monotonic() - stopped < 4 * FROZEN
                try:
                    told = json.loads((await client.request("perdure.pings.start.waits", b"[]", timeout=0.5)).data)
                    in_a_row += told["status"] == "applied"
                except nats.errors.TimeoutError:
                    in_a_row = 0
            await client.close()
            second.send(signal.SIGCONT)


async def test_a_worker_that_is_told_to_end_hands_over_and_exits_with_0(team: Crew) -> None:
    first, second = await team.hire(), await team.hire()
    await team.shared(first, second)
    runs = await waiting_everywhere(team)
    second.send(signal.SIGTERM)
    told = time.monotonic()
    assert await team.gone(second) == 0
    await team.shared(first)
    assert time.monotonic() - told < 2 * DRAINED
    assert await team.word_to_all(runs, "afterwards") < 2 * DRAINED
    assert in_order(await team.epochs())


async def test_a_step_that_runs_is_waited_for_and_a_second_signal_ends_the_worker_at_once(team: Crew) -> None:
    first, second = await team.hire(), await team.hire()
    await team.shared(first, second)
    part = min(await team.parts(second))
    await team.start("long", run_in(part, "h"))
    with anyio.fail_after(10):
        while not team.journal():  # noqa: ASYNC110 - what is waited for is in another process
            await anyio.sleep(0.01)
    second.send(signal.SIGTERM)
    await team.until(lambda owners: owners[second.name] == 1)
    assert await team.parts(second) == {part}
    second.send(signal.SIGTERM)
    assert await team.gone(second) == -signal.SIGTERM
    (team.folder / "go").touch()
    assert await team.result(run_in(part, "h")) == "held"


async def test_all_workers_are_replaced_one_after_another_under_load_and_nothing_is_lost(team: Crew) -> None:
    old = [await team.hire(), await team.hire()]
    await team.shared(*old)
    begun: list[str] = []
    rolling = True

    async def load() -> None:
        while rolling:
            run = f"r{len(begun)}"
            begun.append(run)
            await team.start("three", run)
            await anyio.sleep(0.01)

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(load)
        for hand in old:
            new = await team.hire()
            hand.send(signal.SIGTERM)
            assert await team.gone(hand) == 0
            await team.until(lambda owners, hand=hand, new=new: owners[new.name] == PARTITIONS // 2 and not owners[hand.name])  # type: ignore[misc]
        rolling = False
    assert await team.results(begun) == [["first", "second", "third"]] * len(begun)
    keys = Counter(key for _, key, _ in team.journal())
    assert len(keys) == 3 * len(begun)
    assert max(keys.values()) == 1  # handed over in good order, no step runs twice
    assert team.slowest < 2 * SLOWEST
    assert in_order(await team.epochs())
