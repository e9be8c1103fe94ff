"""Publishing of appends: one under way per stream, many streams at once, and no outcome ever guessed.

Callers await futures; the tasks that publish belong to the committer, since the client swallows cancellation. An answer
that was lost is looked up: the record behind `expected` is ours, another's, or not there yet.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol, TypeAlias, TypeVar, cast

from msgspec import Struct

from ....eventlog.errors import Bug, Conflict, Invalid, PerdureError, Refused, Unavailable
from ....eventlog.memory import conflict
from ....eventlog.records import EMPTY, Append, Record, Tail
from ..wire import api
from ..wire.connection import NoAnswer
from ..wire.messages import HEADERS_BYTES_MAX, headers_of
from .flights import Flying, Parcel, Verdict
from .headlines import with_head
from .reader import Reader

IN_FLIGHT_MAX = 512
IN_FLIGHT_BYTES_MAX = 32 * 1024 * 1024
PLACES_MAX = 100_000
BUSY_PAUSE = 0.001
AWAY_PAUSE = 0.02
T = TypeVar("T")


Outcome: TypeAlias = Tail | Conflict | PerdureError


class Wish(Struct, frozen=True):
    """An append, and who waits for what became of it."""

    append: Append
    answer: asyncio.Future[Outcome]
    published_behind: int | None = None
    """Where it was published before, and may have been stored."""


class Lot(Struct):
    """Appends that are committed together, and what became of each, by their numbers."""

    appends: Sequence[Append]
    outcomes: list[Outcome | None]
    flying: list[tuple[int, int]]
    """Those published at once, each with the sequence that it stands behind."""
    answers: dict[int, asyncio.Future[Outcome]]
    """What will become of the others."""


class Witness(Protocol):
    """Sees what becomes of every append, before its caller does."""

    def begun(self, append: Append) -> None: ...

    def stored(self, append: Append, sequence: int) -> None: ...

    def unstored(self, append: Append, *, certain: bool) -> None:
        """It was refused; or, not certain, nobody knows, and it may be stored later. A Conflict, too, shows that there is more to know."""
        ...


class Nobody:
    """The witness of a log that has no heads."""

    def begun(self, append: Append) -> None: ...

    def stored(self, append: Append, sequence: int) -> None: ...

    def unstored(self, append: Append, *, certain: bool) -> None: ...


class Place(Struct, frozen=True, gc=False):
    """The sequence of the message that made a tail."""

    tail: Tail
    sequence: int


class Places:
    """Where streams end, as far as known: a bounded cache, least recently used out first."""

    def __init__(self, limit: int = PLACES_MAX) -> None:
        self.limit = limit
        self._places: OrderedDict[str, Place] = OrderedDict()

    def keep(self, stream: str, tail: Tail, sequence: int) -> None:
        self._places[stream] = Place(tail, sequence)
        self._places.move_to_end(stream)
        if len(self._places) > self.limit:
            self._places.popitem(last=False)

    def sequence_of(self, stream: str, tail: Tail) -> int | None:
        place = self._places.get(stream)
        return place.sequence if place is not None and place.tail == tail else None

    def behind(self, stream: str, version: int) -> int:
        """A sequence of the log that is before all that the stream has behind a version; 0 where none is known."""
        place = self._places.get(stream)
        return place.sequence if place is not None and place.tail.version <= version else 0

    def forget(self) -> None:
        self._places.clear()


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
        self.told: Callable[[Append], object] = lambda _: None
        """Hears, after the witness, of every append that was stored."""
        self.store = reader.store
        self.connection = reader.store.connection
        self.places = Places()
        self._losses = 0
        self._room = Room()
        self._flying = Flying(
            self.connection, within=self.store.answer_timeout, at_once=IN_FLIGHT_MAX, bytes_at_once=IN_FLIGHT_BYTES_MAX
        )
        self.pace = self._flying.pace
        self._queues: dict[str, deque[Wish] | None] = {}
        """Of the streams with an append under way: what waits behind it."""
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        return not self._queues

    def commit(self, appends: Sequence[Append]) -> asyncio.Task[Sequence[Outcome]]:
        """What will become of each; those of one stream are judged in the order they came."""
        if self._closed:
            raise closing()
        lot = Lot(appends, [None] * len(appends), [], {})
        for number, append in enumerate(appends):
            behind = None if append.stream in self._queues else self._place_of(append)
            if behind is None:
                lot.answers[number] = self._queue(append)
            else:
                lot.flying.append((number, behind))
                self._queues[append.stream] = None
        return self._begin(self._outcomes(lot))

    async def _outcomes(self, lot: Lot) -> Sequence[Outcome]:
        """Publish what can be published at once; what that leaves open is looked into with care."""
        verdicts: Sequence[Verdict] = [NoAnswer("the log is closing")] * len(lot.flying)
        try:
            if lot.flying:
                verdicts = await self._fly(lot)
        finally:
            for (number, behind), verdict in zip(lot.flying, verdicts, strict=True):
                self._landed(lot, number, behind, verdict)
        if lot.answers:
            await asyncio.wait(lot.answers.values())
        for number, answer in lot.answers.items():
            lot.outcomes[number] = answer.result()
        return cast("Sequence[Outcome]", lot.outcomes)

    async def _fly(self, lot: Lot) -> Sequence[Verdict]:
        """Publish all of a flight, the way that is faster here; what came of each."""
        for number, _ in lot.flying:
            self.witness.begun(lot.appends[number])
        parcels = [self._parcel(lot.appends[number], behind) for number, behind in lot.flying]
        return await self._flying.fly(parcels)

    def _landed(self, lot: Lot, number: int, behind: int, verdict: Verdict) -> None:
        """The record was stored, or is to be looked into before anything else of its stream."""
        append = lot.appends[number]
        queue = self._queues[append.stream]
        if isinstance(verdict, int):
            lot.outcomes[number] = self._stored(append, verdict)
        else:
            doubtful = isinstance(verdict, NoAnswer)
            wish = Wish(append, asyncio.get_running_loop().create_future(), behind if doubtful else None)
            lot.answers[number] = wish.answer
            queue = deque([wish, *(queue or ())])
            if not doubtful:
                self.witness.unstored(append, certain=True)
        if queue:
            self._queues[append.stream] = queue
            self._begin(self._serve(append.stream, queue))
        else:
            del self._queues[append.stream]

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
            self.witness.begun(wish.append)
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
            match await self._publish(append, behind, doubtful=doubtful):
                case api.Ack(error=None, duplicate=False, seq=sequence):
                    return self._stored(append, sequence)
                case api.Ack(error=api.ApiError(err_code=api.IN_FLIGHT)):
                    await asyncio.sleep(BUSY_PAUSE)
                    continue
                case api.Ack(error=api.ApiError(err_code=api.WRONG_LAST_SEQUENCE)) if not doubtful:
                    return self._lost(append, await self.reader.last(append.stream))
                case api.Ack(error=api.ApiError() as error) if not passing(error):
                    raise self._refused(append, error)
                case _:
                    doubtful = True
            if (found := await self.reader.behind(append.stream, behind)) is not None:
                return self._stored(append, found.position) if found.tail == append.tail else self._lost(append, found)
            await asyncio.sleep(AWAY_PAUSE)
        raise self.store.unavailable("no verdict on an append")

    async def _behind(self, append: Append) -> int | Conflict:
        """The sequence that `expected` was stored at: known, or looked up and compared, digest and all."""
        known = self._place_of(append)
        if known is not None:
            return known
        found = await self.reader.last(append.stream)
        return found.position if found is not None and found.tail == append.expected else self._lost(append, found)

    def _place_of(self, append: Append) -> int | None:
        """The sequence that `expected` was stored at, if it is known."""
        if self._losses != self.connection.losses:  # a server that came back may have forgotten what it had not synced
            self._losses = self.connection.losses
            self.places.forget()
        return 0 if append.expected == EMPTY else self.places.sequence_of(append.stream, append.expected)

    def _parcel(self, append: Append, behind: int) -> Parcel:
        headers = headers_of(append, behind)
        body = with_head(append.head, headers, append.data)
        return Parcel(self.store.subjects.of(append.stream), body, headers)

    async def _publish(self, append: Append, behind: int, *, doubtful: bool) -> api.Ack | None:
        """One attempt; None where no answer came, or one that says nothing of the attempts before it."""
        parcel = self._parcel(append, behind)
        try:
            message = await self.connection.ask(parcel.subject, parcel.body, parcel.headers, within=self.store.answer_timeout)
        except NoAnswer:
            return None
        except Refused:
            if doubtful:
                return None
            raise
        return None if (message.headers or {}).get(api.STATUS) == api.NO_RESPONDERS else api.ack(message.data)

    def _stored(self, append: Append, sequence: int) -> Tail:
        self.places.keep(append.stream, append.tail, sequence)
        self.witness.stored(append, sequence)
        self.told(append)
        return append.tail

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
