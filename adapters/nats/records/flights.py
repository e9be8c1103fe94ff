"""Flights: many records published at once, without a task each, one by one or as one atomic batch.

What the server plainly stores is done; whatever else became of a record, its caller looks into. Which of the two ways is
faster depends on what the server does for each message (a lone one with `sync_interval: always` syncs each), which it does
not tell to clients: so it is measured.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from itertools import chain
from operator import attrgetter
from typing import TypeAlias
from uuid import uuid4

from nats.aio.msg import Msg

from ....eventlog.errors import Refused
from ..wire import api
from ..wire.batches import Parcel, end_of_batch, framed_batch
from ..wire.connection import Connection, NoAnswer
from ..wire.frames import framed

TOGETHER_MIN = 16
"""Fewer records go one by one: an atomic batch costs the server several syncs, however small it is."""

TOGETHER_MAX = 1000
"""Messages that a server takes in one atomic batch, unless it is configured otherwise."""

BYTES_MAX = 8 * 1024 * 1024

AGAIN = 64
"""Every so many flights the way that was slower is tried again."""

WEIGHT = 0.25

TRIED = 64
"""So many messages show how the other way goes."""

FAR = 4
"""So many times slower they may be: the more are under way at once, the less each takes, where servers gather writes."""

BODY = attrgetter("body")

FAILED_IS_SLOWER = 10
"""What did not work as a whole counts as so many times slower."""


Verdict: TypeAlias = int | Exception
"""The sequence at which a message was stored, or why that is not known. `Declined`: it was not, and whoever asks again may learn more."""


class Declined(Exception):
    """The server did not store the message, and says so."""


class Ticket:
    """Who waits for the answer to one message of a flight."""

    __slots__ = ("_flight", "_number")

    def __init__(self, flight: Apart, number: int) -> None:
        self._flight = flight
        self._number = number

    def done(self) -> bool:
        return self._flight.verdicts[self._number] is not None

    def set_result(self, message: Msg) -> None:
        self._flight.land(self._number, verdict_of(message))

    def set_exception(self, error: Exception) -> None:
        self._flight.land(self._number, error)


class Apart:
    """A flight whose messages are acknowledged one by one, a bounded number under way."""

    def __init__(self, connection: Connection, parcels: Sequence[Parcel], *, within: float, at_once: int, bytes_at_once: int) -> None:
        self._connection = connection
        self._parcels = parcels
        self._within = within
        self._at_once = at_once
        self._bytes_at_once = bytes_at_once
        self._air = self._bytes = 0
        self._landed = asyncio.Event()
        self.verdicts: list[Verdict | None] = [None] * len(parcels)

    async def fly(self) -> Sequence[Verdict]:
        """What became of each message; NoAnswer of those for which nothing came for so many seconds."""
        replies: list[str] = []
        try:
            while len(replies) < len(self._parcels):
                frames: list[bytes] = []
                for parcel in self._parcels[len(replies) :]:
                    if self._air and (self._air >= self._at_once or self._bytes >= self._bytes_at_once):
                        break
                    replies.append(self._connection.expect(parcel.subject, Ticket(self, len(replies))))
                    frames.append(framed(parcel.subject, parcel.body, parcel.lines, replies[-1]))
                    self._air += 1
                    self._bytes += len(parcel.body)
                await self._connection.send(b"".join(frames))
                if len(replies) < len(self._parcels):
                    await self._some_land()
            while self._air:
                await self._some_land()
        except NoAnswer as away:
            return [away if verdict is None else verdict for verdict in self.verdicts]
        finally:
            for reply in replies:
                self._connection.expect_no_more(reply)
        return [verdict for verdict in self.verdicts if verdict is not None]

    def land(self, number: int, verdict: Verdict) -> None:
        if self.verdicts[number] is None:
            self.verdicts[number] = verdict
            self._air -= 1
            self._bytes -= len(self._parcels[number].body)
            self._landed.set()

    async def _some_land(self) -> None:
        self._landed.clear()
        try:
            async with asyncio.timeout(self._within):
                await self._landed.wait()
        except TimeoutError as error:
            raise NoAnswer(f"nothing within {self._within} s") from error


async def together(connection: Connection, parcels: Sequence[Parcel], *, within: float) -> Sequence[Verdict]:
    """The same with all messages in one atomic batch: all are stored, or none is and each is `Declined`, or nobody knows."""
    name, count = uuid4().hex, len(parcels)
    *others, end = parcels
    try:
        await connection.send(framed_batch(name, others))
        last = verdict_of(await connection.ask(end.subject, end.body, end_of_batch(name, count, end.lines), within=within))
    except (NoAnswer, Refused) as error:
        last = error
    return [last] * count if isinstance(last, Exception) else range(last - count + 1, last + 1)


def verdict_of(message: Msg) -> Verdict:
    """What an acknowledgement says."""
    if (message.headers or {}).get(api.STATUS) == api.NO_RESPONDERS:
        return NoAnswer("nobody stores what is published there")
    ack = api.ack(message.data)
    if ack.error is not None:
        return Declined(str(ack.error))
    return NoAnswer("an answer to an earlier message of that id") if ack.duplicate else ack.seq


class Pace:
    """How fast either way was for flights of about one size, as a running mean of seconds a record."""

    def __init__(self) -> None:
        self._means: dict[bool, float] = {}
        self._flights = 0

    def prefers_together(self, count: int) -> bool:
        """Whether so many records had better be one batch."""
        if count < TOGETHER_MIN:
            return False
        self._flights += 1
        if True not in self._means or False not in self._means:
            return True not in self._means
        faster = self._means[True] < self._means[False]
        return faster if self._flights % AGAIN else not faster

    def is_doubtful(self, count: int) -> bool:
        """Whether messages one by one are not known to be faster, and there are more than a try needs."""
        return count > 2 * TRIED and True in self._means and self._means[True] <= self._means.get(False, self._means[True])

    def is_far_faster_together(self) -> bool:
        """Whether a few messages one by one were so slow that many will be, too."""
        return self._means[True] * FAR < self._means[False]

    def note(self, count: int, seconds: float, *, as_one: bool) -> None:
        """A flight of many records took so long."""
        if count >= TOGETHER_MIN:
            mean, each = self._means.get(as_one), seconds / count
            self._means[as_one] = each if mean is None else mean + WEIGHT * (each - mean)


class Flying:
    """Publishes flights, each the way that is faster here."""

    def __init__(self, connection: Connection, *, within: float, at_once: int, bytes_at_once: int) -> None:
        self._paces: dict[int, Pace] = {}
        self._connection = connection
        self._within = within
        self._at_once = at_once
        self._bytes_at_once = bytes_at_once

    async def fly(self, parcels: Sequence[Parcel]) -> Sequence[Verdict]:
        """What became of each message; NoAnswer where the connection is away.

        Where the other way is tried, the first few show how it goes: it may take a second for all of a large flight.
        """
        count = len(parcels)
        pace = self.pace_of(count)
        as_one = pace.prefers_together(count)
        tried = TRIED if not as_one and pace.is_doubtful(count) else count
        try:
            await self._connection.ready_within(self._within)
        except NoAnswer as away:
            return [away] * count
        verdicts = list(await self.timed(parcels[:tried], pace, as_one=as_one))
        if tried < count:
            verdicts += await self.timed(parcels[tried:], pace, as_one=pace.is_far_faster_together())
        return verdicts

    def pace_of(self, count: int) -> Pace:
        """What is known of flights within a factor of four of so many: a batch costs the same syncs with 20 records as with 600."""
        return self._paces.setdefault(count.bit_length() // 2, Pace())

    async def timed(self, parcels: Sequence[Parcel], pace: Pace, *, as_one: bool) -> Sequence[Verdict]:
        """Publish them this way, and note how long that took."""
        clock, within = asyncio.get_running_loop().time, self._within
        begun = clock()
        verdicts: Sequence[Verdict]
        if as_one:
            flights = await asyncio.gather(*(together(self._connection, load, within=within) for load in loads(parcels)))
            verdicts = [*chain.from_iterable(flights)]
        else:
            apart = Apart(self._connection, parcels, within=within, at_once=self._at_once, bytes_at_once=self._bytes_at_once)
            verdicts = await apart.fly()
        whole = [*map(type, verdicts)].count(int) == len(verdicts)
        pace.note(len(parcels), (clock() - begun) * (1 if whole else FAILED_IS_SLOWER), as_one=as_one)
        return verdicts


def loads(parcels: Sequence[Parcel]) -> Iterator[Sequence[Parcel]]:
    """The parcels in their order, as many together as fit one batch."""
    if len(parcels) <= TOGETHER_MAX and sum(map(len, map(BODY, parcels))) <= BYTES_MAX:
        yield parcels
        return
    start = size = 0
    for place, parcel in enumerate(parcels):
        if place > start and (place - start == TOGETHER_MAX or size + len(parcel.body) > BYTES_MAX):
            yield parcels[start:place]
            start, size = place, 0
        size += len(parcel.body)
    if start < len(parcels):
        yield parcels[start:]
