"""Workflows that are told to stop: cancelled in the middle, in cleanup, in nested groups; or terminated."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import perdure
from perdure import Cancelled, gather, sleep, task_group, timeout, workflow
from perdure.runtime.authoring.workflows import Workflow
from tests.corpus import steps

DAY = timedelta(days=1)


@workflow
async def cancelled_waiting() -> str:
    try:
        await perdure.signal("never")
    finally:
        await steps.undo("waiting")
        await sleep(DAY)
        await steps.undo("and resting")
    return "never"


@workflow
async def cancelled_deep() -> str:
    """Every branch of nested groups sees the cancellation once, and may await in its cleanup."""

    async def holder(name: str) -> None:
        try:
            await gather(sleep(DAY), perdure.signal("never"))
        finally:
            await gather(steps.undo(f"{name} left"), steps.undo(f"{name} right"))

    async def keeper() -> None:
        async with task_group() as group:
            group.start(holder("x"), name="x")
            group.start(holder("y"), name="y")
            async with timeout(2 * DAY):
                await sleep(DAY)

    try:
        await gather(keeper(), holder("z"), steps.add(1, 2))
    finally:
        await steps.undo("all")
    return "never"


@workflow
async def resists() -> str:
    """Catches the cancellation, goes on, and returns: it ends as cancelled all the same."""
    try:
        await sleep(DAY)
    except Cancelled:
        await steps.say("not yet")
    await steps.say("now")
    return "returned"


@workflow
async def cancelled_in_cleanup() -> str:
    """The limit has struck and the members clean up when the cancellation comes: it strikes next."""

    async def member() -> None:
        try:
            await sleep(DAY)
        finally:
            await sleep(DAY)
            await steps.undo("member")

    try:
        async with timeout(DAY / 2):
            await gather(member(), member())
    except TimeoutError:
        await steps.say("never reached")
        await perdure.signal("never")
    return "never"


@workflow
async def killed_off() -> str:
    try:
        await gather(sleep(DAY), perdure.signal("never"))
    finally:
        await steps.undo("never reached")
    return "never"


@workflow
async def too_late() -> str:
    """The cancellation comes when the run has ended."""
    return await steps.say("done")


WORKFLOWS: list[Workflow[..., Any]] = [cancelled_waiting, cancelled_deep, resists, cancelled_in_cleanup, killed_off, too_late]
