"""Replay: a run's log refolded from zero, and driven with today's code. Nothing is performed and nothing is written."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from typing import TypeAlias, TypeVar, cast

import msgspec
from msgspec import Struct

from ...actors.activation import collector_off
from ...actors.shelf import NeedValue, Shelf
from ...eventlog.blobs import Blob, Readable, content_of
from ...eventlog.digest import Item, content_digest
from ...eventlog.errors import Diverged, NotFound
from ...eventlog.log import Log
from ...eventlog.records import EMPTY, Record, verified
from ...eventlog.streams import parts_of
from ..authoring.workflows import Registry
from ..run.events import CODEC
from ..run.evolve import EVOLVE
from ..run.machine.replay import Revival
from ..run.machine.shell import outside_loop
from ..run.script import approval_of
from ..run.state import Decided, Ended, Fired, Outcome, RunState, key_of, state_digest


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


T = TypeVar("T")
Going: TypeAlias = Generator[Sequence[Blob], Mapping[str, bytes], T]
"""Gives the blobs that the code needs next, takes what they hold by their digests, and returns a T in the end."""


async def replay(log: Log, stream: str, registry: Registry | None = None, blobs: Readable | None = None) -> Verdict:
    """Read, verify, fold and, with a registry, drive one run; Corrupt where its chain, or a large value in `blobs`, does not hold."""
    return await judged(stream, [record async for record in log.read(stream)], registry, blobs)


async def judged(stream: str, records: Iterable[Record], registry: Registry | None, blobs: Readable | None) -> Verdict:
    """As `replay`, over records that are at hand; large values are read from `blobs`."""
    going, values = _judging(stream, records, registry), dict[str, bytes]()
    while True:
        try:
            needed = going.send(values) if values else next(going)
        except StopIteration as stop:
            verdict: Verdict = stop.value
            return verdict
        if blobs is None:
            raise no_blobs(stream)
        values = {blob.digest: await content_of(blobs, stream, blob) for blob in needed}


def judge(
    stream: str, records: Iterable[Record], registry: Registry | None = None, fetch: Callable[[Blob], bytes] | None = None
) -> Verdict:
    """As `judged`, in one go: `fetch` gives what a blob holds."""
    return _at_once(_judging(stream, records, registry), stream, fetch)


def drive(
    run: str, facts: RunState, registry: Registry | None, fetch: Callable[[Blob], bytes] | None = None
) -> tuple[bool | None, dict[str, str]]:
    """(whether the code agrees with the facts, else how it differs)."""
    return _at_once(_drive(run, facts, registry), run, fetch)


def _at_once(going: Going[T], who: str, fetch: Callable[[Blob], bytes] | None) -> T:
    values: Mapping[str, bytes] = {}
    while True:
        try:
            needed = going.send(values) if values else next(going)
        except StopIteration as stop:
            return cast("T", stop.value)
        if fetch is None:
            raise no_blobs(who)
        values = {blob.digest: fetch(blob) for blob in needed}


def no_blobs(who: str) -> NotFound:
    return NotFound(
        "the run holds large values, which its records only name",
        who=who,
        where="replay",
        expected="the blobs beside its log",
        found="records alone",
        instead="replay it from its log",
    )


def _judging(stream: str, records: Iterable[Record], registry: Registry | None) -> Going[Verdict]:
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
    agrees, difference = yield from _drive(run, facts, registry)
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
            facts.at = at = batch.at
            for event in batch.events:  # as `evolve` does, in place: most of a replay is spent here
                facts.length += 1
                EVOLVE[type(event)](facts, event, at)
    return facts


def _drive(run: str, facts: RunState, registry: Registry | None) -> Going[tuple[bool | None, dict[str, str]]]:
    workflow = registry.find(facts.workflow, facts.version) if registry is not None else None
    if workflow is None:
        return None, {}
    shelf = Shelf()
    revival = Revival(run, workflow, facts, stream=run, shelf=shelf)
    try:
        while True:
            try:
                with collector_off():
                    outside_loop(revival.go_on)
            except NeedValue as need:
                shelf.lent[run] = dict((yield need.blobs))
            except Diverged as difference:
                return False, difference.parts()
            else:
                return True, {}
    finally:
        outside_loop(revival.machine.close)


def workflow_hash(facts: RunState) -> str:
    """The content digest of a run: the effects whose outcome the code was given, and how the run ended."""
    asked = {line.id: line for line in facts.script if line.what in ("step", "timer", "approval", "child", "attach")}
    items: list[Item] = []
    for arrival in facts.arrivals[: max(facts.delivered, 0)]:
        line = asked.get(getattr(arrival, "id", ""))
        if line is None:
            continue
        if isinstance(arrival, Outcome | Ended):
            failed = b"" if arrival.error is None else b"!" + msgspec.json.encode(arrival.error, order="deterministic")
            outcome = failed or bytes(key_of(arrival.value, arrival.blob))
            if isinstance(arrival, Outcome) and arrival.artifacts:
                outcome += msgspec.json.encode(arrival.artifacts)
            items.append(Item(line.id, line.name, bytes(line.key), outcome))
        elif isinstance(arrival, Decided):
            voices = [[[given.by, given.why] for given in arrival.given]] if arrival.given else []
            outcome = msgspec.json.encode([arrival.outcome, arrival.by, arrival.why, *voices])
            items.append(Item(line.id, f"approval {line.name}", bytes(approval_of(line.key).show), outcome))
        elif isinstance(arrival, Fired):
            items.append(Item(line.id, "timer", b"", b"fired"))
    return content_digest(items, _ending(facts))


def _ending(facts: RunState) -> bytes:
    if facts.phase == "completed":
        return bytes(key_of(facts.result, facts.result_blob))
    failure = msgspec.json.encode(facts.failure, order="deterministic") if facts.failure is not None else b""
    return f"{facts.phase}:".encode() + failure
