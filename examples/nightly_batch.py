"""A nightly batch: one parent, ten thousand children (or as many as the first argument says). The process ends in the middle of it."""

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import perdure
from perdure import ChildError, Fatal, RunHandle, Settings, child, gather, signal, step, workflow

CLOSED = range(99, 10_000, 100)


@dataclass
class Report:
    """What the batch came to; `refused` are the ids of runs."""

    sent: int
    refused: list[str]


@step
async def balance(account: int) -> int:
    if account in CLOSED:
        raise Fatal(f"account {account} is closed")
    return account * 3


@step
async def send(account: int, cents: int) -> str:
    return f"account {account}: {cents} cents"


@workflow
async def statement(account: int) -> str:
    return await send(account, await balance(account))


@workflow
async def nightly(accounts: int) -> Report:
    """Every statement is a run of its own: it can be looked at, retried and cancelled by itself, and one that fails stops no other.

    What came of it is reported in the morning.
    """
    outcomes = await gather(*[child(statement, account) for account in range(accounts)], return_exceptions=True)
    await signal("morning", str)
    refused = [outcome.run for outcome in outcomes if isinstance(outcome, ChildError)]
    return Report(len(outcomes) - len(refused), refused)


async def half_done(run: RunHandle[Report], accounts: int) -> None:
    """Wait until the batch is well under way."""
    while (await run.look()).version < accounts * 3 // 2:  # noqa: ASYNC110 - its events: the wishes, and half of what follows
        await asyncio.sleep(0.01)


async def main(accounts: int) -> None:
    with TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'bank.db'}"

        async with perdure.open(url, workflows=[nightly, statement], settings=Settings(drain_seconds=0)) as runtime:
            run = await runtime.start(nightly, accounts, id="night-1")
            await half_done(run, accounts)
            print("the process ends:", await run.status())

        async with perdure.open(url, workflows=[nightly, statement]) as runtime:
            await runtime.run("night-1").signal("morning", "it is six o'clock")
            report = await runtime.run("night-1").result()
            print(f"{report.sent} statements sent, {len(report.refused)} refused, the first of them {report.refused[0]}")
            print("its log says:", (await runtime.run(report.refused[0]).look()).status)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000))
