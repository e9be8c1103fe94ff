"""One program, three places: its runs live in its own process, in workers behind NATS, or in a service over HTTP.

`python program.py` opens a log of its own; with nats://HOST:4222/NAMESPACE or http://HOST:8000 it asks whoever serves the same
workflows there (`perdure worker` or `perdure serve` with this file). Only the line that opens differs; what it prints does not.
"""

import asyncio
import os
import sys
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any

import msgspec

import perdure
from perdure import NotFound, Refused, RunError, signal, step, workflow

PATIENCE = timedelta(seconds=30)


@step
async def reserve(item: str) -> str:
    return f"{item} from shelf 3"


@step
async def ship(what: str, address: str) -> str:
    return f"{what} to {address}"


@workflow
async def order(item: str) -> str:
    """Reserves at once, ships once an address is there; can be asked how far it is, and told to be careful."""
    notes: list[str] = []

    def note(text: str) -> int:
        notes.append(text)
        return len(notes)

    perdure.on_query("notes", lambda: notes)
    perdure.on_update("note", note)
    what = await reserve(item)
    return await ship(what, await signal("address", str))


def opened(url: str) -> AbstractAsyncContextManager[Any]:
    """Where the runs live: this is the line that differs."""
    key = os.environ.get("PERDURE_API_KEY", "")
    return perdure.connect(url, key=key, workflows=[order]) if "://" in url else perdure.open(url, workflows=[order])


async def main(url: str) -> None:
    async with opened(url) as shop:
        run = await shop.start(order, "kettle", id="order-1", command="start order-1")
        again = await shop.start(order, "kettle", id="order-1", command="start order-1")
        print("started", run.id, "and asked again", again.id)
        async for line in run.follow(types=["StepCompleted"]):
            print("reserved in event", line.version)
            break
        print("note", await run.update("note", "with care", within=PATIENCE))
        print("notes", await run.query("notes", within=PATIENCE))

        await run.pause("stocktaking")
        look = await run.look()
        print("paused, because of", look.reason)
        await run.signal("address", "Elm Street", command="address of order-1")
        await run.signal("address", "Elm Street", command="address of order-1")
        print("still", await run.status())
        await run.resume()
        print("shipped", await run.result(within=PATIENCE))
        names = [msgspec.json.decode(line.event)["type"] async for line in run.follow()]
        print("in", len(names), "events, the last", names[-1])

        cup = await shop.start(order, "cup", id="order-2")
        async for _ in cup.follow(types=["StepCompleted"]):
            break
        await cup.cancel("too dear")
        try:
            await cup.result(within=PATIENCE)
        except RunError as error:
            print("the cup is", error.status)
        for wish in (cup.signal("address", "Oak Street"), shop.run("order-3").pause()):
            try:
                await wish
            except (NotFound, Refused) as error:
                print(error.code, "-", error.message)
        page = await shop.runs()
        print(*(f"{line.run} {line.status}" for line in page.runs), sep=", ")

        (done,) = (await shop.runs(status="completed", workflow="order")).runs
        page = await shop.events(done.run, types=["RunStarted", "SignalReceived"])
        for line in page.events:
            event = msgspec.json.decode(line.event)
            print(line.version, event["type"], event.get("name", ""))
        print("of another workflow:", (await shop.runs(workflow="nobody")).runs)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:] or ["memory:"]))
