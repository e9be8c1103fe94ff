"""The truth about changed code: it is run again as a plain asyncio program, and asked what it wants after each arrival of a log.

Nothing of the product takes part. Steps, sleeps and signals are asyncio futures that the log's arrivals resolve; groups are
asyncio tasks; where an effect stands is kept in a context variable. One arrival is handed in, the event loop runs until
everybody waits, and what was asked for meanwhile is held against the log.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import Awaitable, Callable, Generator
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from types import TracebackType
from typing import Any, NamedTuple, Self

from tests.mutations.recorded import Ask, Recorded, compact, forgetting

ROUNDS = 60
"""Turns of the event loop after which everybody waits: far more than the deepest program nests."""


class Verdict(NamedTuple):
    """The first difference: after how many arrivals, what the log holds there, and what the code may be said to want instead."""

    arrival: int
    expected: str
    found: frozenset[str]


NOTHING_HERE = "nothing (the log holds no such effect here)"


class StepError(Exception):
    """A step has failed."""


class Place:
    """A branch: how the ids of its effects begin, and how many it has."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.count = 0


HERE: ContextVar[Place] = ContextVar("here")


def next_id() -> str:
    place = HERE.get()
    place.count += 1
    return f"{place.path}{place.count - 1}"


@dataclass
class First:
    index: int
    value: Any


def _as_it_is(function: Callable[..., Any]) -> Callable[..., Any]:
    return function


def _nothing(*_: Any, **__: Any) -> None:
    """A word that leaves no trace in what is asked for."""


