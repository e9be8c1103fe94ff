"""Rule 35: large values that come from outside, and answers to outside, lie in blobs too: by token, by a skip, in updates."""

from __future__ import annotations

from datetime import timedelta

import pytest

import perdure
from perdure import CompleteLater, HandlerError, TooLarge, on_update, step, workflow
from perdure.eventlog.memory import MemoryLog
from tests.runtime.serving import PATIENCE, serving, until
from tests.semantics.large import SMALL, made, stored, verdict

pytestmark = pytest.mark.anyio

LARGE, HUGE = 10_000, 70_000
tokens: list[str] = []


@step
async def asks() -> str:
    tokens.append(perdure.current().token)
    raise CompleteLater


@workflow
async def waits_for_others() -> int:
    return len(await asks())


@workflow
async def repeats() -> str:
    heard: list[str] = []

    def echo(text: str, times: int) -> str:
        heard.append(text)
        return text * times

    on_update("echo", echo)
    await perdure.signal("end")
    return ",".join(str(len(text)) for text in heard)


def blobs(log: MemoryLog) -> dict[str, int]:
    """How large what is kept is, by the event that names it."""
    return {event["type"]: event["blob"]["size"] for event in stored(log) if "blob" in event and event["blob"].get("stored", True)}


def longest(log: MemoryLog) -> int:
    return max(len(record.data) for record in log.streams["run/default/r"])


@pytest.mark.parametrize("how", ["complete", "skip"])
async def test_what_ends_a_step_from_outside_lies_in_a_blob(how: str) -> None:
    log, tokens[:] = MemoryLog(), []
    async with serving(waits_for_others, log=log, settings=SMALL) as runtime:
        run = await runtime.start(waits_for_others, id="r")
        await until(lambda: "StepDeferred" in [event["type"] for event in stored(log)])
        with pytest.raises(TooLarge):
            await (runtime.complete(tokens[0], "x" * HUGE) if how == "complete" else run.skip("asks", "x" * HUGE))
        await (runtime.complete(tokens[0], "x" * LARGE) if how == "complete" else run.skip("asks", "x" * LARGE))

        assert await run.result(within=PATIENCE) == LARGE
    assert blobs(log) == {"StepCompleted" if how == "complete" else "StepSkipped": LARGE + 2}
    assert longest(log) < LARGE / 2
    assert (await verdict(log, waits_for_others)).agrees
    assert made(log) == (how == "complete")


async def test_what_an_update_brings_and_what_it_answers_lie_in_blobs_and_outlive_a_restart() -> None:
    log = MemoryLog()
    async with serving(repeats, log=log, settings=SMALL) as runtime:
        run = await runtime.start(repeats, id="r")
        assert await run.update("echo", "a" * LARGE, 2, returns=str, command="u/1") == "a" * 2 * LARGE
        with pytest.raises(TooLarge):
            await run.update("echo", "b" * HUGE, 1, command="u/2")
        with pytest.raises(HandlerError, match="TooLarge"):
            await run.update("echo", "c" * LARGE, 9, command="u/3")
        await run.pause()
    async with serving(repeats, carrier=log.carrier(2), settings=SMALL) as runtime:
        run = runtime.run("r")
        await run.resume()
        assert await run.update("echo", "a" * LARGE, 2, returns=str, command="u/1") == "a" * 2 * LARGE
        await run.signal("end")
        assert await run.result(within=PATIENCE) == f"{LARGE},{LARGE}"

    assert blobs(log) == {"UpdateAccepted": LARGE + 6, "UpdateCompleted": 2 * LARGE + 2}
    assert longest(log) < LARGE / 2
    assert (await verdict(log, repeats)).agrees


@step(heartbeat_timeout=timedelta(seconds=30))
async def tells_too_much() -> str:
    try:
        perdure.current().heartbeat("x" * 20_000)
    except TooLarge as error:
        return error.expected
    return "heard"


@workflow
async def beats() -> str:
    return await tells_too_much()


async def test_what_a_heartbeat_tells_has_a_small_bound_of_its_own() -> None:
    async with serving(beats) as runtime:
        assert await (await runtime.start(beats)).result(within=PATIENCE) == "at most 16384 bytes as JSON"
