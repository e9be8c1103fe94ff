"""Restarting: an actor whose own code failed is forgotten and folded again, within its intensity and period."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from ..eventlog.errors import Bug
from . import losing
from .mailbox import Actor, Letter

if TYPE_CHECKING:
    from .dispatcher import Dispatcher

logger = logging.getLogger("perdure.actors")


def broke(dispatcher: Dispatcher, actor: Actor, letter: Any, error: Exception) -> None:
    """The kind's own code failed over this letter; the others are judged again, unless it has failed too often."""
    logger.error("actor %s broke on %r", actor.stream, letter, exc_info=error)
    now, period = dispatcher.clock.now(), dispatcher.settings.restart_seconds * 1_000_000
    actor.failures = [*(at for at in actor.failures if now - at < period), now]
    command = letter.command if type(letter) is Letter else letter
    bug = Bug("an actor's own code failed", who=actor.stream, where=type(command).__name__, found=repr(error),
              instead="report it with the log of this run")
    if type(letter) is Letter:
        letter.breaks(bug)
    if len(actor.failures) > dispatcher.settings.restarts_max:
        actor.broken = bug
        losing.turn_away(dispatcher, actor)
        return
    actor.letters = [kept for kept in actor.letters if kept is not letter]
    dispatcher.again(actor)
