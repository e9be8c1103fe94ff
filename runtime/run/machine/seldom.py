"""What few codes ask for, and a machine has only once they do.

Thousands of machines are in memory at once. So most of them share what stands here, which cannot be changed: whoever puts the first
thing into one of these gives the machine its own before (`machine.inbox = machine.inbox or {}`).
"""

from __future__ import annotations

from collections import deque
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ....eventlog.blobs import Artifact
from ...authoring.effects import SignalWait
from ...authoring.handlers import UpdateHandler
from ...authoring.messages import WaitUntil
from .handlers import Heard

if TYPE_CHECKING:
    from .branches import Branch
    from .children import Held
    from .signals import Unread

NOTHING_YET: Any = MappingProxyType[Any, Any]({})


class Seldom:
    """The part of a machine that most machines have in common."""

    carried = 0
    """Arrivals that an earlier generation left unread, or that came before the code began."""
    replaying = False
    """What it answers to is recorded: it is driven over the log again."""
    revived = False
    """Driven from the log, and nothing performed since: of what it wants some may have been begun before."""
    cancelling = False
    patches: dict[str, bool] = NOTHING_YET
    """Changes of code that this run knows, and whether it takes the new way."""
    inbox: dict[str, deque[Unread]] = NOTHING_YET
    unread = 0
    unread_bytes = 0
    """Signals in the inbox."""
    handling_for: dict[Branch, tuple[UpdateHandler, str] | None] = NOTHING_YET
    """Branches that run a handler; the update, by its command, that each answers."""
    failed: BaseException | None = None
    """What a handler raised that nobody catches: the run ends with it."""
    given: dict[Branch, tuple[SignalWait[Any], Unread]] = NOTHING_YET
    """Signals handed to branches that have not gone on since: if one is cancelled before it does, another gets its signal."""
    handles: dict[str, Held] = NOTHING_YET
    """Children that the code has a handle of, by the effect that started them."""
    listeners: dict[str, dict[Branch, SignalWait[Any]]] = NOTHING_YET
    conditions: dict[Branch, WaitUntil] = NOTHING_YET
    """Branches that wait until a predicate holds, in the order of their waiting."""
    artifacts: dict[str, Artifact] = NOTHING_YET
    """What the steps stored whose outcomes the code was given, by name."""
    reading = ""
    """What looks at the code's state right now and must not change it; empty while the code itself runs."""
    listening: Heard | None = None

    def forget(self) -> None:
        """Have nothing of all this any more: the machine leaves memory, and is not to be kept there by what it holds."""
        vars(self).clear()

    @property
    def heard(self) -> Heard:
        """The handlers of the code."""
        if self.listening is None:
            self.listening = Heard()
        return self.listening
