"""What the clients were told, held against the log: nothing acknowledged is lost, and everything adds up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import msgspec

from perdure.eventlog.codec import Event
from perdure.runtime.run import events as ev
from perdure.runtime.run.events import CODEC
from perdure.runtime.run.evolve import evolve
from perdure.runtime.run.state import RunState
from perdure.runtime.testing.world import World
from tests.sim.admitting import admits, eased, has
from tests.sim.clients import Client
from tests.sim.elections import miscounts
from tests.sim.programs import NAMES
from tests.sim.promises import broken_promises

NEED_NOT_BE_RECORDED = ("pause", "resume", "retry", "upgrade")
"""Commands that change nothing where the run stands so already."""

EXPECTED = {"cancelled": "cancel", "terminated": "terminate"}


ENDS: dict[str, type[Event]] = {
    "completed": ev.RunCompleted, "cancelled": ev.RunCancelled, "terminated": ev.RunTerminated, "failed": ev.RunFailed,
    "timed_out": ev.RunTimedOut,
}  # fmt: skip


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
    yield from broken_promises(world, client.stream)
    yield from miscounts(world, client)


def _of_commands(client: Client, events: list[Event]) -> Iterator[str]:
    places = {getattr(event, "command", ""): version for version, event in enumerate(events, 1)}
    for command, version in client.applied.items():
        if command == "begin again":
            continue
        if places.get(command) != version and not (command not in places and command.startswith(NEED_NOT_BE_RECORDED)):
            where = f"at {places[command]}" if command in places else "nowhere"
            yield f"command {command} was acknowledged at version {version}, and the log has it {where}"
    for command, why in client.refused.items():
        if command in places:
            yield f"command {command} was refused ({why}) and is applied at version {places[command]} all the same"


def _of_signals(world: World, client: Client, events: list[Event]) -> Iterator[str]:
    """Received = sent, and what is taken is what came first: nothing eaten, nothing twice.

    Branches that reach for signals in one turn may take them in any order: one that then loses its race gives back what it had,
    so order is looked at where one branch took a signal and none lost.
    """
    sent = Counter(client.sent.values())
    came = [(event.name, msgspec.json.decode(event.value)) for event in events if isinstance(event, ev.SignalReceived)]
    if Counter(came) - sent:
        yield f"signals were received that nobody sent: {Counter(came) - sent}"
    waiting: dict[str, list[str]] = {name: [] for name in NAMES}
    order, kept, facts = {value: place for place, (_, value) in enumerate(came)}, list[tuple[int, str, str]](), RunState()

    def judged(taken: list[tuple[int, str, str]], *, is_alone: bool) -> Iterator[str]:
        for _, name, value in taken:
            if value not in waiting[name] or (is_alone and waiting[name][0] != value):
                yield f"signal {value} was taken, and what waited was {waiting[name]}"
            else:
                waiting[name].remove(value)

    for record in world.log.streams.get(client.stream, ()):
        batch = CODEC.decode(record.data)
        taken, before = list[tuple[int, str, str]](), 0
        for event in batch.events:
            facts = evolve(facts, event, batch.at)
            match event:
                case ev.SignalReceived(name=name, value=encoded):
                    waiting[name].append(msgspec.json.decode(encoded, type=str))
                case ev.Logged(message="took", fields=fields):
                    line = msgspec.json.decode(fields)
                    taken.append((facts.delivered, line["name"], line["value"]))
                case ev.RunStarted():
                    yield from judged(taken, is_alone=False)
                    kept, taken, before = [], [], 0
                    for unread in waiting.values():
                        unread.clear()
                case ev.Continued():
                    kept, before = [], len(taken)
                case ev.RetryRequested(place=place):
                    yield from judged(taken, is_alone=False)
                    kept += taken[before:]
                    taken, before = [], 0
                    for _, name, value in (took for took in kept if took[0] > place):
                        waiting[name] = sorted([*waiting[name], value], key=lambda value: order[value])
                    kept = [took for took in kept if took[0] <= place]
                case _:
                    continue
        is_alone = len(taken) == 1 and not any(isinstance(event, ev.EffectsAbandoned) for event in batch.events)
        yield from judged(taken, is_alone=is_alone)
        kept += taken[before:]


def _of_approvals(world: World, client: Client) -> Iterator[str]:
    """One decision for each, in its time, as its person said it; and the code heeds just that."""
    asked: dict[str, ev.ApprovalRequested] = {}
    ever: dict[str, ev.ApprovalRequested] = {}
    facts, decided, heeded = RunState(), Counter[tuple[str, str, str]](), set[tuple[str, str, str]]()
    for record in world.log.streams.get(client.stream, ()):
        batch = CODEC.decode(record.data)
        for event in batch.events:
            facts = evolve(facts, event, batch.at)
            if isinstance(event, ev.ApprovalRequested):
                asked[event.id] = ever[event.id] = event
            elif isinstance(event, ev.RetryRequested):
                asked = {id: ever[id] for id in facts.approvals}  # what it had withdrawn when it failed, it may ask again
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
                heeded.add((line["key"], line["outcome"], line["by"]))
    if heeded - set(decided):
        yield f"the code was told of decisions that nobody made: {heeded - set(decided)}"


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
    last = [event for event in events if isinstance(event, tuple(ENDS.values()))][-1:]
    begun = next(event for event in reversed(events) if isinstance(event, ev.RunStarted))
    program = msgspec.json.decode(begun.input)[0]
    if client.programs.get(begun.command) != program:
        yield f"it was begun by {begun.command} with {program}"
    if not any(isinstance(event, ENDS[end.status]) for event in last):
        yield f"its end was told as {end.status}, and the log says {last}"
    if end.status in EXPECTED and EXPECTED[end.status] not in client.wishes and "another life" not in client.programs:
        yield f"it is {end.status}, and nobody wished that"
    if end.status == "failed" and not (has(program, "must") and client.gave_up):
        yield f"it failed: {end.failure}"
    if end.status == "timed_out" and not begun.deadline:
        yield "it is timed_out, and had no deadline"
    if end.status == "completed":
        value = msgspec.json.decode(end.result) if isinstance(end.result, msgspec.Raw) else None
        if not admits(eased(program) if client.begins_again else program, value):
            yield f"its result {value} is none that the program admits: {program}"
