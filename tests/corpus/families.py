"""Workflows with children: awaited, held by a handle, raced, left behind, failing; and runs that are attached to."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import perdure
from perdure import ChildError, attach, child, first_of, gather, sleep, start_child, workflow
from perdure.runtime.authoring.workflows import Workflow
from tests.corpus import steps

DAY = timedelta(days=1)


@workflow
async def pupil(n: int) -> int:
    return await steps.add(n, await steps.square(n))


@workflow
async def rebel(message: str) -> int:
    await steps.say(message)
    return await steps.fail(message)


@workflow
async def sleeper(name: str) -> str:
    """Sleeps long; cleans up when it is cancelled."""
    try:
        await sleep(DAY)
        return name
    finally:
        await steps.undo(name)


@workflow
async def counter(left: int) -> str:
    """Lives in several generations."""
    await steps.add(left, 0)
    if left:
        await perdure.continue_as(left - 1)
    return f"generation {perdure.info()['generation']}"


@workflow
async def listens_to_its_parent() -> str:
    return await steps.say(await perdure.signal("word", str))


@workflow
async def school() -> list[int]:
    """Children in branches, in a row, and beside steps."""
    side_by_side = await gather(child(pupil, 2), child(pupil, 3), steps.add(1, 1))
    return [*side_by_side, await child(pupil, 4)]


@workflow
async def forgives() -> list[str]:
    """A child fails: its error comes with its cause; the others go on."""
    told: list[str] = []
    try:
        await child(rebel, "no")
    except ChildError as error:
        told += [error.status, error.type, error.message]
    kept = await gather(child(pupil, 5), child(rebel, "never"), return_exceptions=True)
    return told + [type(one).__name__ if isinstance(one, Exception) else str(one) for one in kept]


@workflow
async def fails_with_its_child() -> int:
    return await child(rebel, "not me")


@workflow
async def rests_with_its_children() -> list[Any]:
    """Sleeps beside them; all are paused and resumed together."""
    return [*await gather(child(sleeper, "bed"), child(pupil, 2), steps.add(1, 2))]


@workflow
async def held_by_a_handle() -> list[str]:
    """Children go on beside the code: one is spoken to, one is cancelled, both are awaited in the end."""
    ears, bed = await start_child(listens_to_its_parent), await start_child(sleeper, "handle")
    await steps.say("between")
    await ears.signal("word", "hello")
    await bed.cancel("wake up")
    try:
        await bed.result()
    except ChildError as error:
        return [await ears.result(), error.status]
    return []


@workflow
async def race_of_children() -> list[str]:
    """The loser is cancelled, and cleans up on its own."""

    async def quick() -> str:
        return str(await child(pupil, 1))

    won = await first_of(quick(), child(sleeper, "loser"))
    return [str(won.index), won.value]


@workflow
async def leaves_them(name: str) -> str:
    """Ends while its children live: each is left as its start says."""
    await start_child(sleeper, "cancelled")
    await start_child(sleeper, "terminated", id=f"{perdure.info()['run']}-terminated", on_parent_end="terminate")
    await start_child(sleeper, "abandoned", id=f"{perdure.info()['run']}-abandoned", on_parent_end="abandon")
    return await steps.say(name)


@workflow
async def attaches() -> list[str]:
    """Waits for the end of a run that somebody else began, and for that of one that nobody did."""
    run = perdure.info()["run"]
    await perdure.signal("go")
    told = [str(await attach(f"{run}-pupil", int))]
    try:
        await attach(f"{run}-nobody")
    except ChildError as error:
        told.append(error.status)
    return told


@workflow
async def cancelled_with_children() -> str:
    """The cancellation reaches the child that is awaited, and the grandchild."""
    try:
        return await child(holds_a_child)
    finally:
        await steps.undo("parent")


@workflow
async def holds_a_child() -> str:
    try:
        return await child(sleeper, "grandchild")
    finally:
        await steps.undo("child")


@workflow
async def waits_for_the_last_generation() -> str:
    return await child(counter, 3)


WORKFLOWS: list[Workflow[..., Any]] = [
    pupil, rebel, sleeper, counter, listens_to_its_parent, school, forgives, fails_with_its_child, held_by_a_handle,
    race_of_children, leaves_them, attaches, cancelled_with_children, holds_a_child, waits_for_the_last_generation,
]
