"""New code for runs in flight: one keeps its version, one is moved to the next, and one takes the new way of a patch."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

import perdure
from perdure import Refused, signal, step, workflow


@step
async def pack(order: str, paper: str) -> str:
    return f"{order} in {paper}"


@step
async def thank(order: str) -> str:
    return f"thanks for {order}"


@workflow(name="fulfil")
async def fulfil_1(order: str) -> str:
    await signal("paid")
    return await pack(order, "brown paper")


@workflow(name="fulfil", version=2)
async def fulfil_2(order: str) -> str:
    await signal("paid")
    parcel = await pack(order, "gift paper" if perdure.patched("gift paper") else "brown paper")
    return f"{parcel}, {await thank(order)}"


@workflow(name="fulfil", version=3)
async def fulfil_3(order: str) -> str:
    await thank(order)  # before the payment: another order of things
    await signal("paid")
    return await pack(order, "gift paper")


async def main() -> None:
    with TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'shop.db'}"
        async with perdure.open(url, workflows=[fulfil_1]) as runtime:
            for order in ("kept", "moved"):
                await runtime.start(fulfil_1, order, id=order)
        # The next deployment brings new versions, and keeps the old one for those who are on their way with it.
        async with perdure.open(url, workflows=[fulfil_1, fulfil_2, fulfil_3]) as runtime:
            await runtime.start(fulfil_2, "new", id="new")
            moved = runtime.run("moved")
            try:
                await moved.upgrade(3)
            except Refused as refused:
                print(f"not to version 3: the log has {refused.expected.split(' (')[0]}, the code wants {refused.found.split(',')[0]}")
            await moved.upgrade(2)
            for order in ("kept", "moved", "new"):
                await runtime.run(order).signal("paid")
                print(await runtime.run(order).result())


if __name__ == "__main__":
    asyncio.run(main())
