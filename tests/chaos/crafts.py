"""The steps that chaos leaves to a task queue; as a process it is one of their workers: `python -m tests.chaos.crafts URL`.

A lost worker is noticed a little sooner than elsewhere, so that most attempts that it had are in other hands before the next fault.
"""

from __future__ import annotations

import sys

import anyio

from perdure import Limit, Retry, step
from tests.chaos.noting import noted

QUEUE = "gpu"
ACK_SECONDS = 3.0
LATER_SECONDS = 0.3

WORK = 0.05
LONG = 1.5 * ACK_SECONDS
"""Seconds that some steps take: who gave no signs of life would lose them."""


def licence(number: int) -> int:
    return number % 2


LICENCES = Limit("licences", concurrency=2, key=licence)


@step(queue=QUEUE)
async def render(number: int) -> int:
    with noted():
        await anyio.sleep(WORK)
    return number


@step(queue=QUEUE, retry=Retry(attempts=3))
async def develop(number: int) -> int:
    with noted() as made:
        await anyio.sleep(WORK)
    if made.attempt < 2:
        raise OSError("not yet")
    return number


@step(queue=QUEUE)
async def shoot(number: int) -> int:
    with noted():
        await anyio.sleep(LONG)
    return number


@step(queue=QUEUE, limit=LICENCES)
async def grade(number: int) -> int:
    with noted(f"licences {licence(number)}"):
        await anyio.sleep(WORK)
    return number


@step(queue=QUEUE, at_most_once=True)
async def premiere(number: int) -> int:
    with noted():
        await anyio.sleep(WORK)
    return number


if __name__ == "__main__":
    from perdure.adapters.cli.main import main
    from perdure.adapters.nats.queues import hand, worker

    worker.ACK_SECONDS = ACK_SECONDS
    hand.LATER_SECONDS = LATER_SECONDS
    main(["worker", "tests.chaos.crafts", "--queue", QUEUE, "--log", sys.argv[1], "--json"])
