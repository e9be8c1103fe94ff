"""One program, whatever it speaks to: an embedded log, workers in NATS, a service over HTTP. Only its opening line differs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec

from perdure import HandlerError, NotFound, Refused, RunError
from perdure.runtime.calling import Calling
from tests.adapters.http.shop import asks, fails, hello, order

PATIENCE = timedelta(seconds=20)


async def story(caller: Calling) -> list[Any]:
    """What it was told, line by line."""
    told: list[Any] = []
    run = await caller.start(order, 7, id="o-1", command="first")
    again = await caller.start(order, 7, id="o-1", command="first")
    told.append([run.id, again.id])

    await run.pause("lunch")
    told.append((await run.look()).reason)
    await run.signal("address", "Elm Street", command="where")
    await run.signal("address", "Oak Street", command="where")
    told.append(await run.status())
    await run.resume()
    told.append([name_of(line.event) async for line in run.follow()][-1])
    told.append(await run.result(within=PATIENCE))
    report, content = await caller.artifacts("o-1"), caller.artifact("o-1", "notes/report.txt")
    told.append([report, b"".join([chunk async for chunk in content])])
    for strange in (("o-1", "none"), ("nobody", "notes/report.txt")):
        try:
            await anext(caller.artifact(*strange))
        except NotFound as error:
            told.append([error.code, error.message])

    other = await caller.start(order, 8, id="o-2")
    told.append(await other.update("add", "a note", returns=int, within=PATIENCE))
    told.append(await other.query("notes", returns=list[str], within=PATIENCE))
    try:
        await other.query("nothing")
    except (HandlerError, Refused, NotFound) as error:
        told.append([type(error).__name__, str(getattr(error, "message", ""))])
    await other.cancel("enough")
    try:
        await other.result(within=PATIENCE)
    except RunError as error:
        told.append(error.status)

    asking = await caller.start(asks, id="a-1")
    (open_one,) = [one for one in await until_asked(asking) if one.name == "ship"]
    told.append([open_one.show, [one.run for one in (await caller.approvals()).approvals]])
    await asking.approve(open_one, by="ann", why="paid")
    told.append(await asking.result(within=PATIENCE))

    broken = await caller.start(fails, id="f-1")
    try:
        await broken.result(within=PATIENCE)
    except RunError as error:
        told.append([error.status, str(error)])
    told.append(await (await caller.start(hello, "Ann", id="h-1")).result(within=PATIENCE))

    page = await caller.events("h-1", types=["RunStarted", "RunCompleted"])
    told.append([[line.version, name_of(line.event)] for line in page.events])
    told.append([[line.run, line.workflow, line.status] for line in (await caller.runs()).runs])
    told.append([line.run for line in (await caller.runs(status="failed", workflow="fails")).runs])
    for wish in (caller.run("nobody").cancel(), run.signal("address", "late")):
        try:
            await wish
        except (NotFound, Refused) as error:
            told.append([error.code, error.message, error.expected])
    return told


async def until_asked(run: Any) -> list[Any]:
    """What a run asks, once it does."""
    async for line in run.follow(types=["ApprovalRequested"]):
        assert line.event
        break
    found: list[Any] = await run.approvals()
    return found


def name_of(event: Any) -> str:
    name: str = msgspec.json.decode(event)["type"]
    return name
