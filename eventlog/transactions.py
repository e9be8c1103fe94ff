"""Transactions: a function that changes rows beside the log, and whose outcome is durable with them or not at all.

Only a carrier that is itself a database has them. They are the one place where a function is called exactly once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol


class Undone(Exception):
    """The function raised `error`, or took too long: nothing that it changed is there, and it may be called again."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(repr(error))
        self.error = error


class Transactions(Protocol):
    """What a carrier offers that keeps its log in a database."""

    async def once(self, stream: str, key: str, work: Callable[[Any], bytes], *, seconds: float) -> bytes:
        """The outcome under `key`: that of an earlier call, else what `work`, given the connection, returns now.

        The outcome and all that `work` changed are one commit, durable when this returns; the outcome stays for as long as
        the stream does. `work` is called on the writer's thread, for at most `seconds`. Undone where it raised; any other
        exception means that nobody knows whether it has run: ask again with the same key. A caller that is cancelled waits
        for the end of what was begun.
        """
        ...
