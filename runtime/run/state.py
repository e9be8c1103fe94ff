"""RunState: the facts of a run. How each event changes them is in `evolve`; nothing here knows the code of a workflow.

`arrivals` are what came from outside, in the order of the log; the code has taken the first `delivered` of them. `script`
is what the code asked for, each line with the number of arrivals it had taken by then. Driving the code over the arrivals
must give the script again: that is what replay checks.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Literal

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType, field
from msgspec.structs import replace

from ...eventlog.blobs import Artifact, Blob
from ...eventlog.codec import Event
from ..authoring.approvals import Answer
from ..authoring.errors import Failure
from ..authoring.policies import Terms
from ..authoring.values import NOTHING
from . import events as ev
from .notices import Notice
from .repeats import Forgotten, in_order

Phase = Literal["new", "delayed", "running", "paused", "suspended", "completed", "failed", "cancelled", "terminated", "timed_out"]

ENDED: frozenset[str] = frozenset({"completed", "failed", "cancelled", "terminated", "timed_out"})

AFTER: dict[tuple[str, type[Event]], Phase] = {
    ("new", ev.RunStarted): "running",
    ("new", ev.RunDelayed): "delayed",
    ("delayed", ev.Resumed): "running",
    ("delayed", ev.Suspended): "suspended",
    ("delayed", ev.RunCancelled): "cancelled",
    ("delayed", ev.RunTerminated): "terminated",
    ("delayed", ev.RunTimedOut): "timed_out",
    ("running", ev.Continued): "running",
    ("running", ev.Paused): "paused",
    ("running", ev.Suspended): "suspended",
    ("paused", ev.Resumed): "running",
    ("paused", ev.Paused): "paused",
    ("suspended", ev.Paused): "paused",
    ("paused", ev.Suspended): "suspended",
    ("suspended", ev.Suspended): "suspended",
    ("suspended", ev.Resumed): "running",
    ("failed", ev.RetryRequested): "suspended",
    ("running", ev.RunCompleted): "completed",
    ("running", ev.RunFailed): "failed",
    ("running", ev.RunCancelled): "cancelled",
    **{(phase, ev.RunTerminated): "terminated" for phase in ("running", "paused", "suspended")},
    **{(phase, ev.RunTimedOut): "timed_out" for phase in ("running", "paused", "suspended")},
    **{(phase, ev.RunStarted): "running" for phase in sorted(ENDED)},
    **{(phase, ev.RunDelayed): "delayed" for phase in sorted(ENDED)},
}
"""Every legal change of phase; an event that changes it in any other way is a bug."""

KEY_BYTES = 64

NEVER = 1 << 62
"""Later than any moment, in microseconds since 1970."""

NOBODY = ""
"""The worker of an attempt that was not ended by one: the clock did."""


class Outcome(Struct, frozen=True, tag=True, omit_defaults=True, gc=False):
    """A step's final outcome: a value or a failure."""

    at: int
    id: str
    value: Raw = NOTHING
    error: Failure | None = None
    attempt: int = 1
    blob: Blob | None = None
    artifacts: tuple[Artifact, ...] = ()
    given: bool = False
    """Whether somebody else than its attempt ended the step: an attempt that still runs is not wanted any more."""


class Fired(Struct, frozen=True, tag=True, gc=False):
    """A timer is due."""

    at: int
    id: str


class Signalled(Struct, frozen=True, tag=True, gc=False, omit_defaults=True):
    """A message for the code."""

    at: int
    name: str
    value: Raw
    blob: Blob | None = None


class Given(Struct, frozen=True, omit_defaults=True):
    """One person approved."""

    by: str
    at: int
    why: str = ""


class Decided(Struct, frozen=True, tag=True, omit_defaults=True):
    """An approval was decided, or has expired; `given` are those who approved, where it took several."""

    at: int
    id: str
    outcome: Answer
    by: str = ""
    why: str = ""
    given: tuple[Given, ...] = ()


class UpdateAsked(Struct, frozen=True, tag=True, gc=False, omit_defaults=True):
    """A message that the code answers."""

    at: int
    name: str
    args: Raw
    command: str
    blob: Blob | None = None


class Begun(Struct, frozen=True, tag=True, gc=False):
    """A child that the code holds a handle of has started."""

    at: int
    id: str


class Ended(Struct, frozen=True, tag=True, omit_defaults=True):
    """A child, or a run that was attached to, has ended; with an error unless it completed."""

    at: int
    id: str
    status: str
    value: Raw = NOTHING
    error: Failure | None = None
    blob: Blob | None = None


class CancelAsked(Struct, frozen=True, tag=True, gc=False):
    """Somebody wants the run to end, its cleanup done."""

    at: int


Arrival = Outcome | Fired | Signalled | UpdateAsked | Decided | CancelAsked | Begun | Ended


