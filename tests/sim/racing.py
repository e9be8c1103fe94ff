"""Clients that wish more of their runs than an end: pauses, retries, updates, upgrades, other lives, all at once and at any moment."""

from __future__ import annotations

from contextlib import suppress
from random import Random

import anyio
import anyio.abc
import msgspec
from msgspec import Raw

from perdure.eventlog.errors import Refused, Unavailable
from perdure.runtime.requests import Applied, CancelRun, PauseRun, ResumeRun, RetryRun, StartRun, UpdateRun, UpgradeRun
from perdure.runtime.run.events import CODEC, RunStarted, StepFailed
from perdure.runtime.run.state import ENDED
from perdure.runtime.testing.loop import stream_of_chance
from perdure.runtime.testing.world import World
from tests.sim.clients import Client
from tests.sim.making import Maker
from tests.sim.policies import has_policies
from tests.sim.steps import RETRY
from tests.sim.voting import vote

RETRIES_MAX = 12
"""Retries after which a client takes a failed run for lost."""


class Racer(Client):
    """A client whose wishes race each other. Which it has is drawn from a source of its own."""

    def __init__(self, world: World, number: int, dice: Random) -> None:
        super().__init__(world, number, dice)
        self.chance = stream_of_chance(world.seed, f"wishes:{self.id}")
        self.back = stream_of_chance(world.seed, f"taken back:{self.id}")
        self.answered: dict[str, list[str]] = {}
        """Updates, by their command, and what they were answered."""
        self.retries = 0
        self.deadline = self.chance.uniform(3, 90) if self.chance.random() < 0.1 else None
        self.version = self.chance.choice((None, None, 1))
        """Of the workflow: the newest that its node knows, or the first."""

    def beginning(self) -> StartRun:
        delay = self.chance.uniform(0.5, 20) if self.chance.random() < 0.15 else 0.0
        deadline = self.deadline and delay + self.deadline
        return msgspec.structs.replace(super().beginning(), version=self.version, delay=delay, deadline=deadline)

    def race(self, group: anyio.abc.TaskGroup) -> None:
        for wish, likely in (
            (self.pause_it, 0.35), (self.update_it, 0.4), (self.upgrade_it, 0.3), (self.replace_it, 0.12), (self.repeat_late, 0.5),
            (self.cancel_it_while_it_backs_off, 0.15),
        ):  # fmt: skip
            if self.chance.random() < likely:
                group.start_soon(wish)
        if has_policies(self.world.seed):
            group.start_soon(vote, self)

    async def pause_it(self) -> None:
        """Pause and resume, and pause again perhaps; whoever pauses must resume."""
        for number in range(self.chance.randrange(1, 4)):
            await anyio.sleep(self.chance.random() * 15)
            freeze = self.chance.random() < 0.3
            await self.answer_to(PauseRun(run=self.id, command=f"pause{number}", freeze=freeze))
            await anyio.sleep(self.chance.random() * 15)
            await self.answer_to(ResumeRun(run=self.id, command=f"resume{number}"))

    async def update_it(self) -> None:
        for number in range(self.chance.randrange(1, 4)):
            await anyio.sleep(self.chance.random() * 12)
            self.open += 1
            with suppress(Refused):
                await self.update(f"update{number}", f"thing{number}")
            self.open -= 1

    async def update(self, command: str, what: str) -> None:
        """Ask until there is an answer, and perhaps once more, which must be answered alike."""
        again = self.chance.random() < 0.3
        while command not in self.answered or again:
            request = UpdateRun(run=self.id, name="add", arguments=Raw(msgspec.json.encode([what])), command=command, within=20.0)
            try:
                reply = await self.world.route(self.stream).call(request)
            except Unavailable:
                await anyio.sleep(0.05 + self.chance.random())
                continue
            if self.world.loses_answer():
                continue
            answer = msgspec.json.decode(reply.result, type=list[str])
            if self.answered.setdefault(command, answer) != answer:
                self.found.append(f"{command} was first answered with {self.answered[command]}, then with {answer}")
            if what not in answer:
                self.found.append(f"{command} was answered with {answer}, in which it is not")
            if again:
                await anyio.sleep(self.chance.random() * 10)
                again = False

    async def upgrade_it(self) -> None:
        await anyio.sleep(self.chance.random() * 20)
        await self.command(UpgradeRun(run=self.id, version=2, command="upgrade"))

    async def replace_it(self) -> None:
        """Begin another run under the same id: in the place of the one that is there, or behind its end."""
        self.open += 1
        await anyio.sleep(self.chance.random() * 40)
        maker = Maker(self.chance)
        program = self.programs["another life"] = maker.alone(2)
        arguments = Raw(msgspec.json.encode([program]))
        request = StartRun(workflow="play", arguments=arguments, run=self.id, on_conflict="terminate_and_start", reuse="always")
        await self.command(msgspec.structs.replace(request, command="another life", by=self.starter))
        self.open -= 1

    async def cancel_it_while_it_backs_off(self) -> None:
        """Watch the log for a step that is to be tried again, and cancel the run before it is."""
        while self.end is None:
            await anyio.sleep(0.3)
            if any(isinstance(event, StepFailed) and event.retry_at is not None for event in self.last_events()):
                await anyio.sleep(self.chance.random() * RETRY.first.total_seconds())
                self.wishes.append("cancel")
                self.refused.pop("cancel", None)  # said of an earlier life of the run, perhaps
                with suppress(Refused):
                    await self.ask(CancelRun(run=self.id, command="cancel"))
                return

    async def repeat_late(self) -> None:
        """Say long afterwards once more what was granted: it must be answered as it was then."""
        await anyio.sleep(20 + self.chance.random() * 60)
        start = self.beginning()
        await self.answer_to(msgspec.structs.replace(start, delay=0.0, deadline=None))
        version, snapshot = self.applied.get("begin", 0), self.world.log.snapshots.get(self.stream)
        self.counters["dedupe_hits_behind_a_snapshot"] += snapshot is not None and snapshot.tail.version >= version

    def last_events(self) -> list[object]:
        records = self.world.log.streams.get(self.stream, ())
        return list(CODEC.decode(records[-1].data).events) if records else []

    @property
    def begins_again(self) -> bool:
        return self.retries > 0 or "another life" in self.programs

    async def went_on(self, end: Applied) -> bool:
        """A failed run is retried; and another life may have begun by the time its client hears of the end of the first."""
        while self.open:  # noqa: ASYNC110 - a look a second, of virtual time
            await anyio.sleep(1)
        if self.has_begun_again(end.version):
            return True
        if end.status != "failed":
            return False
        self.retries += 1
        if self.retries <= RETRIES_MAX and await self.retry(len(self.told())):
            return True
        self.gave_up = True
        return self.has_begun_again(end.version)

    async def retry(self, length: int) -> bool:
        """From the failure on; or, now and then, from any version at which the run may be taken back."""
        if self.back.random() < 0.3:
            earlier = RetryRun(run=self.id, from_version=self.back.randint(1, length), command=f"back{self.retries}")
            if await self.answer_to(earlier):
                return True
        return await self.answer_to(RetryRun(run=self.id, command=f"retry{self.retries}"))

    def has_begun_again(self, version: int) -> bool:
        """Whether the run has not ended, or is another by now."""
        is_live = self.world.log.summaries[self.stream].head.status not in ENDED
        return is_live or any(isinstance(event, RunStarted) for event in self.told()[version:])

    def told(self) -> list[object]:
        return [event for record in self.world.log.streams[self.stream] for event in CODEC.decode(record.data).events]
