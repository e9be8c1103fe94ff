"""Ref: the address of an actor, and the two ways to speak to it."""

from __future__ import annotations

from typing import Any, Generic, Protocol, TypeVar

C = TypeVar("C")
A = TypeVar("A")
C_contra = TypeVar("C_contra", contravariant=True)
A_co = TypeVar("A_co", covariant=True)


class Typed(Protocol[C_contra, A_co]):
    """What of a Kind types a Ref to it: the commands that it takes, and what it answers."""

    name: str

    def answer(self, state: Any, command: C_contra, /) -> A_co: ...


class Speaking(Protocol):
    """Who carries words to actors: the dispatcher itself, or one who knows which node has it."""

    async def tell(self, stream: str, command: Any) -> None: ...

    async def ask(self, stream: str, command: Any, *, within: float | None = None) -> Any: ...


class Ref(Generic[C, A]):
    """An actor by its stream, whether it is in memory or not."""

    __slots__ = ("_speaking", "stream")

    def __init__(self, speaking: Speaking, stream: str) -> None:
        self._speaking = speaking
        self.stream = stream

    def __repr__(self) -> str:
        return f"Ref({self.stream!r})"

    async def tell(self, command: C) -> None:
        """Leave a command in the mailbox, waiting for room if it is full; nothing is promised of what becomes of it."""
        await self._speaking.tell(self.stream, command)

    async def ask(self, command: C, *, within: float | None = None) -> A:
        """The answer to a command, true because it is durable; Unavailable when it does not come within so many seconds."""
        answer: A = await self._speaking.ask(self.stream, command, within=within)
        return answer
