"""Leaving: runs are held until nothing of them is under way, leave their log, and are written to a file.

Whatever ends it in between, to do it again is the same move: the log knows which it is, and each of its steps is done once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from ...eventlog.blobs import Blob, Readable
from ...eventlog.errors import Invalid, PerdureError, Refused
from ...eventlog.records import Record
from ...eventlog.streams import escape, parts_of, stream_of
from ...runtime import moves
from ...runtime.requests import HoldRun, MoveRunBack, MoveRunOut
from ...runtime.run import events as ev
from ...runtime.run.decide.moving import left_behind
from ...runtime.run.relatives import relatives
from ...runtime.run.state import RunState
from ..system.clock import SystemIds
from .desk import Desk, no_such_runs
from .parcel import Chunk, Content, Entry, Label, Writer, label_of, written

WITHIN = 120.0
"""Seconds that running steps have to end."""


class Exported(Struct, frozen=True):
    """What left: by which move, from which log to which, and the file it is in."""

    move: str
    source: str
    to: str
    runs: list[str]
    file: str
    records: int
    blobs: int


async def export(desk: Desk, runs: Sequence[str], to: str, file: Path, *, tenant: str = "default", within: float = WITHIN) -> Exported:
    """Move runs out, all of them or none that has not left before; Refused, with what is missing, where they cannot go alone."""
    if to == desk.identity:
        raise Invalid("a run cannot be moved to the log that it is in", who="move", where="to", expected="the identity of another log",
                      found=to, instead="ask the other log: perdure log id --log URL; a copy of a log has its identity")
    runs = list(dict.fromkeys(runs))
    known = await _known(desk, tenant, runs)
    label = Label(1, _move_of(known) or f"move-{SystemIds().run_id(desk.now())}", tenant, desk.identity, to, runs)
    _must_be_free(file, label)
    absent = await _absent(desk, label, known)
    _must_be_whole(known, absent)
    records = blobs = 0
    with written(file) as writer:  # begun before anything is paused: what cannot be written must not leave
        await _note(desk, label)
        await _hold(desk, label, within)
        await _leave(desk, label)
        writer.write(label)
        for run in runs:
            found = await desk.records(tenant, run)
            records, blobs = records + len(found), blobs + await _write_blobs(writer, desk.carrier.blobs, found)
            for record in found:
                writer.write(Entry.of(record))
    return Exported(label.move, label.source, to, runs, str(file), records, blobs)


async def _known(desk: Desk, tenant: str, runs: Collection[str]) -> Mapping[str, RunState]:
    """What the log says of the runs; NotFound where it does not know one."""
    known = {run: await desk.facts(tenant, run) for run in runs}
    if missing := [run for run, facts in known.items() if not facts.length]:
        raise no_such_runs(missing)
    return known


def _move_of(known: Mapping[str, RunState]) -> str:
    """The move that some of the runs are on already; Refused where they are on several."""
    on = {run: facts.away or ("" if facts.goes_on else facts.held_for) for run, facts in known.items()}
    found = sorted(set(filter(None, on.values())))
    if len(found) > 1:
        raise Refused("the runs are on different moves", who=", ".join(f"{run} on {move}" for run, move in on.items() if move),
                      where="export", expected="one move", found=", ".join(found),
                      instead="export those of each move together, as before; or take a move back: perdure log export --abort MOVE")
    return found[0] if found else ""


def _must_be_free(file: Path, label: Label) -> None:
    """Refused where the file is another's; that of this move is written anew."""
    if not file.exists():
        return
    with suppress(Invalid):
        if label_of(file).move == label.move:
            return
    raise Refused("there is a file of that name", who=str(file), where="--out", expected="no file, or that of the same move",
                  found="another one", instead="name another file; nothing has left")


