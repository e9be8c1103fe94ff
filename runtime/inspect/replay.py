"""Replay: a run's log refolded from zero, and driven with today's code. Nothing is performed and nothing is written."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec import Struct

from ...actors.activation import collector_off
from ...eventlog.digest import Item, content_digest
from ...eventlog.errors import Diverged, NotFound
from ...eventlog.log import Log
from ...eventlog.records import EMPTY, Record, verified
from ...eventlog.streams import parts_of
from ..authoring.workflows import Registry
from ..run.events import CODEC
from ..run.evolve import evolve
from ..run.replay import revive
from ..run.shell import outside_loop
from ..run.state import Decided, Ended, Fired, Outcome, RunState, shown_and_expires, state_digest


class Verdict(Struct, frozen=True, omit_defaults=True):
    """What a replay found. `agrees` is None where the workflow's code was not at hand, so that only the log was folded."""

    run: str
    workflow: str
    version: int
    status: str
    events: int
    state_digest: str
    content_digest: str
    agrees: bool | None = None
    difference: dict[str, str] = {}
    """The parts of the Diverged error, where code and log disagree."""


async def replay(log: Log, stream: str, registry: Registry | None = None) -> Verdict:
    """Read, verify, fold and, with a registry, drive one run; Corrupt where its chain does not hold."""
    return judge(stream, [record async for record in log.read(stream)], registry)


def judge(stream: str, records: Iterable[Record], registry: Registry | None = None) -> Verdict:
    """As `replay`, over records that are at hand."""
    facts = fold(stream, records)
    if facts.length == 0:
        raise NotFound(
            "there is no such run",
            who=stream,
            expected="a stream with records",
            found="none",
            instead="list the runs with 'perdure runs'",
        )
    run = parts_of(stream)[2]
    agrees, difference = drive(run, facts, registry)
    digests = state_digest(facts), workflow_hash(facts)
    return Verdict(run, facts.workflow, facts.version, facts.phase, facts.length, *digests, agrees, difference)


def fold(stream: str, records: Iterable[Record], *, until: int | None = None) -> RunState:
    """The facts of a run, from the beginning of its stream to its end, or to a version of it."""
    facts = RunState()
    with collector_off():
        for record in verified(stream, EMPTY, records):
            if until is not None and record.last > until:
                break
            batch = CODEC.decode(record.data)
            for event in batch.events:
                evolve(facts, event, batch.at)
    return facts


def drive(run: str, facts: RunState, registry: Registry | None) -> tuple[bool | None, dict[str, str]]:
    """(whether the code agrees with the facts, else how it differs)."""
    workflow = registry.find(facts.workflow, facts.version) if registry is not None else None
    if workflow is None:
        return None, {}
    try:
        with collector_off():
            machine = outside_loop(revive, run, workflow, facts)
    except Diverged as difference:
        return False, difference.parts()
    outside_loop(machine.close)
    return True, {}


def workflow_hash(facts: RunState) -> str:
    """The content digest of a run: the effects whose outcome the code was given, and how the run ended."""
    asked = {line.id: line for line in facts.script if line.what in ("step", "timer", "approval", "child", "attach")}
    items: list[Item] = []
    for arrival in facts.arrivals[: max(facts.delivered, 0)]:
        line = asked.get(getattr(arrival, "id", ""))
        if line is None:
            continue
        if isinstance(arrival, Outcome | Ended):
            outcome = bytes(arrival.value) if arrival.error is None else b"!" + msgspec.json.encode(arrival.error, order="deterministic")
            items.append(Item(line.id, line.name, bytes(line.key), outcome))
        elif isinstance(arrival, Decided):
            shown, _ = shown_and_expires(line.key)
            outcome = msgspec.json.encode([arrival.outcome, arrival.by, arrival.why])
            items.append(Item(line.id, f"approval {line.name}", bytes(shown), outcome))
        elif isinstance(arrival, Fired):
            items.append(Item(line.id, "timer", b"", b"fired"))
    return content_digest(items, _ending(facts))


def _ending(facts: RunState) -> bytes:
    if facts.phase == "completed":
        return bytes(facts.result)
    failure = msgspec.json.encode(facts.failure, order="deterministic") if facts.failure is not None else b""
    return f"{facts.phase}:".encode() + failure
