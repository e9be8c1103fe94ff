"""The events of children, of a parent and of who is waited for; see `events` for what may never change of them."""

from __future__ import annotations

from msgspec import Raw

from ...eventlog.blobs import Blob
from ...eventlog.codec import Event
from ..authoring.errors import Failure
from ..authoring.values import NOTHING


class ChildScheduled(Event, frozen=True):
    """The code wants a child: a run of its own, to be started under the id `run`.

    `on_parent_end`: what becomes of it (cancel, abandon, terminate) if it is no longer wanted. `named`: the code chose the id.
    `detached`: the code goes on once it has started.
    """

    id: str
    run: str
    workflow: str
    version: int
    input: Raw
    on_parent_end: str = "cancel"
    named: bool = False
    detached: bool = False
    blob: Blob | None = None


class AttachScheduled(Event, frozen=True):
    """The code waits for the end of a run that need not be its child."""

    id: str
    run: str


class ChildStarted(Event, frozen=True):
    """The start of a child is durable; from here on it is the child that must tell of its end.

    `since`, here and in what follows: the version of the retry of this run since which the child is wanted so; 0 for its start.
    """

    id: str
    since: int = 0


class Attached(Event, frozen=True):
    """The run that is waited for knows that it must tell of its end."""

    id: str
    since: int = 0


class ChildEnded(Event, frozen=True):
    """A child, or a run that was attached to, has ended; "refused" where it could not be started or found."""

    id: str
    status: str
    value: Raw = NOTHING
    error: Failure | None = None
    blob: Blob | None = None
    since: int = 0


class ChildReleased(Event, frozen=True):
    """A child that is no longer wanted has been told so, and has recorded it."""

    id: str
    since: int = 0


class Watched(Event, frozen=True):
    """Somebody waits for the end of this run: `by` as in `RunStarted.parent`, and since which of its retries."""

    by: str


class Unwatched(Event, frozen=True):
    """It knows of the end, or no longer wants to."""

    by: str


class ChildrenTold(Event, frozen=True):
    """The children that the run has under way are to stand still as it does (`how` is "pause"), or to go on ("resume").

    `word`: where the parent of this run wants that, the version of the parent's log at which it said so; of its words the highest counts.
    """

    how: str
    reason: str = ""
    freeze: bool = False
    command: str = ""
    word: int = 0


class ChildHeard(Event, frozen=True):
    """A child has recorded what it was told at version `word` of this run, or need not do it any more."""

    id: str
    word: int
