"""A program that sends webhooks until it is killed: `python -m tests.adapters.webhooks.sender LOG_URL RECEIVER_URL`.

It starts the same runs whenever it is started. Each sends one webhook by a step, and names a URL for its end.
"""

from __future__ import annotations

import sys

import anyio

import perdure
from perdure.eventlog.errors import Unavailable
from perdure.steps import webhook
from tests.adapters.webhooks.unruly import FAULTS, STATUSES

ATTEMPTS = 4
FOR_EVER = 99
"""Failures after which all would be well: more than there are attempts."""


@perdure.workflow
async def sends(url: str, number: int) -> str:
    return await webhook(url, "step", {"n": number, "by": "step"})


def plans() -> list[tuple[str, int]]:
    """(fault, failures before all is well) of each run: every fault heals after one, after two, and never."""
    return [(str(fault), failures) for fault in (*STATUSES, *FAULTS) for failures in (1, 2, FOR_EVER)]


async def main(log: str, receiver: str) -> None:
    async with perdure.open(log, workflows=[sends]) as runtime:
        print("open", flush=True)
        for number, (fault, failures) in enumerate(plans()):
            step, end = (f"{receiver}/{fault}/{failures}/{by}-{number}" for by in ("step", "end"))
            for _ in range(100):
                try:
                    await runtime.start(sends, step, number, id=f"r-{number}", on_end=end)
                    break
                except Unavailable:
                    await anyio.sleep(0.1)
        print("all are started", flush=True)
        await anyio.sleep_forever()


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], sys.argv[2])
