"""What may be wished of a run. `command` is the id under which a repeat from outside gets its first answer.

An attempt that returned is reported as the fact it becomes if it is still wanted: `StepCompleted` itself is the command. So is
what other runs answered: `ChildStarted`, `Attached`, `ChildEnded`, `ChildReleased`,
`ChildHeard`, `Unwatched`, that a delivery actor has it from here, `EndAnnounced`, and that contents are removed, `ArtifactsRemoved`.
"""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, Raw, Struct, UnsetType

from ...eventlog.blobs import Blob
from ..authoring.errors import Failure
from ..authoring.retry import Retry as Policy
from ..authoring.tokens import Token
from ..authoring.values import NOTHING
from .events import (
    ArtifactsRemoved,
    Attached,
    ChildEnded,
    ChildHeard,
    ChildReleased,
    ChildStarted,
    EndAnnounced,
    StepCompleted,
    StepDeferred,
    StepHeartbeat,
    Unwatched,
)

OnConflict = Literal["existing", "refuse", "terminate_and_start"]
"""What a start does that meets a live run: gives that run if the input is the same, is refused, or takes its place."""

Reuse = Literal["never", "after_failure", "always"]
"""Whether a start may begin a new run under the id of one that has ended; after_failure: of one that did not complete."""


class Start(Struct, frozen=True, gc=False):
    """Begin the run."""

    workflow: str
    version: int
    input: Raw
    seed: int
    command: str = ""
    start_at: int = 0
    """When the code is to begin; 0 for now."""
    deadline: int = 0
    """When the run is ended if it has not ended by itself; 0 for never."""
    on_conflict: OnConflict = "existing"
    reuse: Reuse = "never"
    parent: str = ""
    """Of a child: who is told of its end, as in `RunStarted.parent`."""
    again: bool = False
    """The parent is being retried, and its child with it: one that failed is retried, one that was stopped begins anew."""
    blob: Blob | None = None
    """What holds the input, where it is large."""
    trace: str = ""
    """The trace context of who asks, as W3C's `traceparent` has it."""
    by: str = ""
    """Who asks, as a door knows them."""
    on_end: str = ""
    """The URL that is told how the run ends."""


class SignalOrStart(Struct, frozen=True, gc=False):
    """Hand the code a message; where there is no run, begin it first."""

    start: Start
    name: str
    value: Raw
    command: str = ""
    blob: Blob | None = None


class StepBroke(Struct, frozen=True, gc=False):
    """An attempt raised; `retry` is what its step's policy says, None where it must not be tried again.

    `kinds` are the names of what was raised, see `kinds_of`.
    """

    id: str
    attempt: int
    error: Failure
    started: int
    ended: int
    worker: str
    retry: Policy | None
    kinds: tuple[str, ...] = ()
    heartbeat: Raw | UnsetType = UNSET
    """What it told last, where that is not recorded yet."""


class Begin(Struct, frozen=True, gc=False):
    """An attempt that must not be begun twice wants to begin: the answer says whether it may. Repeated it gets its first answer."""

    id: str
    attempt: int
    started: int
    worker: str


class LookAtAttempt(Struct, frozen=True, gc=False):
    """Whether an attempt is still wanted, asked by who has the order for it; changes nothing."""

    id: str
    attempt: int
    keys: int
    """How often the run was retried with fresh keys when the order was given."""


class Settle(Struct, frozen=True, gc=False):
    """End a step from outside: with a value, or with an error."""

    token: Token
    value: Raw = NOTHING
    error: Failure | None = None
    command: str = ""
    blob: Blob | None = None


class Skip(Struct, frozen=True, gc=False):
    """Give an open step, meant by its id or its name, a value."""

    step: str
    value: Raw
    by: str = ""
    why: str = ""
    command: str = ""
    blob: Blob | None = None


class Wake(Struct, frozen=True, gc=False):
    """Look at the clock: fire what is due, perform what is wanted."""

    believed: bool = True
    """Whether the clock can be believed; where not, nothing fires."""


class Signal(Struct, frozen=True, gc=False):
    """Hand the code a message."""

    name: str
    value: Raw
    command: str = ""
    blob: Blob | None = None


