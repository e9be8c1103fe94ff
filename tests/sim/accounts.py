"""What the clients were told, held against the log: nothing acknowledged is lost, and everything adds up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import msgspec

from perdure.eventlog.codec import Event
from perdure.runtime.run import events as ev
from perdure.runtime.run.events import CODEC
from perdure.runtime.testing.checks import AFTER_THE_END
from perdure.runtime.testing.fences import PARTITIONS, claims_of, fence_of
from perdure.runtime.testing.world import FOREIGN, World
from tests.sim.clients import Client
from tests.sim.programs import NAMES, admits

EXPECTED = {"cancelled": "cancel", "terminated": "terminate"}


def told(world: World, stream: str) -> list[Event]:
    return [event for record in world.log.streams.get(stream, ()) for event in CODEC.decode(record.data).events]


def differences(world: World, client: Client) -> Iterator[str]:
    """Everything in which a client's account and the log differ."""
    events = told(world, client.stream)
    yield from client.found
    yield from _of_commands(client, events)
    yield from _of_signals(world, client, events)
    yield from _of_approvals(world, client)
    yield from _of_steps(events)
    yield from _of_end(client, events)


def _of_commands(client: Client, events: list[Event]) -> Iterator[str]:
    places = {getattr(event, "command", ""): version for version, event in enumerate(events, 1)}
    for command, version in client.applied.items():
        if command == "begin again":
            continue
        if places.get(command) != version:
            where = f"at {places[command]}" if command in places else "nowhere"
            yield f"command {command} was acknowledged at version {version}, and the log has it {where}"
    for command, why in client.refused.items():
        if command in places:
            yield f"command {command} was refused ({why}) and is applied at version {places[command]} all the same"


def _of_signals(world: World, client: Client, events: list[Event]) -> Iterator[str]:
    """Received = sent, and what is taken is what came first: nothing eaten, nothing twice.

    Branches that reach for signals in one turn may take them in any order: one that then loses its race gives back what it had.
    """
    sent = Counter(client.sent.values())
    came = [(event.name, msgspec.json.decode(event.value)) for event in events if isinstance(event, ev.SignalReceived)]
    if Counter(came) - sent:
        yield f"signals were received that nobody sent: {Counter(came) - sent}"
    waiting: dict[str, list[str]] = {name: [] for name in NAMES}
    for record in world.log.streams.get(client.stream, ()):
        found = CODEC.decode(record.data).events
        taken: list[tuple[str, str]] = []
        for event in found:
            if isinstance(event, ev.SignalReceived):
                waiting[event.name].append(msgspec.json.decode(event.value))
            elif isinstance(event, ev.Logged) and event.message == "took":
                line = msgspec.json.decode(event.fields)
                taken.append((line["name"], line["value"]))
        for name, value in taken:
            if value not in waiting[name] or (len(taken) == 1 and waiting[name][0] != value):
                yield f"signal {value} was taken, and what waited was {waiting[name]}"
            else:
                waiting[name].remove(value)


def _of_approvals(world: World, client: Client) -> Iterator[str]:
    """One decision for each, in its time, as its person said it; and the code heeds just that."""
    asked: dict[str, ev.ApprovalRequested] = {}
    decided, heeded = Counter[tuple[str, str, str]](), Counter[tuple[str, str, str]]()
    for record in world.log.streams.get(client.stream, ()):
        batch = CODEC.decode(record.data)
        for event in batch.events:
            if isinstance(event, ev.ApprovalRequested):
                asked[event.id] = event
            elif isinstance(event, ev.EffectsAbandoned):
                asked = {id: found for id, found in asked.items() if id not in event.ids}
            elif isinstance(event, ev.ApprovalDecided):
                found = asked.pop(event.id, None)
                if found is None:
                    yield f"approval {event.id} was {event.outcome}, and was not open"
                    continue
                decided[msgspec.json.decode(found.show), event.outcome, event.by] += 1
                yield from _of_decision(client, found, event, batch.at)
            elif isinstance(event, ev.Logged) and event.message == "heeded":
                line = msgspec.json.decode(event.fields)
                heeded[line["key"], line["outcome"], line["by"]] += 1
    if heeded - decided:
        yield f"the code was told of decisions that nobody made: {heeded - decided}"


def _of_decision(client: Client, asked: ev.ApprovalRequested, event: ev.ApprovalDecided, at: int) -> Iterator[str]:
    in_time = asked.expires is None or at < asked.expires
    if in_time is (event.outcome == "expired"):
        yield f"approval {event.id} was {event.outcome} at {at}, its time is up at {asked.expires}"
    said = client.said.get(event.command)
    if event.outcome != "expired" and (said is None or (said.outcome, said.by, said.digest) != (event.outcome, event.by, asked.digest)):
        yield f"approval {event.id} was {event.outcome} by {event.by}, and what was said is {said}"


def _of_steps(events: list[Event]) -> Iterator[str]:
    """Each recorded value is that of the step that was asked for."""
    keys = {event.id: msgspec.json.decode(event.args)[0] for event in events if isinstance(event, ev.StepScheduled)}
    for event in events:
        if isinstance(event, ev.StepCompleted) and msgspec.json.decode(event.value) != f"did {keys[event.id]}":
            yield f"step {event.id} asked for {keys[event.id]} and has the value {bytes(event.value).decode()}"


def _of_end(client: Client, events: list[Event]) -> Iterator[str]:
    end = client.end
    if end is None:
        yield "it has not ended"
        return
    last = [event for event in events if not isinstance(event, AFTER_THE_END) and event != FOREIGN][-1]
    if not isinstance(
        last,
        {"completed": ev.RunCompleted, "cancelled": ev.RunCancelled, "terminated": ev.RunTerminated}.get(end.status, ev.RunFailed),
    ):
        yield f"its end was told as {end.status}, and the log says {type(last).__name__}"
    if end.status in EXPECTED and EXPECTED[end.status] not in client.wishes:
        yield f"it is {end.status}, and nobody wished that"
    if end.status == "failed":
        yield f"it failed: {end.failure}"
    if end.status == "completed":
        value = msgspec.json.decode(end.result) if isinstance(end.result, msgspec.Raw) else None
        if not admits(client.program, value):
            yield f"its result {value} is none that the program admits: {client.program}"


def count(world: World, clients: list[Client]) -> Counter[str]:
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
        happened["takeovers_during_a_step"] += _takeovers(world, client)
    crashed = {node.owner for node in world.past[: len(world.past)] if node.crashes}
    happened["retries_after_crash"] += sum(many[0].node in crashed and many[-1].node != many[0].node for many in world.journal.repeats())
    happened["attempts"], happened["records"] = len(world.journal.begun), len(world.log.records)
    happened["starts_of_nodes"] = len(world.past)
    return happened


def _count_in(events: list[Event], happened: Counter[str]) -> None:
    dropped: dict[str, None] = {}
    for event in events:
        if isinstance(event, ev.EffectsAbandoned):
            dropped.update(dict.fromkeys(event.ids))
            happened["cancelled_losers"] += len(event.ids)
        elif isinstance(event, ev.StepCompleted | ev.StepFailed) and event.id in dropped:
            happened["late_outcomes"] += 1
        elif isinstance(event, ev.ApprovalDecided):
            happened["approvals_expired" if event.outcome == "expired" else "approvals_decided"] += 1


def _takeovers(world: World, client: Client) -> int:
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
