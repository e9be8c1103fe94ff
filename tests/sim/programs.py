"""Random workflows: small programs, and the workflow that plays them, in the builds and versions that nodes may have."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import timedelta
from typing import Any, TypeAlias

import perdure
from perdure import (
    ApprovalExpired,
    ApprovalPolicy,
    Decision,
    Interrupted,
    StepError,
    approval,
    attach,
    child,
    continue_as,
    first_of,
    gather,
    on_update,
    patched,
    signal,
    sleep,
    start_child,
    task_group,
    timeout,
    workflow,
)  # fmt: skip
from perdure.runtime.authoring.children import OnParentEnd
from tests.sim.policies import policy_of
from tests.sim.steps import MAY_FAIL, STEPS, must, reckon

Part: TypeAlias = list[Any]
"""A program: its kind, then what that kind needs; see `Player.part`."""

NAMES = ("red", "blue")
QUESTIONS = ("ship", "pack")
PARTINGS: tuple[OnParentEnd, ...] = ("cancel", "terminate", "abandon")
FAREWELL = "farewell"
"""The key of the step that version 2 of the workflow has at its end."""


@workflow(name="play")
async def play_before(program: Part) -> Any:
    """Version 1, before its code was changed."""
    return await Player(knows_patch=False).whole(program)


@workflow(name="play")
async def play(program: Part) -> Any:
    """Version 1."""
    return await Player(knows_patch=True).whole(program)


@workflow(name="play", version=2)
async def play_2_before(program: Part) -> Any:
    """Version 2, before its code was changed."""
    return await farewell(Player(knows_patch=False), program)


@workflow(name="play", version=2)
async def play_2(program: Part) -> Any:
    """Version 2: says farewell."""
    return await farewell(Player(knows_patch=True), program)


OLDEST_CODE = (play_before,)
OLD_CODE = (play_before, play_2_before)
NEW_CODE = (play, play_2)
"""Builds, each with what the one before it lacks: another version of the workflow, then a patch in both."""


class Player:
    """Plays a program."""

    def __init__(self, *, knows_patch: bool) -> None:
        self.knows_patch = knows_patch
        self.added: list[str] = []

    async def whole(self, program: Part) -> Any:
        """A program may have several lives: each begins with a step, and all but the last go on as the next."""
        on_update("add", self.add)
        if program[0] != "lives":
            return await self.part(program)
        first, *others = program[1:]
        answer = await self.part(first)
        return await continue_as(["lives", *others]) if others else answer

    def add(self, what: str) -> list[str]:
        """Take a thing, and say all there are."""
        self.added.append(what)
        return list(self.added)

    async def part(self, part: Part) -> Any:  # noqa: PLR0912 - one case for each word of the little language
        match part:
            case ["do", name, key, millis, fails]:
                try:
                    return await STEPS[name](key, millis, fails)
                except Interrupted:
                    return f"interrupted {key}"
                except StepError:
                    return f"failed {key}"
            case ["must", key, millis, fails]:
                return await must(key, millis, fails)
            case ["mend", before, after]:
                if not (self.knows_patch and patched("mended")):
                    return await self.part(before)
                await sleep(timedelta(milliseconds=1))  # older code, if it is given the run once more, must find a trace of the new way
                return await self.part(after)
            case ["nap", millis, key]:
                perdure.log("lies down", key=key, millis=millis)
                await sleep(timedelta(milliseconds=millis))
                perdure.log("wakes", key=key)
                return "slept"
            case ["take", name]:
                return took(name, await signal(name, str))
            case ["pick", millis, *names]:
                first = await first_of(*(signal(name, str) for name in names), sleep(timedelta(milliseconds=millis)))
                return took(names[first.index], str(first.value)) if first.index < len(names) else "nothing"
            case ["ask", name, millis, key]:
                return heeded(key, await approval(name, show=key, timeout=timedelta(milliseconds=millis) if millis else None))
            case ["ask", name, millis, key, policy]:
                return await counted(name, millis, key, policy_of(policy))
            case ["child", how, inner]:
                return await child(play, inner, on_parent_end=how)
            case ["spawn", how, inner, meanwhile]:
                handle = await start_child(play, inner, on_parent_end=how)
                return [await self.part(meanwhile), *await gather(handle.result(), attach(handle.id))]
            case ["tidy", inner, cleanup]:
                try:
                    return await self.part(inner)
                finally:
                    await self.part(cleanup)
            case ["roll"]:
                return perdure.random().randrange(100)
            case _:
                return await self.several(part)

    async def several(self, part: Part) -> Any:
        match part:
            case ["seq", *parts]:
                return [await self.part(inner) for inner in parts]
            case ["all", *parts]:
                return list(await gather(*(self.leaf(inner) for inner in parts)))
            case ["any", *parts]:
                first = await first_of(*(self.leaf(inner) for inner in parts))
                return [first.index, first.value]
            case ["limit", millis, inner]:
                try:
                    async with timeout(timedelta(milliseconds=millis)):
                        return ["in time", await self.part(inner)]
                except TimeoutError:
                    return ["too late"]
            case ["group", *parts]:
                async with task_group() as group:
                    tasks = [group.start(self.leaf(inner), name=f"t{place}") for place, inner in enumerate(parts)]
                return [task.result() for task in tasks]
            case _:
                raise ValueError(part)

    def leaf(self, part: Part) -> Awaitable[Any]:
        """A bare effect where the part is one, so that branches without a coroutine of their own are met too."""
        match part:
            case ["do", name, key, millis, 0] if name not in MAY_FAIL:
                return STEPS[name](key, millis, 0)
            case _:
                return self.part(part)


async def farewell(player: Player, program: Part) -> Any:
    answer = await player.whole(program)
    await reckon(FAREWELL, 0, 0)
    return answer


def took(name: str, value: str) -> str:
    perdure.log("took", name=name, value=value)
    return value


async def counted(name: str, millis: int, key: str, policy: ApprovalPolicy) -> str:
    """Ask by a policy. The log says `expired` where nobody decided, whatever the policy makes of that."""
    try:
        decision = await approval(name, show=key, timeout=timedelta(milliseconds=millis) if millis else None, policy=policy)
    except ApprovalExpired:
        perdure.log("heeded", key=key, outcome="expired", by="")
        return "nobody decided"
    is_over = decision.outcome == "expired" or (decision.outcome == "rejected" and not decision.by)
    outcome = "expired" if is_over else decision.outcome
    perdure.log("counted", key=key, outcome=outcome, voices=[voice.by for voice in decision.voices])
    return heeded(key, Decision(outcome, decision.at, decision.by))


def heeded(key: str, decision: Decision) -> str:
    perdure.log("heeded", key=key, outcome=decision.outcome, by=decision.by)
    return f"{decision.outcome} by {decision.by}"
