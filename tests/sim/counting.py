"""What happened in a world that a simulation must have met to be worth its name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from perdure.eventlog.codec import Event
from perdure.runtime.run import events as ev
from perdure.runtime.run.events import CODEC
from perdure.runtime.run.evolve import evolve
from perdure.runtime.run.state import RunState
from perdure.runtime.testing.fences import PARTITIONS, claims_of, fence_of
from perdure.runtime.testing.world import World
from tests.sim.accounts import told
from tests.sim.racing import Racer


def count(world: World, clients: list[Racer]) -> Counter[str]:
    """What happened in this world that a simulation must have met to be worth its name."""
    happened: Counter[str] = Counter()
    for node in world.past:
        happened["conflicts_with_refold"] += node.runtime.dispatcher.conflicts
        happened["lost_replies"] += node.door.happened["lost_reply"]
        happened["torn_tails"] += node.door.happened["torn_tail_with_a_part_kept"]
        happened["passivated_runs_woken"] += node.woken
    for client in clients:
        happened.update(client.counters)
        happened["decisions_refused"] += sum(command in client.said for command in client.refused)
        _count_in(told(world, client.stream), happened)
        happened.update(of_wishes(world, client))
        happened["takeovers_during_a_step"] += _takeovers(world, client)
    crashed = {node.owner for node in world.past[: len(world.past)] if node.crashes}
    happened["retries_after_crash"] += sum(many[0].node in crashed and many[-1].node != many[0].node for many in world.journal.repeats())
    happened["attempts"], happened["records"] = len(world.journal.begun), len(world.log.records)
    happened["starts_of_nodes"] = len(world.past)
    return happened


def _count_in(events: list[Event], happened: Counter[str]) -> None:
    dropped: dict[str, None] = {}
    heard: dict[str, None] = {}
    for event in events:
        if isinstance(event, ev.EffectsAbandoned):
            dropped.update(dict.fromkeys(event.ids))
            happened["cancelled_losers"] += len(event.ids)
        elif isinstance(event, ev.StepCompleted | ev.StepFailed) and event.id in dropped:
            happened["late_outcomes"] += 1
        elif isinstance(event, ev.ApprovalDecided):
            happened["approvals_expired" if event.outcome == "expired" else "approvals_decided"] += 1
            happened["quorums"] += event.outcome == "approved" and event.id in heard
        elif isinstance(event, ev.ApprovalGiven):
            happened["voices"] += 1
            heard[event.id] = None
        elif isinstance(event, ev.ApprovalEscalated):
            happened["escalations"] += 1


def of_wishes(world: World, client: Racer) -> Iterator[str]:
    """What people wished of the run and got, and at which awkward moment."""
    facts, last = RunState(), (0, 0)
    for record in world.log.streams.get(client.stream, ()):
        batch = CODEC.decode(record.data)
        moment = batch.at, world.log.written[record.position - 1].at
        for event in batch.events:
            yield from _of_wish(event, facts)
            if isinstance(event, ev.Continued):
                yield from _outlived(world, client.stream, facts, moment[1])
            if isinstance(event, ev.TimerSet) and moment[0] == last[0] and moment[1] > last[1]:
                yield "timers_set_behind_a_clock_that_went_back"
            facts = evolve(facts, event, batch.at)
        last = moment
    yield from ("updates_answered" for _ in client.answered)


def _outlived(world: World, stream: str, facts: RunState, until: int) -> Iterator[str]:
    """Attempts that a generation left behind, and that ended once there was the next: the run was told, and recorded nothing."""
    for ended in world.journal.ended:
        if ended.stream == stream and ended.effect in facts.abandoned and ended.at > until:
            yield "late_outcomes_of_an_earlier_generation"


def _of_wish(event: Event, facts: RunState) -> Iterator[str]:  # noqa: PLR0912 - one case for each wish
    match event:
        case ev.Paused():
            yield "pauses"
            if len(facts.steps) > len(facts.retries):
                yield "pauses_during_a_step"
        case ev.Resumed() if facts.phase == "paused" and facts.delivered < len(facts.arrivals):
            yield "resumes_with_arrivals"
        case ev.Resumed() if facts.phase == "delayed":
            yield "delayed_starts"
        case ev.RetryRequested():
            yield "retried_runs"
            if facts.fault == "child":
                yield "retried_with_a_child"
        case ev.Continued():
            yield "generations"
        case ev.CancelRequested() if facts.retries:
            yield "cancels_while_backing_off"
        case ev.CancelRequested() if facts.phase == "paused":
            yield "cancels_of_paused_runs"
        case ev.RunStarted() if facts.phase != "new":
            yield "other_lives"
        case ev.RunTimedOut():
            yield "timed_out"
        case ev.Upgraded():
            yield "upgrades"
        case ev.Patched():
            yield "patched"
        case ev.Suspended(reason=reason):
            yield f"suspended_{reason}"
        case _:
            return


def _takeovers(world: World, client: Racer) -> int:
    """Recoveries of steps in flight by another node than the one that had them."""
    owners = {
        (partition, claim.epoch): claim.owner
        for partition in range(PARTITIONS)
        for claim in claims_of(world.log.streams.get(fence_of(partition), ()))
    }
    found = 0
    for event in told(world, client.stream):
        if isinstance(event, ev.Recovered):
            before = [owner for (_, epoch), owner in owners.items() if epoch == event.epoch - 1]
            found += any(owner.split(".")[0] != event.owner.split(".")[0] for owner in before)
    return found
