"""An order as a saga: three services, one of them out of stock, and a cancelled one; what was done is undone in reverse order."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

import perdure
from perdure import Fatal, Retry, RunError, current, saga, step, workflow

STOCK = {"kettle": 1, "cup": 0}
DONE: list[str] = []


@step
async def reserve(item: str) -> str:
    if STOCK[item] == 0:
        raise Fatal(f"no {item} left")
    DONE.append(f"reserve {item}")
    return f"{item}@shelf-3"


@step(retry=Retry(attempts=10))
async def put_back(place: str) -> None:
    DONE.append(f"put back {place}")


@step
async def charge(customer: str, cents: int) -> str:
    DONE.append(f"charge {customer} {cents}")
    return current().idempotency_key


@step(retry=Retry(attempts=10))
async def refund(payment: str) -> None:
    DONE.append("refund")


@workflow
async def order(customer: str, items: list[str]) -> str:
    packed: list[str] = []
    perdure.on_query("packed", lambda: len(packed))
    async with saga() as undo:
        payment = await charge(customer, 900 * len(items))
        undo(refund, payment)
        for item in items:
            packed.append(await reserve(item))
            undo(put_back, packed[-1])
        await perdure.signal("picked up")
    return f"{customer} has it all"


async def main() -> None:
    with TemporaryDirectory() as folder:
        async with perdure.open(f"sqlite:///{Path(folder) / 'shop.db'}", workflows=[order]) as runtime:
            short = await runtime.start(order, "Ada", ["kettle", "cup"], id="short")
            await told(short)
            late = await runtime.start(order, "Bob", ["kettle"], id="late")
            while await late.query("packed") == 0:  # noqa: ASYNC110 - another process asks so, too
                await asyncio.sleep(0.01)
            await late.cancel("closed for today")
            await told(late)


async def told(run: perdure.RunHandle[str]) -> None:
    try:
        print(await run.result())
    except RunError as ended:
        why = f": {ended.failure.message}" if ended.failure else ""
        print(f"{run.id} {ended.status}{why}\n  {', '.join(DONE)}")
    DONE.clear()


if __name__ == "__main__":
    asyncio.run(main())
