"""Acts: what people do to a simulated run, at virtual times.

Each is done once, however often the node that is asked crashes. One that must wait for what it is about (an approval that is not asked
yet, a step that nobody has put off yet) is done as soon as that is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

import anyio
from msgspec import Struct
from msgspec.structs import replace

from ...eventlog.streams import stream_of
from ..authoring.errors import Failure
from ..authoring.tokens import token_of
from ..authoring.values import as_json
from ..inspect.replay import fold
from ..requests import CancelRun, Commanding, CompleteStep, DecideApproval, FailStep, PauseRun, ResumeRun
from ..run.state import RunState

if TYPE_CHECKING:
    from collections.abc import Callable

    from .world import World

RUN = "simulated"
"""The id of the run of a simulation."""

STREAM = stream_of("run", "default", RUN)
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 60.0
"""Virtual seconds between two looks for what an act waits for."""


class Approve(Struct, frozen=True):
    """Approve what the run asks under this name; `roles` are those of who does."""

    name: str
    by: str = "somebody"
    why: str = ""
    roles: tuple[str, ...] = ()


class Reject(Struct, frozen=True):
    """Say no to what the run asks under this name."""

    name: str
    by: str = "somebody"
    why: str = ""
    roles: tuple[str, ...] = ()


class Pause(Struct, frozen=True):
    """Let nothing new begin."""

    reason: str = ""
    freeze_deadline: bool = False


class Resume(Struct, frozen=True):
    """Let the run go on."""


class Cancel(Struct, frozen=True):
    """Ask the run to end, its cleanup done."""

    reason: str = ""


class Complete(Struct, frozen=True):
    """End a step that raised CompleteLater, meant by its name, with a value, by the token that it handed out."""

    step: str
    value: Any = None


class Fail(Struct, frozen=True):
    """The same with an error."""

    step: str
    message: str = "failed"


Act: TypeAlias = Approve | Reject | Pause | Resume | Cancel | Complete | Fail


T = TypeVar("T")


async def request_for(act: Act, command: str, world: World) -> Commanding:
    """What is asked of the run, once what it is about is there; under `command` it counts once."""
    match act:
        case Approve():
            return await _decision(act, "approved", command, world)
        case Reject():
            return await _decision(act, "rejected", command, world)
        case Pause(reason, freeze):
            return PauseRun(run=RUN, reason=reason, freeze=freeze, command=command)
        case Resume():
            return ResumeRun(run=RUN, command=command)
        case Cancel(reason):
            return CancelRun(run=RUN, reason=reason, command=command)
        case Complete(step, value):
            return CompleteStep(token=await _token(step, world), value=as_json(value, f"complete({step!r})"), command=command)
        case Fail(step, message):
            return FailStep(token=await _token(step, world), error=Failure("Failed", message), command=command)


async def _decision(act: Approve | Reject, outcome: Literal["approved", "rejected"], command: str, world: World) -> Commanding:
    def open_one(facts: RunState) -> tuple[str, str] | None:
        return next(((id, asked.digest) for id, asked in facts.approvals.items() if asked.name == act.name), None)

    id, digest = await _once_there(world, open_one)
    said = DecideApproval(run=RUN, outcome=outcome, by=act.by, why=act.why, digest=digest, name=act.name, id=id, roles=act.roles)
    return replace(said, command=command)


async def _token(step: str, world: World) -> str:
    def put_off(facts: RunState) -> str | None:
        found = next((id for id in facts.deferred if facts.steps[id].name == step), None)
        return None if found is None else token_of(STREAM, found, facts.steps[found].attempt, facts.seed)

    return await _once_there(world, put_off)


async def _once_there(world: World, look: Callable[[RunState], T | None]) -> T:
    """What the log says, as soon as it does. It is read from beside, so that looking changes nothing of the history."""
    pause, seen = FIRST_PAUSE, -1
    while True:
        records = world.log.streams.get(STREAM, ())
        if len(records) != seen:
            pause, seen = FIRST_PAUSE, len(records)
            if (found := look(fold(STREAM, records))) is not None:
                return found
        await anyio.sleep(pause)
        pause = min(LONGEST_PAUSE, 2 * pause)
