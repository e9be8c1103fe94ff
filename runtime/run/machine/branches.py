"""Branches: the lines of execution within one run, and the groups that hold them together.

A branch's path and its own counter name its effects, so what happens in one branch never shifts another.
"""

from __future__ import annotations

from collections.abc import Coroutine
from contextvars import Context
from hashlib import sha256
from random import Random
from typing import Any

from ....eventlog.errors import Bug
from ...authoring.drawing import Drawing
from ...authoring.errors import Cancelled


class Branch:
    """A coroutine (or one bare effect) of a run, and what it waits for."""

    __slots__ = (
        "_random", "context", "coroutine", "ended", "error", "group", "joiners", "ordinal", "path", "pending", "place", "run", "send",
        "started", "value", "waiting",
    )  # fmt: skip

    def __init__(
        self, path: str, coroutine: Coroutine[Any, Any, Any] | None, context: Context, group: Group | None = None, place: int = 0
    ) -> None:
        self.path = path
        """The prefix of the ids of its effects: empty, or the id of its group, its name and a slash."""
        self.coroutine: Any = coroutine
        """None where the branch is one bare effect."""
        self.context = context
        self.run = context.run
        self.send: Any = None if coroutine is None else coroutine.send
        self.group = group
        self.place = place
        self.ordinal = 0
        self.started = self.ended = False
        self.waiting: Any = None
        """The effect it awaits; None while it is ready to go on, or has ended."""
        self.pending: Cancelled | None = None
        """A cancellation that came while it was ready: delivered at its next await."""
        self.value: Any = None
        self.error: BaseException | None = None
        self.joiners: list[Branch] = []
        self._random: Random | None = None

    def next_id(self) -> str:
        id = f"{self.path}{self.ordinal}"
        self.ordinal += 1
        return id

    def random(self, seed: int) -> Random:
        if self._random is None:
            self._random = Drawing(int.from_bytes(sha256(f"{seed}/{self.path}".encode()).digest()[:8]))
        return self._random

    def outcome(self) -> Any:
        """The value of an ended branch; raises its error."""
        if not self.ended:
            raise Bug("the branch has not ended yet", who=self.path, instead="await the task instead of asking for its result")
        if self.error is not None:
            raise self.error
        return self.value


class Group:
    """Branches that end together: those of a gather, a first_of or a task group."""

    __slots__ = (
        "cancel", "failing", "first", "id", "joining", "keep_errors", "left", "members", "names", "open", "parent", "taken", "winner",
    )  # fmt: skip

    def __init__(self, id: str, parent: Branch, *, first: bool = False, keep_errors: bool = False, open: bool = False) -> None:  # noqa: A002
        self.id = id
        self.parent = parent
        self.open = open
        """Branches may still join: a task group, which reports its errors itself."""
        self.first = first
        self.keep_errors = keep_errors
        self.members: list[Branch] = []
        self.names: set[str] = set()
        self.left = 0
        """Members that have not ended."""
        self.winner: Branch | None = None
        """The first to end (first_of), or the first to fail."""
        self.taken: Any = None
        """The signal that decided a race: the parent's once it goes on, given back where it is cancelled before."""
        self.cancel: Cancelled | None = None
        """What the parent is to see once all have ended, because it was itself cancelled."""
        self.failing = False
        """The rest is being cancelled by the group itself."""
        self.joining = False
        """The parent waits for the end of the group."""

    @property
    def errors(self) -> list[Exception]:
        """The errors of the members, in their order; cancellation is none."""
        return [member.error for member in self.members if isinstance(member.error, Exception)]
