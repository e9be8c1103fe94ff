"""Publishing of appends: one under way per stream, many streams at once, and no outcome ever guessed.

Callers await futures; the tasks that publish belong to the committer, since the client swallows cancellation. An answer
that was lost is looked up: the record behind `expected` is ours, another's, or not there yet.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from operator import attrgetter, itemgetter
from time import monotonic
from typing import Any, TypeAlias, TypeVar

from msgspec import Struct

from ....eventlog.errors import Bug, Conflict, Invalid, PerdureError, Refused, Unavailable
from ....eventlog.memory import conflict
from ....eventlog.records import EMPTY, Append, Record, Tail
from ..wire import api
from ..wire.batches import Parcel
from ..wire.connection import NoAnswer
from ..wire.frames import unlined
from ..wire.messages import HEADERS_BYTES_MAX, LINES
from .ending import Ending
from .flights import Flying, Verdict
from .headlines import with_head
from .places import Place, Places
from .reader import Reader
from .witness import Witness

IN_FLIGHT_MAX = 512
IN_FLIGHT_BYTES_MAX = 32 * 1024 * 1024
BUSY_PAUSE = 0.001
AWAY_PAUSE = 0.02
AWAY_AT_ONCE = 50
"""So many appends that wait for a leader are sent again at that pace; more of them more slowly."""

TAIL, first, second = attrgetter("tail"), itemgetter(0), itemgetter(1)

T = TypeVar("T")


Outcome: TypeAlias = Tail | Conflict | PerdureError


class Wish(Struct, frozen=True):
    """An append, and who waits for what became of it."""

    append: Append
    answer: asyncio.Future[Outcome]
    published_behind: int | None = None
    """Where it was published before, and may have been stored."""


class Lot(Struct):
    """Appends that are committed together, by their numbers."""

    appends: Sequence[Append]
    flying: list[tuple[int, Append, int]]
    """Those published at once: number, append, and the sequence that it stands behind."""
    answers: dict[int, asyncio.Future[Outcome]]
    """What will become of the others."""


class Room:
    """Room for what is in flight, by count and by bytes: the client's own buffer must never fill."""

    def __init__(self) -> None:
        self._count = self._bytes = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def enter(self, size: int) -> None:
        while self._count and (self._count >= IN_FLIGHT_MAX or self._bytes + size > IN_FLIGHT_BYTES_MAX):
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            await turn
        self._count += 1
        self._bytes += size

    def leave(self, size: int) -> None:
        self._count -= 1
        self._bytes -= size
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                break


