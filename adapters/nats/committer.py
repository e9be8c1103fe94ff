"""Publishing of appends: one under way per stream, many streams at once, and no outcome ever guessed.

Callers await futures; the tasks that publish belong to the committer, since the client swallows cancellation. An answer
that was lost is looked up: the record behind `expected` is ours, another's, or not there yet.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from typing import Protocol

from msgspec import Struct

from ...eventlog.errors import Bug, Conflict, Invalid, PerdureError, Refused, Unavailable
from ...eventlog.memory import conflict
from ...eventlog.records import EMPTY, Append, Record, Tail
from . import api
from .connection import NoAnswer
from .headlines import with_head
from .messages import HEADERS_BYTES_MAX, headers_of
from .reader import Reader

IN_FLIGHT_MAX = 512
IN_FLIGHT_BYTES_MAX = 32 * 1024 * 1024
PLACES_MAX = 100_000
BUSY_PAUSE = 0.001
AWAY_PAUSE = 0.02


class Wish(Struct, frozen=True):
    """An append, and who waits for what became of it."""

    append: Append
    answer: asyncio.Future[Tail | Conflict]


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
        self.store = reader.store
        self.connection = reader.store.connection
        self.places = Places()
        self._losses = 0
        self._room = Room()
        self._queues: dict[str, deque[Wish]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        return not self._queues

    def submit(self, append: Append) -> asyncio.Future[Tail | Conflict]:
        """What will become of an append; those of one stream are judged in the order they came."""
        if self._closed:
            raise closing()
        wish = Wish(append, asyncio.get_running_loop().create_future())
        queue = self._queues.get(append.stream)
        if queue is None:
            self._queues[append.stream] = queue = deque([wish])
            task = asyncio.create_task(self._serve(append.stream, queue))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            queue.append(wish)
        return wish.answer

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
                    wish.answer.set_exception(closing())

    async def _answer(self, wish: Wish) -> None:
        result: Tail | Conflict | None = None
        problem: PerdureError | None = None
        size = len(wish.append.data) + HEADERS_BYTES_MAX
        await self._room.enter(size)
        self.witness.begun(wish.append)
        try:
            result = await self._commit(wish.append)
        except PerdureError as error:
            problem = error
        except Exception as error:
            problem = Bug("an append ended in an unforeseen way", who=wish.append.stream, found=repr(error), instead="please report it")
        finally:
            self._room.leave(size)
            if not isinstance(result, Tail):
                self.witness.unstored(wish.append, certain=isinstance(problem, (Invalid, Refused)))
        if problem is not None:
            wish.answer.set_exception(problem)
        elif result is not None:
            wish.answer.set_result(result)

    async def _commit(self, append: Append) -> Tail | Conflict:
        """Publish until the outcome is known."""
        behind = await self._behind(append)
        if isinstance(behind, Conflict):
            return behind
        doubtful = False
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
        """The sequence that `expected` was stored at: cached, or looked up and compared, digest and all."""
        if self._losses != self.connection.losses:  # a server that came back may have forgotten what it had not synced
            self._losses = self.connection.losses
            self.places.forget()
        if append.expected == EMPTY:
            return 0
        known = self.places.sequence_of(append.stream, append.expected)
        if known is not None:
            return known
        found = await self.reader.last(append.stream)
        return found.position if found is not None and found.tail == append.expected else self._lost(append, found)

    async def _publish(self, append: Append, behind: int, *, doubtful: bool) -> api.Ack | None:
        """One attempt; None where no answer came, or one that says nothing of the attempts before it."""
        subject, headers = self.store.subjects.of(append.stream), headers_of(append, behind)
        body = with_head(append.head, headers, append.data)
        try:
            message = await self.connection.ask(subject, body, headers, within=self.store.answer_timeout)
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
    return error.err_code == api.WRONG_LAST_SEQUENCE or error.code == int(api.NO_RESPONDERS)


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
