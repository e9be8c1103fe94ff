"""A runtime that performs nothing: what runs are told is judged and recorded, and the rest waits for whoever serves them next."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest
from msgspec import Raw

import perdure
from perdure import NotFound, current, signal, step, workflow
from perdure.adapters.compose import deciding
from perdure.runtime.requests import LookAtRun, PauseRun, SignalRun
from tests.laws.node import PATIENCE

pytestmark = pytest.mark.anyio

performed: list[str] = []


class Till:
    """What steps need, and nobody who only decides has."""


@step(needs=[Till])
async def take(amount: int) -> int:
    performed.append(current().idempotency_key)
    return amount


@workflow
async def sale() -> int:
    return await take(await signal("paid", int))


async def test_a_signal_is_recorded_and_its_step_waits_for_a_runtime_that_performs(tmp_path: Path) -> None:
    performed.clear()
    url = f"sqlite:///{tmp_path}/shop.db"
    async with perdure.open(url, workflows=[sale], resources={Till: Till()}) as runtime:
        await runtime.start(sale, id="s-1")
    async with deciding(url, [sale]) as clerk:
        told = await clerk.do(SignalRun(run="s-1", name="paid", value=Raw(b"12"), command="till/1"))
        again = await clerk.do(SignalRun(run="s-1", name="paid", value=Raw(b"12"), command="till/1"))
        await anyio.wait_all_tasks_blocked()

        assert (told.version, told.status) == (again.version, "running")
        with pytest.raises(NotFound):
            await clerk.do(LookAtRun(run="s-2"))
    assert performed == []

    async with deciding(url, [sale]) as clerk:
        assert (await clerk.do(PauseRun(run="s-1", reason="lunch"))).status == "paused"
    assert performed == []

    async with perdure.open(url, workflows=[sale], resources={Till: Till()}) as runtime:
        await runtime.run("s-1").resume()
        assert await runtime.run("s-1").result(within=PATIENCE) == 12
    assert len(performed) == 1
