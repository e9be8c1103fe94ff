"""An order: a step that fails now and then is tried again with the same key, and what was done is undone where the rest cannot be."""

import asyncio
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import perdure
from perdure import Fatal, Retry, StepError, current, gather, step, workflow

BOOKED: dict[str, int] = {}
"""What the bank has booked, by idempotency key: a real one keeps such a table, too."""


@step(retry=Retry(attempts=5, first=timedelta(milliseconds=20)))
async def charge(order: str, cents: int) -> str:
    attempt = current()
    BOOKED[attempt.idempotency_key] = cents
    if attempt.attempt in (1, 2):
        raise ConnectionError("the bank did not answer in time")  # it had booked, though
    return f"receipt for {order}, attempt {attempt.attempt}"


@step
async def reserve(item: str) -> str:
    if item == "unicorn":
        raise Fatal("no such item")  # trying again would not help
    return f"{item} reserved"


@step
async def refund(order: str) -> str:
    return f"{order} refunded"


@workflow
async def buy(order: str, items: list[str], cents: int) -> str:
    receipt = await charge(order, cents)
    try:
        await gather(*(reserve(item) for item in items))
    except StepError as error:
        return f"{await refund(order)}: {error.message}"
    return receipt


async def main() -> None:
    with TemporaryDirectory() as folder:
        async with perdure.open(f"sqlite:///{Path(folder) / 'shop.db'}", workflows=[buy]) as runtime:
            for order, items in {"order-1": ["kettle", "cup"], "order-2": ["kettle", "unicorn"]}.items():
                run = await runtime.start(buy, order, items, 4200, id=order)
                print(f"{order}: {await run.result()}")
    print(f"booked {len(BOOKED)} times")


if __name__ == "__main__":
    asyncio.run(main())
