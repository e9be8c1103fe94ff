"""A new build on its way: some starts of nodes still have old code, until all have the new."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from perdure.runtime.authoring.workflows import Workflow
from perdure.runtime.testing.loop import stream_of_chance
from perdure.runtime.testing.world import World
from tests.sim.programs import NEW_CODE, OLD_CODE, OLDEST_CODE


class Deploying:
    """What code each start of a node has. Half of the worlds have no old code at all."""

    def __init__(self, seed: int) -> None:
        self.chance = stream_of_chance(seed, "deploy")
        self.share_of_old = self.chance.choice((0.0, self.chance.random()))
        self.old: set[str] = set()
        """The starts of nodes that have old code."""
        self.finished = False

    def __call__(self, owner: str) -> Iterable[Workflow[..., Any]]:
        if self.finished or self.chance.random() >= self.share_of_old:
            return NEW_CODE
        self.old.add(owner)
        return OLD_CODE if self.chance.random() < 0.7 else OLDEST_CODE

    def finish(self, world: World) -> None:
        """From now on there is the new code alone: nodes with older code are stopped, and start anew."""
        self.finished = True
        for node in world.nodes.values():
            if node.owner in self.old:
                node.stop()
