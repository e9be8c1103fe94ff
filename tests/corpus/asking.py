"""Workflows that ask people: approved, rejected, expired, in races, side by side, one after the other."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from perdure import ApprovalExpired, ApprovalPolicy, Escalation, approval, first_of, gather, sleep, timeout, workflow
from perdure.runtime.authoring.workflows import Workflow
from tests.corpus import steps

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@workflow
async def refund(amount: int) -> list[str]:
    """One question, which is answered either way, or by nobody."""
    await steps.add(amount, 0)
    decision = await approval("refund", show={"amount": amount}, timeout=HOUR)
    return [decision.outcome, decision.by, decision.why, await steps.say("told")]


@workflow
async def two_keys() -> list[str]:
    """Both have to say yes; who is first does not matter."""

    async def key(name: str) -> str:
        await steps.say(name)
        return (await approval(name, show=name)).outcome

    return list(await gather(key("first"), key("second")))


@workflow
async def escalated() -> list[str]:
    """Nobody answers, so somebody else is asked."""
    told: list[str] = []
    for name in ("clerk", "manager", "owner"):
        decision = await approval(name, show=name, timeout=HOUR)
        told.append(f"{name} {decision.outcome}")
        await steps.say(told[-1])
        if decision.approved:
            break
    return told


@workflow
async def asked_in_a_race() -> list[str]:
    """A person against a clock: whoever loses, the run is told no more of it."""

    async def person() -> str:
        await steps.say("asking")
        return (await approval("now or never", show=None)).outcome

    async def clock() -> str:
        await sleep(timedelta(seconds=70))
        return "too late"

    won = await first_of(person(), clock())
    return [won.value, await steps.say("after")]


@workflow
async def asked_for_a_while() -> list[str]:
    """The limit around a question strikes; the same question is asked again, and answered."""
    try:
        async with timeout(HOUR):
            await approval("ship", show="a")
    except TimeoutError:
        await steps.say("asking again")
    return [(await approval("ship", show="b")).outcome]


@workflow
async def four_eyes(cents: int) -> list[list[str]]:
    """Two of those who may must say yes; the longer it takes, the more may."""
    policy = ApprovalPolicy(users=("ada",), roles=("clerk",), quorum=2, escalation=(Escalation(after=HOUR, roles=("owner",)),))
    decision = await approval("pay", show={"cents": cents}, timeout=DAY, policy=policy)
    await steps.say(decision.outcome)
    return [[voice.by, voice.why] for voice in decision.voices]


@workflow
async def nobody_cares() -> list[str]:
    """Silence is a no to one question, and a failure to the other."""
    no = await approval("no", timeout=HOUR, policy=ApprovalPolicy(at_end="reject"))
    try:
        await approval("yes", timeout=HOUR, policy=ApprovalPolicy(at_end="fail"))
    except ApprovalExpired as expired:
        return [no.outcome, no.why, await steps.say(str(expired))]
    return []


WORKFLOWS: list[Workflow[..., Any]] = [refund, two_keys, escalated, asked_in_a_race, asked_for_a_while, four_eyes, nobody_cares]
