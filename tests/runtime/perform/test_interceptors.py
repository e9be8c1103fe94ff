"""Interceptors: code around every attempt of a step, in the attempt's own task and context."""

from __future__ import annotations

from contextvars import ContextVar
from datetime import timedelta
from typing import Any

import anyio
import anyio.lowlevel
import pytest

import perdure
from perdure import Attempt, Invalid, Retry, RunError, current, step, workflow
from perdure.runtime.perform.interceptors import Next
from perdure.testing import Simulation

USER: ContextVar[str] = ContextVar("user", default="nobody")
TOLD: list[str] = []


@step
async def greet(name: str, *, loud: bool = False) -> str:
    await anyio.lowlevel.checkpoint()
    return f"{USER.get()} greets {name}{'!' if loud else ''}"


@step
def shout(text: str) -> str:
    return f"{USER.get()} shouts {text}"


@step(retry=Retry(attempts=3, first=timedelta(milliseconds=1)))
async def shaky() -> int:
    if current().attempt < 3:
        raise ConnectionError("again")
    return current().attempt


@workflow
async def greeting() -> list[str]:
    return [await greet("Ann", loud=True), await shout("hello")]


@workflow
async def shaking() -> int:
    return await shaky()


async def as_root(attempt: Attempt, call_next: Next) -> Any:
    USER.set("root")
    return await call_next()


async def told(attempt: Attempt, call_next: Next) -> Any:
    TOLD.append(f"{attempt.run} {attempt.step} {attempt.attempt} {dict(attempt.arguments)}")
    try:
        return await call_next()
    except ConnectionError as error:
        TOLD.append(f"failed: {error}")
        raise


@pytest.fixture(autouse=True)
def _nothing_told() -> None:
    TOLD.clear()


@pytest.mark.anyio
async def test_they_are_around_async_and_plain_steps_and_share_their_context() -> None:
    async with perdure.open("memory:", workflows=[greeting], interceptors=[told, as_root]) as runtime:
        run = await runtime.start(greeting, id="r-1")
        assert await run.result() == ["root greets Ann!", "root shouts hello"]

    assert TOLD == ["r-1 greet 1 {'name': 'Ann', 'loud': True}", "r-1 shout 1 {'text': 'hello'}"]


@pytest.mark.anyio
async def test_they_see_every_attempt_with_the_same_key_and_its_failure() -> None:
    keys: set[str] = set()

    async def keyed(attempt: Attempt, call_next: Next) -> Any:
        keys.add(attempt.idempotency_key)
        return await call_next()

    async with perdure.open("memory:", workflows=[shaking], interceptors=[keyed, told]) as runtime:
        assert await (await runtime.start(shaking, id="r-1")).result() == 3

    assert TOLD == ["r-1 shaky 1 {}", "failed: again", "r-1 shaky 2 {}", "failed: again", "r-1 shaky 3 {}"]
    assert len(keys) == 1


@pytest.mark.anyio
async def test_the_first_is_outermost_and_what_it_returns_is_the_outcome() -> None:
    def adding(mark: str) -> Any:
        async def add(attempt: Attempt, call_next: Next) -> Any:
            return f"{mark}({await call_next()})"

        return add

    async with perdure.open("memory:", workflows=[greeting], interceptors=[adding("a"), adding("b")]) as runtime:
        assert await (await runtime.start(greeting)).result() == ["a(b(nobody greets Ann!))", "a(b(nobody shouts hello))"]


@pytest.mark.anyio
async def test_one_may_refuse_and_then_the_step_is_not_begun() -> None:
    async def denied(attempt: Attempt, call_next: Next) -> Any:
        raise perdure.Fatal(f"nobody may {attempt.step}")

    async with perdure.open("memory:", workflows=[greeting], interceptors=[told, denied]) as runtime:
        with pytest.raises(RunError, match="nobody may greet"):
            await (await runtime.start(greeting)).result()


@pytest.mark.anyio
async def test_arguments_are_only_to_be_read() -> None:
    async def meddling(attempt: Attempt, call_next: Next) -> Any:
        writable: Any = attempt.arguments
        writable["name"] = "Eve"
        return await call_next()

    async with perdure.open("memory:", workflows=[greeting], interceptors=[meddling]) as runtime:
        with pytest.raises(RunError, match="TypeError"):
            await (await runtime.start(greeting)).result()


@pytest.mark.anyio
async def test_one_that_is_not_async_is_refused_at_the_door() -> None:
    def around(attempt: Attempt, call_next: Next) -> Any:
        return call_next()

    plain: Any = around
    with pytest.raises(Invalid, match="async function"):
        async with perdure.open("memory:", interceptors=[plain]):
            pass


def test_a_simulation_takes_them_too() -> None:
    outcome = Simulation(1, interceptors=[as_root]).run(greeting)

    assert outcome.value == ["root greets Ann!", "root shouts hello"]
