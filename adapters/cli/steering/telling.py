"""`perdure signal`, `pause`, `cancel` and their like: one message to one run.

In NATS the workers are asked, over HTTP the service, as by any client. A file must be one that nobody else holds: there the
message is applied here, and the code, where its module is given, is driven on; steps that it then wants are left for the next
`perdure run`.
Without the code the engine suspends the run, as it does wherever a workflow is unknown: the message is recorded all the
same, and the run goes on as soon as its code is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct

from ....eventlog.errors import NotFound
from ....eventlog.streams import parts_of
from ....runtime.authoring.workflows import Workflow
from ....runtime.requests import (
    Applied,
    CancelRun,
    CompleteStep,
    DecideApproval,
    FailStep,
    PauseRun,
    ResumeRun,
    RetryRun,
    SignalRun,
    SkipStep,
    TerminateRun,
    UpgradeRun,
)
from ....runtime.translating import stream_for
from ...compose import deciding
from ...urls import is_over_http, is_served
from ..looking.questions import records_of
from ..shared.callers import asked_at
from ..shared.places import url_of

Steering: TypeAlias = (  # fmt: skip
    SignalRun | DecideApproval | SkipStep | CompleteStep | FailStep
    | PauseRun | ResumeRun | RetryRun | UpgradeRun | CancelRun | TerminateRun
)
"""What a run can be told from the command line."""

WITHIN_SECONDS = 10.0
"""How long those who serve a log have to answer."""


class Told(Struct, frozen=True):
    """What became of a message."""

    run: str
    told: str
    """`approved` or `rejected`, and of everything else its name: `pause`, `signal` …"""
    version: int
    """Where the message was applied."""
    status: str
    reason: str = ""
    served: bool = False
    """Whether somebody goes on with the run at once."""


def word_for(request: Steering) -> str:
    """What a run was told, as the one who told it would say: of a decision which one it was."""
    return request.outcome if isinstance(request, DecideApproval) else str(request.__struct_config__.tag)


async def tell(log: str, request: Steering, known: Sequence[Workflow[..., Any]]) -> Told:
    """Apply one message to a run that exists; how the run stands then. Those who serve it go on with it by themselves."""
    url, stream = url_of(log), stream_for(request)
    served = is_served(url)
    if served:
        applied = await _ask_those_who_serve(log, url, request)
    else:
        await records_of(log, *reversed(parts_of(stream)[1:]))  # says what is near, and verifies all of the stream
        async with deciding(url, known) as runtime:
            applied = await runtime.do(request)
    return Told(applied.run, word_for(request), applied.version, applied.status, applied.reason, served)


async def _ask_those_who_serve(log: str, url: str, request: Steering) -> Applied:
    try:
        async with asked_at(url) as client:
            return await client.do(msgspec.structs.replace(request, within=WITHIN_SECONDS))
    except NotFound:
        if is_over_http(url):
            raise
        await records_of(log, *reversed(parts_of(stream_for(request))[1:]))  # says what is near
        raise
