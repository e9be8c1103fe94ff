"""One seed: a world, its weather and its clients, played to the end and checked."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from unittest.mock import patch

import anyio

from perdure.actors import activation
from perdure.eventlog.errors import Bug
from perdure.runtime.testing import checks
from perdure.runtime.testing.loop import run_seeded, stream_of_chance
from perdure.runtime.testing.simulation import quiet
from perdure.runtime.testing.weather import Weather
from perdure.runtime.testing.world import World
from tests.sim.accounts import differences, told
from tests.sim.counting import count
from tests.sim.deploying import Deploying
from tests.sim.families import family_quarrels, unsettled
from tests.sim.programs import NEW_CODE
from tests.sim.racing import Racer

REST = 70.0
"""Seconds after the weather in which every sweep has come by twice."""

PATIENCE = 1500.0
"""Seconds after the weather within which every run must have ended."""


@dataclass
class Played:
    """What became of one seed."""

    seed: int
    digest: str = ""
    violations: list[str] = field(default_factory=list[str])
    counters: Counter[str] = field(default_factory=Counter[str])
    seconds: float = 0.0
    """Virtual ones."""
    trace: list[str] = field(default_factory=list[str])


def play_seed(seed: int) -> Played:
    """Play the history that this integer stands for."""
    dice = stream_of_chance(seed, "swarm")
    deploying = Deploying(seed)
    world = World(seed, NEW_CODE, nodes=dice.randrange(1, 5), weather=Weather.swarm(dice), code=deploying)
    clients = [Racer(world, number, stream_of_chance(seed, f"workload:{number}")) for number in range(dice.randrange(1, 6))]
    played = Played(seed)

    async def main() -> None:
        await world.play(lambda world: _scenario(world, deploying, clients, played))

    with quiet(), _short_tails(dice.choice((2, 5, 100))):
        try:
            run_seeded(seed, main)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            played.violations.append("the history broke off: " + "".join(traceback.format_exception(error)))
    played.digest, played.trace = world.digest(), world.trace
    try:
        played.violations.extend(checks.violations(world))
        played.violations.extend(family_quarrels(world))
        for client in clients:
            played.violations.extend(f"{client.id}: {what}" for what in differences(world, client))
        played.counters = count(world, clients)
    except Bug as unfoldable:
        played.violations.append(f"a stream does not fold: {unfoldable}")
    return played


async def _scenario(world: World, deploying: Deploying, clients: list[Racer], played: Played) -> None:
    rested = anyio.Event()
    async with anyio.create_task_group() as group:
        for client in clients:
            group.start_soon(client.live, rested)
        await anyio.sleep(world.weather.seconds)
        world.heal()
        deploying.finish(world)
        await anyio.sleep(REST)
        played.violations.extend(f"law 10: {what}" for what in checks.stuck(world))
        rested.set()
        with anyio.move_on_after(PATIENCE):
            while any(client.end is None for client in clients) or unsettled(world):  # noqa: ASYNC110 - a look a second, of virtual time
                await anyio.sleep(1)
        played.seconds = anyio.current_time()
        group.cancel_scope.cancel()
    for client in clients:
        if client.end is None:
            events = "\n    ".join(map(repr, told(world, client.stream)))
            played.violations.append(f"{client.id} is stuck; its program: {client.program}; its events:\n    {events}")


@contextmanager
def _short_tails(events: int) -> Generator[None]:
    """Snapshots behind so few events that short histories have some too."""
    with patch.object(activation, "SNAPSHOT_EVENTS", events):
        yield