async def _absent(desk: Desk, label: Label, known: Mapping[str, RunState]) -> frozenset[str]:
    """Children that the runs want and that do not exist: the runs will start them where they go to."""
    wanted = {facts.made[id].run for facts in known.values() for id in facts.starting} - known.keys()
    if not wanted:
        return frozenset()
    streams = {run: f"run/{escape(label.tenant)}/{escape(run)}" for run in wanted}
    found = await desk.carrier.log.load(dict.fromkeys(streams.values(), 0))
    return frozenset(run for run, stream in streams.items() if not found.get(stream))


def _must_be_whole(known: Mapping[str, RunState], absent: frozenset[str]) -> None:
    here = {run: facts for run, facts in known.items() if not facts.away}
    missing = sorted({relative for facts in here.values() for relative in relatives(facts)} - known.keys() - absent)
    if missing:
        raise left_behind(f"runs {', '.join(here)}", missing)


async def _note(desk: Desk, label: Label) -> None:
    """Note down in the log which runs are to go where: who takes the move back finds them there."""
    noted = await moves.begin(desk.carrier.log, label.tenant, label.move, moves.MoveBegun(label.to, label.runs), desk.now())
    if (noted.to, set(noted.runs)) != (label.to, set(label.runs)):
        raise Refused("the runs are on another move", who=", ".join(label.runs), where=f"move {label.move}",
                      expected=f"{', '.join(noted.runs)}, to {noted.to}", found=f"{', '.join(label.runs)}, to {label.to}",
                      instead=f"export them as before; or take the move back: perdure log export --abort {label.move}")


async def _hold(desk: Desk, label: Label, within: float) -> None:
    """Pause all of them; where that cannot be, let all go on."""
    try:
        for run in label.runs:
            await desk.do(HoldRun(tenant=label.tenant, run=run, move=label.move, within=within))
        known = await _known(desk, label.tenant, label.runs)
        _must_be_whole(known, await _absent(desk, label, known))
    except PerdureError:
        for run in label.runs:
            with suppress(PerdureError):
                if not (await desk.facts(label.tenant, run)).away:
                    await desk.do(MoveRunBack(tenant=label.tenant, run=run, move=label.move))
        raise


async def _leave(desk: Desk, label: Label) -> None:
    known = await _known(desk, label.tenant, label.runs)
    along = (*label.runs, *sorted(await _absent(desk, label, known)))
    for run in label.runs:
        await desk.do(MoveRunOut(tenant=label.tenant, run=run, move=label.move, to=label.to, along=along))


async def _write_blobs(writer: Writer, blobs: Readable, records: Sequence[Record]) -> int:
    """Each large value once, checked while it is read; how many."""
    named = dict.fromkeys(blobs_of(records))
    for stream, blob in named:
        writer.write(Content(stream, blob.digest, blob.size))
        async for chunk in blobs.read(stream, blob):
            writer.write(Chunk(chunk))
    return len(named)


def blobs_of(records: Sequence[Record]) -> Iterator[tuple[str, Blob]]:
    """The large values that a run needs to go on, the artifacts that it keeps, and the streams they belong to.

    What a signal to another run brings belongs to that run: it goes along as long as nobody has said that it arrived.
    """
    sent: dict[str, tuple[str, Blob]] = {}
    stored: list[tuple[str, Blob]] = []
    for record in records:
        for event in ev.CODEC.decode(record.data).events:
            if isinstance(event, ev.SignalSent):
                if event.blob is not None and event.blob.stored:
                    sent[event.id] = (stream_of("run", parts_of(record.stream)[1], event.run), event.blob)
                continue
            if isinstance(event, ev.StepCompleted):
                sent.pop(event.id, None)
                stored += ((record.stream, artifact.blob) for artifact in event.artifacts)
            if isinstance(event, ev.ArtifactsReleased):
                stored.clear()
            blob: Blob | None = getattr(event, "blob", None)
            if blob is not None and blob.stored:
                yield record.stream, blob
    yield from stored
    yield from sent.values()
