"""A task queue in memory, and hands that perform what lies on it: what the carrier in NATS does with messages."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio

from perdure.actors.ports import OwnsAll
from perdure.eventlog.errors import Invalid
from perdure.eventlog.faults import FaultyLog, Script
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.engine import Runtime
from perdure.runtime.perform.elsewhere import Order
from perdure.runtime.perform.passing import answer_in, spoken, taken, verdict_in
from perdure.runtime.perform.queueing import Asked, Taking, Verdict
from perdure.runtime.run.events import StepHeartbeat
from perdure.runtime.settings.node import Settings
from perdure.runtime.step_worker import StepWorker
from perdure.runtime.testing.clock import NodeClock
from perdure.runtime.testing.loop import run_seeded, stream_of_chance
from perdure.runtime.testing.node import InlineThreads, SeededIds
from tests.laws.node import Flow

Key = tuple[str, str, int, int]


class Belt:
    """Orders, each once, and the ways to say something to the owner of their runs."""

    def __init__(self) -> None:
        self.orders: dict[Key, Order] = {}
        self.stopped: list[Key] = []
        self.puts = 0
        self.most = 0
        self.runtime: Runtime
        self.hands: list[Hands] = []
        self.more = anyio.Event()

    def put(self, order: Order) -> None:
        self.puts += 1
        self.orders.setdefault(key_of(order), order)
        self.most = max(self.most, len(self.orders))
        self.ring()

    def withdraw(self, order: Order, *, stop: bool) -> None:
        self.orders.pop(key_of(order), None)
        if stop:
            self.stopped.append(key_of(order))
            for hands in self.hands:
                hands.worker.cancel(order)

    def ring(self) -> None:
        self.more.set()
        self.more = anyio.Event()

    async def say(self, letter: bytes) -> bytes:
        assert self.runtime.passing is not None
        return await self.runtime.passing.relay(letter)

    async def ask(self, order: Order, worker: str, asks: Asked = "begin", started: int = 1) -> Verdict:
        """What a worker of that name would be told."""
        taking = Taking(order.stream, order.id, order.attempt, order.keys, worker, started, asks)
        return verdict_in(await self.say(taken(taking)), order.stream)

    async def tell(self, order: Order, command: Any) -> None:
        answer_in(await self.say(spoken(order.stream, command)), order.stream)

    async def one(self) -> Order:
        """The only order on the belt, once there is one."""
        await self.until(lambda: len(self.orders) == 1)
        return next(iter(self.orders.values()))

    async def until(self, holds: Callable[[], object]) -> None:
        with anyio.fail_after(60):
            while not holds():
                with anyio.move_on_after(0.01):
                    await self.more.wait()


class Hands:
    """A queue worker without the wire."""

    def __init__(self, belt: Belt, name: str, steps: list[Any], settings: Settings | None = None) -> None:
        self.belt = belt
        self.name = name
        self.worker = StepWorker(steps, MemoryLog().carrier(), name=name, tell=self.tell, clock=NodeClock(), threads=InlineThreads(),
                           settings=settings)  # fmt: skip
        self.taken: dict[Key, Order] = {}
        self.refused: list[str] = []
        self._group: anyio.abc.TaskGroup | None = None

    def tell(self, stream: str, command: Any) -> None:
        assert self._group is not None
        self._group.start_soon(self._tell, stream, command)

    async def _tell(self, stream: str, command: Any) -> None:
        key, order = next((key, order) for key, order in self.taken.items() if key[:3] == (stream, command.id, command.attempt))
        await self.belt.tell(order, command)
        if not isinstance(command, StepHeartbeat):
            del self.taken[key]
            self.belt.orders.pop(key, None)

    async def serve(self) -> None:
        async with anyio.create_task_group() as self._group, self.worker.serving():
            while True:
                more = self.belt.more
                for key, order in tuple(self.belt.orders.items()):
                    if not any(key in hands.taken for hands in self.belt.hands):
                        self.taken[key] = order
                        await self._take(key, order)
                await more.wait()

    async def _take(self, key: Key, order: Order) -> None:
        try:
            call = await self.worker.call_of(order)
        except Invalid as strange:
            self.refused.append(strange.message)  # and is not taken again
            return
        verdict = await self.belt.ask(order, self.name)
        if verdict.word == "begin":
            self.worker.begin(order, call, verdict.before)
        else:
            del self.taken[key]
            if verdict.word == "unwanted":
                self.belt.orders.pop(key, None)


def key_of(order: Order) -> Key:
    return order.stream, order.id, order.attempt, order.keys


class Alone:
    """A node without neighbours."""

    here = "owner"

    def owner_of(self, stream: str) -> str:
        return self.here

    async def ask(self, node: str, letter: bytes, within: float) -> bytes:
        raise AssertionError(node)


@asynccontextmanager
async def owner(
    belt: Belt, *workflows: Flow, log: MemoryLog | None = None, epoch: int = 1, concurrency: int = 10, killed: bool = False
) -> AsyncGenerator[Runtime]:
    """A node in virtual time that leaves steps to the belt; `killed`, it is cut off from its log at the end."""
    door = FaultyLog(log or MemoryLog(), Script())
    belt.runtime = runtime = Runtime(
        door.carrier(epoch), workflows, clock=NodeClock(), ids=SeededIds(stream_of_chance(epoch, "ids")), threads=InlineThreads(),
        ownership=OwnsAll("owner", epoch), settings=Settings(worker_concurrency=concurrency, drain_seconds=0.0 if killed else 30.0),
        task_queues=belt,
    )  # fmt: skip
    runtime.join(Alone())
    async with runtime.serving():
        yield runtime
        if killed:
            door.cut()


@asynccontextmanager
async def hands_at(belt: Belt, *steps: Any, name: str = "hands", settings: Settings | None = None) -> AsyncGenerator[Hands]:
    """A queue worker until the end of the block; then it is lost, with all that it had in hand."""
    hands = Hands(belt, name, list(steps), settings)
    async with anyio.create_task_group() as group:
        belt.hands.append(hands)
        group.start_soon(hands.serve)
        try:
            yield hands
        finally:
            belt.hands.remove(hands)
            group.cancel_scope.cancel()


def in_virtual_time(main: Callable[[], Awaitable[None]]) -> None:
    run_seeded(1, main)
