"""A studio whose scenes are rendered by queue workers; as a process it is one: `python -m tests.adapters.nats.studio URL SECONDS`.

`SECONDS` after the last sign of life of a worker, what it had is handed to another.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import anyio

import perdure
from perdure import Interrupted, Limit, current, step, workflow

ONE = Limit("licence", concurrency=1)


def note(journal: str, what: str) -> None:
    with Path(journal).open("a", encoding="utf-8") as file:
        file.write(f"{what} {current().idempotency_key} {os.getpid()}\n")


async def held(journal: str) -> None:
    """Until somebody says so."""
    while not may_go(journal):  # noqa: ASYNC110 - that is said by another process
        await anyio.sleep(0.005)


def may_go(journal: str) -> bool:
    return Path(f"{journal}.go").exists()


def go(journal: Path) -> None:
    Path(f"{journal}.go").touch()


def lines(journal: Path) -> list[list[str]]:
    return [line.split() for line in journal.read_text(encoding="utf-8").splitlines()] if journal.exists() else []


@step(queue="gpu")
async def render(scene: str, journal: str) -> str:
    note(journal, "render")
    try:
        await held(journal)
    except BaseException:
        note(journal, "cut")
        raise
    return f"{scene} rendered"


@step(queue="gpu", at_most_once=True)
async def publish(scene: str, journal: str) -> str:
    note(journal, "publish")
    await held(journal)
    return f"{scene} published"


@step(queue="gpu", limit=ONE)
async def licensed(scene: str, journal: str) -> str:
    note(journal, "begin")
    await anyio.sleep(0.02)
    note(journal, "end")
    return scene


@step(queue="cpu")
async def double(text: str) -> str:
    async with current().artifact("half") as out:
        await out.write(text.encode())
    return text + text


@workflow
async def film(scene: str, journal: str) -> str:
    return await render(scene, journal)


@workflow
async def premiere(scene: str, journal: str) -> str:
    try:
        return await publish(scene, journal)
    except Interrupted:
        return f"see whether {scene} is out"


@workflow
async def licensed_film(scene: str, journal: str) -> str:
    return await licensed(scene, journal)


@workflow
async def long_text(half: int) -> list[int]:
    text = await double("x" * half)
    return [len(text), perdure.artifact("half").size]


FILMS = (film, premiere, licensed_film, long_text)

if __name__ == "__main__":
    from perdure.adapters.cli.main import main
    from perdure.adapters.nats.queues import worker

    worker.ACK_SECONDS = float(sys.argv[2])
    main(["worker", "tests.adapters.nats.studio", "--queue", "gpu", "--queue", "cpu", "--log", sys.argv[1], "--json"])
