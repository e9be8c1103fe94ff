"""A large refund takes two people of finance; where they are slow, the board may help. Nobody counts twice, and the log knows them all."""

import asyncio
from datetime import timedelta

import perdure
from perdure import ApprovalPolicy, Escalation, OpenApproval, Refused, RunHandle, approval, step, workflow


@step
async def pay_back(order: str, cents: int) -> str:
    return f"{cents} cents for {order} are on their way"


@workflow
async def refund(order: str, cents: int, patience: timedelta) -> str:
    policy = ApprovalPolicy(roles=("finance",), quorum=2, escalation=(Escalation(after=patience, roles=("board",)),), at_end="reject")
    decision = await approval("refund", show={"order": order, "cents": cents}, timeout=timedelta(days=7), policy=policy)
    if not decision.approved:
        return f"no refund: {decision.why}"
    return f"{await pay_back(order, cents)}, say {' and '.join(voice.by for voice in decision.voices)}"


async def say_yes(run: RunHandle[str], asked: OpenApproval, person: str, role: str) -> None:
    try:
        await run.approve(asked, by=person, roles=[role])
        print(f"{person} of {role} says yes")
    except Refused as refused:
        print(f"{person} of {role} may not: {refused.found}")


async def main() -> None:
    patience = timedelta(seconds=1)
    async with perdure.open("memory:", workflows=[refund]) as runtime:
        run = await runtime.start(refund, "o-1", 120_000, patience, id="refund-o-1")
        (asked,) = await run.approvals()
        await say_yes(run, asked, "Ada", "finance")
        await say_yes(run, asked, "Ada", "finance")
        await say_yes(run, asked, "Olga", "board")
        async for line in run.follow(types=["ApprovalEscalated"]):
            print(f"event {line.version}: now the board may, too")
            break
        await say_yes(run, asked, "Olga", "board")
        print(await run.result())


if __name__ == "__main__":
    asyncio.run(main())
