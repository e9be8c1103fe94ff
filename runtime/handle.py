"""RunHandle: one run, as its caller holds it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec
from msgspec import Raw, UnsetType

from ..eventlog.errors import Unavailable
from .authoring.errors import RunError
from .authoring.values import Shape
from .requests import Applied, AwaitRun, CancelRun, LookAtRun, SignalRun, TerminateRun

if TYPE_CHECKING:
    from .engine import Runtime

R = TypeVar("R")

_signals = Shape(object, "signal")


class RunHandle(Generic[R]):
    """A run by its id. Each command returns when it is applied, that is, durable."""

    def __init__(self, runtime: Runtime, id: str, *, tenant: str = "default", returns: Shape | None = None) -> None:
        self._runtime = runtime
        self._returns = returns
        self.id = id
        self.tenant = tenant

    def __repr__(self) -> str:
        return f"<run {self.id}>"

    async def signal(self, name: str, value: Any = None, *, command: str = "") -> None:
        """Send a signal; repeated with the same `command` it counts once."""
        raw = Raw(msgspec.json.encode(value))
        await self._runtime.do(SignalRun(tenant=self.tenant, run=self.id, name=name, value=raw, command=command))

    async def cancel(self, reason: str = "", *, command: str = "") -> None:
        """Ask the run to end: `Cancelled` is raised at its awaits, and its cleanup runs."""
        await self._runtime.do(CancelRun(tenant=self.tenant, run=self.id, reason=reason, command=command))

    async def terminate(self, reason: str = "", *, command: str = "") -> None:
        """End the run at once, without cleanup."""
        await self._runtime.do(TerminateRun(tenant=self.tenant, run=self.id, reason=reason, command=command))

    async def status(self) -> str:
        """running, suspended, completed, failed, cancelled or terminated."""
        return (await self.look()).status

    async def look(self) -> Applied:
        """How the run stands now."""
        return await self._runtime.do(LookAtRun(tenant=self.tenant, run=self.id))

    async def result(self, *, within: timedelta | None = None) -> R:
        """What the workflow returned, once it has; RunError if the run ended otherwise, Unavailable if it takes longer than `within`."""
        seconds = None if within is None else within.total_seconds()
        reply = await self._runtime.do(AwaitRun(tenant=self.tenant, run=self.id, within=seconds))
        if reply.status != "completed" or isinstance(reply.result, UnsetType):
            raise RunError(self.id, reply.status, reply.failure)
        shape = self._returns or self._runtime.shape_of(reply.workflow)
        value: R = shape.decode(reply.result) if shape is not None else msgspec.json.decode(reply.result)
        return value


def too_slow(run: str, seconds: float) -> Unavailable:
    return Unavailable("the run has not ended yet", who=f"run {run!r}", expected=f"an end within {seconds:g} s", found="still going",
                       instead="wait again: the run goes on, whoever waits for it")
