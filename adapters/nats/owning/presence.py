"""Presence: which workers live, as far as this one can tell, and whether this one may still count itself among them.

Each worker beats a few times a second. The others hear the beat itself; the worker counts its acknowledgement by JetStream, which
only a majority of the servers gives: so who is cut off knows it before the others take it for dead. A worker whose process
ended is noticed sooner, since nobody listens at its own subject any more. A false alarm is safe: the log decides who may write.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import secrets
import socket
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

import msgspec
from msgspec import Struct
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error

from ....eventlog.errors import PerdureError, Refused
from ..wire import api
from ..wire.connection import Connection, NoAnswer
from ..wire.messages import Subjects

logger = logging.getLogger("perdure.nats")

BEAT_SECONDS = 0.4
SURE_SECONDS = 1.3
"""So long after the last beat that was acknowledged, counted from its sending, a worker trusts that nobody has taken its place."""

ECHO_SECONDS = 1.0
"""A worker to which none of its own beats came back for so long has no link, or was stopped: it finds that before it is in doubt."""

SILENT_SECONDS = 1.7
"""A worker that is not heard for so long is taken for dead."""

GONE_SECONDS = 0.4
"""So long nobody has listened at a worker's subject, and its process has ended: a client that reconnects is back by then."""

PROBES_A_SECOND = 40
PROBE_SECONDS = 0.1
LIVES_IN_STREAM = "5"
"""Seconds that a beat is kept, for people who look."""


class Beat(Struct, frozen=True, omit_defaults=True):
    """What a worker says of itself."""

    worker: str
    fences: int = 0
    """The newest fence that it knows of, by its sequence: who knows less may read it now."""
    leaves: bool = False
    """It gives away what it owns, and takes nothing more."""
    gone: bool = False


encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(Beat).decode


class Neighbour(Struct):
    """What is known of another worker, in seconds of the loop's clock."""

    heard: float
    """When it was heard last, or first met."""
    leaves: bool = False
    unheard_since: float | None = None
    """Since when nobody has listened at its subject."""
    is_expected: bool = False
    """It owns something, and nothing has been heard of it yet."""
    missed_since: float | None = None
    """Since when a beat of it is missing, where this worker was not there to hear any."""


