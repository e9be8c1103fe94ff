"""The events of a run. Their names and fields are for ever: see `eventlog.codec` for how a shape may change.

Where a value is large, the event names the blob that holds it in `blob`, and its own field is null.
"""

from __future__ import annotations

from msgspec import Raw, field

from ...eventlog.blobs import Blob
from ...eventlog.codec import Codec, Event
from ..authoring.errors import Failure
from ..authoring.values import NOTHING
from . import approval_events as approvals
from . import artifact_events as artifacts
from . import child_events as children
from . import moving_events as moves
from . import step_events as steps

StepScheduled = steps.StepScheduled
StepStarted = steps.StepStarted
StepHeartbeat = steps.StepHeartbeat
StepDeferred = steps.StepDeferred
StepCompleted = steps.StepCompleted
StepFailed = steps.StepFailed
StepSkipped = steps.StepSkipped

ApprovalRequested = approvals.ApprovalRequested
ApprovalGiven = approvals.ApprovalGiven
ApprovalEscalated = approvals.ApprovalEscalated
ApprovalDecided = approvals.ApprovalDecided

ArtifactsReleased = artifacts.ArtifactsReleased
ArtifactsRemoved = artifacts.ArtifactsRemoved

ChildScheduled = children.ChildScheduled
AttachScheduled = children.AttachScheduled
ChildStarted = children.ChildStarted
Attached = children.Attached
ChildEnded = children.ChildEnded
ChildReleased = children.ChildReleased
Watched = children.Watched
Unwatched = children.Unwatched
ChildrenTold = children.ChildrenTold
ChildHeard = children.ChildHeard
MovedOut = moves.MovedOut
MovedIn = moves.MovedIn
MovedBack = moves.MovedBack


class RunStarted(Event, frozen=True):
    """The run began; `input` holds the arguments, `seed` feeds its chance. On a stream whose run has ended it begins a new one.

    `deadline` (microseconds since 1970, 0 for none) is when the run is ended if it has not ended by itself.
    """

    workflow: str
    version: int
    input: Raw
    seed: int
    command: str = ""
    deadline: int = 0
    parent: str = ""
    """Of a child: the stream of its parent and the effect there, as in "run/default/night#0.7/0"; it is told how this run ends."""
    blob: Blob | None = None
    trace: str = ""
    """The trace context of who asked for it, as W3C's `traceparent` has it."""
    by: str = ""
    """Who asked for it, as a door knows them: whose run it is. A child has that of its parent."""
    on_end: str = ""
    """The URL that is told how this run ends."""


class RunDelayed(RunStarted, frozen=True):
    """The run is to begin at `start_at`, in microseconds since 1970; until then no code of it runs."""

    start_at: int = 0


class Continued(Event, frozen=True):
    """The code began the next generation of its run, with `input`, under `version` of its workflow.

    It had taken `delivered` arrivals by then, and left the signals among them unread whose places are `left`, the first arrival's
    being 1: those, and what it had not taken, are there for the new generation. Records without `left` hold how many signals of
    each name, the last of them, were `unread`; but who loses a race gives back what it had, so it need not be the last.
    """

    input: Raw
    version: int
    delivered: int
    unread: dict[str, int] = field(default_factory=dict)
    blob: Blob | None = None
    left: list[int] = field(default_factory=list)


class TimerSet(Event, frozen=True):
    """The code waits for a moment, in microseconds since 1970."""

    id: str
    due: int


class TimerFired(Event, frozen=True):
    """A timer came due."""

    id: str
    due: int


class EffectsAbandoned(Event, frozen=True):
    """The code no longer wants these: a race was lost, a scope or the run cancelled."""

    ids: list[str]


class SignalReceived(Event, frozen=True):
    """A message for the code arrived."""

    name: str
    value: Raw
    command: str = ""
    blob: Blob | None = None


class SignalSent(Event, frozen=True):
    """The code wants another run to be sent a signal; performed until its outcome is recorded, which is that of a step."""

    id: str
    run: str
    name: str
    value: Raw
    blob: Blob | None = None
    """Its content is in the blobs of the run that gets it."""


class CancelSent(Event, frozen=True):
    """The code wants another run to be asked to end; performed as `SignalSent` is."""

    id: str
    run: str
    reason: str = ""


