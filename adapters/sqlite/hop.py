"""The hop: a thread of our own that runs whole functions, one at a time, for callers on an event loop.

It knows asyncio and trio, costs half of what a worker pool costs, and keeps what must stay on one thread there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Generic, TypeAlias, TypeVar, cast

import anyio

from ...eventlog.errors import Unavailable

T = TypeVar("T")


class Hop:
    """Runs what it is given in the order it was given, each to its end even if nobody waits for it any more."""

    def __init__(self, name: str) -> None:
        self.idle: Callable[[], float | None] = never
        """Called on the thread before each wait: does what is due and says in how many seconds to call again."""
        self._stopped = False
        self._inbox: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._thread = Thread(target=self._serve, name=name, daemon=True)
        self._thread.start()

    async def run(self, work: Callable[[], T], *, then: Callable[[], object] | None = None) -> T:
        """The result of `work`, run on the thread; `then` is called on the loop when it is done, cancelled or not."""
        job = self._put(work, then)
        await job.wait()
        return job.result()

    async def run_shielded(self, work: Callable[[], T], *, then: Callable[[], object] | None = None) -> T:
        """Like `run`, and a cancelled caller still waits for the end; the shield costs nothing unless it is needed."""
        job = self._put(work, then)
        try:
            await job.wait()
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True):
                await job.wait()
            raise
        return job.result()

    def stop(self) -> None:
        """End the thread once it has done what it was given."""
        self._stopped = True
        self._inbox.put(None)
        self._thread.join()

    def _put(self, work: Callable[[], T], then: Callable[[], object] | None) -> Job[T]:
        if self._stopped:
            raise Unavailable("the log is closed", who=self._thread.name, instead="open it again")
        job = Job(work, then)
        self._inbox.put(job)
        return job

    def _serve(self) -> None:
        while (job := self._next()) is not None:
            job()
            del job

    def _next(self) -> Callable[[], object] | None:
        while True:
            try:
                return self._inbox.get(timeout=self.idle())
            except Empty:
                pass


class Job(Generic[T]):
    """One function on its way to the thread and back."""

    def __init__(self, work: Callable[[], T], then: Callable[[], object] | None) -> None:
        self._work = work
        self._then = then
        self._ended = False
        self._ring: Callable[[], object] = never
        self._call_soon, self._bell = loop_here()
        self._value: T | None = None
        self._error: BaseException | None = None

    def __call__(self) -> None:
        """On the thread: do it and call the loop back."""
        try:
            self._value = self._work()
        except BaseException as error:  # whatever it is, it belongs to the caller
            self._error = error
        with suppress(RuntimeError):  # the loop is gone, and with it whoever waited
            self._call_soon(self._end)

    def _end(self) -> None:
        self._ended = True
        if self._then is not None:
            self._then()
        self._ring()

    async def wait(self) -> None:
        """Until it has ended; once more after a cancellation."""
        if not self._ended:
            self._ring, rung = self._bell()
            await rung

    def result(self) -> T:
        if self._error is not None:
            raise self._error
        return cast("T", self._value)


Bell: TypeAlias = tuple[Callable[[], object], Awaitable[object]]


def loop_here() -> tuple[Callable[..., object], Callable[[], Bell]]:
    """How another thread calls a function on the loop that is running here, and how a task waits for a ring."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        from trio.lowlevel import current_trio_token  # only a program that runs on trio has it

        return current_trio_token().run_sync_soon, trio_bell
    return loop.call_soon_threadsafe, partial(asyncio_bell, loop)


def asyncio_bell(loop: asyncio.AbstractEventLoop) -> Bell:
    """A bare future: half the price of an event."""
    future: asyncio.Future[None] = loop.create_future()

    def ring() -> None:
        if not future.done():
            future.set_result(None)

    return ring, future


def trio_bell() -> Bell:
    event = anyio.Event()
    return event.set, event.wait()


def never() -> None:
    return None
