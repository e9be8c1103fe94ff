"""Clients of a simulated world: each starts a run, sends it signals, perhaps cancels it, and keeps account of every answer.

What else people may wish of a run is in `racing`.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from random import Random

import anyio
import anyio.abc
import msgspec
from msgspec import Raw

from perdure.eventlog.errors import NotFound, PerdureError, Refused, Unavailable
from perdure.eventlog.streams import stream_of
from perdure.runtime.inspect.replay import fold
from perdure.runtime.requests import (
    Applied,
    AwaitRun,
    CancelRun,
    Commanding,
    DecideApproval,
    PauseRun,
    ResumeRun,
    RetryRun,
    SignalRun,
    StartRun,
    TerminateRun,
    UpgradeRun,
)
from perdure.runtime.run.events import CODEC, ApprovalRequested
from perdure.runtime.run.state import ENDED
from perdure.runtime.testing.loop import stream_of_chance
from perdure.runtime.testing.node import Node
from perdure.runtime.testing.world import World
from tests.sim.making import Maker, signals_needed
from tests.sim.policies import STARTER, has_policies, with_policies
from tests.sim.programs import Part

MAY_CHANGE_NOTHING = (PauseRun, ResumeRun, RetryRun, UpgradeRun)
"""Requests that are granted where the run stands so already: then nothing is recorded, and a repeat is answered as it stands by then."""

FOR_EVER = 1e6
"""Seconds that a client waits for the end of a run."""


def open_approvals(world: World, stream: str) -> list[ApprovalRequested]:
    """What the log says that the run asks, and nobody has decided."""
    records = world.log.streams.get(stream, ())
    if not records:
        return []
    asked = {event.id: event for record in records for event in CODEC.decode(record.data).events if isinstance(event, ApprovalRequested)}
    return [asked[id] for id in fold(stream, records).approvals]


class Client:
    """One run from outside."""

    def __init__(self, world: World, number: int, dice: Random) -> None:
        self.world = world
        self.id = f"run{number}"
        self.stream = stream_of("run", "default", self.id)
        self.dice = dice
        self.starter = ""
        """Who begins the run, where that is said."""
        self.program: Part = Maker(dice).program()
        if has_policies(world.seed):
            chance = stream_of_chance(world.seed, f"policies:{self.id}")
            self.starter = STARTER if chance.random() < 0.5 else ""
            self.program = with_policies(self.program, chance, self.starter)
        self.programs: dict[str, Part] = {"begin": self.program}
        """What was asked to be played, by the command of the start."""
        self.applied: dict[str, int] = {}
        """Accepted commands, and the version of the first answer."""
        self.refused: dict[str, str] = {}
        self.sent: dict[str, tuple[str, str]] = {}
        """Commands of signals, and what they carry."""
        self.open = 0
        """Wishes under way that may yet begin another life of the run."""
        self.said: dict[str, DecideApproval] = {}
        """Commands of decisions."""
        self.wishes: list[str] = []
        """"cancel" or "terminate", once sent."""
        self.end: Applied | None = None
        self.found: list[str] = []
        """What this client saw that must not be."""
        self.counters: Counter[str] = Counter()
        self.node: Node | None = None
        self.waiting: anyio.CancelScope | None = None
        self.ended_at: float | None = None
        self.told_late = False
        self.gave_up = False
        """It failed, and nothing that its client may do helps."""
        self.late = dice.random() < 0.3
        """Sends its signals only when all has been at rest for a while."""

    # -- what it does --------------------------------------------------------------------------------------------------

    async def live(self, rested: anyio.Event) -> None:
        await anyio.sleep(self.dice.random() * 5)
        start = self.beginning()
        await self.command(start)
        async with anyio.create_task_group() as group:
            if self.dice.random() < 0.4:
                group.start_soon(self.later, 30.0, StartRun(workflow="play", arguments=start.arguments, run=self.id, command="begin again"))
            if self.dice.random() < 0.2:
                group.start_soon(self.stop_it)
            group.start_soon(self.signal_it, rested)
            group.start_soon(self.answer_it)
            group.start_soon(self.await_it)
            group.start_soon(self.move_on)
            self.race(group)

    def beginning(self) -> StartRun:
        """The start of the run."""
        return StartRun(workflow="play", arguments=Raw(msgspec.json.encode([self.program])), run=self.id, command="begin", by=self.starter)

    def race(self, group: anyio.abc.TaskGroup) -> None:
        """What else it does meanwhile."""

    @property
    def begins_again(self) -> bool:
        """Whether a run that has ended may go on, so that what was refused is granted later."""
        return False

    async def went_on(self, end: Applied) -> bool:
        """Whether the run goes on behind this end, because the client wished it."""
        return False

    async def signal_it(self, rested: anyio.Event) -> None:
        if self.late:
            await rested.wait()
        extra = self.dice.randrange(2)
        wanted = [name for name, count in signals_needed(self.program).items() for _ in range(count + extra)]
        self.dice.shuffle(wanted)
        for number, name in enumerate(wanted):
            await anyio.sleep(self.dice.random() * (8 if self.dice.random() < 0.5 else 0.5))
            command, value = f"signal{number}", f"{name}{number}"
            self.sent[command] = (name, value)
            signal = SignalRun(run=self.id, name=name, value=Raw(msgspec.json.encode(value)), command=command)
            await self.command(signal)
            while command in self.refused and self.end is None:
                await anyio.sleep(3)  # a run that has failed may go on: then it wants its signals
                await self.answer_to(signal)

    async def answer_it(self) -> None:
        """Two people say the opposite of each other to what the run asks, unless it may expire; they look at the log, not at the run."""
        chance, asked = stream_of_chance(self.world.seed, f"people:{self.id}"), dict[str, int]()
        async with anyio.create_task_group() as group:
            while self.end is None:
                await anyio.sleep(chance.random() * 4)
                for event in open_approvals(self.world, self.stream):
                    if event.terms is not None:
                        continue  # those of `voting` decide
                    times = asked[event.id] = asked.get(event.id, 0) + 1
                    if event.expires is not None and chance.random() < 0.5:
                        continue
                    for outcome, by in (("approved", "Ada"), ("rejected", "Bob")):
                        seen = event.digest if times > 1 or chance.random() < 0.8 else "something else"
                        wish = DecideApproval(
                            run=self.id,
                            id=event.id,
                            outcome="approved" if outcome == "approved" else "rejected",
                            by=by,
                            digest=seen,
                            command=f"{by} {event.id} {times}",
                        )
                        self.said[wish.command] = wish
                        group.start_soon(self.later, 3.0, wish)

    async def stop_it(self) -> None:
        wish = self.dice.choice(("cancel", "cancel", "terminate"))
        request = CancelRun(run=self.id, command=wish) if wish == "cancel" else TerminateRun(run=self.id, command=wish)
        self.wishes.append(wish)
        if self.dice.random() < 0.3:
            await anyio.sleep(self.dice.random() * 40)
            with suppress(Refused):
                await self.ask(request)  # once, whatever becomes of it
        else:
            await self.later(40.0, request)

    async def later(self, longest: float, request: Commanding) -> None:
        await anyio.sleep(self.dice.random() * longest)
        await self.command(request)

    async def command(self, request: Commanding) -> None:
        """Send until there is an answer; sometimes send again, which must be answered as before."""
        await self.answer_to(request)
        while self.dice.random() < 0.25:
            await anyio.sleep(self.dice.random() * 3)
            self.counters["dedupe_hits"] += await self.answer_to(request)

    async def answer_to(self, request: Commanding) -> bool:
        """Whether the request was accepted."""
        id = request.command
        while True:
            try:
                answer = await self.ask(request)
            except (Refused, NotFound) as refusal:
                if id in self.applied and not self.begins_again:
                    self.found.append(f"{id} was applied at version {self.applied[id]}, and then refused: {refusal.message}")
                self.refused[id] = refusal.message
                return False
            if answer is not None:
                break
        version = self.applied.setdefault(id, answer.version)
        may_be_nothing = isinstance(request, MAY_CHANGE_NOTHING)
        if may_be_nothing:
            self.applied[id] = answer.version
            self.refused.pop(id, None)
        elif self.refused.pop(id, None) is not None and not self.begins_again:
            self.found.append(f"{id} was refused, and is applied at version {answer.version}")
        elif version != answer.version and not (id == "cancel" and self.wishes.count("cancel") > 1):
            self.found.append(f"{id} was first answered with version {version}, then with version {answer.version}")
        return True

    async def ask(self, request: Commanding) -> Applied | None:
        """One try; None where its outcome is not known."""
        world = self.world
        try:
            answer = await world.route(self.stream).call(request)
        except Unavailable:
            answer = None
        if answer is None or world.loses_answer():
            await anyio.sleep(0.05 + self.dice.random())
            return None
        return answer

    async def await_it(self) -> None:
        """Wait at the owner, without a look in between: a run that nobody else wakes is not to be woken by being asked for."""
        while self.end is None:
            self.node = self.world.route(self.stream)
            answer: Applied | None = None
            try:
                with anyio.CancelScope() as self.waiting:
                    answer = await self.node.call(AwaitRun(run=self.id, within=FOR_EVER))
            except Unavailable:
                answer = None
            except PerdureError as error:
                self.found.append(f"awaiting its end gave {error!r}")
                return
            if answer is None:
                await anyio.sleep(self.dice.random())
            elif answer.status in ENDED:
                self.node = None
                if not await self.went_on(answer):
                    self.end = answer
            else:
                self.found.append(f"it was said to have ended: {answer.status}")

    async def move_on(self) -> None:
        """Ask elsewhere once another node owns the run; a node that itself wrote the end must have told it."""
        while self.end is None:
            await anyio.sleep(2)
            if self.node is not None and self.world.owner_of(self.stream) not in (self.node, None):
                if self.waiting is not None:
                    self.waiting.cancel()
            elif self.node is not None:
                self.was_told(self.node)

    def was_told(self, node: Node) -> None:
        summary = self.world.log.summaries.get(self.stream)
        if summary is None or summary.head.status not in ENDED:
            self.ended_at = None
            return
        if node.dead or self.told_late or self.world.weather.nodes.get("pause"):
            return
        batch = CODEC.decode(self.world.log.streams[self.stream][-1].data)
        if node.fences.epoch(self.stream) == batch.epoch and (anyio.current_time() - self.first_seen()) > 40:
            self.told_late = True
            self.found.append(f"{node.owner} wrote its end and did not tell who waited there for it")

    def first_seen(self) -> float:
        """When the end of the run was first seen."""
        if self.ended_at is None:
            self.ended_at = anyio.current_time()
        return self.ended_at
