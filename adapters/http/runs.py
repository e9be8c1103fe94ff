"""Runs over HTTP: start, look, list, follow, steer, talk to, decide."""

from __future__ import annotations

from datetime import timedelta
from hashlib import blake2b
from typing import Annotated, Any, Literal, cast

from msgspec import Meta, Struct
from msgspec.structs import replace

from ...eventlog.errors import Invalid, NotFound, Refused, Unavailable
from ...eventlog.search import Condition
from ...eventlog.streams import parts_of
from ...runtime.authoring.tokens import read_token
from ...runtime.authoring.words import moment
from ...runtime.listing import STATUSES
from ...runtime.perform.watching import OVER, WAIT_MAX
from ...runtime.permissions import CONTROL
from ...runtime.requests import (
    Answered,
    Applied,
    ApprovalPage,
    AwaitRun,
    CancelRun,
    CompleteStep,
    DecideApproval,
    EventPage,
    FailStep,
    LookAtRun,
    PauseRun,
    QueryRun,
    Request,
    ResumeRun,
    RetryRun,
    RunPage,
    SignalOrStartRun,
    SignalRun,
    SkipStep,
    StartDefinition,
    StartRun,
    TerminateRun,
    UpdateRun,
    UpgradeRun,
)
from ...runtime.requests.paging import LIMIT_MAX
from ...runtime.where import conditions
from .following import MEDIA, stream, wants_stream
from .operations import JSON, Answer, Call, Operation

ROOT = "/api/v1/workflows"
RUN = f"{ROOT}/runs/{{run_id}}"

EVENTS_MAX = 500
BY = "perdure.by"


class Within(Struct, frozen=True, forbid_unknown_fields=True):
    """`within`: seconds that the answer may take."""

    within: float | None = None


class ListParams(Struct, frozen=True, forbid_unknown_fields=True):
    """`where`: conditions on attributes, as `customer = 'c-7' and amount > 2`. `after`: the `after` of the page before."""

    status: Annotated[str, Meta(extra_json_schema={"enum": list(STATUSES)})] | None = None
    workflow: str | None = None
    where: str = ""
    dead: bool = False
    after: str | None = None
    limit: int = 100


class ApprovalParams(Struct, frozen=True, forbid_unknown_fields=True):
    """`mine`: only what who asks may decide now. `after`: the `after` of the page before."""

    mine: bool = False
    after: str | None = None
    limit: int = 100


class EventParams(Struct, frozen=True, forbid_unknown_fields=True):
    """`since`: the `event_seq` behind which to begin. `types`: names of events, with commas. `wait`: seconds to wait for more."""

    limit: int = 200
    since: int = 0
    types: str = ""
    wait: float = 0.0


async def start(call: Call) -> Answer:
    request: StartRun = call.request(by=call.principal.user)
    if request.workflow.startswith("perdure."):
        raise Refused("this workflow is not started by its name", who=f"workflow {request.workflow!r}", where="$.workflow",
                      expected="a workflow of your own", found="one of perdure itself",
                      instead=f"start a definition: POST {ROOT}/definitions/NAME/run")
    return await begun(call, request)


async def begun(call: Call, request: StartRun) -> Answer:
    """With an Idempotency-Key and no id, the id follows from the key: whoever repeats it gets the same run, if they ask for the same."""
    if not request.run and call.command:
        digest = blake2b(f"{call.tenant}\0{call.principal.user}\0{call.command}".encode(), digest_size=12).hexdigest()
        told_by_id = not isinstance(request, SignalOrStartRun | StartDefinition)
        request = replace(request, run=f"k-{digest}", command="" if told_by_id else request.command)
    return Answer(await call.runtime.do(request))


async def tell(call: Call) -> Answer:
    return Answer(await call.runtime.do(call.request()))


async def decide(call: Call) -> Answer:
    """Who may decide because they are named hears that it counts, and no more of a run that need not be theirs to see."""
    request: DecideApproval = call.request()
    told = await call.runtime.do(request)
    return Answer(told if call.every else Applied(told.run, told.version, told.status, told.workflow))


async def settle(call: Call) -> Answer:
    """A token names its run itself; it must be one of the tenant."""
    request: CompleteStep | FailStep = call.request()
    _must_be_of(request.token, call.tenant)
    return Answer(await call.runtime.do(request))


async def result(call: Call) -> Answer:
    """The end, or, where it has not come in time, how the run stands."""
    try:
        return Answer(await call.runtime.do(call.request()))
    except Unavailable:
        look = await call.runtime.do(LookAtRun(tenant=call.tenant, run=call.run))
        if look.status in OVER:
            raise
        return Answer(look, 202)


async def listed(call: Call) -> Answer:
    params: ListParams = call.params
    where = conditions(params.where) if params.where else ()
    if any(condition.name.startswith("perdure.") for condition in where):
        raise Invalid("attributes of perdure itself are not searched for here", who="where", where="where",
                      expected="attributes of your own",
                      found=params.where[:80], instead="leave it out: who may see only their own runs is shown those")
    mine = () if call.every else (Condition(BY, "=", call.principal.user),)
    return Answer(await call.runtime.runs(
        where=(*where, *mine), status=params.status, workflow=params.workflow, dead=params.dead, after=params.after, limit=params.limit,
        tenant=call.tenant,
    ))  # fmt: skip


async def inbox(call: Call) -> Answer:
    """What runs ask people now: of all runs, or, where no more may be seen, of one's own, and what one is asked oneself by name or role.

    With `mine` what one may decide: who may not steer runs decides only where they, or a role of theirs, are named.
    """
    params, who = cast("ApprovalParams", call.params), call.principal
    mine: dict[str, Any] = {"by": who.user, "roles": who.roles, "named": CONTROL not in who.permissions} if params.mine else {}
    page = await call.runtime.approvals(**mine, tenant=call.tenant, after=params.after, limit=params.limit)
    if call.every or params.mine:
        return Answer(page if call.every else replace(page, unread={}))
    now = moment(call.runtime.clock.now())
    seen = [one for one in page.approvals if one.by == who.user or one.names(who.user, who.roles, now)]
    return Answer(ApprovalPage(seen, page.after, {}))


