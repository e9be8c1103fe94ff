"""Delivering: the attempts to bring webhooks to their receivers, a bounded number at once, and no receiver may take all the places.

What is wanted comes from the delivery actors each time that they perform; what came of an attempt goes back to them as a command.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

import anyio
import anyio.abc
from msgspec import Raw, Struct

from ...actors.ports import Clock
from ...eventlog.errors import Invalid, PerdureError, Refused
from ..kinds.delivery import Attempted, State

logger = logging.getLogger("perdure.runtime")


class Parcel(Struct, frozen=True, gc=False):
    """One attempt: what is sent where, and under which id."""

    stream: str
    attempt: int
    url: str
    topic: str
    body: Raw
    run: str
    workflow: str
    at: int
    """When it began, in microseconds since 1970."""


class Reply(Struct, frozen=True):
    """What a receiver answered; `after`: microseconds for which it asks to be left alone."""

    status: int
    said: str = ""
    after: int = 0


class Post(Protocol):
    """How webhooks leave the process."""

    def check(self, url: str, tenant: str) -> None:
        """Refused or Invalid where the URL can never be called for the tenant."""
        ...

    def receiver(self, url: str) -> str:
        """Who shares the places of one receiver: its host."""
        ...

    async def post(self, parcel: Parcel, within: float) -> Reply:
        """Make an attempt; raises Refused or Invalid where it may not be made, Unavailable where nobody answers in so many seconds."""
        ...


class Delivering:
    """`deliver` and `leave` may be called at any time; `serve` does the rest."""

    def __init__(self, tell: Callable[[str, Any], None], clock: Clock, post: Post | None = None, *, at_once: int, within: float) -> None:
        self._tell = tell
        self._clock = clock
        self._at_once = at_once
        self._within = within
        self.post = post
        """None where this process cannot make attempts: what is due waits for one that can."""
        self._wanted: dict[str, dict[str, State]] = {}
        """By receiver, in the order in which they get a place."""
        self._under_way: dict[str, tuple[int, anyio.CancelScope, str]] = {}
        """By stream: the attempt, and its receiver; also once it has ended, until the actor knows of it."""
        self._busy: dict[str, int] = {}
        """Attempts under way to each receiver."""
        self._group: anyio.abc.TaskGroup | None = None
        self._has_said = False

    async def serve(self) -> None:
        """Make attempts until cancelled."""
        async with anyio.create_task_group() as group:
            self._group = group
            self._begin()
            await anyio.sleep_forever()

    def check(self, url: str, tenant: str) -> None:
        """Refused or Invalid where a URL can never be called for a tenant, as far as that can be told here."""
        if self.post is not None:
            self.post.check(url, tenant)

    def deliver(self, state: State) -> None:
        """An attempt is due; one that is under way, or whose outcome is on its way to the actor, is not made twice."""
        stream, number = state.stream, state.attempts + 1
        if self.post is None:
            self._say_that_none_is_made()
            return
        if stream in self._under_way:
            if self._under_way[stream][0] >= number:
                return
            del self._under_way[stream]
        self._wanted.setdefault(self.post.receiver(state.url), {})[stream] = state
        self._begin()

    def leave(self, stream: str) -> None:
        """No attempt is wanted any more, or another node makes it."""
        for waiting in self._wanted.values():
            waiting.pop(stream, None)
        if stream in self._under_way:
            self._under_way.pop(stream)[1].cancel()

    @property
    def under_way(self) -> int:
        return sum(self._busy.values())

    def _begin(self) -> None:
        """Give free places to receivers in turn; each has half of the places at most, and a third of them where others want some, too."""
        if self._group is None:
            return
        alone = len(self._wanted.keys() | self._busy.keys()) == 1
        share = max(1, self._at_once // (2 if alone else 3))
        rotation = deque(self._wanted)
        while rotation and self.under_way < self._at_once:
            receiver = rotation.popleft()
            waiting = self._wanted[receiver]
            if not waiting:
                del self._wanted[receiver]
                continue
            if self._busy.get(receiver, 0) >= share:
                continue
            stream = next(iter(waiting))
            self._start(receiver, waiting.pop(stream))
            rotation.append(receiver)

    def _start(self, receiver: str, state: State) -> None:
        if self._group is None:
            return
        now = self._clock.now()
        about = state.url, state.topic, state.body, state.run, state.workflow
        parcel = Parcel(state.stream, state.attempts + 1, *about, now)
        scope = anyio.CancelScope()
        self._under_way[state.stream] = parcel.attempt, scope, receiver
        self._busy[receiver] = self._busy.get(receiver, 0) + 1
        self._group.start_soon(self._attempt, receiver, parcel, scope)

    async def _attempt(self, receiver: str, parcel: Parcel, scope: anyio.CancelScope) -> None:
        try:
            with scope:
                outcome = await self._outcome(parcel)
                self._tell(parcel.stream, outcome)
        finally:
            self._busy[receiver] -= 1
            if not self._busy[receiver]:
                del self._busy[receiver]
            self._begin()

    async def _outcome(self, parcel: Parcel) -> Attempted:
        status, error, after, refused = 0, "", 0, False
        try:
            if self.post is not None:
                reply = await self.post.post(parcel, self._within)
                status, error, after = reply.status, reply.said, reply.after
        except (Refused, Invalid) as never:
            error, refused = f"{never.message}: {never.found}", True
        except PerdureError as away:
            error = f"{away.message}: {away.found}"
        except Exception as broken:  # whatever it is, the webhook must not be lost over it
            logger.exception("an attempt to deliver %s broke", parcel.stream)
            error = f"{type(broken).__name__}: {broken}"
        return Attempted(parcel.attempt, parcel.at, self._clock.now(), status, error, after, refused)

    def _say_that_none_is_made(self) -> None:
        if not self._has_said:
            self._has_said = True
            logger.warning("webhooks wait: this process has not what it takes to send them (pip install 'perdure[service]')")
