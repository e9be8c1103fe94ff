"""Who drives the code that runs right now.

A workflow's code runs in a context of its own, in which this variable names its driver; everywhere else there is none,
and a step is an ordinary coroutine. So authoring knows nothing of how runs are driven.
"""

from __future__ import annotations

from collections.abc import Awaitable
from contextvars import ContextVar
from random import Random
from typing import Any, Protocol

from ...eventlog.blobs import Artifact
from ...eventlog.errors import Invalid


class Driver(Protocol):
    """What the words of an author need that are not awaited."""

    closing: bool
    seed: int
    reading: str
    lines: list[Any] | None
    """Where log records wait until what the code decided is durable; None where it only says again what it said before."""

    def time(self) -> int: ...

    def random(self) -> Random: ...

    def note(self, level: str, message: str, fields: dict[str, Any]) -> None: ...

    def set_attributes(self, values: dict[str, Any]) -> None: ...

    def patched(self, name: str) -> bool: ...

    def artifact(self, name: str) -> Artifact | None: ...

    def describe(self) -> dict[str, Any]: ...

    def home(self) -> str:
        """The module of the workflow's code."""
        ...

    def hear(self, handler: Any) -> None:
        """From now on messages of its kind and name are the handler's."""
        ...

    def handling(self) -> int: ...

    def join_in(self, group: Any, work: Awaitable[Any], name: str | None) -> Any: ...


DRIVER: ContextVar[Driver | None] = ContextVar("perdure_driver", default=None)


def driver(word: str, *, looks: bool = False) -> Driver:
    """The driver of the workflow that runs right now; Invalid outside one, and where nothing may change unless the word only looks."""
    found = DRIVER.get()
    if found is None:
        raise Invalid(
            f"{word} was called outside a workflow",
            who=word,
            expected="a call from the code of an @workflow function, or from what it awaits",
            found="no workflow is being driven here",
            instead="in a step or in plain code use the ordinary means of Python",
        )
    if found.reading and not looks:
        raise Invalid(
            f"{word} was called where the code may only look",
            who=word,
            where=found.reading,
            expected="plain reading of what the workflow's code has kept; now() and info() are at hand",
            found=f"{word}, which would change the run",
            instead="do it in the workflow's own code or in a handler",
        )
    return found
