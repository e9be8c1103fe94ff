"""Every approval with a policy, counted by hand: each voice once and from who may, the quorum at the right one, each stage in its time."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from perdure.eventlog.codec import Event
from perdure.runtime.authoring.policies import Terms
from perdure.runtime.run import events as ev
from perdure.runtime.run.events import CODEC
from perdure.runtime.run.evolve import evolve
from perdure.runtime.run.state import RunState
from perdure.runtime.testing.world import World
from tests.sim.clients import Client
from tests.sim.policies import PEOPLE


class Election:
    """One approval with a policy, as the log tells of it: a small model, written apart from the product."""

    def __init__(self, asked: ev.ApprovalRequested, terms: Terms, at: int, starter: str) -> None:
        self.asked, self.terms, self.at, self.starter = asked, terms, at, starter
        self.voices: list[str] = []
        self.stage = 0
        self.is_open = True

    def may(self, by: str, at: int) -> bool:
        if by == self.starter and not self.terms.starter_may:
            return False
        users, roles = set(self.terms.users), set(self.terms.roles)
        anybody = not users and not roles
        for stage in self.terms.stages:
            if at >= self.at + stage.after:
                users |= set(stage.users)
                roles |= set(stage.roles)
        return anybody or by in users or bool(roles & set(PEOPLE[by]))

    def given(self, by: str, at: int) -> Iterator[str]:
        yield from self._heard(by, at)
        if len(self.voices) + 1 >= self.terms.quorum:
            yield f"{len(self.voices) + 1} of {self.terms.quorum} have approved, and it is not decided"
        self.voices.append(by)

    def _heard(self, by: str, at: int) -> Iterator[str]:
        due = sum(at >= self.at + stage.after for stage in self.terms.stages)
        if not self.is_open:
            yield f"{by} was heard, and it is not open"
        if by in self.voices:
            yield f"{by} counts twice"
        if not self.may(by, at):
            yield f"{by} was heard, and may not decide"
        if self.asked.expires is not None and at >= self.asked.expires:
            yield f"{by} was heard at {at}, and its time was up at {self.asked.expires}"
        if due != self.stage:
            yield f"{by} was heard in stage {due}, and the log has stage {self.stage}"

    def escalated(self, stage: int, at: int) -> Iterator[str]:
        if not self.is_open or stage != self.stage + 1:
            yield f"it escalated to stage {stage} after {self.stage}, {'open' if self.is_open else 'not open'}"
        elif at < self.at + self.terms.stages[stage - 1].after:
            yield f"it escalated to stage {stage} before its time"
        self.stage = stage

    def decided(self, event: ev.ApprovalDecided, at: int) -> Iterator[str]:
        if event.outcome != "expired":
            yield from self._heard(event.by, at)
        elif self.stage != len(self.terms.stages):
            yield f"it expired in stage {self.stage} of {len(self.terms.stages)}"
        if event.outcome == "approved":
            self.voices.append(event.by)
            if len(self.voices) != self.terms.quorum:
                yield f"it was approved by {self.voices}, and takes {self.terms.quorum}"
        self.is_open = False


def miscounts(world: World, client: Client) -> Iterator[str]:
    """Everything in which an approval was not decided as its policy says; and what the code was told of who approved."""
    facts, open_, ever, starter = RunState(), dict[str, Election](), dict[str, Election](), ""
    counted = set[tuple[str, str, tuple[str, ...]]]()
    for record in world.log.streams.get(client.stream, ()):
        batch = CODEC.decode(record.data)
        for event in batch.events:
            facts = evolve(facts, event, batch.at)
            match event:
                case ev.RunStarted():
                    starter, open_ = event.by, {}
                case ev.Continued():
                    open_ = {}
                case ev.ApprovalRequested(terms=terms) if terms is not None:
                    open_[event.id] = ever[event.id] = Election(event, terms, batch.at, starter)
                case ev.RetryRequested():
                    open_ = {id: ever[id] for id in facts.approvals if id in ever}
                case ev.Logged(message="counted"):
                    line = msgspec.json.decode(event.fields)
                    told = line["key"], line["outcome"], tuple(line["voices"])
                    if told not in counted:
                        yield f"the code was told {told}, and the log has {sorted(counted)}"
                case _:
                    yield from _of(event, open_, batch.at)
            if isinstance(event, ev.ApprovalDecided) and (found := open_.pop(event.id, None)) is not None:
                counted.add((msgspec.json.decode(found.asked.show), event.outcome, tuple(found.voices)))
    yield from (f"approval {id} has the voices {ever[id].voices} by the log, and {asked.given} in the facts"
                for id, asked in facts.approvals.items() if id in ever and [one.by for one in asked.given] != ever[id].voices)  # fmt: skip


def _of(event: Event, open_: dict[str, Election], at: int) -> Iterator[str]:
    found = open_.get(getattr(event, "id", ""))
    if found is None:
        return
    match event:
        case ev.ApprovalGiven():
            told = found.given(event.by, at)
        case ev.ApprovalEscalated():
            told = found.escalated(event.stage, at)
        case ev.ApprovalDecided():
            told = found.decided(event, at)
        case _:
            return
    yield from (f"approval {event.id}: {what}" for what in told)
