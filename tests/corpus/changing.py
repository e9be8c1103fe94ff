"""Workflows whose code changes under them: patches, in branches too, and runs that go on under another version."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import perdure
from perdure import gather, workflow
from perdure.runtime.authoring.workflows import Workflow
from tests.corpus import steps

HOUR = timedelta(hours=1)


@workflow
async def patched_in_branches() -> list[str]:
    """A new run takes the new way everywhere, whichever branch asks first; words between take no place."""

    async def branch(name: str) -> str:
        perdure.log("begins", branch=name)
        perdure.attributes(**{name: perdure.random().randint(1, 6)})
        said = await steps.say(f"{name} {perdure.uuid()}"[:1])
        if perdure.patched("twice"):
            said = await steps.say(said * 2)
        perdure.log("ends", at=perdure.now().isoformat())
        return said

    assert perdure.patched("first")
    return [*await gather(branch("a"), branch("b"), branch("c")), str(perdure.patched("twice"))]


@workflow(name="moved", version=1)
async def moved_1() -> list[str]:
    said = [await steps.say("old")]
    await perdure.signal("go")
    return [*said, await steps.say("end of the old")]


@workflow(name="moved", version=2)
async def moved_2() -> list[str]:
    """Goes on where version 1 waits: behind that, all is new; what came before it could have been otherwise."""
    said = ["patched"] if perdure.patched("greet") else [await steps.say("old")]
    await perdure.signal("go")
    if perdure.patched("two ends"):
        said += await gather(steps.say("left"), steps.say("right"))
    return [*said, await steps.say("end of the new"), str(perdure.info()["version"])]


@workflow(name="pinned", version=1)
async def pinned_1() -> str:
    """A newer version is there; the run keeps the one that it began with, and so does its child."""
    await perdure.sleep(HOUR)
    return await steps.say("first")


@workflow(name="pinned", version=2)
async def pinned_2() -> str:
    return await steps.say("second")


WORKFLOWS: list[Workflow[..., Any]] = [patched_in_branches, moved_1, moved_2, pinned_1, pinned_2]
