"""The fleet that chaos befalls: three nats-servers that sync every write, three workers of runs, two of a task queue, a link for
every wire.

An operator beside it has wires of its own that nothing befalls, to see when all is well again.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import chain
from pathlib import Path

import anyio
import msgspec
from msgspec import Struct

from perdure.adapters.nats.owning.fences import Fences
from perdure.adapters.nats.wire.buckets import PARTITIONS
from perdure.adapters.nats.wire.connection import connect
from perdure.adapters.nats.wire.messages import Subjects
from perdure.adapters.nats.wire.store import Store
from perdure.adapters.system.nats_server import free_ports
from perdure.eventlog.errors import PerdureError
from tests import machine
from tests.adapters.nats.cluster import NODES, led
from tests.adapters.nats.crew import ENVIRONMENT, SCRIPT, Hand
from tests.adapters.nats.server import NatsServer
from tests.chaos.crafts import ACK_SECONDS
from tests.chaos.links import Link, laid
from tests.chaos.noting import JOURNAL

NAMESPACE = "chaos"
OWNERS = range(3)
"""The places of the workers that serve runs."""

PERFORMERS = range(3, 5)
"""The places of the workers that serve the task queue."""

CLIENT = "client"
HEALS_WITHIN = 90.0
"""Seconds after which a fleet that nothing befalls any more must be well."""

EMPTIES_WITHIN = 3 * ACK_SECONDS
"""Seconds after which no order is left of runs that have ended."""

TENDED_AFTER = 45.0
"""Seconds after which the operator starts a server anew that does not catch up by itself: some that were killed never do."""

LOOKS_EVERY = 0.3
COMPLAINTS = 5
LEAVES_WITHIN = 45.0
NOWHERE = "127.0.0.1:1"
"""What servers tell each other of where they are, so that each keeps to the links that it was given."""


class Replica(Struct, frozen=True):
    name: str = ""
    current: bool = False
    offline: bool = False


class Group(Struct, frozen=True):
    leader: str = ""
    replicas: tuple[Replica, ...] = ()

    @property
    def is_well(self) -> bool:
        return self.leader != "" and len(self.replicas) == NODES - 1 and not self.lagging

    @property
    def lagging(self) -> list[str]:
        """The servers whose replicas are not up to date."""
        return [one.name for one in self.replicas if one.offline or not one.current]


class Config(Struct, frozen=True):
    name: str
    num_replicas: int = 1


class Contents(Struct, frozen=True):
    messages: int = 0
    subjects: dict[str, int] = {}


class Listed(Struct, frozen=True):
    config: Config
    state: Contents = Contents()
    cluster: Group = Group()


class Streams(Struct, frozen=True):
    streams: tuple[Listed, ...] = ()


_streams = msgspec.json.Decoder(Streams).decode
_stream = msgspec.json.Decoder(Listed).decode


class Unwell(Exception):
    """The fleet has not healed in its time."""


class Fleet:
    """Servers and workers by number, links by who they join."""

    def __init__(self, room: Path, servers: list[NatsServer], links: dict[tuple[str, str], Link]) -> None:
        self.room = room
        self.servers = servers
        self.links = links
        self.hands: list[Hand | None] = [None] * (len(OWNERS) + len(PERFORMERS))
        self.store: Store
        self.died: list[str] = []
        """Workers that ended though nobody had ended them."""
        self._hired = 0

    @property
    def journal(self) -> Path:
        return self.room / "journal"

    def url(self, who: str) -> str:
        """The servers as one of the fleet sees them."""
        hosts = ",".join(f"127.0.0.1:{self.links[who, server_name(number)].port}" for number in range(NODES))
        return f"nats://{hosts}/{NAMESPACE}?replicas={NODES}&sync=always"

    def links_of(self, who: str) -> list[Link]:
        return [link for ends, link in self.links.items() if who in ends]

    # -- servers -------------------------------------------------------------------------------------------------------

    def signal_server(self, number: int, what: int) -> None:
        process = self.servers[number]._process
        assert process is not None
        process.send_signal(what)

    def pid_of_server(self, number: int) -> int:
        process = self.servers[number]._process
        assert process is not None
        return process.pid

    async def start_servers(self, numbers: Iterable[int]) -> None:
        async with anyio.create_task_group() as group:
            for number in numbers:
                group.start_soon(anyio.to_thread.run_sync, self.servers[number].start)

    async def leader(self) -> int:
        """The server that leads for the log."""
        for stream in await self._listed():
            if stream.config.name == self.store.subjects.bucket and stream.cluster.leader:
                return int(stream.cluster.leader.removeprefix("node"))
        return 0

    async def _listed(self) -> tuple[Listed, ...]:
        return _streams(await self.store.call("STREAM.LIST", {})).streams

    async def _replicated(self) -> list[Listed]:
        return [stream for stream in await self._listed() if stream.config.num_replicas == NODES]

    # -- workers -------------------------------------------------------------------------------------------------------

    async def hire(self, number: int) -> None:
        """A worker in this place that serves by now; one that ends instead is noted, and another is started."""
        with anyio.fail_after(HEALS_WITHIN):
            while True:
                self._hired += 1
                words = self.room / f"{worker_name(number)}.{self._hired}.txt"
                hand = self._begun(number, words)
                self.hands[number] = hand
                if await anyio.to_thread.run_sync(hand.serves, abandon_on_cancel=True):
                    return
                self.hands[number] = None
                self.died.append(f"{worker_name(number)} ended before it served: {' '.join(words.read_text().splitlines()[-8:])}")

    def _begun(self, number: int, words: Path) -> Hand:
        url = self.url(worker_name(number))
        owner = [str(SCRIPT), "worker", "tests.chaos.flows", "tests.chaos.films", "--log", url, "--json"]
        performer = [sys.executable, "-m", "tests.chaos.crafts", url]
        with words.open("w") as told:
            process = subprocess.Popen(
                owner if number in OWNERS else performer,
                cwd=machine.ROOT, env=ENVIRONMENT | {JOURNAL: str(self.journal)}, stdout=subprocess.PIPE, stderr=told, text=True,
            )  # fmt: skip
        return Hand(process)

    def hand(self, number: int) -> Hand:
        found = self.hands[number]
        assert found is not None
        return found

    async def end(self, number: int, how: int) -> int:
        """Send a worker the signal that ends it, and wait for that; its exit code."""
        hand = self.hand(number)
        self.hands[number] = None
        hand.send(how)
        code = await anyio.to_thread.run_sync(lambda: hand.process.wait(LEAVES_WITHIN))
        if hand.process.stdout is not None:
            hand.process.stdout.close()
        return code

    def muster(self) -> None:
        """Note who has ended without being told to."""
        for number, hand in enumerate(self.hands):
            if hand is not None and (code := hand.process.poll()) is not None:
                self.died.append(f"{worker_name(number)} ended by itself with {code}")
                self.hands[number] = None

    async def complete(self) -> None:
        """Note who has ended by itself, and put others in their places, so that what follows still befalls a whole fleet."""
        self.muster()
        for number, hand in enumerate(self.hands):
            if hand is None:
                await self.hire(number)

    async def emptied(self) -> list[str]:
        """Wait until no order is in the task queue; those that stay."""
        bucket, deadline = self.store.subjects.bucket_of("TASKS"), time.monotonic() + EMPTIES_WITHIN
        while (found := _stream(await self.store.call(f"STREAM.INFO.{bucket}", {"subjects_filter": ">"})).state).messages:
            if time.monotonic() > deadline:
                return sorted(found.subjects)
            await anyio.sleep(LOOKS_EVERY)
        return []

    # -- health --------------------------------------------------------------------------------------------------------

    async def settled(self) -> list[str]:
        """Wait until every replica is up to date and the living workers share all partitions evenly; Unwell where that takes too long.

        The servers that the operator had to start anew meanwhile.
        """
        began, tended = time.monotonic(), list[str]()
        while not (await self._is_replicated() and await self._is_shared()):
            waited = time.monotonic() - began
            if waited > HEALS_WITHIN:
                raise Unwell(await self._symptoms())
            if waited > TENDED_AFTER and not tended:
                tended = await self._tend()
            self.muster()
            await anyio.sleep(LOOKS_EVERY)
        return tended

    async def _tend(self) -> list[str]:
        """Start the servers anew that lag behind, as docs/production.md tells operators to."""
        try:
            lagging = sorted({name for stream in await self._replicated() for name in stream.cluster.lagging})
        except PerdureError:
            return []
        for name in lagging:
            server = self.servers[int(name.removeprefix("node"))]
            await anyio.to_thread.run_sync(server.stop)
            await anyio.to_thread.run_sync(server.start)
        return lagging

    async def _symptoms(self) -> str:
        """What is not as it should be."""
        try:
            sick = [f"{stream.config.name}: {stream.cluster}" for stream in await self._replicated() if not stream.cluster.is_well]
            owners = Counter(fence.owner for fence in await Fences(self.store).all())
        except PerdureError as away:
            return f"the log does not answer: {away.found}"
        hands = [hand and hand.name for hand in self.hands]
        return f"replicas: {sick or 'all well'}; partitions: {dict(owners)} of {hands}; servers say: {self._complaints()}"

    def _complaints(self) -> list[str]:
        """The last that each server has warned of: who leads is theirs to settle."""
        told: list[str] = []
        for server in self.servers:
            lines = (server.room / "server.log").read_text(encoding="utf-8", errors="replace").splitlines()
            told += [line for line in lines if "[WRN]" in line or "[ERR]" in line][-COMPLAINTS:]
        return told

    async def _is_replicated(self) -> bool:
        try:
            mine = await self._replicated()
        except PerdureError:
            return False
        return len(mine) > 1 and all(stream.cluster.is_well for stream in mine)

    async def _is_shared(self) -> bool:
        try:
            owners = Counter(fence.owner for fence in await Fences(self.store).all())
        except PerdureError:
            return False
        living = {hand.name for number in OWNERS if (hand := self.hands[number]) is not None}
        if not living:
            return False
        even = sorted(PARTITIONS // len(living) + (place < PARTITIONS % len(living)) for place in range(len(living)))
        return set(owners) == living and sorted(owners.values()) == even

    def dismiss(self) -> None:
        for hand in self.hands:
            if hand is not None:
                hand.process.kill()
                hand.process.wait(LEAVES_WITHIN)
                if hand.process.stdout is not None:
                    hand.process.stdout.close()


def server_name(number: int) -> str:
    return f"server{number}"


def worker_name(number: int) -> str:
    return f"worker{number}" if number in OWNERS else f"queue-worker{number - len(OWNERS)}"


@asynccontextmanager
async def fleet(room: Path) -> AsyncGenerator[Fleet]:
    """The whole fleet, serving."""
    async with AsyncExitStack() as stack:
        ports = free_ports(NODES)
        names = [server_name(number) for number in range(NODES)]
        links: dict[tuple[str, str], Link] = {}
        for number, name in enumerate(names):
            for other in names:
                if other != name:
                    links[other, name] = await stack.enter_async_context(laid(ports[number]))
        servers = [server_of(room, number, ports[number], links) for number in range(NODES)]
        found = Fleet(room, servers, links)
        stack.callback(ended, servers)
        await found.start_servers(range(NODES))
        for who in chain(map(worker_name, chain(OWNERS, PERFORMERS)), [CLIENT]):
            for server, name in zip(servers, names, strict=True):
                links[who, name] = await stack.enter_async_context(laid(server.port))
        await led(servers[0].url)
        direct = [server.url for server in servers]
        connection = await stack.enter_async_context(connect(direct, ping_interval=1))
        found.store = Store(connection, Subjects(NAMESPACE, PARTITIONS))
        stack.callback(found.dismiss)
        await found.hire(OWNERS[0])  # the first makes the streams
        async with anyio.create_task_group() as group:
            for number in chain(OWNERS[1:], PERFORMERS):
                group.start_soon(found.hire, number)
        await found.settled()
        yield found


def server_of(room: Path, number: int, port: int, links: dict[tuple[str, str], Link]) -> NatsServer:
    """A server that reaches the others only by its links to them."""
    name = server_name(number)
    folder = room / name
    folder.mkdir()
    routes = ", ".join(f'"nats://127.0.0.1:{link.port}"' for (who, _), link in links.items() if who == name)
    cluster = f'name: perdure, listen: "127.0.0.1:{port}", advertise: "{NOWHERE}", no_advertise: true, routes: [{routes}]'
    return NatsServer(machine.nats_server(), folder, f"server_name: node{number}\ncluster {{ {cluster} }}")


def ended(servers: list[NatsServer]) -> None:
    """End them all, also those that were frozen."""
    for server in servers:
        if server._process is not None:
            os.kill(server._process.pid, signal.SIGCONT)
            server.kill()
