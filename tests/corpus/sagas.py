"""Workflows that undo what they did: after an error, after a cancellation, and where the undoing fails, too."""

from __future__ import annotations

from typing import Any

import perdure
from perdure import StepError, gather, saga, workflow
from perdure.runtime.authoring.workflows import Workflow
from tests.corpus import steps


@workflow
async def trip() -> list[str]:
    told: list[str] = []

    async def undo_and_tell(what: str) -> None:
        told.append(await steps.undo(what))

    try:
        async with saga() as undo:
            for what in ("flight", "hotel"):
                await steps.say(what)
                undo(undo_and_tell, what)
            await steps.fail("no car")
    except StepError as error:
        told.append(error.message)
    return told


@workflow
async def trip_that_stays() -> list[str]:
    """One compensation fails, after retries; the others are done all the same, and both errors are told."""
    told: list[str] = []
    try:
        async with saga() as undo:
            undo(steps.undo, await steps.say("flight"))
            undo(steps.flaky, 9)
            undo(steps.undo, await steps.say("hotel"))
            await steps.fail("no car")
    except* StepError as group:
        told += [str(error) for error in group.exceptions]
    return told


@workflow
async def trip_called_off() -> str:
    """Cancelled in the middle of the work, and of two sagas side by side."""

    async def half(name: str) -> None:
        async with saga() as undo:
            undo(steps.undo, await steps.say(name))
            undo(steps.flaky, 2)
            await perdure.signal("never")

    await gather(half("east"), half("west"))
    return "never"


WORKFLOWS: list[Workflow[..., Any]] = [trip, trip_that_stays, trip_called_off]
