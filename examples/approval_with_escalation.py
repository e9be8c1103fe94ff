"""A person approves a shipment; where the first lets it expire, the next is asked. Who decided, and why, stays in the log."""

import asyncio
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import perdure
from perdure import RunHandle, approval, step, workflow

DEAR = 100_000


@step
async def ship(order: str) -> str:
    return "shipped"


@workflow
async def fulfil(order: str, cents: int, patience: timedelta) -> str:
    late = ""
    for person, time in (("Ada", patience), ("Bob", timedelta(days=3))):
        decision = await approval(f"ship, {person}?", show={"order": order, "cents": cents}, timeout=time)
        if decision.approved:
            return f"{await ship(order)}, approved by {decision.by}{late}"
        if decision.outcome == "rejected":
            return f"not shipped: {decision.why}, says {decision.by}"
        late = f" after {person} let it expire"
    return "not shipped: nobody decided"


async def decide(run: RunHandle[str], person: str) -> None:
    """What this person says, as soon as the run asks them."""
    while await run.status() == "running":
        for request in await run.approvals():
            if person in request.name and request.show["cents"] > DEAR:
                await run.reject(request, by=person, why="too dear")
            elif person in request.name:
                await run.approve(request, by=person, why="in stock")
        await asyncio.sleep(0.01)


async def main() -> None:
    days, moment = timedelta(days=3), timedelta(seconds=0.1)
    with TemporaryDirectory() as folder:
        async with perdure.open(f"sqlite:///{Path(folder) / 'orders.db'}", workflows=[fulfil]) as runtime:
            one = await runtime.start(fulfil, "order-1", 1200, days, id="order-1")
            two = await runtime.start(fulfil, "order-2", 900, moment, id="order-2")
            three = await runtime.start(fulfil, "order-3", 250_000, days, id="order-3")
            await asyncio.gather(decide(one, "Ada"), decide(two, "Bob"), decide(three, "Ada"))
            for run in (one, two, three):
                print(f"{run.id}: {await run.result()}")


if __name__ == "__main__":
    asyncio.run(main())