class Presence:
    """Beats, listens and probes.

    `changed` is called where others came, went or know of newer fences, `died` with one that is taken for dead, and
    `acknowledged` with the time at which a beat was sent.
    """

    def __init__(self, connection: Connection, subjects: Subjects, worker: str, *, revive: Callable[[], Awaitable[object]]) -> None:
        """`revive` makes the stream of beats anew: a single server that starts again has forgotten it."""
        self.worker = worker
        self.leaves = False
        self.fences = 0
        """The newest fence that anybody knows of."""
        self.is_behind = False
        """Whether there must be a fence of which nobody has told us."""
        self.refused: Refused | None = None
        """Why the server does not take our beats."""
        self.changed: Callable[[], None] = lambda: None
        self.acknowledged: Callable[[float], None] = lambda sent: None
        self.died: Callable[[str], None] = lambda worker: None
        self._connection = connection
        self._subjects = subjects
        self._revive = revive
        self._unkept = asyncio.Event()
        """Beats are not acknowledged: perhaps their stream is not there any more."""
        self._losses_met = connection.losses
        self._sent = self._echoed = self._stood_from = 0.0
        """When the last beat was sent, when one came back to us, and since when they have come back without a gap."""
        self._others: dict[str, Neighbour] = {}
        self._losses = connection.losses
        self._beat_now = asyncio.Event()
        self._ears: list[Subscription] = []

    # -- what is known -------------------------------------------------------------------------------------------------

    def alive(self) -> set[str]:
        """The workers that live, this one among them."""
        return {self.worker, *self._others}

    def is_alive(self, worker: str) -> bool:
        return worker in self._others or worker == self.worker

    def taking(self) -> set[str]:
        """Those of them that do not leave."""
        staying = {name for name, other in self._others.items() if not other.leaves}
        return staying if self.leaves else staying | {self.worker}

    def expect(self, workers: Iterable[str]) -> None:
        """These own something: they count as living until they are found dead."""
        for worker in workers:
            if worker and worker != self.worker and worker not in self._others:
                self._others[worker] = Neighbour(_now(), is_expected=True)

    @property
    def awaits(self) -> bool:
        """Whether there is one of whom nobody can say yet that it lives, or that it is dead."""
        return any(other.is_expected for other in self._others.values())

    def missed(self, worker: str, seconds: float) -> None:
        """The newest beat that the server keeps of one that is expected is so many seconds old: it may have been gone before we came."""
        other = self._others.get(worker)
        if other is not None and seconds > BEAT_SECONDS:
            other.missed_since = min(other.heard, _now() + BEAT_SECONDS - seconds)
            other.unheard_since = other.missed_since if other.unheard_since is not None else None

    @property
    def stands_for(self) -> float:
        """Seconds for which this process has been awake, and a server has passed its beats on; 0 where that is not so now."""
        return _now() - self._stood_from if self.hears else 0.0

    @property
    def hears(self) -> bool:
        """Whether our own beats come back: who does not hear even those knows of nobody whether they live."""
        return _now() - self._echoed <= ECHO_SECONDS

    def reached(self, sent: float) -> None:
        """Something else that only a majority acknowledges was sent then, and was: that says as much of the beat before it."""
        self.acknowledged(min(sent, self._sent))

    def suspect(self, partition: int) -> None:
        """A partition that is held to be ours has another owner: there is a fence that is not known here."""
        self.is_behind = True
        self.changed()

    def beat(self) -> None:
        """Say at once what there is to say."""
        self._beat_now.set()

    # -- services ------------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Listen, to begin with; Refused where the server does not let us, for who hears nobody would take all for dead."""
        ears = {self._subject("alive", "*"): self._hear, self._subject("probe", self.worker): self._answer}
        self._ears = await self._connection.listen(ears)

    async def serve(self) -> None:
        """Beat and probe, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._beat_for_ever())
            group.create_task(self._revive_for_ever())
            group.create_task(self._probe_for_ever())
            group.create_task(self._listen_for_ever())

    async def say_goodbye(self) -> None:
        """The last beat: nobody need wait for the next."""
        await self._say(Beat(self.worker, self.fences, leaves=True, gone=True))

    async def _beat_for_ever(self) -> None:
        async with asyncio.TaskGroup() as group:
            while True:
                self._beat_now.clear()
                group.create_task(self._say(Beat(self.worker, self.fences, self.leaves)))
                try:
                    async with asyncio.timeout(BEAT_SECONDS):
                        await self._beat_now.wait()
                except TimeoutError:
                    continue

    async def _say(self, beat: Beat) -> None:
        """Send a beat, and wait for its acknowledgement. Others hear it in any case."""
        sent, connection = _now(), self._connection
        if self._losses_met != connection.losses:
            self._losses_met = connection.losses
            self._unkept.set()
        if connection.client.is_connected:
            self._sent = sent
        subject, headers = self._subject("alive", self.worker), {"Nats-TTL": LIVES_IN_STREAM}
        try:
            answer = await connection.ask(subject, encode(beat), headers, within=SURE_SECONDS)
            error = api.done(answer.data).error
        except NoAnswer:
            if connection.client.is_connected:
                self._unkept.set()
        except Refused as refused:
            self.refused = refused
        except (PerdureError, msgspec.MsgspecError) as away:
            logger.debug("a beat of %s was not acknowledged: %s", self.worker, away)
        else:
            if error is None:
                self.refused = None
                self.acknowledged(sent)
            else:
                logger.warning("nats: a beat of %s is not kept: %s", self.worker, error)

    async def _revive_for_ever(self) -> None:
        """Make the stream of beats anew where it may be gone. Beats go on meanwhile, for others to hear."""
        while True:
            await self._unkept.wait()
            self._unkept.clear()
            try:
                await self._revive()
            except PerdureError as away:
                logger.debug("the stream of beats cannot be looked at: %s", away)
                await asyncio.sleep(BEAT_SECONDS)
            else:
                self.beat()

    async def _listen_for_ever(self) -> None:
        """Listen anew where even our own beats do not come back: what a server took with a permission it does not give back with it."""
        while True:
            await asyncio.sleep(ECHO_SECONDS)
            if not self.hears and self._connection.client.is_connected:
                with suppress(PerdureError, Error):
                    ears, self._ears = self._ears, []
                    for ear in ears:
                        await ear.unsubscribe()
                    await self.open()

    async def _hear(self, message: Msg) -> None:
        try:
            beat = decode(message.data)
        except msgspec.MsgspecError:
            logger.warning("nats: what came on %s is no beat", message.subject)
            return
        if beat.worker == self.worker:
            was_deaf, self._echoed = not self.hears, _now()
            if was_deaf:
                self._stood_from = _now()
                self.changed()
            return
        other = self._others.get(beat.worker)
        changed = other is None or other.leaves != beat.leaves or beat.gone or beat.fences > self.fences
        self.fences = max(self.fences, beat.fences)
        if beat.gone:
            self._others.pop(beat.worker, None)
        else:
            self._others[beat.worker] = Neighbour(_now(), beat.leaves)
            if other is None:
                self.beat()  # it cannot know of us yet
        if changed:
            self.changed()

    # -- who is dead ---------------------------------------------------------------------------------------------------

    async def _answer(self, message: Msg) -> None:
        if message.reply:
            await self._connection.client.publish(message.reply, b"")

    async def _probe_for_ever(self) -> None:
        async with asyncio.TaskGroup() as group:
            last = _now()
            while True:
                for worker in list(self._others):
                    group.create_task(self._probe(worker))
                await asyncio.sleep(max(PROBE_SECONDS, len(self._others) / PROBES_A_SECOND))
                last = self._judge(last)

    async def _probe(self, worker: str) -> None:
        try:
            answer = await self._connection.ask(self._subject("probe", worker), b"", within=PROBE_SECONDS)
        except (NoAnswer, PerdureError):
            return  # that says nothing: it may be busy, or we
        other = self._others.get(worker)
        if other is None:
            return
        if (answer.headers or {}).get(api.STATUS) != api.NO_RESPONDERS:
            other.unheard_since = None
        elif other.unheard_since is None:
            other.unheard_since = _now() if other.missed_since is None else other.missed_since

    def _judge(self, last: float) -> float:
        """Forget the dead; the time of this look. Whoever was away, asleep or deaf meanwhile hears first, and judges then."""
        now = _now()
        if not self._connection.client.is_connected or self._connection.losses != self._losses or now - last > SURE_SECONDS:
            self._losses = self._connection.losses
            for other in self._others.values():
                other.heard, other.unheard_since, other.missed_since = now, None, None
        elif not self.hears:
            for other in self._others.values():
                other.heard = now
        for worker, other in list(self._others.items()):
            silent, gone = now - other.heard, 0.0 if other.unheard_since is None else now - other.unheard_since
            if silent > SILENT_SECONDS or gone > GONE_SECONDS:
                found = "its process has ended" if gone else f"silent for {silent:.1f} s"
                logger.warning("worker %s is taken for dead: %s", worker, found)
                del self._others[worker]
                self.died(worker)
                self.changed()
        return now

    def _subject(self, tree: str, worker: str) -> str:
        return f"perdure.{self._subjects.namespace}.{tree}.{worker}"


def worker_id() -> str:
    """A name for this process that no other has, fit for a subject."""
    host = re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname())[:40] or "host"
    return f"{host}-{os.getpid()}-{secrets.token_hex(3)}"


def _now() -> float:
    return time.monotonic()
