"""Workflows whose steps end in every other way: by limits, from outside, once only, in another process; and large values."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import perdure
from perdure import Interrupted, StepError, child, gather, workflow
from perdure.runtime.authoring.workflows import Workflow
from tests.corpus import special_steps, steps

LARGE = 200_000
"""Characters: more than what is kept in the log itself."""


@workflow
async def choosy() -> list[str]:
    """Only some errors are worth another attempt."""
    told = [str(await special_steps.choosy(3, "ConnectionError"))]
    for kind in ("ValueError", "ConnectionRefusedError"):
        try:
            told.append(str(await special_steps.choosy(3, kind)))
        except StepError as error:
            told.append(f"{error.type}: {error.message}")
    return told


@workflow
async def limits_of_attempts() -> list[str]:
    """All attempts together have a limit; and an attempt must begin in time, which it does."""
    told: list[str] = []
    for slow in (special_steps.too_slow_in_all, special_steps.too_slow_at_once):
        try:
            await slow()
        except StepError as error:
            told.append(error.type)
    return [*told, str(await special_steps.soon(2))]


@workflow
async def told_the_next() -> list[int]:
    """An attempt that failed tells the next how far it came."""
    return await special_steps.pages(3)


@workflow
async def ended_from_outside() -> list[str]:
    """Two steps hand out a token: one is given a value, the other an error."""

    async def ask(question: str) -> str:
        try:
            return await special_steps.ask(question) if question == "yes?" else await special_steps.doubt(question)
        except StepError as error:
            return f"{error.type}: {error.message}"

    return list(await gather(ask("yes?"), ask("no?"), steps.say("meanwhile")))


@workflow
async def once_only() -> list[str]:
    """What began is never begun again: a kill in the middle shows."""
    told: list[str] = []
    for word in ("a", "b", "c"):
        try:
            told.append(await special_steps.once(word))
        except Interrupted:
            told.append("interrupted")
    return told


@workflow
async def in_another_process() -> list[Any]:
    """Values and errors travel there and back."""
    told: list[Any] = [await special_steps.factors(84)]
    try:
        await special_steps.factors(0)
    except StepError as error:
        told.append(error.message)
    return [*told, *await gather(special_steps.factors(2), special_steps.factors(81))]


@workflow
async def large(text: str) -> list[int]:
    """Arguments, values of steps, signals and children that are kept beside the log."""
    twice = await special_steps.repeat(text, 2)
    heard = await perdure.signal("text", str)
    theirs = await child(returns_much, heard)
    return [len(text), len(twice), len(heard), len(theirs), len(await special_steps.repeat(theirs, 1))]


@workflow
async def returns_much(text: str) -> str:
    return await special_steps.repeat(text, 2)


@workflow
async def stores() -> list[Any]:
    """Artifacts: the last of a name counts, also of one that a failed attempt had stored before."""
    await gather(special_steps.store("report", "draft"), special_steps.store("notes", "short"))
    await special_steps.store("report", "final")
    found = [await special_steps.fetch(perdure.artifact(name)) for name in ("report", "notes")]
    return [*found, perdure.artifact("report").size]


@workflow
async def prints() -> list[Any]:
    """A step that takes what the runtime has for it, and a line for the program's own log, which a replay does not repeat."""
    perdure.logger("corpus").debug("begins to print")
    begun = perdure.now()
    printed = await special_steps.print_on(3)
    return [printed, perdure.now() - begun > timedelta(seconds=3)]


WORKFLOWS: list[Workflow[..., Any]] = [
    choosy, limits_of_attempts, told_the_next, ended_from_outside, once_only, in_another_process, large, returns_much, stores, prints,
]