class UpdateAccepted(Event, frozen=True):
    """A message that wants an answer passed its validation; `command` names it."""

    name: str
    args: Raw
    command: str
    blob: Blob | None = None


class UpdateCompleted(Event, frozen=True):
    """What the handler answered: `result`, or the `error` that it raised; with a `blob`, too, that the answer was too large to be kept."""

    command: str
    result: Raw = NOTHING
    error: Failure | None = None
    blob: Blob | None = None


class AttributesSet(Event, frozen=True):
    """New values of searchable attributes; null takes one away."""

    values: dict[str, Raw]


class Logged(Event, frozen=True):
    """The code wrote a line for people."""

    level: str
    message: str
    fields: Raw


class Patched(Event, frozen=True):
    """The run takes the new way of a change of code."""

    name: str


class Upgraded(Event, frozen=True):
    """The run goes on under another version of its workflow, whose code agrees with all of its log."""

    version: int
    command: str = ""


class CancelRequested(Event, frozen=True):
    """Somebody wants the run to end, its cleanup done."""

    reason: str = ""
    command: str = ""


class Recovered(Event, frozen=True):
    """Another owner, or the same after a restart, takes over what was in flight."""

    owner: str
    epoch: int


class Suspended(Event, frozen=True):
    """The engine stopped the run. `delivered` is how many arrivals the log holds the answers to: so far code must agree with it."""

    reason: str
    build: str
    delivered: int
    message: str
    where: str = ""
    expected: str = ""
    found: str = ""
    instead: str = ""


class Paused(Event, frozen=True):
    """Somebody, or the move `move`, wants the run to stand still. With `freeze` its deadline stands still, too."""

    reason: str = ""
    command: str = ""
    freeze: bool = False
    move: str = ""


class Resumed(Event, frozen=True):
    """The run goes on: told to after a pause, due after a delay, or, after it was suspended, under a build that agrees with the log."""

    build: str = ""
    command: str = ""


class RetryRequested(Event, frozen=True):
    """A failed run is to go on from where the code had taken `place` arrivals.

    With `void` the outcomes and timers that came behind are no longer true (signals are); without it they are taken again.
    `fresh_keys` gives every later attempt another idempotency key.
    """

    place: int
    void: bool
    fresh_keys: bool = False
    command: str = ""


class RunCompleted(Event, frozen=True):
    """The code returned."""

    result: Raw
    blob: Blob | None = None


class RunFailed(Event, frozen=True):
    """`kind`: "step" or "child" where the failure of one ended the run, else "code"."""

    kind: str
    error: Failure


class RunCancelled(Event, frozen=True):
    """The code ended after it was cancelled."""

    reason: str = ""


class RunTerminated(Event, frozen=True):
    """The run was ended from outside, its code untouched."""

    reason: str = ""
    command: str = ""


class RunTimedOut(Event, frozen=True):
    """The deadline of the run was over before its code was."""


class EndAnnounced(Event, frozen=True):
    """That the run ended at version `end` is left with the actor that tells its URL."""

    end: int


RUN_EVENTS: tuple[type[Event], ...] = (
    RunStarted,
    RunDelayed,
    Continued,
    StepScheduled,
    StepStarted,
    StepHeartbeat,
    StepDeferred,
    StepCompleted,
    StepFailed,
    StepSkipped,
    TimerSet,
    TimerFired,
    EffectsAbandoned,
    SignalReceived,
    ApprovalRequested,
    ApprovalGiven,
    ApprovalEscalated,
    ApprovalDecided,
    SignalSent,
    CancelSent,
    UpdateAccepted,
    UpdateCompleted,
    AttributesSet,
    Logged,
    CancelRequested,
    Recovered,
    Suspended,
    Paused,
    Resumed,
    RetryRequested,
    Patched,
    Upgraded,
    RunCompleted,
    RunFailed,
    RunCancelled,
    RunTerminated,
    RunTimedOut,
    EndAnnounced,
    ChildScheduled,
    AttachScheduled,
    ChildStarted,
    Attached,
    ChildEnded,
    ChildReleased,
    Watched,
    Unwatched,
    ChildrenTold,
    ChildHeard,
    MovedOut,
    MovedIn,
    MovedBack,
    ArtifactsReleased,
    ArtifactsRemoved,
)

CODEC: Codec[Event] = Codec("run", *RUN_EVENTS)
