"""Arriving: the records of a file are put into a log as they are; then the log says that it takes the move, and the runs go on.

The records end in the event by which their run left, so wherever they are nothing can be decided on them: they wait, and a
second import goes on where one that died ended. Only when all are there does the log give its word, which is said once:
"taken", or, if somebody has taken the move back meanwhile, "refused".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from ...actors.activation import Frozen
from ...eventlog.blobs import Blob, Blobs, Check, Upload
from ...eventlog.errors import Corrupt, Refused
from ...eventlog.log import Carrier
from ...eventlog.records import EMPTY, Append, Head, Record, Tail, verified
from ...eventlog.snapshots import Snapshot
from ...eventlog.streams import parts_of, stream_of
from ...runtime import moves
from ...runtime.authoring.workflows import Registry
from ...runtime.requests import MoveRunIn
from ...runtime.run.events import CODEC
from ...runtime.run.live import Run
from ...runtime.run.performing import status_of
from ...runtime.run.runs import Runs
from ..deciding_by_facts import PerformsNothing
from .desk import Desk
from .leaving import blobs_of
from .parcel import Chunk, Content, Entry, Label, altered, label_of, parts

TRIES_MAX = 20
"""So often the records of a run are put there anew when another import does the same."""


class Imported(Struct, frozen=True):
    """What arrived: by which move, from which log, and which runs; `records` are those that were not there yet."""

    move: str
    source: str
    to: str
    runs: list[str]
    records: int
    blobs: int


class Arrival(Struct, frozen=True):
    """A run as the file has it: its records, and how it stands behind them."""

    stream: str
    records: Sequence[Record]
    state: Run

    @property
    def tail(self) -> Tail:
        return self.records[-1].tail


async def bring_in(desk: Desk, file: Path) -> Imported:
    """Import a file; Invalid where it was altered, Refused where it is for another log, or a run has its name, or it was taken back."""
    label = looked_through(file)
    if label.to != desk.identity:
        raise Refused("the move goes to another log", who=f"move {label.move}", where="import", expected=f"the log {label.to}",
                      found=f"the log {desk.identity}", instead="import the file there; 'perdure log id --log URL' says which log is which")
    _must_not_be_refused(label, await moves.word(desk.carrier.log, label.tenant, label.move))
    records, blobs = await _put_all(desk.carrier, file, label)
    wish = moves.MoveTaken(label.source)
    _must_not_be_refused(label, await moves.taken_or_refused(desk.carrier.log, label.tenant, label.move, wish, desk.now()))
    for run in label.runs:
        await desk.do(MoveRunIn(tenant=label.tenant, run=run, move=label.move, source=label.source))
    return Imported(label.move, label.source, label.to, label.runs, records, blobs)


def _must_not_be_refused(label: Label, word: moves.MoveTaken | moves.MoveRefused | None) -> None:
    if isinstance(word, moves.MoveRefused):
        raise Refused("the move was taken back, so its file is void", who=f"move {label.move}", where="import",
                      expected="a move that stands", found="this log has refused it, for good",
                      instead="export the runs again where they are: that is another move")


# -- what the file says ------------------------------------------------------------------------------------------------


def looked_through(file: Path) -> Label:
    """The label of a file, of which every line was looked at: digests, chains, and that each run left by this move for that log."""
    label, seen = label_of(file), list[str]()
    needed, checks, check = set[tuple[str, str]](), dict[tuple[str, str], Check](), Check("", Blob("", 0))
    try:
        for piece in pieces(file, label):
            if isinstance(piece, Arrival):
                seen.append(parts_of(piece.stream)[2])
                needed |= {(stream, blob.digest) for stream, blob in blobs_of(piece.records)}
            elif isinstance(piece, Content):
                checks[piece.stream, piece.digest] = check = Check(piece.stream, Blob(piece.digest, piece.size))
                if not piece.size:
                    check.end()
            else:
                check.take(piece.data)
    except Corrupt as broken:
        raise altered(file, 1, broken.expected, f"{broken.found}, in {broken.who}, {broken.where}") from broken
    lacking = needed - {key for key, check in checks.items() if check.complete}
    if seen != label.runs or lacking:
        raise altered(file, 1, f"the runs {', '.join(label.runs)} with all their large values",
                      f"{', '.join(seen)}; {len(lacking)} values missing")
    return label


def pieces(file: Path, label: Label) -> Iterator[Content | Chunk | Arrival]:
    """What is in a file, in order: of each run its large values, then all of its records, checked."""
    records: list[Record] = []
    for part in parts(file):
        if records and not (isinstance(part, Entry) and records[-1].stream == part.stream):
            yield _arrival(file, label, records)
            records = []
        if isinstance(part, Entry):
            records.append(part.record())
        elif not isinstance(part, Label):
            yield part
    if records:
        yield _arrival(file, label, records)


def _arrival(file: Path, label: Label, records: Sequence[Record]) -> Arrival:
    stream, kind = records[0].stream, _kind()
    state = kind.initial(stream)
    for record in verified(stream, EMPTY, records):
        batch = CODEC.decode(record.data)
        for event in batch.events:
            state = kind.evolve(state, event, batch.at)
    facts = state.facts
    if (facts.away, facts.away_to) != (label.move, label.to) or stream != stream_of("run", label.tenant, parts_of(stream)[2]):
        raise altered(file, 1, f"runs of tenant {label.tenant} that left by {label.move} for {label.to}",
                      f"{stream}, {f'which left by {facts.away} for {facts.away_to}' if facts.away else 'which did not leave'}")
    return Arrival(stream, records, state)


def _kind() -> Runs:
    return Runs(Registry(()), PerformsNothing())


# -- what the log gets -------------------------------------------------------------------------------------------------


async def _put_all(carrier: Carrier, file: Path, label: Label) -> tuple[int, int]:
    """Put what is missing into the log: of each run its large values, then its records; how many of each."""
    records, values = 0, _Values(carrier.blobs)
    for piece in pieces(file, label):
        if isinstance(piece, Arrival):
            await values.finish()
            records += await _put(carrier, piece)
        else:
            await values.take(piece)
    return records, values.count


class _Values:
    """Uploads large values, one after another."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._upload: Upload | None = None
        self.count = 0

    async def take(self, piece: Content | Chunk) -> None:
        if isinstance(piece, Content):
            await self.finish()
            self._upload = self._blobs.upload(piece.stream)
        elif self._upload is not None:
            await self._upload.write(piece.data)

    async def finish(self) -> None:
        """What was begun is durable; its name is its content's."""
        if self._upload is not None:
            await self._upload.finish()
            self._upload = None
            self.count += 1


