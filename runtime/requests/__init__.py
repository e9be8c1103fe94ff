"""Request and Reply: what every door and every client carries, as data.

A door parses once into a Request; the runtime answers with a Reply, errors included. JSON Schema comes from these types.
`command` makes a repeat harmless: an accepted command gets its first answer again.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import UNSET, Raw, Struct, UnsetType

from ...eventlog.blobs import Blob
from ...eventlog.errors import PerdureError
from ...eventlog.search import Condition
from ..authoring.errors import Failure
from ..run.commands import OnConflict, Reuse
from .access import AnyAccess, AnyAccessReply
from .approvals import ApprovalPage as ApprovalPage
from .approvals import DecideApproval as DecideApproval
from .approvals import ListApprovals as ListApprovals
from .approvals import OpenApproval as OpenApproval
from .asking import Request as Request
from .webhooks import AnyWebhook
from .webhooks import WebhookPage as WebhookPage
from .webhooks import WebhookShown as WebhookShown


class StartRun(Request, frozen=True, tag="start", kw_only=True):
    """Begin a run of a workflow. `arguments`: a JSON array in the order of its parameters, or an object by their names."""

    workflow: str
    version: int | None = None
    arguments: Raw = Raw(b"[]")
    run: str = ""
    """The id of the run; made up where it is empty."""
    delay: float = 0.0
    """Seconds until its code begins."""
    deadline: float | None = None
    """Seconds after which the run is ended if it has not ended by itself; None for no limit."""
    on_conflict: OnConflict = "existing"
    reuse: Reuse = "never"
    trace: str = ""
    """The trace context of who asks, as W3C's `traceparent` has it; kept in the log."""
    by: str = ""
    """Who asks, as a door knows them: whose run it is. Kept in the log, and found as the attribute `perdure.by`."""
    on_end: str = ""
    """A URL that is told how the run ends, by a webhook."""


class SignalOrStartRun(StartRun, frozen=True, tag="signal_or_start", kw_only=True):
    """Send a signal to the run of this id; where there is none, begin it and send the signal, in one."""

    signal: str
    value: Raw = Raw(b"null")


class StartDefinition(StartRun, frozen=True, tag="start_definition", kw_only=True):
    """Begin a run of a saved definition, or of the one that `text` holds. Whoever judges it fills in the workflow and its arguments."""

    workflow: str = "perdure.definition"
    definition: str = ""
    """The name of a saved one."""
    number: int = 0
    """Its version; 0 for the newest."""
    text: str = ""
    """YAML or JSON of one that is not saved."""
    inputs: Raw = Raw(b"{}")


class SignalRun(Request, frozen=True, tag="signal", kw_only=True):
    """Send a signal to a run."""

    run: str
    name: str
    value: Raw = Raw(b"null")


class UpdateRun(Request, frozen=True, tag="update", kw_only=True):
    """Call a handler of a run and wait for its answer. `arguments`: a JSON array in the order of its parameters, or an object.

    Without `wait` the reply comes once the call is accepted, and has no result.
    """

    run: str
    name: str
    arguments: Raw = Raw(b"[]")
    wait: bool = True


class QueryRun(Request, frozen=True, tag="query", kw_only=True):
    """Ask a run something, changing nothing; `arguments` as for an update."""

    run: str
    name: str
    arguments: Raw = Raw(b"[]")


class CancelRun(Request, frozen=True, tag="cancel", kw_only=True):
    """Ask a run to end, its cleanup done."""

    run: str
    reason: str = ""


class TerminateRun(Request, frozen=True, tag="terminate", kw_only=True):
    """End a run at once."""

    run: str
    reason: str = ""


class PauseRun(Request, frozen=True, tag="pause", kw_only=True):
    """Let nothing new begin. With `wait` the answer comes when no step of it runs any more; with `freeze` the deadline waits, too.

    With `children` its children are told to stand still likewise, and theirs.
    """

    run: str
    reason: str = ""
    wait: bool = False
    freeze: bool = False
    children: bool = False


class HoldRun(Request, frozen=True, tag="hold", kw_only=True):
    """Pause a run for a move, unless it stands still already; the answer comes when nothing of it is under way any more."""

    run: str
    move: str


class MoveRunOut(Request, frozen=True, tag="move_out", kw_only=True):
    """Let a run that stands still leave for the log of the identity `to`. `along`: runs that go with it, and runs that do not exist."""

    run: str
    move: str
    to: str
    along: tuple[str, ...] = ()


class MoveRunIn(Request, frozen=True, tag="move_in", kw_only=True):
    """Let a run go on whose records have come from the log of the identity `source`; refused unless the move was taken here."""

    run: str
    move: str
    source: str


class MoveRunBack(Request, frozen=True, tag="move_back", kw_only=True):
    """Let a run go on where it was, because the log that it was to go to has refused the move for good."""

    run: str
    move: str


class ResumeRun(Request, frozen=True, tag="resume", kw_only=True):
    """End a pause; with `children` that of its children, too, and of theirs, whoever paused them."""

    run: str
    children: bool = False


class RetryRun(Request, frozen=True, tag="retry", kw_only=True):
    """Let a failed run go on: from the step that ended it, or as it stood at version `from_version` of its log."""

    run: str
    from_version: int | None = None
    fresh_keys: bool = False


class UpgradeRun(Request, frozen=True, tag="upgrade", kw_only=True):
    """Let a run go on under another version of its workflow, if its code agrees with the log."""

    run: str
    version: int