class Line(Struct, frozen=True, gc=False, array_like=True):
    """One line of the script: what the code asked for (`step`, `timer`, `child`, …; `update` for an answer that it gave),

    and after how many arrivals.
    """

    after: int
    what: str
    id: str
    name: str
    key: Raw
    """The arguments of a step or a child (`key_of`), when a timer is due, what an approval shows and on which terms, what is abandoned."""


class OpenStep(Struct, gc=False):
    """A step without a final outcome, and the number of the attempt that is under way or due next."""

    name: str
    attempt: int = 1
    begun: tuple[int, str] | None = None
    """When and by whom the attempt was begun, where that is recorded."""
    heartbeat: Raw | UnsetType = UNSET
    """What an attempt told last."""


class Asked(Struct, frozen=True, omit_defaults=True):
    """An approval that nobody has decided yet; times in microseconds since 1970."""

    name: str
    show: Raw
    digest: str
    at: int
    expires: int | None = None
    terms: Terms | None = None
    given: tuple[Given, ...] = ()
    stage: int = 0
    """How often it has escalated."""

    @property
    def due(self) -> int | None:
        """When it moves by itself: it escalates, or expires."""
        stages = () if self.terms is None else self.terms.stages
        return self.at + stages[self.stage].after if self.stage < len(stages) else self.expires


class Update(Struct, frozen=True, omit_defaults=True):
    """An accepted update: its answer, once `done`, the version of that, is not 0."""

    done: int = 0
    result: Raw = NOTHING
    error: Failure | None = None
    blob: Blob | None = None


class Child(Struct, frozen=True, gc=False, omit_defaults=True):
    """A run whose end the code asked for. `how`: what it is told once that is no longer so (cancel, terminate, unwatch, abandon: nothing).

    A run that was attached to has no `workflow`.
    """

    run: str
    how: str
    workflow: str = ""
    version: int = 0
    input: Raw = NOTHING
    detached: bool = False
    blob: Blob | None = None
    since: int = 0
    """The version of the retry since which it is wanted; 0 where the run was not retried."""


class Word(Struct, frozen=True, omit_defaults=True):
    """What the children are told: to "pause" or to "resume", said at this version of the run."""

    how: str
    said: int
    reason: str = ""
    freeze: bool = False


class Held(Struct, frozen=True, gc=False, array_like=True):
    """Arrivals `start` to `end` came while the run stood still, and were taken in one go at `at`."""

    start: int
    end: int
    at: int


