"""Ref: the address of an actor, and the two ways to speak to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .dispatcher import Dispatcher


class Ref:
    """An actor by its stream, whether it is in memory or not."""

    __slots__ = ("_dispatcher", "stream")

    def __init__(self, dispatcher: Dispatcher, stream: str) -> None:
        self._dispatcher = dispatcher
        self.stream = stream

    def __repr__(self) -> str:
        return f"Ref({self.stream!r})"

    async def tell(self, command: Any) -> None:
        """Leave a command in the mailbox, waiting for room if it is full; nothing is promised of what becomes of it."""
        await self._dispatcher.tell(self.stream, command)

    async def ask(self, command: Any, *, within: float | None = None) -> Any:
        """The answer to a command, true because it is durable; Unavailable when it does not come within so many seconds."""
        return await self._dispatcher.ask(self.stream, command, within=within)
