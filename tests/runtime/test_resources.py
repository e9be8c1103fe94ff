"""Resources: opened in order with the runtime, reached by the steps that it performs, closed in reverse order after the last of them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import anyio
import anyio.lowlevel
import pytest

import perdure
from perdure import Invalid, RunError, Unavailable, current, step, workflow
from perdure.testing import Simulation

SEEN: list[str] = []


class Pool:
    """Connections, as it were."""

    def __init__(self, name: str) -> None:
        self.name = name


class Client:
    """Something else."""


def connected(why: str) -> Client:
    raise ConnectionError(why)


@asynccontextmanager
async def open_pool() -> AsyncGenerator[Pool]:
    SEEN.append("pool opened")
    yield Pool("the pool")
    SEEN.append("pool closed")


@contextmanager
def open_client() -> Generator[Client]:
    SEEN.append("client opened")
    yield Client()
    SEEN.append("client closed")


@step
async def ask_pool(question: str) -> str:
    await anyio.lowlevel.checkpoint()
    return f"{question} {current().resource(Pool).name}"


@step
def ask_by_name() -> str:
    name: str = current().resource("region")
    return name


@workflow
async def asking() -> list[str]:
    return [await ask_pool("who?"), await ask_by_name()]


@workflow
async def asking_the_pool() -> str:
    return await ask_pool("who?")


@pytest.fixture(autouse=True)
def seen() -> list[str]:
    SEEN.clear()
    return SEEN


@pytest.mark.anyio
async def test_a_step_gets_what_the_runtime_opened(seen: list[str]) -> None:
    resources = {Pool: open_pool, Client: open_client, "region": "north"}
    async with perdure.open("memory:", workflows=[asking], resources=resources) as runtime:
        run = await runtime.start(asking)
        assert await run.result() == ["who? the pool", "north"]
        assert seen == ["pool opened", "client opened"]

    assert seen == ["pool opened", "client opened", "client closed", "pool closed"]


@pytest.mark.anyio
async def test_a_value_is_taken_as_it_is_and_stays_with_who_made_it(seen: list[str]) -> None:
    async with perdure.open("memory:", workflows=[asking_the_pool], resources={Pool: Pool("a double")}) as runtime:
        assert await (await runtime.start(asking_the_pool)).result() == "who? a double"

    assert seen == []


@pytest.mark.anyio
async def test_what_a_step_still_uses_is_closed_after_it() -> None:
    begun = anyio.Event()

    @step
    async def slow() -> str:
        begun.set()
        await anyio.sleep(0.05)
        SEEN.append("step ended")
        return current().resource(Pool).name

    @workflow
    async def slowly() -> str:
        return await slow()

    async with perdure.open("memory:", workflows=[slowly], resources={Pool: open_pool}) as runtime:
        await runtime.start(slowly)
        await begun.wait()

    assert SEEN == ["pool opened", "step ended", "pool closed"]


@pytest.mark.anyio
async def test_a_resource_that_cannot_be_opened_closes_those_before_it_and_says_which_it_was(seen: list[str]) -> None:
    @contextmanager
    def broken() -> Generator[Client]:
        yield connected("nobody is there")

    with pytest.raises(Unavailable, match="could not be opened") as failed:
        async with perdure.open("memory:", resources={Pool: open_pool, Client: broken}):
            pass

    assert failed.value.who == "resource Client"
    assert "nobody is there" in failed.value.found
    assert seen[0] == "pool opened"
    assert len(seen) in {1, 2}  # a context manager that does not expect the error is left by it


@pytest.mark.anyio
async def test_a_resource_that_is_missing_fails_the_step_that_asks_for_it() -> None:
    async with perdure.open("memory:", workflows=[asking_the_pool], resources={Client: open_client}) as runtime:
        with pytest.raises(RunError, match="does not have"):
            await (await runtime.start(asking_the_pool)).result()


@pytest.mark.anyio
async def test_a_resource_that_a_step_says_it_needs_is_asked_for_at_the_door() -> None:
    @step(needs=[Pool, "region"])
    async def needy() -> str:
        return current().resource(Pool).name

    @workflow
    async def needing() -> str:
        return await needy()

    with pytest.raises(Invalid, match="does not have") as refused:
        async with perdure.open("memory:", workflows=[needing], resources={Pool: open_pool}):
            pass

    assert (refused.value.who, refused.value.where) == ("step 'needy'", "region")
    assert "perdure.open(resources={'region'" in refused.value.instead
    assert SEEN == []


@pytest.mark.parametrize(
    ("resources", "saying"),
    [
        ({3: Pool("x")}, "type or by a name"),
        ({Pool: lambda: 3}, "does not fit"),
        ({Pool: open_client}, "does not fit"),
        ({"f": print}, "does not fit"),
    ],
)
@pytest.mark.anyio
async def test_what_is_no_resource_is_refused_at_the_door(resources: Any, saying: str) -> None:
    with pytest.raises(Invalid, match=saying) as refused:
        async with perdure.open("memory:", resources=resources):
            pass

    assert refused.value.instead


@pytest.mark.anyio
async def test_outside_a_runtime_there_are_none() -> None:
    with pytest.raises(Invalid, match="outside a step"):
        await ask_pool("who?")


def test_a_simulation_takes_resources_too() -> None:
    outcome = Simulation(1, resources={Pool: Pool("in memory")}).run(asking_the_pool, crash_after_every_append=True)

    assert outcome.value == "who? in memory"