class RunState(Struct):
    """All that is known of a run. `evolve` consumes and returns it."""

    phase: Phase = "new"
    workflow: str = ""
    version: int = 0
    input: Raw = NOTHING
    input_blob: Blob | None = None
    seed: int = 0
    by: str = ""
    origin: Raw | UnsetType = UNSET
    """What the run was started with, where `input` is that of a later generation."""
    generation: int = 1
    """Counts the runs and continuations of runs in this stream; from the second on, the ids of effects begin with it."""
    started_at: int = 0
    start_at: int = 0
    """When a delayed run is to begin."""
    deadline: int = 0
    """When the run is ended if it has not ended by itself; 0 where it may take for ever."""
    frozen_at: int = 0
    """Since when the deadline stands still; 0 where it does not."""
    at: int = 0
    length: int = 0
    """Events folded: the version of the stream."""
    arrivals: list[Arrival] = field(default_factory=list)
    delivered: int = 0
    held: list[Held] = field(default_factory=list)
    script: list[Line] = field(default_factory=list)
    steps: dict[str, OpenStep] = field(default_factory=dict)
    retries: dict[str, int] = field(default_factory=dict)
    """Open steps that back off, and when each is tried again."""
    step_deadlines: dict[str, int] = field(default_factory=dict)
    """Open steps whose overall time is limited, and when it is up."""
    deferred: dict[str, int] = field(default_factory=dict)
    """Open steps that somebody outside is to end, and since when."""
    abandoned: dict[str, OpenStep] = field(default_factory=dict)
    """Steps that the code no longer wants, whose outcome may still come."""
    tried: dict[str, int] = field(default_factory=dict)
    """The last attempts of steps that a retry took back, or that the code no longer wants: a run taken back counts on from there."""
    timers: dict[str, int] = field(default_factory=dict)
    """What comes due by itself, and when: timers of the code, and approvals that escalate or expire."""
    approvals: dict[str, Asked] = field(default_factory=dict)
    """What the code asks people, and nobody has decided."""
    withdrawn: dict[str, Asked] = field(default_factory=dict)
    """What the code no longer asks: a run that is taken back asks it again."""
    parent: str = ""
    """Of a child: the stream of its parent and the effect there, joined by "#"."""
    watchers: dict[str, None] = field(default_factory=dict)
    """Who must be told how this run ends, by the names that `waiting` gives."""
    on_end: str = ""
    """The URL that is told how this run ends."""
    notices: dict[str, Notice] = field(default_factory=dict)
    """Ends that a URL is still to be told of, by the versions at which they came."""
    made: dict[str, Child] = field(default_factory=dict)
    """Every child of this generation, and every run attached to, by the id of the effect."""
    starting: dict[str, None] = field(default_factory=dict)
    """Those that are wanted and have not confirmed it yet."""
    children: dict[str, None] = field(default_factory=dict)
    """Those that have, and whose end is awaited."""
    leaving: dict[str, Child] = field(default_factory=dict)
    """Those that are no longer wanted and have not been told so yet."""
    telling: dict[str, Word] = field(default_factory=dict)
    """Those that are to stand still as the run does, or to go on, and have not confirmed it yet."""
    word: Word | None = None
    """What a child is told that confirms its start while the run stands still, if it does so with its children."""
    heard: int = 0
    """The newest word of its parent that it follows, by the version of the parent's log; 0 for none."""
    retried: int = 0
    """The version at which it was last retried; 0 where it was not."""
    commands: dict[str, int] = field(default_factory=dict)
    """Accepted commands from outside, by their ids as `repeats` keeps them, and the version at which each was applied: the newest."""
    forgotten: Forgotten = field(default_factory=Forgotten)
    """What is left of those before them."""
    updates: dict[str, Update] = field(default_factory=dict)
    """Accepted updates by their command; of those that are done the newest."""
    open_updates: int = 0
    answers_bytes: int = 0
    backlog: tuple[int, int] = (0, 0)
    """Signals that came since the code last took all there was, and their bytes."""
    attributes: dict[str, Raw] = field(default_factory=dict)
    artifacts: dict[str, Artifact] = field(default_factory=dict)
    """What earlier generations of the run stored, by name; see `artifacts_of`."""
    stores: bool = False
    """Whether this run, or one before it under its id, has stored artifacts that are not released."""
    ended_at: int = 0
    released_at: int = 0
    """When it ended, 0 while it has not; and when artifacts were last released."""
    removing: int = 0
    """The version of the release whose contents are still to be removed; 0 for none."""
    gone: dict[str, int] = field(default_factory=dict)
    """Artifacts of this run that are kept no longer, by digest, and since when."""
    patches: list[str] = field(default_factory=list)
    """Changes of code whose new way this generation takes."""
    cancelling: int = 0
    """The version at which it was asked to cancel; 0 where it was not."""
    reason: str = ""
    """Why somebody wants, or wanted, it to end."""
    stuck: str = ""
    """Why the engine stopped it."""
    build: str = ""
    """The build of the code that last disagreed with the log."""
    result: Raw = NOTHING
    result_blob: Blob | None = None
    failure: Failure | None = None
    fault: str = ""
    """Of a failed run: "step" where the failure of a step ended it, else "code"."""
    keys: int = 0
    """How often fresh idempotency keys were asked for."""
    recoveries: int = 0
    held_for: str = ""
    goes_on: bool = False
    """The move that has paused it, where no person has; and whether that is over, so that the pause is to end."""
    away: str = ""
    away_to: str = ""
    """The move by which it has left this log, and the log that it has gone to: nothing is decided here any more."""

    @property
    def ended(self) -> bool:
        return self.phase in ENDED


def canonical(state: RunState) -> bytes:
    """The state as bytes that are the same on every machine."""
    return msgspec.json.encode(state, order="deterministic")


def state_digest(state: RunState) -> str:
    """SHA-256, in hexadecimal, of the canonical bytes."""
    return sha256(canonical(state)).hexdigest()


def restore(data: bytes) -> RunState:
    """The state that `canonical` made the bytes from, and with it the orders by which something is forgotten one day."""
    state = msgspec.json.decode(data, type=RunState)
    state.commands, state.forgotten = in_order(state.commands, state.forgotten)
    state.updates = dict(sorted(state.updates.items(), key=lambda one: one[1].done))
    return state


def artifacts_of(state: RunState) -> dict[str, Artifact]:
    """What the run has stored, by name, the last of each; those that are gone say so."""
    stored = (one for arrival in state.arrivals if isinstance(arrival, Outcome) for one in arrival.artifacts)
    known = {**state.artifacts, **{one.name: one for one in stored}}
    return {name: replace(one, gone=state.gone.get(one.digest, 0)) for name, one in known.items()}


def json_of(value: object) -> Raw:
    return Raw(msgspec.json.encode(value))


def key_of(content: Raw, blob: Blob | None = None) -> Raw:
    """What stands for a value where two are compared: itself where it is short, else its digest, wherever it is kept."""
    if blob is not None:
        return Raw(f'"sha256:{blob.digest}"'.encode())
    return content if len(content) <= KEY_BYTES else Raw(f'"sha256:{sha256(content).hexdigest()}"'.encode())