class Committer:
    """Owns publishing for one namespace."""

    def __init__(self, reader: Reader, witness: Witness) -> None:
        self.reader = reader
        self.witness = witness
        self.told: Callable[[Sequence[Append]], object] = lambda _: None
        """Hears, after the witness, of all appends that were stored."""
        self.reached: Callable[[float], object] = lambda _: None
        """Hears, after records were stored, when they were sent: by `time.monotonic`."""
        self.ending = Ending(reader)
        self.store = reader.store
        self.connection = reader.store.connection
        self.places = Places()
        self._addresses, self._root = self.store.subjects.addresses, self.store.subjects.root("log")
        self._losses = 0
        self._room = Room()
        self.flying = Flying(
            self.connection, within=self.store.answer_timeout, at_once=IN_FLIGHT_MAX, bytes_at_once=IN_FLIGHT_BYTES_MAX
        )
        self._queues: dict[str, deque[Wish] | None] = {}
        """Of the streams with an append under way: what waits behind it."""
        self._tasks: set[asyncio.Task[Any]] = set()
        self._away = 0
        self._closed = False

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        return not self._queues

    def commit(self, appends: Sequence[Append]) -> asyncio.Task[Sequence[Tail | Conflict]]:
        """What will become of each, or the first error; those of one stream are judged in the order they came."""
        if self._closed:
            raise closing()
        lot, queues = Lot(appends, [], {}), self._queues
        place_of = self._sure_places().sequence_of
        for number, append in enumerate(appends):
            stream = append.stream
            behind = None if stream in queues else place_of(stream, append.expected)
            if behind is None:
                lot.answers[number] = self._queue(append)
            else:
                lot.flying.append((number, append, behind))
                queues[stream] = None
        return self._begin(self._outcomes(lot))

    async def _outcomes(self, lot: Lot) -> Sequence[Tail | Conflict]:
        """Publish what can be published at once; what that leaves open is looked into with care."""
        verdicts: Sequence[Verdict] = [NoAnswer("the log is closing")] * len(lot.flying)
        try:
            if lot.flying:
                verdicts = await self._fly(lot)
        finally:
            self._landed(lot, verdicts)
        outcomes: list[Tail | Conflict] = list(map(TAIL, lot.appends))
        if lot.answers:
            await asyncio.wait(lot.answers.values())
        for number in sorted(lot.answers):
            outcome = lot.answers[number].result()
            if not isinstance(outcome, (Tail, Conflict)):
                raise outcome
            outcomes[number] = outcome
        return outcomes

    async def _fly(self, lot: Lot) -> Sequence[Verdict]:
        """Publish all of a flight, the way that is faster here; what came of each."""
        self.witness.begun(list(map(second, lot.flying)))
        sent, root, addresses = monotonic(), self._root, self._addresses
        parcels = [parcel_of(root + addresses[append.stream].tokens, append, behind) for _, append, behind in lot.flying]
        verdicts = await self.flying.fly(parcels)
        if any(isinstance(verdict, int) for verdict in verdicts):
            self.reached(sent)
        return verdicts

    def _landed(self, lot: Lot, verdicts: Sequence[Verdict]) -> None:
        """Each record was stored, or is to be looked into before anything else of its stream."""
        stored: list[tuple[Append, int]] = []
        for (number, append, behind), verdict in zip(lot.flying, verdicts, strict=True):
            queue = self._queues.pop(append.stream)
            if isinstance(verdict, int):
                stored.append((append, verdict))
            else:
                wish = self._doubted(append, behind, verdict)
                lot.answers[number] = wish.answer
                queue = deque([wish, *(queue or ())])
            if queue:
                self._queues[append.stream] = queue
                self._begin(self._serve(append.stream, queue))
        self._stored(stored)

    def _doubted(self, append: Append, behind: int, verdict: Exception) -> Wish:
        """An append that was refused, or of which nothing came back, is committed by itself."""
        if isinstance(verdict, NoAnswer):
            return Wish(append, asyncio.get_running_loop().create_future(), behind)
        self.witness.unstored(append, certain=True)
        return Wish(append, asyncio.get_running_loop().create_future())

    def _queue(self, append: Append) -> asyncio.Future[Outcome]:
        """What will become of an append that is committed by itself, behind what is under way of its stream."""
        wish = Wish(append, asyncio.get_running_loop().create_future())
        waiting = self._queues.get(append.stream)
        if waiting is not None:
            waiting.append(wish)
            return wish.answer
        is_free = append.stream not in self._queues
        self._queues[append.stream] = queue = deque([wish])
        if is_free:
            self._begin(self._serve(append.stream, queue))
        return wish.answer

    def _begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """End what is under way; who still waits hears that the outcome is unknown."""
        self._closed = True
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks, timeout=0.1)

    async def _serve(self, stream: str, queue: deque[Wish]) -> None:
        """Commit the wishes of one stream, one after another."""
        try:
            while queue:
                await self._answer(queue[0])
                queue.popleft()
        finally:
            del self._queues[stream]
            for wish in queue:
                if not wish.answer.done():
                    wish.answer.set_result(closing())

    async def _answer(self, wish: Wish) -> None:
        size = len(wish.append.data) + HEADERS_BYTES_MAX
        await self._room.enter(size)
        if wish.published_behind is None:
            self.witness.begun([wish.append])
        outcome: Outcome = closing()
        try:
            outcome = await self._commit(wish.append, wish.published_behind)
        except PerdureError as error:
            outcome = error
        except Exception as error:
            outcome = Bug("an append ended in an unforeseen way", who=wish.append.stream, found=repr(error), instead="please report it")
        finally:
            self._room.leave(size)
            if not isinstance(outcome, Tail):
                self.witness.unstored(wish.append, certain=isinstance(outcome, (Invalid, Refused)))
        wish.answer.set_result(outcome)

    async def _commit(self, append: Append, published_behind: int | None) -> Tail | Conflict:
        """Publish until the outcome is known."""
        doubtful = published_behind is not None
        behind = await self._behind(append) if published_behind is None else published_behind
        if isinstance(behind, Conflict):
            return behind
        clock = asyncio.get_running_loop().time
        deadline = clock() + self.store.patience
        while clock() < deadline:
            sent = monotonic()
            match await self._publish(append, behind, doubtful=doubtful):
                case api.Ack(error=None, duplicate=False, seq=sequence) if sequence:
                    self.reached(sent)
                    self._stored([(append, sequence)])
                    return append.tail
                case api.Ack(error=api.ApiError(err_code=api.IN_FLIGHT)):
                    await asyncio.sleep(BUSY_PAUSE)
                case api.Ack(error=api.ApiError(err_code=api.WRONG_LAST_SEQUENCE)) if not doubtful:
                    return self._lost(append, await self.ending.last(append.stream))
                case api.Ack(duplicate=True) | api.Ack(error=api.ApiError(err_code=api.WRONG_LAST_SEQUENCE)):
                    if (found := await self.ending.behind(append.stream, behind)) is not None:
                        if found.tail != append.tail:
                            return self._lost(append, found)
                        self._stored([(append, found.position)])
                        return append.tail
                    await asyncio.sleep(AWAY_PAUSE)
                case api.Ack(error=api.ApiError() as error) if not passing(error):
                    raise self._refused(append, error)
                case _:  # its fence makes it safe to send it again, and what comes of that says what became of it before
                    doubtful = True
                    await self._while_away()
        raise self.store.unavailable("no verdict on an append")

    async def _while_away(self) -> None:
        """Wait a little for a leader: the more appends wait, the longer, so that they do not keep the servers from electing one."""
        self._away += 1
        await asyncio.sleep(AWAY_PAUSE * (1 + self._away / AWAY_AT_ONCE))
        self._away -= 1

    async def _behind(self, append: Append) -> int | Conflict:
        """The sequence that `expected` was stored at: known, or looked up and compared, digest and all."""
        known = self._sure_places().sequence_of(append.stream, append.expected)
        if known is not None:
            return known
        sequence, found = await self.ending.sequence_of(append.stream, append.expected)
        return self._lost(append, found) if sequence is None else sequence

    def _sure_places(self) -> Places:
        """The places, without what a server that came back may have forgotten, because it had not synced it."""
        if self._losses != self.connection.losses:
            self._losses = self.connection.losses
            self.places.forget()
        return self.places

    async def _publish(self, append: Append, behind: int, *, doubtful: bool) -> api.Ack | None:
        """One attempt; None where no answer came, or one that says nothing of the attempts before it."""
        parcel = parcel_of(self.store.subjects.of(append.stream), append, behind)
        try:
            message = await self.connection.ask(parcel.subject, parcel.body, unlined(parcel.lines), within=self.store.answer_timeout)
        except NoAnswer:
            return None
        except Refused:
            if doubtful:
                return None
            raise
        return None if (message.headers or {}).get(api.STATUS) == api.NO_RESPONDERS else api.ack(message.data)

    def _stored(self, stored: Sequence[tuple[Append, int]]) -> None:
        """These were, each at its sequence."""
        self.places.keep_all([(append.stream, Place(append.tail, sequence)) for append, sequence in stored])
        self.witness.stored(stored)
        self.told(list(map(first, stored)))

    def _lost(self, append: Append, found: Record | None) -> Conflict:
        if found is not None:
            self.places.keep(append.stream, found.tail, found.position)
        return conflict(append, EMPTY if found is None else found.tail)

    def _refused(self, append: Append, error: api.ApiError) -> PerdureError:
        """Why the server will not store it: too large is Invalid, all else that lasts is Unavailable."""
        if error.err_code == api.MESSAGE_TOO_LARGE:
            return too_large(append, "$.data", str(error))
        return Unavailable(
            "the server does not store the record",
            who=append.stream,
            where=self.store.subjects.bucket,
            expected="room and a healthy stream",
            found=str(error),
            instead="look at the limits of the JetStream stream and at the server's disk",
        )


def parcel_of(subject: str, append: Append, behind: int) -> Parcel:
    """The message that an append is, behind a sequence: the server stores it only if its subject ends there."""
    expected, tail, body = append.expected, append.tail, append.data
    lines = LINES % (behind, expected.version + 1, tail.version, expected.digest.hex(), tail.digest.hex())
    if append.head is not None:
        body, lines = with_head(append.head, body, lines)
    return Parcel(subject, body, lines)


def passing(error: api.ApiError) -> bool:
    """Whether trying again may help, or the outcome of an earlier attempt has to be looked up."""
    return error.err_code == api.WRONG_LAST_SEQUENCE or error.is_passing


def too_large(append: Append, where: str, expected: str) -> Invalid:
    return Invalid(
        "a record is larger than the server takes",
        who=append.stream,
        where=where,
        expected=expected,
        found=f"{len(append.data)} bytes",
        instead="keep large content in a blob and its address in the event, or raise `max_payload` of nats-server (at most 8MB is wise)",
    )


def closing() -> Unavailable:
    return Unavailable("the log is closing", who="the log", expected="an open log", found="a closing one",
                       instead="open it again and see what was stored")
