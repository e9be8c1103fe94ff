"""Rule 35, retention, on nodes that crash, sleep and usurp each other: what is released is removed, and nothing else is."""

from __future__ import annotations

from datetime import timedelta

import anyio
import msgspec
import pytest
from msgspec import Raw

import perdure
from perdure import Settings, step, workflow
from perdure.eventlog.blobs import Named
from perdure.runtime.requests import AwaitRun, RetryRun, StartRun
from perdure.runtime.settings.artifacts import DAY, ArtifactSettings
from perdure.runtime.testing.checks import violations
from perdure.runtime.testing.loop import run_seeded
from perdure.runtime.testing.simulation import asked, quiet
from perdure.runtime.testing.world import SETTINGS, World
from perdure.testing import Weather

SOON = ArtifactSettings(enabled=True, retention_days=20 / DAY, interval_seconds=3.0)
STORMS = Weather(
    nodes={"crash": 0.05, "pause": 0.1, "usurp": 0.3, "handover": 0.1},
    log={"crash_before": 0.03, "crash_after": 0.03, "lost_reply": 0.05, "refusal": 0.05, "slow_before": 0.1, "conflict": 0.05},
    lost_answers=0.05,
    seconds=100,
)
SETTINGS_HERE: Settings = msgspec.structs.replace(SETTINGS, artifacts=SOON, large_bytes=1024)
AGAIN = perdure.Retry(attempts=50, first=timedelta(milliseconds=50))
TEXT = "the same each time " * 100


@step(retry=AGAIN)
async def write(name: str) -> str:
    async with perdure.current().artifact(name) as out:
        await out.write(f'"{TEXT}"'.encode())
    async with perdure.current().artifact("other") as out:
        await out.write(b"something else")
    return TEXT


@step
async def stumble() -> None:
    if not mended:
        raise ValueError("until somebody has mended it")


@workflow
async def storing(values: bool) -> int:
    """Stores, and fails; long after, when that was released, it goes on, and stores the same."""
    size = len(await write("report")) if values else await nothing()
    await stumble()
    return size + (len(await write("report")) if values else await nothing())


@step(retry=AGAIN)
async def nothing() -> int:
    async with perdure.current().artifact("report") as out:
        await out.write(f'"{TEXT}"'.encode())
    return 0


mended: list[bool] = []


@pytest.mark.parametrize("seed", range(6))
def test_released_is_removed_and_nothing_else_is(seed: int) -> None:
    mended.clear()
    world = World(seed, [storing], nodes=2, weather=STORMS, settings=SETTINGS_HERE)

    async def scenario(world: World) -> list[str]:
        ids = [f"run-{number}" for number in range(4)]
        for number, run in enumerate(ids):
            arguments = Raw(msgspec.json.encode([number % 2 == 0]))
            await asked(world, StartRun(workflow="storing", arguments=arguments, run=run, command=f"start {run}"))
        for run in ids:
            await asked(world, AwaitRun(run=run, within=600.0))
        await released(world, 1)
        mended.append(True)
        for run in ids:
            await asked(world, RetryRun(run=run, command=f"retry {run}"))
            end = await asked(world, AwaitRun(run=run, within=600.0))
            assert end.status == "completed", end.failure
        await released(world, 2)
        world.heal()
        return ids

    async def main() -> list[str]:
        return await world.play(scenario)

    with quiet():
        ids = run_seeded(seed, main)
    assert violations(world) == []
    for run in ids:
        stream = f"run/default/{run}"
        named = Named()
        for record in world.log.streams[stream]:
            named.take(record.data)
        assert {blob.digest for blob in named.kept} <= set(world.log.blobs[stream])
        assert not set(named.released) & set(world.log.blobs[stream])


async def released(world: World, times: int) -> None:
    """Every run has released what it stored, and removed it, so many times."""

    def done() -> bool:
        told = [b"".join(record.data for record in records) for stream, records in world.log.streams.items() if stream.startswith("run/")]
        return all(text.count(b'"ArtifactsRemoved"') >= times for text in told)

    with anyio.fail_after(3600):
        while not done():  # noqa: ASYNC110 - virtual time
            await anyio.sleep(1.0)
