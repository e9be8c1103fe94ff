"""The world of a simulation: one shared log, several nodes, their weather, and a trace of all that happened."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from hashlib import sha256
from random import Random
from typing import Any, NamedTuple, TypeVar

import anyio
import anyio.abc
import anyio.lowlevel
from msgspec import Raw

from ...actors.settings import Settings as ActorSettings
from ...eventlog.errors import Conflict
from ...eventlog.faults import Dice, Plan
from ...eventlog.memory import MemoryLog
from ...eventlog.records import Append, Tail, sealed
from ...eventlog.snapshots import Snapshot
from ...eventlog.streams import partition_of
from ..authoring.workflows import Workflow
from ..perform.interceptors import Interceptor
from ..perform.ports import Ids
from ..resources import Resources
from ..run.events import CODEC, Logged
from ..settings.node import Settings
from .clock import world_time
from .fences import PARTITIONS, claims_of, fence_of
from .journal import Journal
from .loop import stream_of_chance
from .node import Node, SeededIds
from .weather import Weather

T = TypeVar("T")

FOREIGN = Logged("info", "another hand", Raw(b"{}"))
"""A line that somebody else writes into a run of ours."""

PATIENCE = 4.0
"""Seconds without a pulse after which a node is taken for dead, rightly or not."""

SETTINGS = Settings(
    worker_concurrency=6, drain_seconds=5.0, audit_seconds=0.0, actors=ActorSettings(ask_seconds=20.0, passivate_seconds=4.0)
)


class Written(NamedTuple):
    """When a record was really written, in microseconds of the world, and how far any clock had been ahead of the world by then."""

    at: int
    ahead: int


class TimedLog(MemoryLog):
    """The log, with a note beside each record of the world's own time, which no node knows."""

    def __init__(self, ahead: Callable[[], int]) -> None:
        super().__init__()
        self.written: list[Written] = []
        """By position, counted from 1."""
        self._ahead = ahead

    def append_one(self, append: Append) -> Tail | Conflict:
        answer = super().append_one(append)
        if len(self.records) > len(self.written):
            self.written.append(Written(world_time(), self._ahead()))
        return answer


