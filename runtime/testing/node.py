"""A node of the simulation: the whole real runtime on ports that the simulation holds in its hand."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, overload

import anyio
import anyio.abc
import msgspec
from anyio.lowlevel import checkpoint

from ...actors.storing import Shared
from ...eventlog.errors import PerdureError, Unavailable
from ...eventlog.faults import FaultyLog, FaultySnapshots, Foreign, Plan
from ...eventlog.log import Carrier
from ...eventlog.records import Tail
from ...eventlog.snapshots import Snapshot
from ..authoring.workflows import Workflow
from ..engine import Runtime
from ..perform.handing import Handover
from ..requests import Answered, AnyRequest, Applied, Commanding, QueryRun, UpdateRun
from ..run.commands import Command
from ..run.performing import Standing
from ..settings.node import Settings
from .clock import NodeClock
from .fences import Fences
from .journal import WatchedPool

if TYPE_CHECKING:
    from .world import World

PIECES = (0, 2, 3)
"""Some nodes store a turn whole, others in pieces of so many actors, and begin the next meanwhile."""


class SeededIds:
    """Ids and seeds from the simulation's own chance."""

    def __init__(self, dice: Random) -> None:
        self._dice = dice

    def run_id(self, now: int) -> str:
        return f"{now:018d}{self._dice.getrandbits(32):08x}"

    def seed(self) -> int:
        return self._dice.getrandbits(63)


