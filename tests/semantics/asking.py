"""Workflows that ask people, and the means to look at what became of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from msgspec import Raw

import perdure
from perdure import approval, workflow
from perdure.eventlog.codec import Event
from perdure.runtime.authoring.workflows import Registry, Workflow
from perdure.runtime.run import commands as cmd
from perdure.runtime.run import events as ev
from perdure.runtime.run.machine.approvals import digest_of
from perdure.runtime.run.runs import Runs

DAY = timedelta(days=1)
MICROSECONDS = 86_400_000_000
SHOWN = {"order": "o-1", "cents": 1200}
SHOWN_RAW = Raw(b'{"cents":1200,"order":"o-1"}')


@workflow
async def ask_once() -> list[Any]:
    decision = await approval("ship", show=SHOWN, timeout=DAY)
    return [decision.outcome, decision.approved, decision.by, decision.why]


@workflow
async def ask_beside_a_signal() -> str:
    first = await perdure.first_of(decided("ship"), decided("pack"), heard("stop"))
    await perdure.signal("end")
    return first.value


async def decided(name: str) -> str:
    return f"{name} {(await approval(name)).outcome}"


async def heard(name: str) -> str:
    return f"{name} {await perdure.signal(name, str)}"


class Nobody:
    """Performs nothing."""

    def __getattr__(self, name: str) -> Any:
        def ignore(*args: Any) -> None: ...

        return ignore


def runs(*workflows: Workflow[..., Any]) -> Runs:
    """The decider of runs, for given/when/then."""
    nobody: Any = Nobody()
    return Runs(Registry(workflows), nobody)


def asked(flow: Workflow[..., Any] = ask_once) -> list[Event]:
    """A run of `given`, whose id is "one", that asks once, and since when."""
    digest = digest_of("one", "ship", SHOWN_RAW)
    return [ev.RunStarted(flow.name, 1, Raw(b"[]"), 1), ev.ApprovalRequested("0", "ship", SHOWN_RAW, digest, MICROSECONDS)]


def decide(outcome: Any = "approved", by: str = "Ada", **more: Any) -> cmd.Decide:
    """A decision of somebody who has seen what is shown."""
    wish: dict[str, Any] = {"name": "ship", "outcome": outcome, "by": by, "why": "", "digest": digest_of("one", "ship", SHOWN_RAW)}
    return cmd.Decide(**wish | more)