class World:
    """Nodes that serve one log while `play` goes on."""

    def __init__(
        self,
        seed: int,
        workflows: Iterable[Workflow[..., Any]],
        *,
        nodes: int = 3,
        weather: Weather | None = None,
        settings: Settings = SETTINGS,
        plan: Callable[[str], Plan] | None = None,
        ids: Callable[[str], Ids] | None = None,
        longest_pause: float = 2.0,
        resources: Resources | None = None,
        interceptors: Iterable[Interceptor] = (),
        code: Callable[[str], Iterable[Workflow[..., Any]]] | None = None,
    ) -> None:
        """`code`: the workflows that a start of a node has, by its name; `workflows`, the newest, if not given."""
        self.resources = resources
        self.interceptors = tuple(interceptors)
        self.seed = seed
        self.longest_pause = longest_pause
        """Seconds between two looks of a node at who owns what. Beyond a few, who is dead is told by the world, not by missing pulses."""
        self.workflows = tuple(workflows)
        self.names = [f"n{number}" for number in range(1, nodes + 1)]
        self.weather = weather or Weather()
        self.settings = settings
        self.ahead = 0
        """How far any clock has been ahead of the world so far, in microseconds."""
        self.log = TimedLog(lambda: self.ahead)
        self.journal = Journal()
        self.snapshots: list[Snapshot] = []
        """Every snapshot that was ever saved."""
        self.nodes: dict[str, Node] = {}
        self.past: list[Node] = []
        """Every start of every node."""
        self.trace: list[str] = []
        self.healed = False
        self._code = code
        self._plan = plan
        self._ids = ids
        self._pulses: dict[str, float] = {}
        self._net = self.dice("net")
        self._closing = False
        self._group: anyio.abc.TaskGroup | None = None

    # -- chance, time and trace ----------------------------------------------------------------------------------------

    def dice(self, name: str) -> Random:
        """The source of chance for one purpose."""
        return stream_of_chance(self.seed, name)

    def ids(self, owner: str) -> Ids:
        return self._ids(owner) if self._ids is not None else SeededIds(self.dice(f"ids:{owner}"))

    def note(self, what: str) -> None:
        self.trace.append(f"{anyio.current_time():.6f} {what}")

    def digest(self) -> str:
        """What identifies this history: every line of the trace and every record."""
        whole = sha256("\n".join(self.trace).encode())
        for record in self.log.records:
            whole.update(record.digest)
        for begun in self.journal.begun:
            whole.update(repr(begun).encode())
        return whole.hexdigest()[:16]

    # -- life ----------------------------------------------------------------------------------------------------------

    async def play(self, scenario: Callable[[World], Awaitable[T]]) -> T:
        """What the scenario returns, with all nodes serving meanwhile."""
        results: list[T] = []
        async with anyio.create_task_group() as self._group:
            for name in self.names:
                self._group.start_soon(self._keep, name)
            self._group.start_soon(self._storm)
            while len(self.nodes) < len(self.names):
                await anyio.lowlevel.checkpoint()
            try:
                results.append(await scenario(self))
            finally:
                self._closing = True
                for node in self.nodes.values():
                    node.end()
                self._group.cancel_scope.cancel()
        return results[0]

    async def _keep(self, name: str) -> None:
        """Start a node, and start it again whenever it has died."""
        dice, start = self.dice(f"keeper:{name}"), 0
        while not self._closing:
            start += 1
            await self._born(name, start, dice).life()
            await anyio.sleep(0.1 + dice.random() * (1 if self.healed else 6))

    def _born(self, name: str, start: int, dice: Random) -> Node:
        owner = f"{name}.{start}"
        plan = self._plan(owner) if self._plan is not None else self.weather.plan(self.dice(f"disk:{owner}"))
        if self.healed and isinstance(plan, Dice):
            plan.calm()
        skew = self.weather.skew * 1_000_000
        workflows = self.workflows if self._code is None else self._code(owner)
        node = Node(self, name, start, workflows, self.settings, plan, self._foreign, round(dice.uniform(-skew, skew)))
        self.ahead = max(self.ahead, node.clock.offset)
        self.nodes[name] = node
        self.past.append(node)
        self.note(f"{owner} starts")
        return node

    def heal(self) -> None:
        """The weather is over: whatever is broken now is to mend by itself."""
        self.healed = True
        self.note("all heals")
        for node in self.nodes.values():
            if isinstance(node.plan, Dice):
                node.plan.calm()
            node.runtime.confirm_clock()
            node.resume()

    # -- weather -------------------------------------------------------------------------------------------------------

    async def _storm(self) -> None:
        """Faults of whole nodes, until the weather is over."""
        rates, dice = self.weather.nodes, self.dice("faults")
        total = sum(rates.values())
        while total:
            await anyio.sleep(dice.expovariate(total))
            if self.healed:
                return
            what = dice.choices(tuple(rates), tuple(rates.values()))[0]
            await self._strike(what, self.nodes[dice.choice(self.names)], dice)

    async def _strike(self, what: str, node: Node, dice: Random) -> None:
        if node.dead or self._group is None:
            return
        match what:
            case "crash":
                node.crash()
            case "stop":
                node.stop()
            case "handover":
                node.hand_over(dice.randrange(PARTITIONS))
            case "pause":
                node.pause()
                self._group.start_soon(self._resume_later, node, 0.5 + dice.random() * 15)
            case "jump":
                seconds = dice.choice((-1, 1)) * 10 ** (dice.random() * 3 - 1)
                node.clock.offset += round(seconds * 1_000_000)
                self.ahead = max(self.ahead, node.clock.offset)
                self.note(f"the clock of {node.owner} jumps by {seconds:.1f} s")
            case "usurp":
                self._group.start_soon(self._usurp, node, dice.randrange(PARTITIONS))
            case _:
                raise ValueError(what)

    async def _resume_later(self, node: Node, seconds: float) -> None:
        await anyio.sleep(seconds)
        node.resume()

    async def _usurp(self, node: Node, partition: int) -> None:
        """A node takes a partition from an owner who is perfectly well."""
        if partition not in node.fences.held:
            try:
                await node.fences.claim(partition)
            except Exception as error:
                self.note(f"{node.owner} did not get partition {partition}: {type(error).__name__}")

    def _foreign(self, append: Append) -> Append | None:
        """Somebody else writes into a run of ours, so that our own append comes too late."""
        if not append.stream.startswith("run/"):
            return None
        batch = CODEC.decode(append.data)
        data = CODEC.encode(batch.at, batch.epoch, [FOREIGN])
        return sealed(append.stream, append.expected, data, 1)

    # -- who is who ----------------------------------------------------------------------------------------------------

    def pulse(self, owner: str) -> None:
        self._pulses[owner] = anyio.current_time()

    def seems_alive(self, owner: str) -> bool:
        if self.longest_pause > PATIENCE / 2:
            return any(node.owner == owner and not node.dead for node in self.nodes.values())
        return anyio.current_time() - self._pulses.get(owner, -PATIENCE) < PATIENCE

    def owner_of(self, stream: str) -> Node | None:
        """The node that owns the stream by the log itself, if it lives."""
        claims = claims_of(self.log.streams.get(fence_of(partition_of(stream, PARTITIONS)), ()))
        owner = claims[-1].owner if claims else ""
        return next((node for node in self.nodes.values() if node.owner == owner and not node.dead), None)

    def route(self, stream: str) -> Node:
        """Where a client sends a request: to the owner, or, as far as the net is bad, to anybody."""
        astray = not self.healed and self._net.random() < self.weather.astray
        owner = None if astray else self.owner_of(stream)
        return owner or self.nodes[self._net.choice(self.names)]

    def loses_answer(self) -> bool:
        return not self.healed and self._net.random() < self.weather.lost_answers