class Decide(Struct, frozen=True, gc=False):
    """Approve or reject: the open approval of this id, or the one of this name, that shows what has this digest."""

    name: str
    outcome: Literal["approved", "rejected"]
    by: str
    why: str
    digest: str
    id: str = ""
    command: str = ""
    roles: tuple[str, ...] = ()
    """Those of who decides."""
    named: bool = False
    """Whether they may decide only where they, or a role of theirs, are named."""
    believed: bool = True
    """Whether the clock can be; where not, an approval that moves with the time is not decided."""


class Update(Struct, frozen=True, gc=False):
    """Hand the code a message that it answers. `command` must name it."""

    name: str
    args: Raw
    command: str
    blob: Blob | None = None


class Query(Struct, frozen=True, gc=False):
    """Ask the code something, changing nothing."""

    name: str
    args: Raw


class Cancel(Struct, frozen=True, gc=False):
    """End the run, its cleanup done."""

    reason: str = ""
    command: str = ""


class Terminate(Struct, frozen=True, gc=False):
    """End the run at once."""

    reason: str = ""
    command: str = ""


class Pause(Struct, frozen=True, gc=False):
    """Let nothing new begin, until Resume; with `freeze` the deadline waits, too; with `children` theirs stand still likewise."""

    reason: str = ""
    freeze: bool = False
    command: str = ""
    children: bool = False


class Hold(Struct, frozen=True, gc=False):
    """Pause the run for a move, unless it stands still already."""

    move: str


class MoveOut(Struct, frozen=True, gc=False):
    """Let the run, which stands still, leave for the log `to`. `along`: the runs that go with it, and those that do not exist."""

    move: str
    to: str
    along: frozenset[str] = frozenset()


class MoveIn(Struct, frozen=True, gc=False):
    """Let the run, whose records have come from the log `source`, go on here. Only who has this log's word for it may ask so."""

    move: str
    source: str


class MoveBack(Struct, frozen=True, gc=False):
    """Let the run go on where it was. Only who has the other log's word that it will not have it may ask so."""

    move: str


class Resume(Struct, frozen=True, gc=False):
    """Let a run that stands still go on: end its pause, begin before its time, or try once more what was suspended.

    With `children` it is said to its children, too, and to theirs.
    """

    command: str = ""
    children: bool = False
    believed: bool = True
    """Whether the clock can be; where not, no timer fires yet."""


class Retry(Struct, frozen=True, gc=False):
    """Let a failed run go on: from the step that ended it, or from where the code had taken `place` arrivals."""

    place: int | None = None
    fresh_keys: bool = False
    command: str = ""
    generation: int = 0
    """The generation that `place` belongs to."""


class Upgrade(Struct, frozen=True, gc=False):
    """Go on under another version of the workflow, if its code agrees with the log."""

    version: int
    command: str = ""


class Watch(Struct, frozen=True, gc=False):
    """Tell `by` once the run has ended; where it has, the answer says how."""

    by: str


class Leave(Struct, frozen=True, gc=False):
    """`by` no longer waits for the end. `how`: the run is cancelled or terminated, if `by` is its parent; or just "unwatch"."""

    by: str
    how: str
    start: Start | None = None
    """Of a child that may not have begun: what would begin it, so that no such start can come late."""


class Follow(Struct, frozen=True, gc=False):
    """`by`, the parent, stands still, or goes on, and its children with it. `word`: the version of its log at which it said so."""

    by: str
    how: str
    word: int
    reason: str = ""
    freeze: bool = False


class Release(Struct, frozen=True, gc=False):
    """Keep the artifacts no longer, if the run had ended by `before`. `mark`: how far the blobs have come."""

    before: int
    mark: int


class Look(Struct, frozen=True, gc=False):
    """Change nothing; the answer is the state of the run, if it has accepted a command of the id `accepted`, where one is given."""

    accepted: str = ""


Command = (  # fmt: skip
    Start | SignalOrStart | StepCompleted | StepHeartbeat | StepDeferred | StepBroke | Begin | LookAtAttempt | Settle | Skip
    | Wake | Signal | Update | Query | Decide
    | Cancel | Terminate | Pause | Resume | Retry | Upgrade | Look
    | Hold | MoveOut | MoveIn | MoveBack
    | Watch | Leave | Follow | ChildStarted | Attached | ChildEnded | ChildReleased | ChildHeard | Unwatched | EndAnnounced
    | Release | ArtifactsRemoved
)
