"""Rule 27: every attempt runs in a task of its own or a pooled worker's, in a context and a cancel scope of its own, and knows its key."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar
from datetime import timedelta

import anyio
import anyio.lowlevel
import pytest

from perdure import Retry, RunError, current, gather, step, workflow
from perdure.eventlog.errors import Conflict
from perdure.eventlog.memory import MemoryLog
from perdure.eventlog.records import Append, Tail
from perdure.runtime.settings.node import Settings
from tests.laws.node import PATIENCE, Bench, killed_node, node, until

pytestmark = pytest.mark.anyio

SOON = timedelta(milliseconds=20)
ONE = Settings(worker_concurrency=1)
COLOUR: ContextVar[str] = ContextVar("colour", default="none")

bench: list[Bench] = []
tasks: set[int] = set()
told: list[tuple[str, int]] = []


@pytest.fixture(autouse=True)
def fresh() -> None:
    bench[:] = [Bench()]
    tasks.clear()
    told.clear()


@step
async def paint(colour: str) -> str:
    before = COLOUR.get()
    COLOUR.set(colour)
    await anyio.lowlevel.checkpoint()
    return f"{before} then {COLOUR.get()}"


@workflow
async def paints() -> list[str]:
    return [await paint("red"), await paint("blue")]


async def test_what_an_attempt_sets_in_its_context_no_other_sees() -> None:
    async with node(MemoryLog().carrier(), paints, settings=ONE) as runtime:
        assert await (await runtime.start(paints)).result(within=PATIENCE) == ["none then red", "none then blue"]


@step(timeout=SOON)
async def dawdle() -> None:
    await anyio.sleep_forever()


@step
async def held() -> str:
    return await bench[0].held("held")


@workflow
async def dawdles() -> None:
    await dawdle()


@workflow
async def holds() -> str:
    return await held()


async def test_an_attempt_that_is_cancelled_takes_no_other_with_it_nor_the_runtime() -> None:
    async with node(MemoryLog().carrier(), dawdles, holds) as runtime:
        other = await runtime.start(holds)
        await until(lambda: bench[0].begun)
        with pytest.raises(RunError, match="took longer"):
            await (await runtime.start(dawdles)).result(within=PATIENCE)
        bench[0].go.set()

        assert await other.result(within=PATIENCE) == "held"
        assert await (await runtime.start(holds)).result(within=PATIENCE) == "held"
    assert bench[0].cancelled == []


class Watched(MemoryLog):
    """Knows the tasks that write: those of the dispatcher."""

    def __init__(self) -> None:
        super().__init__()
        self.writers: set[int] = set()

    async def append(self, appends: Sequence[Append]) -> Sequence[Tail | Conflict]:
        self.writers.add(anyio.get_current_task().id)
        return await super().append(appends)


@step
async def at_once() -> None:
    tasks.add(anyio.get_current_task().id)


@step
async def in_two_parts() -> None:
    tasks.add(anyio.get_current_task().id)
    with anyio.move_on_after(0.001):  # a limit in the code of a step, which must strike there and nowhere else
        await anyio.sleep_forever()
    tasks.add(anyio.get_current_task().id)


@workflow
async def both() -> None:
    await gather(at_once(), in_two_parts(), at_once())
    await at_once()


async def test_no_code_of_a_step_runs_in_the_task_of_the_dispatcher() -> None:
    log = Watched()
    async with node(log.carrier(), both) as runtime:
        await (await runtime.start(both)).result(within=PATIENCE)

    assert tasks
    assert log.writers
    assert tasks.isdisjoint(log.writers)


@step(retry=Retry(attempts=4, first=timedelta(milliseconds=1)))
async def charge() -> str:
    me = current()
    told.append((me.idempotency_key, me.attempt))
    if me.attempt < 3:
        raise ConnectionError("not yet")
    return await bench[0].held("charge")


@workflow
async def charges() -> str:
    return await charge()


async def test_an_attempt_knows_its_number_and_the_one_key_of_all_attempts_also_after_a_crash() -> None:
    log = MemoryLog()
    async with killed_node(log, charges) as runtime:
        await runtime.start(charges, id="one")
        await until(lambda: bench[0].begun)
    bench[0].go.set()
    async with node(log.carrier(2), charges) as runtime:
        assert await runtime.run("one").result(within=PATIENCE) == "charge"

    assert len({key for key, _ in told}) == 1
    assert [attempt for _, attempt in told] == [1, 2, 3, 3], "the crash recorded no failure: it is the third attempt once more"
