"""The faults: what can befall the fleet, each until it is repaired. What becomes of commands meanwhile is the checker's to see."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from random import Random
from typing import Any

import anyio
import msgspec

from tests.adapters.nats.cluster import NODES
from tests.chaos.crafts import ACK_SECONDS
from tests.chaos.fleet import CLIENT, OWNERS, PERFORMERS, Fleet, server_name, worker_name
from tests.chaos.links import Link, Way

WAYS: tuple[Way, ...] = ("there", "back")
Fault = Callable[[Fleet, Random], Awaitable[None]]

SLOW_MS = 25
ROOM_LEFT = 2_000
"""Bytes that a full stream still takes: some append gets in, the rest does not."""


# -- workers -----------------------------------------------------------------------------------------------------------


async def worker_killed(fleet: Fleet, chance: Random) -> None:
    number = chance.choice(OWNERS)
    await fleet.end(number, signal.SIGKILL)
    await anyio.sleep(chance.uniform(0, 1))
    await fleet.hire(number)


async def two_workers_killed(fleet: Fleet, chance: Random) -> None:
    await killed_at_once(fleet, chance.sample(OWNERS, 2))


async def killed_at_once(fleet: Fleet, numbers: Sequence[int]) -> None:
    for number in numbers:
        await fleet.end(number, signal.SIGKILL)
    async with anyio.create_task_group() as group:
        for number in numbers:
            group.start_soon(fleet.hire, number)


async def worker_frozen(fleet: Fleet, chance: Random, *, among: Sequence[int] = OWNERS, seconds: float = 4) -> None:
    hand = fleet.hand(chance.choice(among))
    hand.send(signal.SIGSTOP)
    await anyio.sleep(chance.uniform(0.5, seconds))
    hand.send(signal.SIGCONT)


async def worker_leaves(fleet: Fleet, chance: Random, *, among: Sequence[int] = OWNERS) -> None:
    number = chance.choice(among)
    code = await fleet.end(number, signal.SIGTERM)
    if code != 0:
        fleet.died.append(f"{worker_name(number)} was told to leave and ended with {code}")
    await fleet.hire(number)


async def worker_cut_off(fleet: Fleet, chance: Random, *, among: Sequence[int] = OWNERS, seconds: float = 4) -> None:
    async with cut(fleet.links_of(worker_name(chance.choice(among)))):
        await anyio.sleep(chance.uniform(0.5, seconds))


# -- workers of a task queue -------------------------------------------------------------------------------------------

LONGEST = 2 * ACK_SECONDS
"""Half of them are away for so long that what they have is handed to another."""


async def queue_worker_killed(fleet: Fleet, chance: Random) -> None:
    """It ends when the time is over after which what it had is in other hands."""
    number = chance.choice(PERFORMERS)
    await fleet.end(number, signal.SIGKILL)
    async with anyio.create_task_group() as group:
        group.start_soon(fleet.hire, number)
        await anyio.sleep(ACK_SECONDS + chance.uniform(0, 1))


async def all_queue_workers_killed(fleet: Fleet, chance: Random) -> None:
    await killed_at_once(fleet, PERFORMERS)


async def owner_and_queue_worker_killed(fleet: Fleet, chance: Random) -> None:
    await killed_at_once(fleet, [chance.choice(OWNERS), chance.choice(PERFORMERS)])


queue_worker_frozen = partial(worker_frozen, among=PERFORMERS, seconds=LONGEST)
queue_worker_cut_off = partial(worker_cut_off, among=PERFORMERS, seconds=LONGEST)
queue_worker_leaves = partial(worker_leaves, among=PERFORMERS)


# -- servers -----------------------------------------------------------------------------------------------------------


async def server_killed(fleet: Fleet, chance: Random) -> None:
    number = await chosen(fleet, chance)
    fleet.servers[number].kill()
    await anyio.sleep(chance.uniform(0, 1.5))
    await fleet.start_servers([number])


async def all_servers_killed(fleet: Fleet, chance: Random) -> None:
    for server in fleet.servers:
        server.kill()
    await anyio.sleep(chance.uniform(0, 0.5))
    await fleet.start_servers(range(NODES))


async def server_frozen(fleet: Fleet, chance: Random) -> None:
    number = await chosen(fleet, chance)
    fleet.signal_server(number, signal.SIGSTOP)
    await anyio.sleep(chance.uniform(0.5, 8))
    fleet.signal_server(number, signal.SIGCONT)


async def server_cut_off(fleet: Fleet, chance: Random) -> None:
    async with cut(fleet.links_of(server_name(await chosen(fleet, chance)))):
        await anyio.sleep(chance.uniform(0.5, 8))


async def server_half_cut_off(fleet: Fleet, chance: Random) -> None:
    """One way still passes, so the two ends disagree about whether they are joined."""
    name, way = server_name(await chosen(fleet, chance)), chance.choice(WAYS)
    async with cut([link for (_, end), link in fleet.links.items() if end == name], way):
        await anyio.sleep(chance.uniform(0.5, 6))


async def connections_reset(fleet: Fleet, chance: Random) -> None:
    """Several times in a row, and so that answers are lost on the way."""
    name = chance.choice([*map(server_name, range(NODES)), *map(worker_name, [*OWNERS, *PERFORMERS]), CLIENT])
    for _ in range(chance.randint(1, 3)):
        for link in fleet.links_of(name):
            link.reset()
        await anyio.sleep(chance.uniform(0.05, 0.3))


async def client_cut_off(fleet: Fleet, chance: Random) -> None:
    async with cut(fleet.links_of(CLIENT)):
        await anyio.sleep(chance.uniform(0.5, 2))


# -- disks -------------------------------------------------------------------------------------------------------------


async def disks_slow(fleet: Fleet, chance: Random) -> None:
    """Every sync of one server, or of all, takes far longer."""
    numbers = range(NODES) if chance.random() < 0.5 else [await chosen(fleet, chance)]
    tracers = [slowing(fleet.pid_of_server(number)) for number in numbers]
    try:
        await anyio.sleep(chance.uniform(1, 2.5))
    finally:
        for tracer in tracers:
            tracer.send_signal(signal.SIGINT)
        for tracer in tracers:
            await anyio.to_thread.run_sync(tracer.wait)


def slowing(pid: int) -> subprocess.Popen[bytes]:
    """What delays the syncs of a running process until it is interrupted."""
    syncs = "fsync,fdatasync"
    return subprocess.Popen(["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={syncs}",
                             "-e", f"inject={syncs}:delay_exit={SLOW_MS * 1000}", "-p", str(pid)])


async def stream_full(fleet: Fleet, chance: Random) -> None:
    """The log takes hardly anything more, until its operator makes room."""
    name = fleet.store.subjects.bucket
    told: dict[str, Any] = msgspec.json.decode(await fleet.store.call(f"STREAM.INFO.{name}", {}))
    config = told["config"]
    await configured(fleet, {**config, "max_bytes": told["state"]["bytes"] + ROOM_LEFT})
    try:
        await anyio.sleep(chance.uniform(0.3, 1.5))
    finally:
        await configured(fleet, config)


async def configured(fleet: Fleet, config: dict[str, Any]) -> None:
    told: dict[str, Any] = msgspec.json.decode(await fleet.store.call(f"STREAM.UPDATE.{config['name']}", config))
    assert "error" not in told, told["error"]


# -- all of them -------------------------------------------------------------------------------------------------------


async def chosen(fleet: Fleet, chance: Random) -> int:
    """The server that leads for the log, or any."""
    return await fleet.leader() if chance.random() < 0.4 else chance.randrange(NODES)


@asynccontextmanager
async def cut(links: Sequence[Link], *ways: Way) -> AsyncGenerator[None]:
    for link in links:
        link.cut(*ways)
    try:
        yield
    finally:
        for link in links:
            link.mend()


FAULTS: dict[str, tuple[Fault, int]] = {
    "worker_killed": (worker_killed, 4),
    "two_workers_killed": (two_workers_killed, 1),
    "worker_frozen": (worker_frozen, 3),
    "worker_leaves": (worker_leaves, 2),
    "worker_cut_off": (worker_cut_off, 3),
    "queue_worker_killed": (queue_worker_killed, 3),
    "all_queue_workers_killed": (all_queue_workers_killed, 1),
    "owner_and_queue_worker_killed": (owner_and_queue_worker_killed, 1),
    "queue_worker_frozen": (queue_worker_frozen, 2),
    "queue_worker_leaves": (queue_worker_leaves, 1),
    "queue_worker_cut_off": (queue_worker_cut_off, 2),
    "server_killed": (server_killed, 2),
    "all_servers_killed": (all_servers_killed, 1),
    "server_frozen": (server_frozen, 1),
    "server_cut_off": (server_cut_off, 2),
    "server_half_cut_off": (server_half_cut_off, 1),
    "connections_reset": (connections_reset, 4),
    "client_cut_off": (client_cut_off, 2),
    "disks_slow": (disks_slow, 2),
    "stream_full": (stream_full, 2),
}
"""Each fault, and how often it comes among the others: those that cost an election of a leader are rarer."""


def tools_missing() -> list[str]:
    """What a machine needs for all of them, and this one has not."""
    return [tool for tool in ("strace",) if shutil.which(tool) is None]


def sequence(seed: int) -> Iterator[str]:
    """Names of faults without end; of each, as many in every round."""
    chance = Random(f"{seed}:faults")
    while True:
        bag = [name for name, (_, count) in FAULTS.items() for _ in range(count)]
        chance.shuffle(bag)
        yield from bag
