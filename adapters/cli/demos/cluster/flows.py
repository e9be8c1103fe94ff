"""The workflow of the cluster: an order of three steps and a moment's wait. Ordinary user code, served by `perdure worker`.

Each attempt of a step notes down what it did, in the working directory of its worker: evidence that no log is asked for.
"""

from __future__ import annotations

import os
from datetime import timedelta

import anyio

from .....runtime.authoring.steps import current, step
from .....runtime.authoring.words import sleep
from .....runtime.authoring.workflows import workflow

JOURNAL = "journal.txt"
STEPS = ("reserve", "charge", "ship")
STEP_SECONDS = 0.01


@step
async def reserve(order: int) -> str:
    return await work(f"reserved {order}")


@step
async def charge(order: int) -> str:
    return await work(f"charged {order}")


@step
async def ship(order: int) -> str:
    return await work(f"shipped {order}")


@workflow(name="order")
async def fulfil(order: int) -> list[str]:
    done = [await reserve(order), await charge(order)]
    await sleep(timedelta(milliseconds=50))
    return [*done, await ship(order)]


def expected(order: int) -> list[str]:
    """The result of an order."""
    return [f"reserved {order}", f"charged {order}", f"shipped {order}"]


async def work(what: str) -> str:
    note(f"{current().idempotency_key}\t{what}\n")
    await anyio.sleep(STEP_SECONDS)
    return what


def note(line: str) -> None:
    file = os.open(JOURNAL, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(file, line.encode())
    finally:
        os.close(file)
