"""A subscription that lives for years: each month is a generation of the same run, so its history never grows."""

import asyncio
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import perdure
from perdure import continue_as, first_of, signal, sleep, step, workflow

MONTH = timedelta(milliseconds=20)  # in earnest: timedelta(days=30)


@step
async def bill(customer: str, month: int, cents: int) -> int:
    return cents


@workflow
async def subscription(customer: str, cents: int, month: int = 1, paid: int = 0) -> str:
    perdure.attributes(customer=customer, month=month, cents=cents)
    paid += await bill(customer, month, cents)
    heard = await first_of(signal("price", int), signal("stop", str), sleep(MONTH))
    if heard.index == 1:
        return f"{customer} paid {paid} cents in {month} months and left: {heard.value}"
    return await continue_as(customer, heard.value if heard.index == 0 else cents, month + 1, paid)


async def month_of(run: perdure.RunHandle[str], runtime: perdure.Runtime, month: int) -> None:
    """Wait until the run has come to a month."""
    while True:
        summary = await runtime.carrier.heads.get(f"run/default/{run.id}")
        if summary is not None and f'"month":{month}' in summary.head.attributes.decode():
            return
        await asyncio.sleep(MONTH.total_seconds() / 4)


async def main() -> None:
    with TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'shop.db'}"
        async with perdure.open(url, workflows=[subscription]) as runtime:
            run = await runtime.start(subscription, "Ada", 900, id="ada")
            await month_of(run, runtime, 3)
        # The process may end and begin again at any time: nothing is due but what the log says.
        async with perdure.open(url, workflows=[subscription]) as runtime:
            run = await runtime.start(subscription, "Ada", 900, id="ada")
            await month_of(run, runtime, 5)
            await run.signal("stop", "too many kettles")
            left = await run.result()
            print(left.split(" paid ")[0], "left:", left.split("left: ")[1])


if __name__ == "__main__":
    asyncio.run(main())