class InlineThreads:
    """Plain functions at once and in place: a simulation has one thread."""

    async def run(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        await checkpoint()
        return function(*args, **kwargs)

    async def look(self, function: Callable[..., Any], *args: Any) -> Any:
        return await self.run(function, *args)


class KeptSnapshots(FaultySnapshots):
    """Snapshots whose every edition is kept, so that each can be held against the log; and who is activated is seen."""

    def __init__(self, door: FaultyLog, saved: list[Snapshot], activated: Callable[[Sequence[str]], None]) -> None:
        super().__init__(door)
        self._saved = saved
        self._activated = activated

    async def load(self, streams: Sequence[str]) -> Any:
        self._activated(streams)
        return await super().load(streams)

    async def save(self, snapshots: Sequence[Snapshot]) -> None:
        self._saved.extend(snapshots)
        await super().save(snapshots)


class Node:
    """One start of a node: `life` serves until `crash` or `stop`; the next start is another Node."""

    def __init__(
        self,
        world: World,
        name: str,
        start: int,
        workflows: Iterable[Workflow[..., Any]],
        settings: Settings,
        plan: Plan,
        foreign: Foreign,
        offset: int,
    ) -> None:
        self.world = world
        self.name = name
        self.owner = f"{name}.{start}"
        self.plan = plan
        self.door = FaultyLog(world.log, plan, foreign=foreign, crashed=self.crash)
        self.clock = NodeClock(offset)
        self.dead = self.paused = self.crashes = self._ending = False
        self.woken = 0
        """Activations of runs that this node had served and passivated."""
        self.fences = Fences(
            self.owner,
            self.door,
            world.dice(f"fences:{self.owner}"),
            now=self.clock.now,
            seems_alive=world.seems_alive,
            pulse=world.pulse,
            won=self._won,
            lost=self._lost,
            longest=world.longest_pause,
        )
        behind = self.door.carrier()
        carrier = Carrier(self.door, behind.heads, KeptSnapshots(self.door, world.snapshots, self._activated), behind.blobs, "memory")
        self.runtime = Runtime(
            carrier,
            workflows,
            clock=self.clock,
            ids=world.ids(self.owner),
            threads=InlineThreads(),
            ownership=self.fences,
            settings=settings,
            resources=world.resources,
            interceptors=world.interceptors,
            shared=Shared(self._newest, world.dice(f"piece:{self.owner}").choice(PIECES)),
            pool=partial(WatchedPool, world.journal, self.door.passing, self.fences.last_epoch, lambda: self.dead),
        )
        self.runtime.courier.ask = self._ask_run
        self.handover = Handover(self.runtime, self.fences, seconds=settings.drain_seconds)
        self._scope = anyio.CancelScope()
        self._calls: dict[anyio.CancelScope, None] = {}
        self._services: anyio.abc.TaskGroup | None = None
        self._served: dict[str, None] = {}

    def __repr__(self) -> str:
        return f"<node {self.owner}{' dead' if self.dead else ' paused' if self.paused else ''}>"

    async def life(self) -> None:
        """Serve until the end of this start."""
        try:
            with self._scope:
                async with self.runtime.serving(), anyio.create_task_group() as self._services:
                    self._services.start_soon(self.fences.serve)
                    self._services.start_soon(self.handover.serve)
                    try:
                        await anyio.sleep_forever()
                    finally:
                        self._ending = True
        except Exception:
            if not self.dead:  # a cut port may raise anything anywhere: nobody is left to care
                raise
        finally:
            self.dead = True
            self.door.cut()

    # -- what befalls it -----------------------------------------------------------------------------------------------

    def crash(self) -> None:
        """As kill -9."""
        if not self.dead:
            self.crashes = True
            self.world.note(f"{self.owner} crashes")
            self.end()

    def end(self) -> None:
        """End at once: the ports are cut first, so that what Python still runs on the way out reaches nobody."""
        self.dead = True
        self.door.cut()
        self.runtime.settings = msgspec.structs.replace(self.runtime.settings, drain_seconds=0.0)
        self._scope.cancel()
        for call in tuple(self._calls):
            call.cancel()

    def stop(self) -> None:
        """As SIGTERM: hand over, drain, then end."""
        self.world.note(f"{self.owner} stops")
        if self.fences.leaving or not self._begin(self._leave):
            self._scope.cancel()
        self.fences.leaving = True

    async def _leave(self) -> None:
        self.handover.begin(sorted(self.fences.held))
        await self.handover.finish()
        self._scope.cancel()

    def hand_over(self, partition: int) -> None:
        """Let another node have a partition, in good order."""
        if partition in self.fences.held:
            self.world.note(f"{self.owner} hands over partition {partition}")
            self.handover.begin([partition])

    def pause(self) -> None:
        """As SIGSTOP: every port blocks."""
        if not self.dead:
            self.paused = True
            self.door.pause()
            self.world.note(f"{self.owner} is paused")

    def resume(self) -> None:
        if self.paused:
            self.paused = False
            self.world.note(f"{self.owner} goes on")
            self.door.resume()

    # -- what others do with it ----------------------------------------------------------------------------------------

    @overload
    async def call(self, request: Commanding) -> Applied: ...
    @overload
    async def call(self, request: UpdateRun | QueryRun) -> Answered: ...
    @overload
    async def call(self, request: AnyRequest) -> Applied | Answered: ...
    async def call(self, request: AnyRequest) -> Applied | Answered:
        """Send a request; Unavailable where the node dies before it has answered."""
        scope = anyio.CancelScope()
        self._calls[scope] = None
        try:
            with scope:
                await self.door.passing()
                return await self.runtime.do(request)
        finally:
            del self._calls[scope]
        raise Unavailable("the node died", who=self.owner, instead="ask again with the same command id")

    async def _ask_run(self, stream: str, command: Command) -> Standing:
        """What a run here has to say to another, wherever that is served."""
        await self.door.passing()
        answer = await self.world.route(stream).hear(stream, command)
        await self.door.passing()
        if self.world.loses_answer():
            raise Unavailable("the answer was lost", who=stream, instead="ask again")
        return answer

    async def hear(self, stream: str, command: Command) -> Standing:
        """Answer another node; Unavailable where this one dies before it has."""
        scope = anyio.CancelScope()
        self._calls[scope] = None
        try:
            with scope:
                await self.door.passing()
                answer: Standing = await self.runtime.dispatcher.ask(stream, command)
                return answer
        finally:
            del self._calls[scope]
        raise Unavailable("the node died", who=self.owner, instead="ask again")

    async def _newest(self, streams: Sequence[str]) -> Mapping[str, Tail]:
        found = await self.door.load(dict.fromkeys(streams, 0))
        return {stream: records[-1].tail for stream, records in found.items() if records}

    def _won(self, partition: int) -> None:
        self.world.note(f"{self.owner} owns partition {partition}, epoch {self.fences.held[partition]}")
        self.handover.win([partition])
        self._begin(self.runtime.won)

    def _lost(self, partition: int) -> None:
        self.world.note(f"{self.owner} has lost partition {partition}")
        self.handover.lose([partition])

        def is_lost(stream: str) -> bool:
            return self.fences.part_of(stream) == partition

        self._begin(self.runtime.lost, is_lost)

    def _begin(self, service: Callable[..., Awaitable[object]], *args: Any) -> bool:
        """Have it done beside the services; False where the node does not serve, or no more."""
        if self._services is None or self._ending:
            return False
        self._services.start_soon(partial(_quietly, service, *args))
        return True

    def _activated(self, streams: Sequence[str]) -> None:
        for stream in streams:
            actor, summary = self.runtime.dispatcher.actors.get(stream), self.world.log.summaries.get(stream)
            if (
                stream in self._served
                and actor is not None
                and not actor.exists
                and summary is not None
                and summary.head.status == "running"
            ):
                self.woken += 1
            self._served[stream] = None


async def _quietly(service: Callable[..., Awaitable[object]], *args: Any) -> None:
    try:
        await service(*args)
    except PerdureError:
        return  # the next sweep finds them
