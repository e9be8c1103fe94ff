"""A small shop on NATS, run as a process that a test kills: `python -m tests.adapters.nats.shop URL RUN JOURNAL`."""

from __future__ import annotations

import sys
import time
from datetime import timedelta
from pathlib import Path

import anyio

import perdure
from perdure import current, signal, sleep, step, workflow


@step
def charge(amount: int, journal: str) -> str:
    """Charges, and notes it down."""
    note(journal, f"charged {current().idempotency_key}")
    return f"charge of {amount}"


@step
def pack(journal: str) -> str:
    """Takes as long as it takes: until somebody says that it is packed."""
    note(journal, f"packing {current().idempotency_key}")
    while not is_packed(journal):
        time.sleep(0.01)
    return "packed"


def note(journal: str, line: str) -> None:
    with Path(journal).open("a") as file:
        file.write(f"{line}\n")


def is_packed(journal: str) -> bool:
    return Path(f"{journal}.packed").exists()


def say_packed(journal: Path) -> None:
    Path(f"{journal}.packed").touch()


@workflow
async def order(amount: int, journal: str) -> list[str]:
    charged = await charge(amount, journal)
    packed = await pack(journal)
    await sleep(timedelta(milliseconds=50))
    address = await signal("address", str)
    return [charged, packed, address]


async def main(url: str, run: str, journal: str) -> None:
    async with perdure.open(url, workflows=[order]) as runtime:
        handle = await runtime.start(order, 7, journal, id=run)
        if is_packed(journal):
            await handle.signal("address", "Elm Street", command="address")
        print(await handle.result())


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], sys.argv[2], sys.argv[3])
