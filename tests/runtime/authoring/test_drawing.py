"""Chance that is the same for ever: every number here is golden, and may never change."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any

import pytest

from perdure import Invalid
from perdure.runtime.authoring.drawing import Drawing

GOLDEN: dict[str, tuple[Callable[[random.Random], Any], Any]] = {
    "random": (lambda draw: draw.random(), 0.7415648787718233),
    "getrandbits": (lambda draw: draw.getrandbits(100), 292897267883935188527843339925),
    "randbytes": (lambda draw: draw.randbytes(5).hex(), "262feb6e95"),
    "randrange": (lambda draw: [draw.randrange(10, 100, 7) for _ in range(5)], [45, 31, 24, 38, 24]),
    "randint": (lambda draw: [draw.randint(1, 6) for _ in range(8)], [6, 4, 3, 5, 3, 6, 5, 6]),
    "choice": (lambda draw: [draw.choice("abcdef") for _ in range(6)], ["f", "d", "c", "e", "c", "f"]),
    "choices": (lambda draw: draw.choices("abc", k=6), ["b", "c", "a", "c", "c", "b"]),
    "choices with weights": (lambda draw: draw.choices("abc", [1, 0, 5], k=8), ["c", "a", "c", "c", "a", "c", "c", "c"]),
    "choices with totals": (lambda draw: draw.choices("abc", cum_weights=[1, 1, 6], k=8), ["c", "a", "c", "c", "a", "c", "c", "c"]),
    "shuffle": (lambda draw: shuffled(draw, list("abcdefg")), "abgecdf"),
    "sample": (lambda draw: draw.sample(range(100), 5), [73, 92, 18, 68, 40]),
    "sample with counts": (lambda draw: draw.sample("ab", 4, counts=[3, 3]), ["b", "a", "a", "a"]),
    "uniform": (lambda draw: draw.uniform(-1, 1), 0.4831297575436466),
    "triangular": (lambda draw: draw.triangular(0, 10, 3), 5.746712038202402),
}
REFUSED = [
    "betavariate", "expovariate", "gammavariate", "gauss", "lognormvariate", "normalvariate", "paretovariate", "vonmisesvariate",
    "weibullvariate", "binomialvariate",
]  # fmt: skip


def shuffled(draw: random.Random, letters: list[str]) -> str:
    draw.shuffle(letters)
    return "".join(letters)


@pytest.mark.parametrize("name", GOLDEN)
def test_each_way_to_draw_gives_its_golden_numbers(name: str) -> None:
    way, golden = GOLDEN[name]

    assert way(Drawing(42)) == golden


def test_every_way_that_random_has_is_our_own_or_refused() -> None:
    """What a later Python adds to Random must not slip through with an algorithm that may change."""
    inherited = {name for name in dir(random.Random) if not name.startswith("_")}
    ours = {name for name in vars(Drawing) if not name.startswith("_")}

    assert inherited - ours == {"VERSION"}


@pytest.mark.parametrize("name", REFUSED)
def test_a_distribution_of_the_platform_is_refused_with_what_to_do_instead(name: str) -> None:
    with pytest.raises(Invalid, match="not offered in a workflow") as caught:
        getattr(Drawing(1), name)()

    assert caught.value.instead == "draw it in a step"


def test_a_state_is_kept_and_put_back() -> None:
    draw = Drawing(7)
    state = draw.getstate()
    first = [draw.random() for _ in range(3)]
    draw.setstate(state)

    assert [draw.random() for _ in range(3)] == first


def test_a_seed_must_be_an_integer() -> None:
    with pytest.raises(Invalid, match="a seed must be an integer"):
        Drawing(1).seed("text")


def test_a_copy_goes_on_alone() -> None:
    draw = Drawing(7)
    copied = copy.copy(draw)

    assert copied.random() == draw.random()


IMPOSSIBLE: list[tuple[Callable[[random.Random], Any], type[Exception]]] = [
    (lambda draw: draw.choice(""), IndexError),
    (lambda draw: draw.randrange(5, 5), ValueError),
    (lambda draw: draw.sample([1], 2), ValueError),
    (lambda draw: draw.choices([1], [0]), ValueError),
    (lambda draw: draw.choices([1, 2], [1]), ValueError),
    (lambda draw: draw.getrandbits(-1), ValueError),
]


@pytest.mark.parametrize(("wish", "error"), IMPOSSIBLE)
def test_what_cannot_be_drawn_raises_as_random_does(wish: Callable[[random.Random], Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        wish(Drawing(1))


def test_a_draw_that_rounds_up_to_the_whole_weight_is_the_last() -> None:
    """A float just below one, times a weight, may round up to the weight itself."""

    class Highest(Drawing):
        def random(self) -> float:
            return 1 - 2**-53

    assert Highest(1).choices("ab", [0, 5e-324]) == ["b"]


def test_integers_are_spread_evenly() -> None:
    draw = Drawing(3)
    counts = [0] * 6
    for _ in range(60_000):
        counts[draw.randrange(6)] += 1

    assert max(counts) - min(counts) < 600
