"""A workflow that is data: expenses.yaml beside this file says what is done, the steps below how. Run it: python expenses.py"""

import asyncio
from pathlib import Path

import perdure
from perdure import step

RATES = {"EUR": 1.0, "USD": 0.8, "CHF": 1.05}
LUNCH, TRAIN, HOTEL = [{"amount": amount, "currency": currency} for amount, currency in ((20.0, "EUR"), (80.0, "CHF"), (900.0, "USD"))]


@step
async def in_euros(amount: float, currency: str) -> float:
    return amount * RATES[currency]


@step
async def total(amounts: list[float]) -> float:
    return round(sum(amounts), 2)


@step
async def pay(who: str, euros: float) -> str:
    return f"{who} is paid {euros:.2f}"


async def main() -> None:
    async with perdure.open("memory:", steps=[in_euros, total, pay]) as runtime:
        kept = await runtime.apply_definition(Path(__file__).with_name("expenses.yaml").read_text(encoding="utf-8"))
        print(f"{kept.name}, version {kept.version}")
        claims = [("Ada", [LUNCH, TRAIN]), ("Bob", [TRAIN, HOTEL]), ("Cyd", [HOTEL, HOTEL])]
        runs = [await runtime.start_definition("expenses", {"who": who, "receipts": receipts}) for who, receipts in claims]
        print(await runs[0].result())
        for run in runs[1:]:
            async for line in run.follow():
                if b'"ApprovalRequested"' in bytes(line.event):
                    (asked,) = await run.approvals()
                    if asked.show["who"] == "Bob":
                        await run.approve(asked, by="Eve")
                    else:
                        await run.reject(asked, by="Eve", why="twice the same hotel")
            print(await run.result())


if __name__ == "__main__":
    asyncio.run(main())
