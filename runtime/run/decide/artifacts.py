"""Artifacts: may what a run has stored be released, and may it go on afterwards?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ....actors.shelf import NeedValue, Shelf
from ....eventlog.blobs import Blob
from ....eventlog.codec import Event
from ....eventlog.errors import Unavailable
from .. import commands as cmd
from .. import events as ev
from ..state import RunState
from .asking import NONE


def _release(state: RunState, command: cmd.Release, now: int) -> Sequence[Event]:
    """Only of a run that has ended: no reference to them can come then, before it goes on again."""
    if not state.ended or not state.stores or state.removing or state.ended_at > command.before:
        return NONE
    return [ev.ArtifactsReleased(command.mark)]


def _removed(state: RunState, command: ev.ArtifactsRemoved, now: int) -> Sequence[Event]:
    return [command] if state.removing and state.removing == command.release else NONE


def must_be_removed(state: RunState, wish: str) -> None:
    """Unavailable while contents are being removed: who goes on might store the same, and have it removed from under it."""
    if state.removing:
        raise Unavailable("the artifacts of the run are just being removed", who=f"run of workflow {state.workflow!r}", where=wish,
                          expected="that this is done", found=f"a release at version {state.removing}", instead="ask again in a moment")


def write_again(stream: str, command: cmd.Command, shelf: Shelf) -> None:
    """Have the large values that a command brings written once more with this turn, as far as they are not there.

    They were, when the command was made; but a release may have removed an artifact of the same content since.
    """
    begins = command.start if isinstance(command, cmd.SignalOrStart) else None
    for blob in (getattr(command, "blob", None), getattr(begins, "blob", None)):
        if isinstance(blob, Blob) and blob.stored:
            content = shelf.find(stream, blob)
            if content is None:
                raise NeedValue([blob])
            shelf.unwritten.append((stream, content))


DECIDE: dict[type[Any], Callable[[RunState, Any, int], Sequence[Event]]] = {
    cmd.Release: _release,
    ev.ArtifactsRemoved: _removed,
}