class World:
    """The words of a workflow, as asyncio understands them, and what was asked for in the turn."""

    def __init__(self, patches: set[str]) -> None:
        self.now = 0
        self.patches = patches
        self.asked: list[Ask] = []
        self.forgotten: list[str] = []
        self.due: dict[str, Callable[[dict[str, Any]], None]] = {}
        """What an arrival resolves, by the id that it names."""
        self.listening: dict[str, list[asyncio.Future[Any]]] = {}
        self.unread: dict[str, deque[Any]] = {}

    def words(self) -> dict[str, Any]:
        """What the text of a program may use."""
        return {
            "step": self.step, "workflow": _as_it_is, "Retry": _nothing, "StepError": StepError,
            "gather": self.gather, "first_of": self.first_of, "task_group": partial(TaskGroup, self), "timeout": partial(Timeout, self),
            "sleep": self.sleep, "signal": self.signal, "patched": self.patches.__contains__, "log": _nothing, "attributes": _nothing,
            "timedelta": timedelta, "Any": Any,
        }  # fmt: skip

    # -- what is waited for --------------------------------------------------------------------------------------------

    def step(self, function: Callable[..., Any] | None = None, **_: Any) -> Any:
        if function is None:
            return self.step
        name, parameters = str(getattr(function, "__name__", "")), inspect.signature(function)

        async def call(*args: Any, **kwargs: Any) -> Any:
            bound, id = parameters.bind(*args, **kwargs), next_id()
            bound.apply_defaults()
            return await self._wait(Ask("step", id, name, compact(list(bound.arguments.values()))))

        return call

    async def sleep(self, duration: timedelta) -> None:
        await self._wait(Ask("timer", next_id(), "", str(self.now + duration // timedelta(microseconds=1))))

    async def signal(self, name: str, kind: type = object) -> Any:
        next_id()
        if self.unread.get(name):
            return self.unread[name].popleft()
        future = asyncio.get_running_loop().create_future()
        self.listening.setdefault(name, []).append(future)
        try:
            return await future
        except asyncio.CancelledError:
            self.listening[name].remove(future)
            raise

    async def _wait(self, ask: Ask) -> Any:
        future = asyncio.get_running_loop().create_future()
        self.asked.append(ask)
        self.due[ask.id] = lambda arrival: _resolve(future, arrival)
        try:
            return await future
        except asyncio.CancelledError:
            self.forget(ask.id)
            raise

    def forget(self, id: str) -> None:
        if self.due.pop(id, None) is not None:
            self.forgotten.append(id)

    # -- several at once -----------------------------------------------------------------------------------------------

    async def gather(self, *work: Awaitable[Any]) -> Any:
        members, deciding = await _together(work, lambda task: task.cancelled() or task.exception() is not None)
        return tuple(member.result() for member in members) if deciding is None else deciding.result()

    async def first_of(self, *work: Awaitable[Any]) -> First:
        members, deciding = await _together(work, lambda task: True)
        assert deciding is not None
        return First(members.index(deciding), deciding.result())

    # -- what arrives --------------------------------------------------------------------------------------------------

    def take(self, arrival: dict[str, Any]) -> None:
        if arrival["type"] != "SignalReceived":
            self.due.pop(arrival["id"])(arrival)
        elif self.listening.get(arrival["name"]):
            self.listening[arrival["name"]].pop(0).set_result(arrival["value"])
        else:
            self.unread.setdefault(arrival["name"], deque()).append(arrival["value"])

    def wanted(self) -> list[Ask]:
        """What was asked for since the last call."""
        asked = [*self.asked, *([forgetting(self.forgotten)] if self.forgotten else [])]
        self.asked, self.forgotten = [], []
        return asked


def _resolve(future: asyncio.Future[Any], arrival: dict[str, Any]) -> None:
    if arrival["type"] == "StepFailed":
        future.set_exception(StepError(arrival["error"]["message"]))
    else:
        future.set_result(arrival.get("value"))


Task = asyncio.Task[Any]


def branch(path: str, work: Awaitable[Any]) -> Task:
    """Begin a branch: a task with a place of its own."""

    async def run() -> Any:
        return await work

    context = copy_context()
    context.run(HERE.set, Place(path))
    return asyncio.get_running_loop().create_task(run(), context=context)


async def _together(work: tuple[Awaitable[Any], ...], decides: Callable[[Task], bool]) -> tuple[list[Task], Task | None]:
    """(the branches, the one that decided for all); all have ended."""
    id = next_id()
    members = [branch(f"{id}.{number}/", one) for number, one in enumerate(work)]
    ended: list[Task] = []
    for member in members:
        member.add_done_callback(ended.append)
    try:
        while len(ended) < len(members):
            await asyncio.wait([member for member in members if member not in ended], return_when=asyncio.FIRST_COMPLETED)
            if decisive := [task for task in ended if decides(task)]:
                await end_all(members)
                return members, decisive[0]
    except asyncio.CancelledError:
        await end_all(members)
        raise
    return members, next((task for task in ended if decides(task)), None)


async def end_all(tasks: list[Task]) -> None:
    """Cancel once, and wait for all."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)


class Joined:
    """A branch as its starter sees it: waiting for it does not cancel it."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def __await__(self) -> Generator[Any, Any, Any]:
        yield from asyncio.wait([self._task]).__await__()
        return self._task.result()


class TaskGroup:
    """Branches that begin one by one; the first to fail ends the others, and the block."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._members: list[Task] = []
        self._failed = self._leaving = False

    async def __aenter__(self) -> Self:
        self._id, self._owner = next_id(), asyncio.current_task()
        return self

    def start(self, work: Awaitable[Any], *, name: str | None = None) -> Joined:
        task = branch(f"{self._id}.{len(self._members) if name is None else name}/", work)
        self._members.append(task)
        task.add_done_callback(self._ended)
        return Joined(task)

    def _ended(self, task: Task) -> None:
        if not task.cancelled() and task.exception() is not None and not self._failed:
            self._failed = True
            for member in self._members:
                member.cancel()
            if not self._leaving and self._owner is not None:
                self._owner.cancel()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._leaving = True
        if error is not None and not self._failed:
            await end_all(self._members)
        elif any(not member.done() for member in self._members):
            try:
                await asyncio.wait(self._members)
            except asyncio.CancelledError:
                await end_all(self._members)
                raise
        failures = [found for member in self._members if not member.cancelled() and (found := member.exception())]
        errors = [found for found in failures if isinstance(found, Exception)]
        if isinstance(error, Exception) and error not in errors:
            errors.append(error)
        if errors and (error is None or isinstance(error, Exception) or self._failed):
            raise ExceptionGroup("branches failed", errors)


class Timeout:
    """A block that is cancelled when its timer is due."""

    def __init__(self, world: World, duration: timedelta) -> None:
        self._world, self._duration = world, duration
        self._expired = False

    async def __aenter__(self) -> Self:
        self._id, self._owner = next_id(), asyncio.current_task()
        due = self._world.now + self._duration // timedelta(microseconds=1)
        self._world.asked.append(Ask("timer", self._id, "", str(due)))
        self._world.due[self._id] = self._expire
        return self

    def _expire(self, arrival: dict[str, Any]) -> None:
        self._expired = True
        if self._owner is not None:
            self._owner.cancel()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._world.forget(self._id)
        if self._expired and isinstance(error, asyncio.CancelledError):
            raise TimeoutError from error


# -- the judgement -----------------------------------------------------------------------------------------------------


def first_difference(text: str, flow: str, log: Recorded) -> Verdict | None:
    """Where the code first asks for something else than the log holds; None where it agrees to the log's end."""
    return asyncio.run(_judge(text, flow, log))


async def _judge(text: str, flow: str, log: Recorded) -> Verdict | None:
    world = World(log.patches)
    space = world.words()
    exec(compile(text, f"<{flow}>", "exec", dont_inherit=True), space)  # noqa: S102 - the text is our own
    main = branch("", space[flow]())
    try:
        for number, turn in enumerate(log.turns):
            world.now = turn.at
            if turn.arrival is not None:
                world.take(turn.arrival)
            for _ in range(ROUNDS):
                await asyncio.sleep(0)
            over = log.end is not None and number == len(log.turns) - 1
            if verdict := _compare(number, turn.asks, world.wanted(), "" if over else _end_of(main)):
                return verdict
        return _compare_end(len(log.turns) - 1, main, log)
    finally:
        await _leave()


async def _leave() -> None:
    """End everything, however often its cleanup waits again."""
    while left := asyncio.all_tasks() - {asyncio.current_task()}:
        for task in left:
            task.cancel()
        await asyncio.sleep(0)


def _compare(number: int, held: list[Ask], wanted: list[Ask], end: str) -> Verdict | None:
    """The first ask of the log that the code does not repeat; else what the code asks for besides."""
    by_id = {ask.id: ask for ask in wanted}
    for ask in held:
        if by_id.get(ask.id) != ask:
            other = by_id.get(ask.id)
            return Verdict(number, str(ask), frozenset([str(other) if other else end or "nothing"]))
    if end:
        return Verdict(number, NOTHING_HERE, frozenset([end]))
    besides = [str(ask) for ask in wanted if ask not in held]
    return Verdict(number, NOTHING_HERE, frozenset(besides)) if besides else None


def _end_of(main: Task) -> str:
    if not main.done():
        return ""
    error = main.exception()
    return "the end of the run (" + (f"RunFailed, {type(error).__name__}: {error}" if error is not None else "RunCompleted") + ")"


def _compare_end(number: int, main: Task, log: Recorded) -> Verdict | None:
    """The end of a run that has ended must be the end of the code."""
    if log.end is None:
        return None
    kind, result = log.end
    ended = "no end" if not main.done() else "RunFailed" if main.exception() is not None else f"RunCompleted with {compact(main.result())}"
    expected = kind if kind == "RunFailed" else f"{kind} with {compact(result)}"
    return None if ended == expected else Verdict(number, expected, frozenset([ended]))