class CompleteStep(Request, frozen=True, tag="complete", kw_only=True):
    """End a step by the token that its attempt handed out, with its value."""

    token: str
    value: Raw = Raw(b"null")


class FailStep(Request, frozen=True, tag="fail", kw_only=True):
    """End a step by the token that its attempt handed out, with an error; it is not tried again."""

    token: str
    error: Failure


class SkipStep(Request, frozen=True, tag="skip", kw_only=True):
    """Give an open step, meant by its id or by its name, a value."""

    run: str
    step: str
    value: Raw = Raw(b"null")
    by: str = ""
    why: str = ""


class LookAtRun(Request, frozen=True, tag="look", kw_only=True):
    """Ask how a run stands. With `accepted`, the id of a command, only of one that has accepted that: else it is NotFound."""

    run: str
    accepted: str = ""


class AwaitRun(Request, frozen=True, tag="await", kw_only=True):
    """Wait for the end of a run."""

    run: str


class ListRuns(Request, frozen=True, tag="runs", kw_only=True):
    """A page of the runs whose attributes meet all conditions, in the order of their ids; go on with the page's own `after`.

    With `dead` the dead letters alone: runs that failed, are suspended or are quarantined.
    """

    where: tuple[Condition, ...] = ()
    status: str | None = None
    workflow: str | None = None
    dead: bool = False
    after: str | None = None
    limit: int = 100


class ReadEvents(Request, frozen=True, tag="events", kw_only=True):
    """A page of what happened to a run, behind the event `since`; of some `types` only, where given.

    Where there is nothing yet, and the run has not ended, the answer waits up to `wait` seconds for more.
    """

    run: str
    since: int = 0
    types: tuple[str, ...] = ()
    limit: int = 200
    wait: float = 0.0


Commanding = (
    StartRun
    | StartDefinition
    | SignalOrStartRun
    | SignalRun
    | DecideApproval
    | CancelRun
    | TerminateRun
    | PauseRun
    | ResumeRun
    | RetryRun
    | UpgradeRun
    | CompleteStep
    | FailStep
    | SkipStep
    | LookAtRun
    | AwaitRun
    | HoldRun
    | MoveRunOut
    | MoveRunIn
    | MoveRunBack
)
AnyRequest = Commanding | UpdateRun | QueryRun
"""A request about one run."""

AnyList = ListRuns | ListApprovals | ReadEvents | AnyWebhook | AnyAccess
"""A request about many runs, or about something else than runs."""


class Applied(Struct, frozen=True, tag_field="reply", tag="applied", omit_defaults=True):
    """The command's event is durable at `version` of the run; `status` is how the run stands."""

    run: str
    version: int
    status: str
    workflow: str
    result: Raw | UnsetType = UNSET
    failure: Failure | None = None
    reason: str = ""
    approvals: list[OpenApproval] = []
    """What the run asks people; told to a look."""
    large: Blob | None = None
    """Names the result where it is large and was not awaited: `AwaitRun` brings it."""
    receipt: str = ""
    """Names the newest record of the run, which covers all before it, by its digest: kept and shown later it betrays a rollback.

    `perdure log verify --expect RECEIPT` looks for it. Empty where the end was awaited.
    """
    by: str = ""
    """Whose run it is: who asked for it, where a door knew them."""
    started: datetime | None = None
    changed: datetime | None = None
    """When the run began, and when something happened to it last; told to a look, as in a list."""
    attributes: dict[str, Any] = {}
    """As in a list; of a run of a definition `definition` and `definition_version` are among them. Told to a look."""


class Answered(Struct, frozen=True, tag_field="reply", tag="answered", omit_defaults=True):
    """A handler answered at `version` of the run: with its result, or with the failure that it raised."""

    run: str
    version: int
    result: Raw = Raw(b"null")
    failure: Failure | None = None


class Declined(Struct, frozen=True, tag_field="reply", tag="declined", omit_defaults=True):
    """Nothing happened, or, where `retryable`, nobody knows yet. `code` and `parts` are those of the error."""

    code: str
    parts: dict[str, str]
    retryable: bool = False

    @classmethod
    def of(cls, error: PerdureError) -> Declined:
        return cls(error.code, error.parts(), error.retryable)

    def error(self) -> PerdureError:
        return PerdureError.of(self.code, self.parts)


AnyReply = Applied | Answered | Declined


class RunLine(Struct, frozen=True):
    """A run in a list."""

    run: str
    workflow: str
    status: str
    started: datetime
    changed: datetime
    attributes: dict[str, Any]


class RunPage(Struct, frozen=True, tag_field="reply", tag="runs"):
    """Some of the runs, in the order of their ids; `after` asks for the next page, and is None on the last."""

    runs: list[RunLine]
    after: str | None


class EventLine(Struct, frozen=True, rename={"version": "event_seq"}):
    """An event as the log keeps it, its `type` among its fields; `version` counts the events of the run without a gap.

    Doors call that `event_seq`.
    """

    version: int
    at: datetime
    event: Raw


class EventPage(Struct, frozen=True, tag_field="reply", tag="events"):
    """Some of the events of a run, which stands as `status` says; go on with `since`. `more`: whether there is more already."""

    run: str
    events: list[EventLine]
    since: int
    more: bool
    status: str


AnyPage = RunPage | ApprovalPage | EventPage | WebhookPage | WebhookShown | AnyAccessReply
