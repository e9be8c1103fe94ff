"""Calling: the methods by which runs are started and steered, the same in the process that serves them and far away from it.

Each is one Request; who carries it is all that a runtime and a client over a wire differ in.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Coroutine, Sequence
from datetime import timedelta
from typing import Any, ParamSpec, TypeVar, TypeVarTuple, cast, overload

from msgspec import Raw

from ...eventlog.errors import Invalid, PerdureError
from ..authoring.errors import Failure, failure_of
from ..authoring.given import must_be_text
from ..authoring.values import Shape, as_json
from ..authoring.workflows import Workflow
from ..requests import (
    Answered,
    AnyList,
    AnyPage,
    AnyReply,
    AnyRequest,
    Applied,
    ApprovalPage,
    Commanding,
    CompleteStep,
    Declined,
    EventPage,
    FailStep,
    ListApprovals,
    ListRuns,
    QueryRun,
    ReadEvents,
    RunPage,
    SignalOrStartRun,
    StartRun,
    UpdateRun,
)
from ..requests.definitions import AnyDefined, AnyDefining
from ..requests.fitting import fitting
from ..run.commands import OnConflict, Reuse
from ..where import Where, conditions
from .artifacts import CallingArtifacts
from .definitions import Describing
from .directory import CallingAccess
from .given import id_of, must_be_id, seconds, seconds_or_none
from .handle import RunHandle
from .webhooks import CallingWebhooks

P = ParamSpec("P")
R = TypeVar("R")
Ts = TypeVarTuple("Ts")


class Calling(CallingWebhooks, CallingAccess, CallingArtifacts, Describing):
    """Carries requests; the rest follows from that."""

    @abstractmethod
    async def _do(self, request: AnyRequest) -> Applied | Answered:
        """The reply to a request; raises what it is declined with."""

    @abstractmethod
    async def _list(self, request: AnyList) -> AnyPage:
        """The answer to a request for a list, or about something else than a run; raises what it is declined with."""

    @abstractmethod
    def shape_of(self, workflow: str) -> Shape | None:
        """How results of a workflow decode; None where it is not known here."""

    def _known(self, workflow: Workflow[..., Any]) -> Workflow[..., Any]:
        """The workflow, if it can be started from here."""
        return workflow

    async def _begun(self, workflow: Workflow[..., Any], raw: Raw, request: StartRun) -> str:
        """The id of the run that was started with arguments in their stored form."""
        return (await self.do(request)).run

    # -- what users call -----------------------------------------------------------------------------------------------

    @overload
    async def start(
        self,
        workflow: Callable[[*Ts], Coroutine[Any, Any, R]],
        /,
        *args: *Ts,
        id: str | None = None,
        command: str = "",
        tenant: str = "default",
        delay: timedelta = timedelta(0),
        deadline: timedelta | None = None,
        on_conflict: OnConflict = "existing",
        reuse: Reuse = "never",
        on_end: str = "",
    ) -> RunHandle[R]: ...
    @overload
    async def start(self, workflow: Callable[P, Coroutine[Any, Any, R]], /, *args: P.args, **kwargs: P.kwargs) -> RunHandle[R]: ...
    async def start(  # type: ignore[misc]  # mypy cannot see that any arguments are some *Ts; tests/typing holds both ways to call
        self,
        workflow: Any,
        /,
        *args: Any,
        id: str | None = None,
        command: str = "",
        tenant: str = "default",
        delay: timedelta = timedelta(0),
        deadline: timedelta | None = None,
        on_conflict: OnConflict = "existing",
        reuse: Reuse = "never",
        on_end: str = "",
        **kwargs: Any,
    ) -> RunHandle[Any]:
        """Begin a run; with an `id` that is taken by a run of the same input, that run. Returns once the start is durable.

        Without an `id` one is made up; an empty one is Invalid, because the start could not be repeated.
        Its code begins after `delay`; what has not ended after `deadline` is ended as timed out. Where the id belongs to a run
        that has not ended, `on_conflict` says what happens: "existing" gives that run if the input is the same, "refuse" refuses,
        "terminate_and_start" takes its place. Where that run has ended, `reuse` says whether a new one may begin under its id:
        "never", "after_failure" (it did not complete) or "always". The URL `on_end` is told how the run ends, by a webhook; Refused or
        Invalid where it may not be called.

        Beside these options the workflow's own arguments go by position: type checkers know them only so.
        """
        known = self._known(_workflow(workflow))
        raw, _ = known.arguments.pair(args, kwargs)
        asked = StartRun(
            workflow=known.name, version=known.version, arguments=raw, run=id_of(id, "start()"), command=command, tenant=tenant,
            delay=seconds(delay, "start()", "delay"), deadline=seconds_or_none(deadline, "start()", "deadline"),
            on_conflict=on_conflict, reuse=reuse, on_end=on_end,
        )  # fmt: skip
        begun = await self._begun(known, raw, fitting(asked))
        return RunHandle(self, begun, tenant=tenant, returns=known.returns)

    async def signal_or_start(
        self, workflow: Callable[[*Ts], Coroutine[Any, Any, R]], /, *args: *Ts, id: str, signal: str, value: Any = None,
        command: str = "", tenant: str = "default", reuse: Reuse = "never",
    ) -> RunHandle[R]:  # fmt: skip
        """Send a signal to the run of this id; where there is none, begin it with these arguments and send the signal, both or neither.

        A run that has not ended gets only the signal, whatever arguments it was started with. Where it has ended, `reuse`
        says whether another may begin under its id, as for `start`; if not, Refused.
        """
        known = self._known(_workflow(workflow))
        raw, _ = known.arguments.pair(args, {})
        must_be_text(signal, "signal_or_start()", "signal", "paid")
        asked = SignalOrStartRun(
            workflow=known.name, version=known.version, arguments=raw, run=must_be_id(id, "signal_or_start()"), command=command,
            tenant=tenant, reuse=reuse, signal=signal, value=as_json(value, f"signal {signal!r}", as_given=True),
        )  # fmt: skip
        begun = await self._begun(known, raw, fitting(asked))
        return RunHandle(self, begun, tenant=tenant, returns=known.returns)

    def run(self, id: str, *, tenant: str = "default") -> RunHandle[Any]:
        """The handle of a run by its id, whether it exists or not."""
        return RunHandle(self, id, tenant=tenant)

    async def runs(
        self, *, where: Where = (), status: str | None = None, workflow: str | None = None, dead: bool = False,
        tenant: str = "default", after: str | None = None, limit: int = 100,
    ) -> RunPage:  # fmt: skip
        """A page of the runs whose attributes meet all conditions, in the order of their ids; none is woken or folded for it.

        `where`: `"customer = 'c-7' and amount > 2"`, or `{"customer": "c-7"}`, or a list of `Condition`. Go on with `after=page.after`.
        `dead`: the dead letters alone, which are the runs that failed, are suspended or are quarantined.
        """
        asked = ListRuns(
            where=conditions(where), status=status, workflow=workflow, dead=dead, tenant=tenant, after=after, limit=limit
        )
        return cast("RunPage", await self._list(fitting(asked)))

    async def approvals(
        self, *, by: str = "", roles: Sequence[str] = (), named: bool = False, tenant: str = "default", after: str | None = None,
        limit: int = 100,
    ) -> ApprovalPage:  # fmt: skip
        """What all runs ask people now, a page of at most `limit` runs at a time; go on with `after=page.after`.

        With `by` only what that person, in these `roles`, may decide now, with `named` only where they or a role of theirs are named;
        over HTTP that is whom the key is for.
        """
        asked = ListApprovals(tenant=tenant, after=after, limit=limit, by=by, roles=tuple(roles), named=named)
        return cast("ApprovalPage", await self._list(fitting(asked)))

    async def events(
        self, run: str, *, since: int = 0, types: Sequence[str] = (), limit: int = 200, wait: timedelta = timedelta(0),
        tenant: str = "default",
    ) -> EventPage:  # fmt: skip
        """A page of what happened to a run, oldest first, of some types of events where given; go on with `since=page.since`.

        Where there is nothing behind `since` yet, and the run has not ended, the answer waits up to `wait` for more.
        """
        asked = ReadEvents(run=run, since=since, types=tuple(types), limit=limit, wait=seconds(wait, "events()", "wait"),
                           tenant=tenant)
        return cast("EventPage", await self._list(fitting(asked)))

    async def complete(self, token: str, value: Any = None) -> None:
        """End a step that raised CompleteLater, by its token: `value` is what it returned. Repeated it changes nothing.

        Invalid where the value does not fit the step's annotation; Refused once the step has ended otherwise, or is attempted anew.
        """
        await self.do(CompleteStep(token=token, value=as_json(value, "complete()")))

    async def fail(self, token: str, error: BaseException | str) -> None:
        """End a step that raised CompleteLater, by its token, with an error: the workflow sees StepError. It is not tried again."""
        failure = Failure("Failed", error) if isinstance(error, str) else failure_of(error)
        await self.do(FailStep(token=token, error=failure))

    # -- what doors call -----------------------------------------------------------------------------------------------

    @overload
    async def handle(self, request: AnyRequest) -> AnyReply: ...
    @overload
    async def handle(self, request: AnyRequest | AnyList) -> AnyReply | AnyPage: ...
    @overload
    async def handle(self, request: AnyRequest | AnyList | AnyDefining) -> AnyReply | AnyPage | AnyDefined: ...
    async def handle(self, request: AnyRequest | AnyList | AnyDefining) -> AnyReply | AnyPage | AnyDefined:
        """The one way in for every door: whatever happens is a Reply."""
        try:
            if isinstance(request, AnyDefining):
                return await self._define(request)
            return await (self._list(request) if isinstance(request, AnyList) else self._do(request))
        except PerdureError as error:
            return Declined.of(error)

    @overload
    async def do(self, request: UpdateRun | QueryRun) -> Answered: ...
    @overload
    async def do(self, request: Commanding) -> Applied: ...
    @overload
    async def do(self, request: AnyRequest) -> Applied | Answered: ...
    async def do(self, request: AnyRequest) -> Applied | Answered:
        """As `handle`, raising what it would decline with, for requests that a program has made."""
        return await self._do(fitting(request))


def _workflow(given: object) -> Workflow[..., Any]:
    if not isinstance(given, Workflow):
        raise Invalid(
            "only a workflow can be started",
            who=repr(given),
            expected="a function decorated with @workflow",
            found=type(given).__name__,
            instead="decorate it, or call it as what it is",
        )
    return cast("Workflow[..., Any]", given)
