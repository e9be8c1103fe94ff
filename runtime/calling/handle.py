"""RunHandle: one run, as its caller holds it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, overload

import msgspec
from msgspec import UnsetType
from msgspec.structs import replace

from ...eventlog.errors import Invalid, Refused, Unavailable
from ..authoring.errors import HandlerError, RunError
from ..authoring.given import must_be, must_be_text
from ..authoring.values import Shape, as_json
from ..requests import (
    Answered,
    Applied,
    AwaitRun,
    CancelRun,
    DecideApproval,
    EventLine,
    LookAtRun,
    OpenApproval,
    PauseRun,
    QueryRun,
    ResumeRun,
    RetryRun,
    SignalRun,
    SkipStep,
    TerminateRun,
    UpdateRun,
    UpgradeRun,
)
from ..run.state import ENDED
from .given import seconds_or_none

if TYPE_CHECKING:
    from ..run.performing import Standing
    from . import Calling

R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")

FOLLOW_WAIT = timedelta(seconds=20)
"""How long who follows a run waits for its next event before it asks again."""

_call = Shape(Any, "the arguments of the call")


class RunHandle(Generic[R_co]):
    """A run by its id. Each command returns when it is applied, that is, durable."""

    def __init__(self, caller: Calling, id: str, *, tenant: str = "default", returns: Shape | None = None) -> None:
        self._caller = caller
        self._returns = returns
        self.id = id
        self.tenant = tenant
        self._seen: dict[str, OpenApproval] = {}
        """What `approvals` listed last, by id."""

    def __repr__(self) -> str:
        return f"<run {self.id}>"

    async def signal(self, name: str, value: Any = None, *, command: str = "") -> None:
        """Send a signal; repeated with the same `command` it counts once."""
        must_be_text(name, f"run {self.id!r}, signal()", "name", "paid")
        raw = as_json(value, f"signal {name!r}", as_given=True)
        await self._caller.do(SignalRun(tenant=self.tenant, run=self.id, name=name, value=raw, command=command))

    async def approvals(self) -> list[OpenApproval]:
        """What the run asks people now. This handle remembers it: `approve` and `reject` may then name an approval alone."""
        found = (await self.look()).approvals
        self._seen = {approval.id: approval for approval in found}
        return found

    async def approve(
        self, approval: str | OpenApproval, *, by: str, roles: Sequence[str] = (), why: str = "", digest: str = "", command: str = ""
    ) -> None:
        """Approve what the run asks, by its name or as `approvals` gave it; Refused where it is decided, or shows something else by now,

        or where its policy does not let `by`, who is in these `roles`, decide. Over HTTP a decision is by whom the key is for.
        Without a `digest` it is that of what this handle's last `approvals` listed: nobody approves what they did not see.
        """
        await self._decide(approval, "approved", by, why=why, digest=digest, roles=roles, command=command)

    async def reject(
        self, approval: str | OpenApproval, *, by: str, roles: Sequence[str] = (), why: str = "", digest: str = "", command: str = ""
    ) -> None:
        """As `approve`, saying no: one who may is enough."""
        await self._decide(approval, "rejected", by, why=why, digest=digest, roles=roles, command=command)

    async def _decide(
        self, approval: str | OpenApproval, outcome: Literal["approved", "rejected"], by: str, *, why: str, digest: str,
        roles: Sequence[str], command: str,
    ) -> None:  # fmt: skip
        must_be(approval, (str, OpenApproval), f"run {self.id!r}", "approval", "a name, or what approvals() listed", such_as="'ship'")
        if isinstance(approval, str) and digest:
            name, id = approval, ""
        else:
            seen = self._last_seen(approval) if isinstance(approval, str) else approval
            name, id, digest = seen.name, seen.id, digest or seen.digest
        wish = DecideApproval(tenant=self.tenant, run=self.id, outcome=outcome, by=by, why=why, name=name, id=id, digest=digest)
        await self._caller.do(replace(wish, roles=tuple(roles), command=command))

    def _last_seen(self, name: str) -> OpenApproval:
        found = [approval for approval in self._seen.values() if approval.name == name]
        if len(found) != 1:
            raise Invalid(
                "it is not known what was seen before this decision",
                who=f"run {self.id!r}, approval {name!r}",
                where="digest",
                expected="one approval of this name among those that approvals() listed last",
                found=f"{len(found)}",
                instead="await run.approvals(), show what it gives to who decides, then approve that one; or pass digest=…",
            )
        return found[0]

    @overload
    async def update(
        self, name: str, /, *args: Any, returns: type[T], command: str = "", within: timedelta | None = None
    ) -> T: ...
    @overload
    async def update(self, name: str, /, *args: Any, command: str = "", within: timedelta | None = None) -> Any: ...
    async def update(
        self, name: str, /, *args: Any, returns: Any = Any, command: str = "", within: timedelta | None = None
    ) -> Any:
        """What the run's handler of this name answers, decoded to `returns`; repeated with the same `command` it counts once.

        Refused if its validator says no (nothing is recorded then), HandlerError if the handler raises, Unavailable if the
        answer takes longer than `within`.
        """
        raw, patience = _call.encode(list(args)), seconds_or_none(within, f"update {name!r}", "within")
        request = UpdateRun(tenant=self.tenant, run=self.id, name=name, arguments=raw, command=command, within=patience)
        return self._answer(f"update {name!r}", await self._caller.do(request), returns)

    @overload
    async def query(self, name: str, /, *args: Any, returns: type[T], within: timedelta | None = None) -> T: ...
    @overload
    async def query(self, name: str, /, *args: Any, within: timedelta | None = None) -> Any: ...
    async def query(self, name: str, /, *args: Any, returns: Any = Any, within: timedelta | None = None) -> Any:
        """What the run's query of this name answers, decoded to `returns`, of a run in any state; nothing is recorded.

        HandlerError if its function raises, Unavailable if it takes longer than `within` (else half a minute).
        """
        raw, patience = _call.encode(list(args)), seconds_or_none(within, f"query {name!r}", "within")
        request = QueryRun(tenant=self.tenant, run=self.id, name=name, arguments=raw, within=patience)
        return self._answer(f"query {name!r}", await self._caller.do(request), returns)

    def _answer(self, handler: str, reply: Answered, returns: Any) -> Any:
        if reply.failure is not None:
            raise HandlerError(self.id, handler, reply.failure)
        return Shape(returns, f"run {self.id!r}, {handler}").decode(reply.result)

    async def cancel(self, reason: str = "", *, command: str = "") -> None:
        """Ask the run to end: `Cancelled` is raised at its awaits, and its cleanup runs."""
        await self._caller.do(CancelRun(tenant=self.tenant, run=self.id, reason=reason, command=command))

    async def terminate(self, reason: str = "", *, command: str = "") -> None:
        """End the run at once, without cleanup."""
        await self._caller.do(TerminateRun(tenant=self.tenant, run=self.id, reason=reason, command=command))

    async def pause(
        self, reason: str = "", *, wait: bool = False, freeze_deadline: bool = False, children: bool = False, command: str = ""
    ) -> None:
        """Let nothing new of the run begin until `resume`; running steps end and are recorded. With `wait`, return when none runs.

        With `children` its children are paused likewise, and theirs; each is told until it has recorded it, also over crashes.
        """
        asked = PauseRun(tenant=self.tenant, run=self.id, reason=reason, wait=wait, freeze=freeze_deadline, children=children)
        await self._caller.do(replace(asked, command=command))

    async def resume(self, *, children: bool = False, command: str = "") -> None:
        """Let the run go on: what arrived meanwhile is taken in the order of the log, and timers that came due fire.

        A delayed run begins at once, and a suspended one is tried again, whether or not its code has changed.
        With `children` they are resumed likewise, and theirs, whoever paused them; without it, who was paused stays so.
        """
        await self._caller.do(ResumeRun(tenant=self.tenant, run=self.id, children=children, command=command))

    async def retry(self, *, from_version: int | None = None, fresh_keys: bool = False, command: str = "") -> None:
        """Let a failed run go on from its failed step, with the same idempotency keys unless `fresh_keys`.

        `from_version` takes it back to how it stood at that version of its log. A run whose own code failed has its last
        turn driven again, with today's code. Refused where steps were completed behind the failure.
        """
        asked = RetryRun(tenant=self.tenant, run=self.id, from_version=from_version, fresh_keys=fresh_keys, command=command)
        await self._caller.do(asked)

    async def upgrade(self, version: int, *, command: str = "") -> None:
        """Go on under another version of the workflow; Refused, with the first difference, where its code disagrees with the log."""
        await self._caller.do(UpgradeRun(tenant=self.tenant, run=self.id, version=version, command=command))

    async def skip(self, step: str, value: Any = None, *, by: str = "", why: str = "", command: str = "") -> None:
        """Give an open step, meant by its id or its name, a value instead of waiting for its own; an attempt that runs is cancelled.

        `by` and `why` are kept in the log. Invalid where the value does not fit the step's annotation.
        """
        raw = as_json(value, f"skip of step {step!r}")
        asked = SkipStep(tenant=self.tenant, run=self.id, step=step, value=raw, by=by, why=why, command=command)
        await self._caller.do(asked)

    async def follow(self, *, since: int = 0, types: Sequence[str] = ()) -> AsyncGenerator[EventLine]:
        """What happens to the run, from behind the event `since`, as it happens; ends with the run. Of some types, where given."""
        while True:
            page = await self._caller.events(self.id, since=since, types=types, wait=FOLLOW_WAIT, tenant=self.tenant)
            for line in page.events:
                yield line
            since = page.since
            if page.status in OVER and not page.more:
                return

    async def status(self) -> str:
        """delayed, running, paused, suspended, completed, failed, cancelled, terminated, timed_out or moved."""
        return (await self.look()).status

    async def look(self) -> Applied:
        """How the run stands now."""
        return await self._caller.do(LookAtRun(tenant=self.tenant, run=self.id))

    async def result(self, *, within: timedelta | None = None) -> R_co:
        """What the workflow returned, once it has; RunError if the run ended otherwise, Unavailable if it takes longer than `within`."""
        patience = seconds_or_none(within, f"run {self.id!r}, result()", "within")
        reply = await self._caller.do(AwaitRun(tenant=self.tenant, run=self.id, within=patience))
        if reply.status != "completed" or isinstance(reply.result, UnsetType):
            raise RunError(self.id, reply.status, reply.failure)
        shape = self._returns or self._caller.shape_of(reply.workflow)
        value: R_co = shape.decode(reply.result) if shape is not None else msgspec.json.decode(reply.result)
        return value


OVER = ENDED | {"moved"}
"""How a run stands of which nothing more is to be awaited here."""


def here(run: str, standing: Standing) -> Standing:
    """How a run ended; Refused where it goes on in another log."""
    if standing.status == "moved":
        raise Refused("the run has moved to another log, and ends there", who=f"run {run!r}", where="its end",
                      expected="a run that is here", found=f"it moved {standing.reason}", instead="ask a runtime or a worker of that log")
    return standing


def too_slow(run: str, seconds: float) -> Unavailable:
    return Unavailable("the run has not ended yet", who=f"run {run!r}", expected=f"an end within {seconds:g} s", found="still going",
                       instead="wait again: the run goes on, whoever waits for it")