async def _put(carrier: Carrier, arrival: Arrival) -> int:
    """Put the records that the log does not have behind those that it has; how many. Refused where it has others."""
    for _ in range(TRIES_MAX):
        there = [record async for record in carrier.log.read(arrival.stream)]
        known = _common(arrival, there)
        missing = arrival.records[known:]
        if not missing:
            return 0
        if carrier.transactions is None:
            await carrier.snapshots.save([sealed(arrival)])
        answers = await carrier.log.append(list(appends(arrival, missing)))
        if all(isinstance(answer, Tail) for answer in answers):
            return len(missing)
    raise Refused("somebody else writes to the run that is being imported", who=arrival.stream, where="import", expected="no other writer",
                  found=f"one, {TRIES_MAX} times", instead="see that nobody else imports the file, then import it again")


def _common(arrival: Arrival, there: Sequence[Record]) -> int:
    """How many of the records the log has. It may have had the run before, and go on from there; it must not have another one."""
    ours = arrival.records
    known = min(len(ours), len(there))
    if any(mine.digest != other.digest for mine, other in zip(ours, there, strict=False)):
        raise Refused("the log has another run of that name", who=arrival.stream, where="import",
                      expected="no run, or this one up to some point", found=f"one of {there[-1].last} events",
                      instead=f"take the move back: perdure log export --abort {arrival.state.facts.away}")
    return known


def appends(arrival: Arrival, missing: Sequence[Record]) -> Iterator[Append]:
    """The records as they were; the last one brings the head of a run that has moved."""
    facts, last = arrival.state.facts, arrival.records[-1]
    head = Head(status_of(facts), None, facts.workflow, facts.started_at, facts.at)
    for record in missing:
        expected = Tail(record.first - 1, record.previous)
        yield Append(record.stream, expected, record.tail, record.data, head if record is last else None)


def sealed(arrival: Arrival) -> Snapshot:
    """How the run stands when all is there: a log that has less of it, because somebody died in between, is then found to be too short.

    Where all records of a run are one transaction nothing lies between; elsewhere a half of them must not be taken for a run.
    """
    kind = _kind()
    state = kind.freeze(arrival.state)
    assert state is not None
    frozen = msgspec.json.encode(Frozen(arrival.state.facts.at, 0, msgspec.Raw(state)))
    return Snapshot.of(arrival.stream, arrival.tail, kind.state_version, frozen)