async def events(call: Call) -> Answer:
    params: EventParams = call.params
    if not 1 <= params.limit <= EVENTS_MAX:
        raise Invalid("a page holds some events and not all", who="limit", where="limit", expected=f"1 to {EVENTS_MAX}",
                      found=str(params.limit),
                      instead="go on with since=, as the page says")
    if wants_stream(call):
        return await stream(call, params.since, types_in(params.types))
    wait = seconds(params.wait, "wait", WAIT_MAX)
    page = await call.runtime.events(
        call.run, since=params.since, types=types_in(params.types), limit=params.limit, wait=wait, tenant=call.tenant
    )
    return Answer(page)


def types_in(text: str) -> tuple[str, ...]:
    return tuple(name for name in text.split(",") if name)


def seconds(given: float, name: str, most: float) -> timedelta:
    if not 0 <= given <= most:
        raise Invalid("a wait makes no sense", who=name, where=name, expected=f"0 to {most:g} seconds", found=f"{given:g}",
                      instead="ask again when it is over: what you wait for goes on")
    return timedelta(seconds=given)


def _must_be_of(token: str, tenant: str) -> None:
    if parts_of(read_token(token).stream)[1] != tenant:
        raise NotFound("there is no such run", who="the token", where="token", expected="the token of a step of a run", found="another",
                       instead="hand on the token as the step gave it out")


def _steer(action: str, of: type[Request], summary: str) -> Operation:
    return Operation(name=f"runs.{action}", method="POST", path=f"{RUN}/{action}", of=of, perform=tell, params=Within, summary=summary,
                     answers={200: Applied})


def _decide(action: Literal["approve", "reject"], outcome: str) -> Operation:
    return Operation(
        name=f"runs.{action}", method="POST", path=f"{RUN}/{action}", of=DecideApproval, perform=decide, params=Within,
        given={"outcome": outcome},
        signed=True, answers={200: Applied}, summary=f"{action.capitalize()} what a run asks, by the digest of what was shown",
    )  # fmt: skip


def _talk(action: str, of: type[Request], whole: str, answer: type[Struct], summary: str) -> Operation:
    return Operation(name=f"runs.{action}", method="POST", path=f"{RUN}/{action}/{{name}}", of=of, whole=whole, perform=tell, params=Within,
                     summary=summary, answers={200: answer})


OPERATIONS = (
    Operation(name="runs.start", method="POST", path=f"{ROOT}/runs", of=StartRun, perform=start, params=Within, answers={201: Applied},
              summary="Start a run of a registered workflow"),
    Operation(name="runs.list", method="GET", path=f"{ROOT}/runs", perform=listed, params=ListParams, answers={200: RunPage},
              summary=f"List runs, at most {LIMIT_MAX} a page"),
    Operation(name="runs.signal_or_start", method="POST", path=f"{ROOT}/signal-or-start", of=SignalOrStartRun, perform=start,
              params=Within, answers={201: Applied}, summary="Send a signal to the run of an id; where there is none, start it first"),
    Operation(name="runs.look", method="GET", path=RUN, of=LookAtRun, perform=tell, params=Within, answers={200: Applied},
              summary="How a run stands, and what it asks people"),
    Operation(name="runs.result", method="GET", path=f"{RUN}/result", of=AwaitRun, perform=result, params=Within,
              answers={200: Applied, 202: Applied}, summary="Wait for the end of a run; 202 where it has not come in time"),
    Operation(name="runs.events", method="GET", path=f"{RUN}/events", perform=events, params=EventParams,
              answers={200: EventPage, 204: None},
              media=(JSON, MEDIA), summary="What happened to a run, by page; as server-sent events where Accept asks for them"),
    _steer("pause", PauseRun, "Let nothing new of a run begin"),
    _steer("resume", ResumeRun, "Let a paused run go on"),
    _steer("cancel", CancelRun, "Ask a run to end, its cleanup done"),
    _steer("retry", RetryRun, "Let a failed run go on from the step that ended it"),
    _steer("terminate", TerminateRun, "End a run at once"),
    _steer("upgrade", UpgradeRun, "Let a run go on under another version of its workflow"),
    Operation(name="runs.skip", method="POST", path=f"{RUN}/skip", of=SkipStep, perform=tell, params=Within, signed=True,
              answers={200: Applied}, summary="Give an open step a value"),
    _decide("approve", "approved"),
    _decide("reject", "rejected"),
    _talk("signal", SignalRun, "value", Applied, "Send a signal; the body is its value"),
    _talk("update", UpdateRun, "arguments", Answered, "Call a handler of a run; the body is its arguments"),
    _talk("query", QueryRun, "arguments", Answered, "Ask a run something; the body is the arguments"),
    Operation(name="approvals.list", method="GET", path=f"{ROOT}/approvals", perform=inbox, params=ApprovalParams,
              answers={200: ApprovalPage}, summary="What runs ask people now; with mine=true what one may decide oneself"),
    Operation(name="steps.complete", method="POST", path=f"{ROOT}/steps/complete", of=CompleteStep, perform=settle, params=Within,
              answers={200: Applied}, summary="End a step by its token, with its value"),
    Operation(name="steps.fail", method="POST", path=f"{ROOT}/steps/fail", of=FailStep, perform=settle, params=Within,
              answers={200: Applied}, summary="End a step by its token, with an error"),
)  # fmt: skip
