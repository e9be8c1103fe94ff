"""What every history is held against takes no fault for none, and nothing for a fault that a person asked for."""

from __future__ import annotations

import pytest

import perdure
from perdure import step, workflow
from perdure.runtime.requests import AwaitRun, RetryRun, StartRun
from perdure.runtime.testing.checks import violations
from perdure.runtime.testing.loop import run_seeded
from perdure.runtime.testing.simulation import asked, quiet
from perdure.runtime.testing.world import World

begun: list[str] = []


@step
async def prepare() -> str:
    begun.append("prepare")
    return "prepared"


@step(at_most_once=True)
async def pay() -> str:
    begun.append("pay")
    return "paid"


@step(retry=perdure.Retry(attempts=1))
async def ship() -> None:
    begun.append("ship")
    if begun.count("ship") < 2:
        raise ValueError("no van")


@workflow
async def sale() -> str:
    found = await prepare() + await pay()
    await ship()
    return found


def played(world: World) -> None:
    """The sale fails, and is taken back to its beginning, so that all of it is done anew."""

    async def scenario(world: World) -> None:
        await asked(world, StartRun(workflow="sale", run="r", command="start"))
        assert (await asked(world, AwaitRun(run="r", within=600.0))).status == "failed"
        await asked(world, RetryRun(run="r", from_version=1, command="retry"))
        assert (await asked(world, AwaitRun(run="r", within=600.0))).status == "completed"
        world.heal()

    async def main() -> None:
        await world.play(scenario)

    with quiet():
        run_seeded(1, main)


def test_steps_that_a_person_wants_again_may_begin_again() -> None:
    begun.clear()
    world = World(1, [sale], nodes=1)
    played(world)

    assert begun == ["prepare", "pay", "ship"] * 2
    assert violations(world) == []


@pytest.mark.parametrize("name", ["prepare", "pay"])
def test_an_attempt_more_than_they_are_wanted_is_found(name: str) -> None:
    begun.clear()
    world = World(1, [sale], nodes=1)
    played(world)
    world.journal.begun.append(next(one for one in world.journal.begun if one.once == (name == "pay")))

    found = violations(world)

    assert any("begun again though it had not been lost" in what for what in found)
    assert any("at most once" in what for what in found) == (name == "pay")
