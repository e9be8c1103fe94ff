"""The ports of performing: how plain functions run, and where ids come from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from .elsewhere import Order


class Threads(Protocol):
    """Runs plain functions without blocking the loop."""

    async def run(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any: ...

    async def look(self, function: Callable[..., Any], *args: Any) -> Any:
        """For a function that changes nothing: who waits may leave before its end. Few at once, and none takes the place of a step."""
        ...


class Processes(Protocol):
    """Runs attempts in processes of their own, which end with an attempt that is cancelled."""

    async def run(self, order: bytes) -> bytes:
        """The report on an order, see `elsewhere`; ProcessEnded where the process died."""
        ...


class TaskQueues(Protocol):
    """Where orders wait until a worker of their queue takes them. What is said here is done soon, in the order in which it was said."""

    def put(self, order: Order) -> None:
        """Have the order in its queue; harmless where it is there already."""
        ...

    def withdraw(self, order: Order, *, stop: bool) -> None:
        """Have it there no more; with `stop` whoever performs it ends that, unless the word is lost."""
        ...


class Ids(Protocol):
    """Chance from outside: drawn once, and recorded."""

    def run_id(self, now: int) -> str:
        """A new id; ids sort by the time of their making."""
        ...

    def seed(self) -> int:
        """63 random bits."""
        ...
