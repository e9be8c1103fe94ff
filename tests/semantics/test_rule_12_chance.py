"""Rule 12: random() draws the same numbers for ever: all our own code, golden, and each branch has its own."""

from __future__ import annotations

from random import Random

import msgspec
import pytest
from msgspec import Raw

import perdure
from perdure import workflow
from perdure.runtime.authoring.drawing import Drawing
from perdure.runtime.run.machine.driver import Machine
from perdure.runtime.run.machine.shell import outside_loop
from perdure.runtime.run.state import RunState
from tests.runtime.run.driving import result

GOLDEN = [[17121, 84, "c"], [2, 9]]


@workflow
async def draws() -> list[list[object]]:
    async def branch() -> int:
        return perdure.random().randrange(10)

    dice = perdure.random()
    first: list[object] = [dice.getrandbits(16), dice.randint(1, 100), dice.choice("abc")]
    return [first, list(await perdure.gather(branch(), branch()))]


def drawn(seed: int) -> object:
    machine = Machine("r", draws, RunState(workflow="draws", version=1, input=Raw(b"[]"), seed=seed))
    outside_loop(machine.begin, 0)
    return msgspec.json.decode(msgspec.json.encode(result(machine)))


def test_a_seed_gives_its_golden_numbers_in_every_branch() -> None:
    assert drawn(1) == GOLDEN
    assert drawn(2) != GOLDEN


def test_no_way_to_draw_is_left_to_python() -> None:
    public = {name for name in dir(Random) if not name.startswith("_")} - {"VERSION"}

    assert public <= set(vars(Drawing))


@pytest.mark.parametrize("seed", [0, 1, 42])
def test_the_generator_itself_is_the_published_one(seed: int) -> None:
    """SplitMix64, written once more from its publication."""
    mask, dice = (1 << 64) - 1, Drawing(seed)
    for number in range(1, 4):
        z = (seed + number * 0x9E3779B97F4A7C15) & mask
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        assert dice.getrandbits(64) == z ^ (z >> 31)
